"""What is planted into a kernel is found: by the emulator's watch, or by a wrong count."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial

import pytest
from cuda_on_host import adversaries, compiler
from cuda_on_host.launch import SCHEDULES, Run
from cuda_on_host.overlaps import assert_same, far_overlap, overlap
from cuda_on_host.planting import Mutant, caught, mutants, on_emulator, text_of

from gpuemb.kernels.neighbor_overlap import SharedNeighbors, neighbor_overlap

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}"),
]


@cache
def expected(case: str) -> SharedNeighbors:
    return neighbor_overlap.reference(adversaries.CASES[case])


def counted(case: str) -> None:
    assert_same(overlap(adversaries.CASES[case]), expected(case))


def attempts(mutant: Mutant) -> Iterator[str]:
    """Run a mutant on all data under all schedules; yield whatever betrays it."""
    trials = [
        (f"{schedule}, {case}", on_emulator(Run(schedule, seed=5, edit=mutant.plant), partial(counted, case)))
        for schedule in SCHEDULES
        for case in adversaries.CASES
    ]
    trials.append(("far", lambda: assert_same(*far_overlap(Run(edit=mutant.plant)))))
    return caught(text_of("neighbor_overlap", mutant), trials)


@pytest.mark.parametrize("mutant", mutants("neighbor_overlap"), ids=lambda mutant: mutant.name)
def test_a_planted_mistake_is_caught(mutant: Mutant) -> None:
    assert next(attempts(mutant), ""), f"{mutant.name}: every count is right, and nothing was reported"


def test_without_a_mistake_nothing_is_caught() -> None:
    unchanged = Mutant("nothing", "int found = 0;", "int found = 0;")
    assert list(attempts(unchanged)) == []


def test_a_mutant_that_no_longer_fits_its_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gone: 'not there' stands 0 times"):
        Mutant("gone", "not there", "").plant("a text")
    with pytest.raises(ValueError, match="stands 2 times"):
        Mutant("twice", "a", "").plant("a a")
