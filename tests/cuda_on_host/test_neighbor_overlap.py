"""neighbor_overlap.cu at its borders: full tables, parts, tiles, the largest sizes, 64-bit addresses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from cuda_on_host import adversaries, compiler, stand_in
from cuda_on_host.launch import EACH_SCHEDULE, MOST_SHARED_BYTES, Run
from cuda_on_host.overlaps import assert_same, far_overlap, overlap

from gpuemb.kernels.neighbor_overlap import cuda, neighbor_overlap

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")


@pytest.fixture(params=EACH_SCHEDULE)
def schedule(request: pytest.FixtureRequest) -> Iterator[str]:
    with stand_in.installed(Run(request.param, seed=3)):
        yield request.param


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("case", adversaries.CASES)
def test_counts_are_the_reference_s(case: str) -> None:
    ids = adversaries.CASES[case]
    assert_same(overlap(ids), neighbor_overlap.reference(ids))


def test_the_largest_lists_are_counted() -> None:
    ids = adversaries.drawn(100, 2, 256, 600)
    with stand_in.installed(Run("ahead")):
        found = overlap(ids)
    assert_same(found, neighbor_overlap.reference(ids))


def test_addresses_beyond_32_bits_are_reached() -> None:
    try:
        found, expected = far_overlap(Run())
    except MemoryError:
        pytest.skip("needs 9 GB of address space")
    assert_same(found, expected)


def test_nothing_is_launched_for_nothing() -> None:
    with stand_in.installed(Run()):
        found = overlap(np.empty((3, 0, 5), np.int32))
        empty = overlap(np.empty((3, 4, 0), np.int32))
    assert found.shared.shape == (3, 0)
    assert found.filled.shape == (3, 0)
    assert not any(counts.any() for counts in (empty.shared, empty.common, empty.filled))


@pytest.mark.parametrize("runs", [1, 2, 5, 10, 40, 64, 100])
@pytest.mark.parametrize("k", [1, 4, 5, 10, 50, 100, 256])
def test_every_size_has_a_plan_within_the_least_shared_memory(runs: int, k: int) -> None:
    found = cuda.plan(runs, k)
    assert found.shared_bytes <= MOST_SHARED_BYTES
    assert f"overlap<{found.warps}>" in cuda.INSTANCES
    assert found.places & (found.places - 1) == 0
    assert found.places >= 32
    assert found.tile * found.warps >= cuda.WARPS_A_BLOCK or found.warps == cuda.WARPS_A_BLOCK


def test_both_teams_are_tested() -> None:
    assert {cuda.plan(len(ids), ids.shape[2]).warps for ids in adversaries.CASES.values()} == {
        1,
        cuda.WARPS_A_BLOCK,
    }
