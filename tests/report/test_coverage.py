"""Intervals that sentences of the report stand on cover what fresh runs and fresh words give on average."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from slow import cases

from gpuemb.core.arrays import Float64, Int64
from gpuemb.report.comparisons import difference_interval
from gpuemb.report.trend import frequency_trend
from gpuemb.stability.statistics import mean_over_pairs
from gpuemb.uncertainty.intervals import SHARE

ROOM = 0.04  # of 300 repetitions a share of .95 is off by more once in 500


def logistic(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def table_of_splits(values: Float64) -> Float64:
    """The table of runs of which only the two halves of a split are compared."""
    table = np.full((2 * len(values), 2 * len(values)), np.nan)
    first = np.arange(0, len(table), 2)
    table[first, first + 1] = table[first + 1, first] = values
    return table


def table_of_runs(numbers: np.random.Generator, runs: int, middle: float, spread: float) -> Float64:
    """Values of pairs, to which every run contributes."""
    own = spread * numbers.standard_normal(runs)
    noise = np.triu(0.3 * spread * numbers.standard_normal((runs, runs)), 1)
    table: Float64 = np.triu(logistic(middle + own[:, None] + own + noise), 1)
    return table + table.T


def words(numbers: np.random.Generator, count: int, slope: float) -> tuple[Float64, Int64]:
    """Stability of words and their counts, which follow a power law."""
    counts = np.sort((10 * numbers.pareto(1, count) + 10).astype(np.int64))[::-1]
    return logistic(slope * (np.log(counts) - 3) + 0.8 * numbers.standard_normal(count)), counts


@pytest.mark.parametrize("repetitions", cases(300, slow=(2000,)))
@pytest.mark.parametrize("splits", [3, 5, 10])
def test_intervals_over_splits_cover_their_mean(splits: int, repetitions: int) -> None:
    numbers = np.random.default_rng(splits)
    truth = float(logistic(-1 + 0.4 * numbers.standard_normal(10**5)).mean())
    drawn = (logistic(-1 + 0.4 * numbers.standard_normal(splits)) for _ in range(repetitions))
    found = [mean_over_pairs(table_of_splits(values), SHARE, halves=True) for values in drawn]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.95 - ROOM


@pytest.mark.parametrize("repetitions", cases(300, slow=(2000,)))
@pytest.mark.parametrize("runs", cases(3, slow=(5, 10)))
def test_intervals_of_a_difference_cover_it(runs: int, repetitions: int) -> None:
    numbers, designs = np.random.default_rng(runs), ((1.0, 0.1), (0.5, 0.2))
    means = [np.mean([table_of_runs(numbers, 2, *design)[0, 1] for _ in range(10**4)]) for design in designs]
    found = []
    for _ in range(repetitions):
        one, other = (mean_over_pairs(table_of_runs(numbers, runs, *design), SHARE) for design in designs)
        found.append(difference_interval(one, other))
    assert np.mean([low <= means[0] - means[1] <= high for low, high in found]) >= 0.95 - ROOM


@pytest.mark.parametrize("repetitions", cases(300, slow=(1000,)))
@pytest.mark.parametrize("slope", cases(0.0, slow=(0.3,)))
def test_intervals_of_a_trend_cover_it_and_no_trend_is_rarely_called_one(
    slope: float, repetitions: int
) -> None:
    numbers = np.random.default_rng(7)
    found = [frequency_trend(*words(numbers, 100, slope)) for _ in range(repetitions)]
    known = [one for one in found if one is not None]
    assert len(known) == repetitions
    correlation = np.mean([one.correlation for one in known])
    gap = np.mean([one.top - one.bottom for one in known])
    assert np.mean([one.interval[0] <= correlation <= one.interval[1] for one in known]) >= 0.95 - ROOM
    assert np.mean([one.gap[0] <= gap <= one.gap[1] for one in known]) >= 0.95 - ROOM
    assert slope or np.mean([one.direction != 0 for one in known]) <= 0.05
