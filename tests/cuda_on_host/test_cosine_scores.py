"""cosine_scores.cu at its borders, beyond 32 bits, and with mistakes planted into it and its definitions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from cuda_on_host import compiler, stand_in
from cuda_on_host.arguments import DeviceArray
from cuda_on_host.cosines import PAIRS, Pairs
from cuda_on_host.launch import EACH_SCHEDULE, Run
from cuda_on_host.planting import UNCHANGED, Mutant, betrayals, mutants
from tolerances import assert_same_bits

from gpuemb.core import cuda
from gpuemb.core.arrays import Float64
from gpuemb.kernels.cosine_scores import cuda as launcher
from gpuemb.kernels.cosine_scores import panels_of

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")


@cache
def expected(case: str) -> Float64:
    return PAIRS[case].expected()


@pytest.mark.parametrize("schedule", EACH_SCHEDULE)
@pytest.mark.parametrize("case", PAIRS)
def test_scores_are_the_reference_s_at_the_borders(case: str, schedule: str) -> None:
    with stand_in.installed(Run(schedule, seed=3)):
        assert_same_bits(PAIRS[case].scored(), expected(case))


def test_an_out_with_gaps_is_filled() -> None:
    case = PAIRS["several tiles"]
    wide = np.zeros((35, 140)).view(DeviceArray)
    with stand_in.installed(Run()):
        launcher.cosine_scores(
            case.rows.view(DeviceArray), panels_of(case.others).view(DeviceArray), wide[:, ::2]
        )
    assert_same_bits(np.array(wide[:, ::2]), expected("several tiles"))
    assert not wide[:, 1::2].any()


def test_nothing_is_launched_for_nothing() -> None:
    with stand_in.installed(Run()):
        assert Pairs(np.zeros((0, 4)), np.ones((5, 4))).scored().shape == (0, 5)


def test_scores_beyond_32_bits_are_reached() -> None:
    """The last tile of 2.5e9 scores."""
    count, tile, name = 50_000, launcher.SIDE, "score_pairs<float, float, float>"
    blocks = (1 + (count - 1) // tile) ** 2
    with stand_in.installed(Run(blocks=(blocks - 1, blocks))):
        kernel = cuda.load(Path(launcher.__file__).with_name("cosine_scores.cu"), [name]).get_function(name)
        try:
            out = np.zeros((count, count), np.float32).view(DeviceArray)
        except MemoryError:
            pytest.skip("needs 10 GB of address space")
        rows, lengths = (np.ones((count, 1), kind).view(DeviceArray) for kind in (np.float32, np.float64))
        panels = panels_of(np.array(rows)).view(DeviceArray)
        size = np.uint64(count)
        arguments = (rows, panels, lengths.reshape(-1), lengths.reshape(-1), out, size, size, np.int32(1))
        kernel((blocks,), (launcher.THREADS,), arguments)
    first = (count - 1) // tile * tile
    assert (out[first:, first:] == 1).all()
    assert not out[first - 1, first:].any()


def check_of(case: str) -> Callable[[], None]:
    return lambda: assert_same_bits(PAIRS[case].scored(), expected(case))


CHECKS = {case: check_of(case) for case in PAIRS}


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants("cosine_scores"), ids=lambda mutant: mutant.name)
def test_a_planted_mistake_is_caught(mutant: Mutant) -> None:
    assert next(betrayals("cosine_scores", mutant, CHECKS), ""), (
        f"{mutant.name}: every bit is right, and nothing was reported"
    )


@pytest.mark.slow
def test_without_a_mistake_nothing_is_caught() -> None:
    assert list(betrayals("cosine_scores", UNCHANGED, CHECKS, ["random"])) == []
