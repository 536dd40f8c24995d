"""ranked_overlap.cu at its borders: crowded tables, tiles, groups of runs; and mistakes planted into it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from cuda_on_host import adversaries, compiler, stand_in
from cuda_on_host.launch import EACH_SCHEDULE, MOST_SHARED_BYTES, Run
from cuda_on_host.planting import UNCHANGED, Mutant, betrayals, mutants
from cuda_on_host.ranks import CASES, assert_as_on_the_cpu, walked

from gpuemb.core.arrays import Int32
from gpuemb.kernels.ranked_overlap import cuda

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")
FEW_BYTES = 3000  # of shared memory: runs of ordinary lists go through it in groups


@pytest.fixture(params=EACH_SCHEDULE)
def schedule(request: pytest.FixtureRequest) -> Iterator[str]:
    with stand_in.installed(Run(request.param, seed=3)):
        yield request.param


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("case", CASES)
def test_measures_have_the_bits_of_the_cpu_s(case: str) -> None:
    assert_as_on_the_cpu(walked(CASES[case]), CASES[case])


def in_groups(ids: Int32) -> None:
    """Compare with so little shared memory that two groups of runs take turns in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "SHARED_BYTES", FEW_BYTES)
        assert cuda.plan(len(ids), ids.shape[2]).group < len(ids)
        assert_as_on_the_cpu(walked(ids), ids)


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize(("runs", "k"), [(30, 20), (31, 20), (2, 200), (7, 90)])
def test_runs_that_do_not_fit_together_are_compared_in_groups(runs: int, k: int) -> None:
    in_groups(adversaries.drawn(runs, 2, k, 2 * k))


@pytest.mark.parametrize("runs", [1, 2, 5, 10, 40, 64, 100])
@pytest.mark.parametrize("k", [1, 4, 5, 10, 50, 100, 256])
def test_every_size_has_a_plan_within_the_least_shared_memory(runs: int, k: int) -> None:
    found = cuda.plan(runs, k)
    assert found.shared_bytes <= MOST_SHARED_BYTES
    assert found.places & (found.places - 1) == 0
    assert found.places >= 2 * k
    assert found.group == runs or found.tile == 1


def test_nothing_is_launched_for_nothing() -> None:
    with stand_in.installed(Run()):
        found, empty = walked(np.empty((3, 0, 5), np.int32)), walked(np.empty((3, 4, 0), np.int32))
    assert found.rank_biased.shape == (3, 0)
    assert np.isnan(empty.rank_biased).all()
    assert not empty.distinct.any()


CHECKS = {
    **{name: partial(lambda ids: assert_as_on_the_cpu(walked(ids), ids), ids) for name, ids in CASES.items()},
    "groups": partial(in_groups, adversaries.drawn(31, 2, 20, 40)),
}


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants("ranked_overlap"), ids=lambda mutant: mutant.name)
def test_a_planted_mistake_is_caught(mutant: Mutant) -> None:
    assert next(betrayals("ranked_overlap", mutant, CHECKS), ""), (
        f"{mutant.name}: every bit is right, and nothing was reported"
    )


@pytest.mark.slow
def test_without_a_mistake_nothing_is_caught() -> None:
    assert list(betrayals("ranked_overlap", UNCHANGED, CHECKS, ["random"])) == []
