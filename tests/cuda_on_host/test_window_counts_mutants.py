"""Mutants of window_counts' CUDA texts are caught: by the emulator's checks, or by a wrong count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path

import pytest
from cuda_on_host import compiler, counts
from cuda_on_host.arguments import KernelError
from cuda_on_host.counts import CASES, assert_same, planned, small
from cuda_on_host.launch import SCHEDULES, Run
from cuda_on_host.planting import Mutant, caught, mutants, on_emulator, text_of, with_definitions

from gpuemb.kernels.window_counts import CountedRows, cuda

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}"),
]

FOLDER = Path(cuda.__file__).parents[1]
TEXTS = [path.read_text("utf-8") for path in sorted(FOLDER.glob("*.cu"))]
HEADER = (FOLDER.parent / "include" / "collectives.cuh").read_text("utf-8")


@cache
def expected(case: str) -> CountedRows:
    return CASES[case].expected()


def counted(case: str, **sizes: int) -> None:
    with small(**sizes):
        assert_same(CASES[case].found(), expected(case))


def in_chunks(case: str, length: int) -> None:
    with small(), planned(length):
        assert_same(CASES[case].found(on_host=True), expected(case))


TRIALS: Mapping[str, Callable[[], None]] = {
    **{case: partial(counted, case) for case in CASES},
    "many short rows": partial(counted, "zipf, right", SHORT_WORDS=90),
    "a crowded table": partial(counted, "wide", SHORT_WORDS=1, PLACES=64),
    "chunks": partial(in_chunks, "zipf", 64),
    "chunks of documents": partial(in_chunks, "repeated", 31),
    "sorted": partial(counts.assert_sorted, 3 * counts.TILE - 1, 3, 4),
    "sorted wide": partial(counts.assert_sorted, 700, 20, 8),
    "merged": partial(counts.assert_merged, 5000, 60),
    "rows": partial(counts.assert_rows, 7, 60, mirrored=True),
    "rows of one side": partial(counts.assert_rows, 7, 60, mirrored=False),
}


def attempts(mutant: Mutant) -> Iterator[str]:
    """Run a mutant through all trials under all schedules; yield whatever betrays it."""

    def edit(text: str) -> str:
        whole = with_definitions(text)
        return mutant.plant(whole) if mutant.right in whole else whole

    trials = [
        (f"{schedule}, {name}", on_emulator(Run(schedule, seed=5, edit=edit), trial))
        for schedule in SCHEDULES
        for name, trial in TRIALS.items()
    ]
    return caught(text_of("window_counts", mutant), trials, (KernelError, AssertionError, IndexError))


@pytest.mark.parametrize("mutant", mutants("window_counts"), ids=lambda mutant: mutant.name)
def test_a_planted_mistake_is_caught(mutant: Mutant) -> None:
    mutant.plant("\n".join([*TEXTS, HEADER]))  # it fits one of the texts, once
    assert next(attempts(mutant), ""), f"{mutant.name}: every count is right, and nothing was reported"


def test_without_a_mistake_nothing_is_caught() -> None:
    assert list(attempts(Mutant("nothing", "no text has this", ""))) == []
