"""The exponent of a power law is that of SciPy's line over the named ranks; its interval covers the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress, norm
from slow import cases

from gpuemb.core.errors import ConfigError
from gpuemb.counts.power_law import default_ranks, fit_power_law

EPS = float(np.finfo(np.float64).eps)


@given(count=st.integers(3, 40), seed=st.integers(0, 999), data=st.data())
def test_exponent_and_fit_are_those_of_the_least_squares_line(
    count: int, seed: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, count - 2))
    last = data.draw(st.integers(first + 2, count))
    values = np.sort(np.random.default_rng(seed).uniform(0.1, 10, count))[::-1]
    found = fit_power_law(values, (first, last))
    line = linregress(np.log(np.arange(first, last + 1)), np.log(values[first - 1 : last]))
    assert found.exponent == pytest.approx(-line.slope, rel=1e-9, abs=1e-12)
    assert found.r_squared == pytest.approx(line.rvalue**2, abs=1e-9)
    assert (found.ranks, found.reason) == ((first, last), "")


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.5])
def test_a_power_law_has_its_exponent_at_any_scale(exponent: float) -> None:
    values = 1e-9 * np.arange(1.0, 51.0) ** -exponent
    for ranks in ((1, 50), (10, 20)):
        found = fit_power_law(values, ranks)
        assert abs(found.exponent - exponent) <= 1e-12
        assert found.interval[0] < exponent < found.interval[1]
        assert abs(found.r_squared - 1) <= 1e-12


def test_equal_values_have_the_exponent_zero_and_nothing_to_explain() -> None:
    found = fit_power_law(np.ones(5), (1, 5))
    assert (found.exponent, found.interval) == (0, (0, 0))
    assert math.isnan(found.r_squared)


@pytest.mark.parametrize(
    ("values", "ranks", "reason"),
    [
        ([3.0, 2.0], (1, 3), "ranks 1 to 3 of 2: three or more are needed"),
        ([4.0, 3.0, 2.0, 1.0], (2, 3), "ranks 2 to 3 of 4: three or more are needed"),
        ([4.0, 3.0, 2.0, 0.0], (1, 4), "the value of rank 4 is zero"),
        ([4.0, 1e-16, 1e-17, 1e-18], (1, 3), "the value of rank 2 is zero"),
        ([0.0, 0.0, 0.0], (1, 3), "the value of rank 1 is zero"),
    ],
)
def test_a_line_that_does_not_exist_says_why(
    values: list[float], ranks: tuple[int, int], reason: str
) -> None:
    found = fit_power_law(np.array(values), ranks, missing="nan", zero=len(values) * EPS * values[0])
    assert (found.reason, str(found)) == (reason, f"nan, {reason}")
    assert np.isnan([float(found), *found.interval, found.r_squared]).all()


def test_the_default_is_the_first_half_and_three_at_least() -> None:
    ranges = [default_ranks(count) for count in (1, 3, 5, 6, 7, 300)]
    assert ranges == [(1, 3), (1, 3), (1, 3), (1, 3), (1, 4), (1, 150)]


@settings(deadline=None)
@given(exponent=st.floats(-2, 3), scale=st.floats(0.1, 1e6), first=st.integers(1, 20))
def test_a_power_law_is_found_exactly(exponent: float, scale: float, first: int) -> None:
    values = scale * (1.0 + np.arange(80)) ** -exponent
    found = fit_power_law(values, (first, 80))
    bound = 80 * EPS * 40  # logarithms up to 20 over a spread of ranks of at least 1.3
    assert abs(float(found) - exponent) <= bound
    assert found.interval[0] - bound <= exponent <= found.interval[1] + bound
    assert found.ranks == (first, 80)


def test_a_noisy_power_law_equals_scipy_s_regression() -> None:
    values = np.sort(np.random.default_rng(0).pareto(1.1, 400))[::-1]
    found = fit_power_law(values, (5, 300))
    line = linregress(np.log(np.arange(5, 301)), np.log(values[4:300]))
    tolerance = 300 * EPS * 40
    assert abs(found.exponent + line.slope) <= tolerance
    assert abs(found.r_squared - line.rvalue**2) <= tolerance
    assert str(found).endswith("ranks 5 to 300")


COVERED = [
    *((exponent, count, (1, count)) for exponent in (0.7, 1.5) for count in (50, 200, 1000)),
    (1.0, 400, (1, 200)),
    (1.0, 400, (20, 300)),
    (1.0, 5, (1, 5)),
]


@pytest.mark.parametrize(("exponent", "count", "ranks"), COVERED)
@pytest.mark.parametrize("samples", cases(500, slow=[10_000]))
def test_the_interval_covers_the_exponent_that_values_were_drawn_from(
    exponent: float, count: int, ranks: tuple[int, int], samples: int
) -> None:
    draws = np.random.default_rng((count, samples))
    covered = own = 0
    for _ in range(samples):
        values = np.sort(draws.uniform(size=count) ** -exponent)[::-1]  # Pareto of index 1 / exponent
        found = fit_power_law(values, ranks)
        low, high = found.interval
        covered += low <= exponent <= high
        own += low <= float(found) <= high
    assert 0.92 <= covered / samples <= 0.98  # Definitions §5
    assert own == samples


@pytest.mark.parametrize("count", [500, 1000, 10_000])
def test_the_interval_of_many_ranks_has_the_standard_error_of_gabaix_and_ibragimov(count: int) -> None:
    found = fit_power_law(1 / np.arange(1.0, count + 1), (1, count))
    low, high = found.interval
    expected = float(norm.ppf(0.975)) * math.sqrt(2 / count)
    assert (1 / low - 1 / high) / 2 == pytest.approx(expected, rel=1 / math.sqrt(count))


@pytest.mark.parametrize("ranks", [(0, 5), (1, 2), (5, 4), (1, 7)])
def test_ranks_that_give_no_line_are_refused(ranks: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=f"ranks {ranks[0]} to {ranks[1]} of 6"):
        fit_power_law(np.arange(6, 0, -1), ranks)


def test_a_value_of_zero_ends_the_fit() -> None:
    with pytest.raises(ConfigError, match="the value of rank 4 is zero"):
        fit_power_law(np.array([5, 3, 1, 0, 0]), (1, 5))
