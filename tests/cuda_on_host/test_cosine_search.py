"""cosine_search.cu at its borders: groups of queries, rounds of segments; and mistakes planted into it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from cuda_on_host import compiler, stand_in
from cuda_on_host.cosines import QUESTIONS, asked, assert_same_lists
from cuda_on_host.launch import EACH_SCHEDULE, Run
from cuda_on_host.planting import UNCHANGED, Mutant, betrayals, mutants

from gpuemb.kernels.cosine_search import cuda as launcher
from gpuemb.kernels.cosine_topk import TopK

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")


@cache
def expected(case: str) -> TopK:
    return QUESTIONS[case].expected()


@pytest.mark.parametrize("schedule", EACH_SCHEDULE)
@pytest.mark.parametrize("case", QUESTIONS)
def test_lists_are_the_reference_s_at_the_borders(case: str, schedule: str) -> None:
    with stand_in.installed(Run(schedule, seed=3)):
        assert_same_lists(QUESTIONS[case].found(), expected(case))


@pytest.mark.parametrize("k", [1, 1024, 1025, 4500])
def test_lists_of_any_length_come_out_of_several_segments(k: int) -> None:
    case = asked("tied", "float32", 4300, 2, 1, k)
    with stand_in.installed(Run()):
        assert_same_lists(case.found(), case.expected())


def test_many_queries_go_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    case = asked("duplicates", "float32", 30, 5, 21, 4)
    monkeypatch.setattr(launcher, "MOST_QUERIES", 8)
    with stand_in.installed(Run()):
        assert_same_lists(case.found(), case.expected())


def test_queries_of_another_dtype_are_compared_without_rounding() -> None:
    case = asked("gaussian", "float32", 20, 18, 3, 4)
    wide = asked("gaussian", "float64", 20, 18, 3, 4)
    mixed = type(case)(case.rows, wide.queries, case.itself, 4)
    exact = type(case)(case.rows.astype(np.float64), wide.queries, case.itself, 4)
    with stand_in.installed(Run()):
        assert_same_lists(mixed.found(), exact.expected())


def check_of(case: str) -> Callable[[], None]:
    return lambda: assert_same_lists(QUESTIONS[case].found(), expected(case))


CHECKS = {case: check_of(case) for case in QUESTIONS}


@pytest.mark.slow
@pytest.mark.parametrize("mutant", mutants("cosine_search"), ids=lambda mutant: mutant.name)
def test_a_planted_mistake_is_caught(mutant: Mutant) -> None:
    assert next(betrayals("cosine_search", mutant, CHECKS), ""), (
        f"{mutant.name}: every bit is right, and nothing was reported"
    )


@pytest.mark.slow
def test_without_a_mistake_nothing_is_caught() -> None:
    assert list(betrayals("cosine_search", UNCHANGED, CHECKS, ["random"])) == []
