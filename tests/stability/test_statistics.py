"""The interval of a mean over pairs: against a jackknife by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import EPS64

from gpuemb.core.arrays import Float64
from gpuemb.core.errors import ShapeError
from gpuemb.stability.statistics import mean_over_pairs


def student_975(degrees: int) -> float:
    """97.5 % quantile of Student's t, from the closed forms of its distribution."""
    if degrees == 2:
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    low, high = 0.0, 10.0
    while low < (middle := (low + high) / 2) < high:
        x = middle / math.sqrt(3)
        below = 0.5 + (x / (1 + x * x) + math.atan(x)) / math.pi < 0.975
        low, high = (middle, high) if below else (low, middle)
    return low


def table(*pairs: float) -> Float64:
    """A symmetric table of the pairs (0,1), (0,2), … with a diagonal that must not count."""
    runs = round((1 + math.sqrt(1 + 8 * len(pairs))) / 2)
    values = np.full((runs, runs), 99.0)
    upper = np.triu_indices(runs, 1)
    values[upper] = pairs
    values.T[upper] = pairs
    return values


def test_three_runs_have_the_interval_computed_by_hand() -> None:
    found = mean_over_pairs(table(0.25, 0.5, 0.75))
    # left out one by one: 0.75, 0.5, 0.25; their mean 0.5; variance 2/3 · (1/16 + 0 + 1/16) = 1/12
    half = student_975(2) * math.sqrt(1 / 12)
    assert found.value == float(found) == 0.5
    assert abs(found.low - (0.5 - half)) <= 16 * EPS64 * half
    assert abs(found.high - (0.5 + half)) <= 16 * EPS64 * half
    assert found.reason == ""


def test_four_runs_have_the_interval_computed_by_hand() -> None:
    found = mean_over_pairs(table(1, 2, 3, 4, 5, 6))
    left_out = [(4 + 5 + 6) / 3, (2 + 3 + 6) / 3, (1 + 3 + 5) / 3, (1 + 2 + 4) / 3]
    mean = sum(left_out) / 4
    half = student_975(3) * math.sqrt(3 / 4 * sum((value - mean) ** 2 for value in left_out))
    assert found.value == 3.5
    assert abs(found.high - found.value - half) <= 32 * EPS64 * half
    assert abs(found.value - found.low - half) <= 32 * EPS64 * half


def test_two_runs_have_a_mean_and_no_interval() -> None:
    found = mean_over_pairs(table(0.75))
    assert found.value == 0.75
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.reason == "2 runs: an interval needs 3"


@settings(deadline=None)
@given(runs=st.integers(3, 8), value=st.integers(-8, 8))
def test_pairs_that_agree_leave_no_doubt(runs: int, value: int) -> None:
    found = mean_over_pairs(np.full((runs, runs), float(value)))
    assert found.low == found.value == found.high == value


@settings(deadline=None)
@given(pairs=st.lists(st.integers(-64, 64), min_size=10, max_size=10), order=st.permutations(range(5)))
def test_the_order_of_the_runs_does_not_matter(pairs: list[int], order: list[int]) -> None:
    values = table(*(pair / 8 for pair in pairs))
    first, second = mean_over_pairs(values), mean_over_pairs(values[np.ix_(order, order)])
    largest = 16 * max(1.0, float(np.abs(values[np.triu_indices(5, 1)]).max()))
    for name in ("value", "low", "high"):
        # sums of at most ten terms, a root of a sum of squares, a product with t
        assert abs(getattr(first, name) - getattr(second, name)) <= 64 * EPS64 * largest


@settings(deadline=None)
@given(pairs=st.lists(st.integers(-64, 64), min_size=6, max_size=6))
def test_more_confidence_is_a_wider_interval_around_the_same_mean(pairs: list[int]) -> None:
    narrow, wide = (mean_over_pairs(table(*pairs), confidence=c) for c in (0.5, 0.99))
    assert narrow.value == wide.value
    assert wide.low <= narrow.low <= narrow.value <= narrow.high <= wide.high


def test_a_pair_without_a_value_leaves_no_mean() -> None:
    found = mean_over_pairs(table(0.5, math.nan, 0.5))
    assert math.isnan(found.value)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (0, 0)])
def test_only_square_tables_of_pairs_have_a_mean(shape: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match="a table of shape"):
        mean_over_pairs(np.zeros(shape))
