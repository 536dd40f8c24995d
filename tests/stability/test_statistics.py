"""The interval of a mean over pairs: against a jackknife by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import EPS64

from gpuemb.core.arrays import Float64
from gpuemb.core.errors import ShapeError
from gpuemb.stability.result import PairMeasure
from gpuemb.stability.statistics import mean_over_pairs
from gpuemb.uncertainty.intervals import ANGLE, CORRELATION, DISTANCE, SHARE, Range


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


def test_a_pair_without_a_value_is_left_out_and_counted() -> None:
    found = mean_over_pairs(table(0.5, math.nan, 0.25, 0.75, 0.5, 1.0))
    known = mean_over_pairs(table(0.5, 0.25, 0.75))
    assert (found.value, found.undefined, found.reason) == (0.6, 1, "")
    # runs (0,1) (0,2)=none (0,3) (1,2) (1,3) (2,3): without run 0: 0.75, without 1: 0.625, …
    left_out = [(0.75 + 0.5 + 1) / 3, (0.25 + 1) / 2, (0.5 + 0.25 + 0.5) / 3, (0.5 + 0.75) / 2]
    mean = sum(left_out) / 4
    half = student_975(3) * math.sqrt(3 / 4 * sum((value - mean) ** 2 for value in left_out))
    assert abs(found.high - found.value - half) <= 32 * EPS64 * half
    assert abs(found.value - found.low - half) <= 32 * EPS64 * half
    assert known.undefined == 0


def test_too_few_known_pairs_have_a_mean_and_no_interval() -> None:
    found = mean_over_pairs(table(0.5, math.nan, 0.75))
    assert (found.value, found.undefined) == (0.625, 1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.reason == "1 of 3 pairs have no value: too few are left without some run"


def test_no_known_pair_has_no_mean_and_says_so() -> None:
    found = mean_over_pairs(table(math.nan, math.nan, math.nan))
    assert math.isnan(found.value)
    assert (found.undefined, found.reason) == (3, "no pair of runs has a value")


@given(
    shares=st.lists(st.floats(0, 1), min_size=6, max_size=6),
    possible=st.sampled_from([SHARE, CORRELATION, DISTANCE, ANGLE]),
)
def test_an_interval_over_runs_holds_the_mean_and_stays_in_the_range(
    shares: list[float], possible: Range
) -> None:
    high = possible.high if math.isfinite(possible.high) else 1e6
    values = table(*(min(possible.low + share * (high - possible.low), high) for share in shares))
    found = mean_over_pairs(values, possible)
    assert possible.low <= found.low <= possible.clipped(found.value) <= found.high <= possible.high


def test_halves_have_the_interval_of_their_splits() -> None:
    values = np.full((8, 8), np.nan)
    for split, value in enumerate((1.0, 2.0, 3.0, 6.0)):
        values[2 * split, 2 * split + 1] = values[2 * split + 1, 2 * split] = value
    found = mean_over_pairs(values, halves=True)
    half = student_975(3) * math.sqrt(np.var([1, 2, 3, 6], ddof=1) / 4)  # of a mean, the jackknife is this
    assert (found.value, found.undefined, found.reason) == (3.0, 0, "")
    assert abs(found.high - 3.0 - half) <= 64 * EPS64 * half
    assert mean_over_pairs(values[:4, :4], halves=True).reason == "2 splits: an interval needs 3"
    assert mean_over_pairs(values[:2, :2], halves=True).reason == "1 split: an interval needs 3"
    values[0, 1] = values[1, 0] = math.nan
    lost, left = mean_over_pairs(values, halves=True), mean_over_pairs(values[2:, 2:], halves=True)
    assert (lost.value, lost.low, lost.high, lost.undefined) == (left.value, left.low, left.high, 1)


def test_a_run_without_any_value_is_no_run_of_the_interval() -> None:
    values = table(0.25, 0.5, math.nan, 0.75, math.nan, math.nan)
    found, without = mean_over_pairs(values), mean_over_pairs(values[:3, :3])
    assert (found.value, found.low, found.high) == (without.value, without.low, without.high)
    assert found.undefined == 3
    two = mean_over_pairs(table(0.25, math.nan, math.nan))
    assert two.reason == "2 runs with a value: an interval needs 3"


def measure(values: Float64, *, higher_is_closer: bool = True) -> PairMeasure:
    return PairMeasure(
        "rsa", "RSA", "", "unit", values, mean_over_pairs(values), None, higher_is_closer=higher_is_closer
    )


def test_the_pair_and_the_run_that_agree_least_are_named() -> None:
    values = table(0.9, 0.2, 0.8, 0.7, 0.95, 0.6)  # (0,1) (0,2) (0,3) (1,2) (1,3) (2,3)
    assert measure(values).least_alike == (0, 2)
    assert measure(values, higher_is_closer=False).least_alike == (1, 3)
    assert measure(values).least_alike_run == 2
    assert measure(values, higher_is_closer=False).least_alike_run == 1


def test_the_worst_are_named_and_few_runs_are_called_few() -> None:
    few = measure(table(0.9, 0.2, 0.8, 0.7, 0.95, 0.6))
    assert few.caution(["a", "b", "c", "d"]) == (
        "Least alike by rsa: a and c (0.2); c agrees least with all others."
        " 4 runs cannot show rare bad ones: 10 would."
    )
    many = measure(np.full((10, 10), 0.5))
    many.values[2, 3] = many.values[3, 2] = 0.25
    said = many.caution([f"run {s}" for s in range(10)])
    assert said == "Least alike by rsa: run 2 and run 3 (0.25); run 2 agrees least with all others."
    assert measure(table(0.5)).caution(["a", "b"]) == "2 runs cannot show rare bad ones: 10 would."
    nothing = measure(table(math.nan, math.nan, math.nan)).caution(["a", "b", "c"])
    assert nothing == "3 runs cannot show rare bad ones: 10 would."


def test_the_worst_split_is_named() -> None:
    values = np.full((6, 6), math.nan)
    for split, value in enumerate((0.5, 0.25, 0.75)):
        values[2 * split, 2 * split + 1] = values[2 * split + 1, 2 * split] = value
    halves = replace(measure(np.ones((6, 6))), values=values, halves=True)
    assert halves.least_alike == (2, 3)
    assert halves.caution(["0a", "0b", "1a", "1b", "2a", "2b"]) == (
        "Least alike by rsa: 1a and 1b (0.25). 3 splits cannot show rare bad ones: 10 would."
    )
    assert halves.cells == halves.compared == [(0, 1), (2, 3), (4, 5)]
    assert halves.known.tolist() == [0.5, 0.25, 0.75]
    assert replace(halves, symmetric=False).cells == [(0, 1), (1, 0), (2, 3), (3, 2), (4, 5), (5, 4)]


def test_pairs_without_a_value_are_counted_and_the_first_is_named() -> None:
    lost = replace(measure(table(0.5, math.nan, 0.25, 0.75, 0.5, math.nan)), reason="a and c: no word")
    assert lost.undefined == "2 of 6 pairs have no value; a and c: no word"
    assert measure(table(0.5, 0.25, 0.75)).undefined == ""


def test_pairs_without_a_value_are_not_the_least_alike() -> None:
    values = table(0.9, math.nan, 0.8, 0.7, 0.95, 0.6)
    assert measure(values).least_alike == (2, 3)
    assert measure(values).least_alike_run == 2
    nothing = table(math.nan, math.nan, math.nan)
    assert measure(nothing).least_alike is None
    assert measure(nothing).least_alike_run is None


def test_a_directed_measure_counts_both_ways_for_its_least_alike_run() -> None:
    values = table(0.5, 0.6, 0.7)
    values[2, 0] = values[2, 1] = 0.1  # run 2 agrees with the others, they do not with it
    assert measure(values).least_alike_run == 2


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (0, 0)])
def test_only_square_tables_of_pairs_have_a_mean(shape: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match="a table of shape"):
        mean_over_pairs(np.zeros(shape))
