"""A planted trend is recovered, and its interval holds it as often as it promises."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from slow import cases
from stability.questions.planted import coverage, planted_pairs, planted_runs, unit_rows

from gpuemb.core.arrays import Float64
from gpuemb.stability.questions.evidence import PairsOfRuns, variances
from gpuemb.stability.questions.trends import fit_trend

LEVELS = (25.0, 50.0, 100.0)
WORDS = 60
SIMULATIONS = 400  # one standard error of a coverage of 0.95 is 0.011


def words_of(numbers: np.random.Generator) -> Float64:
    values = numbers.gamma(2.0, 0.5, WORDS)
    return values / values.mean()


@pytest.mark.parametrize("exponent", cases(0.5, slow=(-0.5, 0.0)))
@pytest.mark.parametrize("runs", cases(5, slow=(3, 10)))
def test_the_interval_of_a_factor_holds_the_planted_one(exponent: float, runs: int) -> None:
    numbers, hits = np.random.default_rng(runs), []
    for _ in range(SIMULATIONS):
        words = words_of(numbers)
        values = [planted_pairs(numbers, runs, 0.1 * level**exponent, words) for level in LEVELS]
        factor, _ = fit_trend(LEVELS, values)
        hits.append(factor.low <= 2**exponent <= factor.high)
    assert 0.92 <= coverage(hits) <= (0.98 if runs > 3 else 0.99)  # three runs are wide


def test_unequal_numbers_of_runs_and_steps_are_one_contrast() -> None:
    words = np.ones(30)
    numbers = np.random.default_rng(0)
    values = [
        planted_pairs(numbers, runs, level**0.3, words, 0.01) for runs, level in ((3, 10), (9, 20), (4, 90))
    ]
    factor, over_words = fit_trend((10, 20, 90), values)
    x, y = np.log2([10, 20, 90]), [math.log(one.over_runs().value) for one in values]
    assert math.isclose(factor.value, math.exp(np.polyfit(x, y, 1)[0]), rel_tol=1e-12)
    assert factor.low < factor.value < factor.high
    assert over_words.low < over_words.value < over_words.high


def test_two_runs_have_a_factor_and_no_interval() -> None:
    numbers = np.random.default_rng(1)
    factor, _ = fit_trend((1, 2), [planted_pairs(numbers, 2, level, np.ones(30)) for level in (1, 2)])
    assert factor.value > 0
    assert math.isnan(factor.low)
    assert not factor.is_above(0)


def test_equal_runs_have_no_trend() -> None:
    none = PairsOfRuns([(0, 1), (0, 2), (1, 2)], np.zeros((3, 30)))
    factor, _ = fit_trend((1, 2), [none, none])
    assert math.isnan(factor.value)


@pytest.mark.slow
def test_the_trend_of_rotated_tables_is_found() -> None:
    """Runs of wider tables are planted as noisier; the expected variance is taken from many runs."""
    spreads = (0.05, 0.07, 0.1)
    draw: Callable[[np.random.Generator, int, float], PairsOfRuns]

    def draw(numbers: np.random.Generator, runs: int, spread: float) -> PairsOfRuns:
        tables = planted_runs(numbers, runs, mean, spread, 0.2)
        words = [str(word) for word in range(len(mean))]
        pairs = [(a, b) for a in range(runs) for b in range(a + 1, runs)]
        return PairsOfRuns(pairs, variances(tables, words))

    numbers = np.random.default_rng(2)
    mean = unit_rows(numbers, 100, 6)
    many = [draw(numbers, 60, spread) for spread in spreads]
    truth = fit_trend(LEVELS, many)[0].value
    hits = []
    for _ in range(200):
        factor, _ = fit_trend(LEVELS, [draw(numbers, 5, spread) for spread in spreads])
        hits.append(factor.low <= truth <= factor.high)
    assert 0.9 <= coverage(hits) <= 0.99
