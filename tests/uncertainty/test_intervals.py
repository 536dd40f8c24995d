"""Jackknife intervals on a scale without ends: by hand, and inside the range whatever is left out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from gpuemb.core.arrays import Float64
from gpuemb.uncertainty.intervals import (
    ANGLE,
    ANY,
    CORRELATION,
    DISTANCE,
    SHARE,
    Range,
    jackknife_interval,
)

RANGES = [ANY, CORRELATION, SHARE, DISTANCE, ANGLE, Range(0.0, 2.0), Range(-3.0)]


def inside(possible: Range, shares: list[float]) -> Float64:
    """Values of a range from shares of it, ends included; of an end at infinity, from −1e6 to 1e6."""
    low = possible.low if math.isfinite(possible.low) else -1e6
    high = possible.high if math.isfinite(possible.high) else 1e6
    return np.clip(low + np.array(shares) * (high - low), low, high)


def standard_error(values: Float64) -> float:
    count = len(values)
    return math.sqrt((count - 1) / count * float(np.sum((values - values.mean()) ** 2)))


@pytest.mark.parametrize("possible", RANGES)
@given(shares=st.lists(st.floats(0.001, 0.999), min_size=1, max_size=5))
def test_the_line_and_the_way_back(possible: Range, shares: list[float]) -> None:
    values = inside(possible, shares)
    line = possible.onto_line(values)
    assert np.isfinite(line).all()
    back = [possible.from_line(float(z)) for z in line]
    np.testing.assert_allclose(back, values, rtol=1e-12, atol=1e-12)
    order = np.argsort(values)
    assert (np.diff(line[order]) >= 0).all()


def test_scales_are_the_ones_that_are_known() -> None:
    r = np.array([-0.9, 0.0, 0.5])
    np.testing.assert_allclose(CORRELATION.onto_line(r), 2 * np.arctanh(r), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(SHARE.onto_line(np.array([0.2])), [math.log(0.2 / 0.8)], rtol=1e-14)
    np.testing.assert_allclose(DISTANCE.onto_line(np.array([3.0])), [math.log(3.0)], rtol=1e-14)
    assert ANY.onto_line(np.array([-7.0])).tolist() == [-7.0]


@pytest.mark.parametrize("possible", RANGES)
def test_ends_go_to_infinity_and_infinity_into_the_range(possible: Range) -> None:
    ends = [end for end in (possible.low, possible.high) if math.isfinite(end)]
    assert np.isinf(possible.onto_line(np.array(ends))).all()
    for z in (-1e4, -50.0, 0.0, 50.0, 1e4):
        assert possible.low <= possible.from_line(z) <= possible.high
    assert possible.clipped(possible.low - 1) == possible.low
    assert possible.clipped(possible.high + 1) == possible.high


def test_an_interval_by_hand_on_the_line_of_correlations() -> None:
    left_out = np.array([0.8, 0.85, 0.9, 0.82])
    half = student.ppf(0.975, 3) * standard_error(np.arctanh(left_out))
    expected = np.tanh([math.atanh(0.84) - half, math.atanh(0.84) + half])
    np.testing.assert_allclose(jackknife_interval(0.84, left_out, CORRELATION), expected, rtol=1e-12)


def test_an_interval_by_hand_of_distances_and_of_anything() -> None:
    left_out = np.array([1.0, 2.0, 4.0])
    half = student.ppf(0.95, 2) * standard_error(np.log(left_out))
    expected = (2 * math.exp(-half), 2 * math.exp(half))
    np.testing.assert_allclose(jackknife_interval(2.0, left_out, DISTANCE, 0.9), expected, rtol=1e-12)
    half = student.ppf(0.95, 2) * standard_error(left_out)
    np.testing.assert_allclose(jackknife_interval(2.0, left_out, ANY, 0.9), (2 - half, 2 + half), rtol=1e-12)


@pytest.mark.parametrize(("value", "left_out"), [(1.0, [1.0, 0.9, 1.0]), (0.9, [1.0, 0.8, 0.9])])
def test_an_estimate_at_an_end_is_taken_as_it_is_and_cut_there(value: float, left_out: list[float]) -> None:
    half = student.ppf(0.975, 2) * standard_error(np.array(left_out))
    low, high = jackknife_interval(value, np.array(left_out), SHARE)
    assert math.isclose(low, max(value - half, 0.0))
    assert high == 1.0


def test_what_is_equal_throughout_leaves_no_doubt_at_an_end_or_within() -> None:
    for possible in RANGES:
        for value in (*inside(possible, [0.0, 0.3, 1.0]),):
            low, high = jackknife_interval(float(value), np.full(5, value), possible)
            assert low <= value <= high
            assert high - low <= 1e-9 * max(1.0, abs(value))


def test_values_that_do_not_exist_are_passed_over_and_two_are_needed() -> None:
    left_out = np.array([0.3, math.nan, 0.4, 0.35, math.inf])
    assert jackknife_interval(0.35, left_out, SHARE) == jackknife_interval(0.35, left_out[[0, 2, 3]], SHARE)
    for value, few in ((0.3, [0.3, math.nan]), (0.3, []), (math.nan, [0.3, 0.4, 0.5])):
        assert np.isnan(jackknife_interval(value, np.array(few), SHARE)).all()


@given(
    possible=st.sampled_from(RANGES),
    shares=st.lists(st.floats(0, 1), min_size=3, max_size=8),
    confidence=st.floats(0.01, 0.999),
)
def test_an_interval_holds_its_value_and_stays_in_the_range(
    possible: Range, shares: list[float], confidence: float
) -> None:
    value, *left_out = inside(possible, shares)
    low, high = jackknife_interval(float(value), np.array(left_out), possible, confidence)
    assert possible.low <= low <= value <= high <= possible.high
    wider = jackknife_interval(float(value), np.array(left_out), possible, 0.9995)
    assert wider[0] <= low
    assert high <= wider[1]
