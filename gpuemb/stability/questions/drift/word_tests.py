"""Tests of every word: distances between two groups of runs against those within."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.memory import tiles
from gpuemb.stability.questions.drift.intervals import (
    DEGENERATE,
    LEAST_RUNS,
    corrected,
    half_width,
    jackknife_variance,
    pair_variance,
    without_each_run,
)
from gpuemb.stability.questions.drift.labelings import Labelings
from gpuemb.stability.statistics import Estimate

BAND = 500  # words of like frequency, at least, whose null distributions are pooled
TILE = 4096  # words whose distances are multiplied with weights at once
TIE = 2.0**-40  # of a statistic: sums that differ by rounding alone are equal
NO_SPREAD = "the runs of one group do not differ"
NO_DISTANCE = "no word has a distance in every pair of runs"
SHARE_LABELINGS = 100  # of an estimate of the share of words, which is taken once without each run


@dataclass(frozen=True, eq=False)
class WordTests:
    """What the distances of words say; NaN for a word that has none in some pair of runs.

    Attributes:
        between: ``(V,)`` mean distance over pairs of runs of two groups.
        within: ``(V,)`` mean of the mean distances within each group.
        effect: ``(V,)`` their difference.
        low: ``(V,)`` lower end of its 95 % interval; NaN below three runs in a group.
        high: ``(V,)`` upper end.
        statistic: ``(V,)`` the effect as a share of ``within`` and a constant of the band.
        p_value: ``(V,)`` from the statistics of all words of the band under all labelings.
        own_p_value: ``(V,)`` from the word's own.
        share: of words that drifted.
        ratio: mean distance between over mean distance within.
        mean: of the effect over words.
        p_value_of_all: of the mean effect.
    """

    between: Float64
    within: Float64
    effect: Float64
    low: Float64
    high: Float64
    statistic: Float64
    p_value: Float64
    own_p_value: Float64
    share: Estimate
    ratio: Estimate
    mean: Estimate
    p_value_of_all: float


@threads.single_threaded_blas()
def word_tests(distances: Float64, labelings: Labelings, order: Int64, largest: float) -> WordTests:
    """Test every word, and all together.

    The statistic is ``(b − w) / (w + s)`` with ``b, w`` the mean distances between and within groups and
    ``s`` the median over the band's words of their mean distance over all pairs, which no labeling changes.
    A word's own p-value is the share of labelings whose statistic is at least the observed one, exact but
    coarse. The pooled p-value is the share of statistics of *all* words of the band, under all labelings, the
    observed one included, that are at least the word's. Under exchangeable runs the expected number of words
    with a pooled p-value ≤ t is t of them, whatever their dependence; the smallest adjusted one
    that many words can reach is one over the number of labelings.

    Args:
        distances: ``(V, P)`` of every pair of runs, in the order of ``labelings.pairs``.
        labelings: of the runs; the observed one first.
        order: ``(V,)`` the words from the most to the least frequent.
        largest: the largest possible distance.

    Cost: ``4·V·P·L`` flops, ``P`` pairs, ``L`` labelings.
    Source: Anderson (2001), Austral Ecology 26, 32-46 (distances and labelings); Tusher, Tibshirani and Chu
    (2001), PNAS 98, 5116-5121 (pooled nulls and the constant in the denominator); Definitions §5.
    """
    words = len(distances)
    between, within = labelings.weights()
    tested: NDArray[np.bool_] = np.asarray(np.isfinite(distances).all(axis=1))
    statistic, p_value, own_p_value = (np.full(words, np.nan) for _ in range(3))
    totals = np.zeros(len(labelings))
    known = order[tested[order]]
    for rows in np.array_split(known, max(1, len(known) // BAND)):
        if not len(rows):
            continue
        statistics, effects = _statistics(distances[rows], between, within)
        totals += effects
        statistic[rows] = statistics[:, 0]
        own_p_value[rows] = _own(statistics)
        p_value[rows] = _pooled(statistics)
    b, w = distances @ between[0], distances @ within[0]
    b[~tested] = w[~tested] = np.nan
    low, high = _interval(distances, labelings, b - w, tested, largest)
    mean, ratio = _of_all(distances[tested], labelings)
    return WordTests(
        between=b,
        within=w,
        effect=b - w,
        low=low,
        high=high,
        statistic=statistic,
        p_value=p_value,
        own_p_value=own_p_value,
        share=share_of_drifted(distances[known], labelings),
        mean=mean,
        ratio=ratio,
        p_value_of_all=_upper_share(totals) if tested.any() else math.nan,
    )


def _statistics(distances: Float64, between: Float64, within: Float64) -> tuple[Float64, Float64]:
    """Return ``(V, L)`` statistics of a band under every labeling, and ``(L,)`` sums of effects."""
    words, labelings = len(distances), len(between)
    offset = float(np.median(distances.mean(axis=1)))
    statistics, effects = np.empty((words, labelings)), np.zeros(labelings)
    for start, stop in tiles(words, TILE):
        b, w = distances[start:stop] @ between.T, distances[start:stop] @ within.T
        effects += (b - w).sum(axis=0)
        scale = w + offset
        statistics[start:stop] = np.divide(b - w, scale, out=np.zeros_like(b), where=scale > 0)
    return statistics, effects


def _own(statistics: Float64) -> Float64:
    observed = statistics[:, :1]
    reached = statistics >= observed - TIE * np.maximum(1.0, np.abs(observed))
    return np.asarray(reached.mean(axis=1))


def _pooled(statistics: Float64) -> Float64:
    pool, observed = np.sort(statistics, axis=None), statistics[:, 0]
    below = np.searchsorted(pool, observed - TIE * np.maximum(1.0, np.abs(observed)), side="left")
    return np.asarray((len(pool) - below) / len(pool))


def _upper_share(values: Float64) -> float:
    """Share of values that are at least the first."""
    return float(_own(values[None, :])[0])


def _interval(
    distances: Float64, labelings: Labelings, effect: Float64, tested: NDArray[np.bool_], largest: float
) -> tuple[Float64, Float64]:
    low, high = np.full(len(distances), np.nan), np.full(len(distances), np.nan)
    if min(labelings.sizes) < LEAST_RUNS:
        return low, high
    own_between, own_within = (part[0] for part in labelings.weights())
    between, within = without_each_run(labelings)
    rows = np.flatnonzero(tested)
    for start, stop in tiles(len(rows), TILE):
        part = rows[start:stop]
        variance = corrected(
            jackknife_variance(distances[part] @ (between - within).T, labelings.first[0]),
            pair_variance(distances[part], labelings, own_between - own_within),
        )
        half = half_width(variance, sum(labelings.sizes))
        low[part] = np.maximum(effect[part] - half, -largest)
        high[part] = np.minimum(effect[part] + half, largest)
    return low, high


def _of_all(distances: Float64, labelings: Labelings) -> tuple[Estimate, Estimate]:
    """Return the mean effect, and the ratio of mean distances, with intervals over runs."""
    if not len(distances):
        nothing = Estimate(math.nan, math.nan, math.nan, NO_DISTANCE)
        return nothing, nothing
    between, within = (part[0] for part in labelings.weights())
    mean, first = distances.mean(axis=0), labelings.first[0]
    b, w = float(mean @ between), float(mean @ within)
    ratio, reason = (b / w if w > 0 else math.nan), few_runs(labelings)
    if reason:
        told = reason if w > 0 else NO_SPREAD
        return Estimate(b - w, math.nan, math.nan, reason), Estimate(ratio, math.nan, math.nan, told)
    b_left, w_left = (mean @ part.T for part in without_each_run(labelings))

    def half(left_out: Float64, weights: Float64) -> float:
        jackknife = jackknife_variance(left_out[None, :], first)
        pairs = pair_variance(mean[None, :], labelings, weights)
        return float(half_width(corrected(jackknife, pairs), len(first))[0])

    wide = half(b_left - w_left, between - within)
    effect = Estimate(b - w, b - w - wide, b - w + wide)
    if not (min(b, w) > 0 and (w_left > 0).all() and (b_left > 0).all()):
        return effect, Estimate(ratio, math.nan, math.nan, NO_SPREAD)
    wide = half(np.log(b_left / w_left), between / b - within / w)
    return effect, Estimate(ratio, ratio * math.exp(-wide), ratio * math.exp(wide))


def few_runs(labelings: Labelings) -> str:
    """Return why there is no interval; empty where there is one."""
    least = min(labelings.sizes)
    runs = f"{least} run{'s' * (least > 1)}"
    return "" if least >= LEAST_RUNS else f"a group of {runs}: an interval needs {LEAST_RUNS} in each"


def share_of_drifted(distances: Float64, labelings: Labelings) -> Estimate:
    """Estimate the share of words that drifted, from how many have a small own p-value.

    ``(F(λ) − λ)/(1 − λ)``, ``F`` the share of words whose own p-value is at most λ, about one half, which
    is λ of the words that did not drift. Words that drifted too little to be seen are not in it. The
    variance is half of the jackknife's over runs: the statistic of a word that did not drift varies with
    pairs alone, which a jackknife counts twice (2.0 to 3.7 times too large in simulations).

    Source: Storey (2002), J. R. Statist. Soc. B 64, 479-498; Efron and Stein (1981).
    """
    if not len(distances):
        return Estimate(math.nan, math.nan, math.nan, NO_DISTANCE)
    value = _share(distances, labelings.sizes)
    reason = few_runs(labelings)
    shown = min(max(value, 0.0), 1.0)
    if reason:
        return Estimate(shown, math.nan, math.nan, reason)
    first, left_out = labelings.first[0], []
    for run in range(len(first)):
        kept = (labelings.pairs != run).all(axis=1)
        sizes = int(first.sum()) - int(first[run]), int((~first).sum()) - int(not first[run])
        left_out.append(_share(distances[:, kept], sizes))
    variance = DEGENERATE * jackknife_variance(np.array([left_out]), first)
    half = float(half_width(variance, len(first))[0])
    return Estimate(shown, min(max(value - half, 0.0), shown), max(min(value + half, 1.0), shown))


def _share(distances: Float64, sizes: tuple[int, int]) -> float:
    labelings = Labelings.of(sizes, SHARE_LABELINGS)
    between, within = labelings.weights()
    level = (len(labelings) // 2) / len(labelings)
    offset = float(np.median(distances.mean(axis=1)))
    small = 0.0
    for start, stop in tiles(len(distances), TILE):
        part = distances[start:stop]
        b, w = part @ between.T, part @ within.T
        statistics = np.divide(b - w, w + offset, out=np.zeros_like(b), where=w + offset > 0)
        small += float(_chance_of_small(statistics, level).sum())
    return (small / len(distances) - level) / (1 - level)


def _chance_of_small(statistics: Float64, level: float) -> Float64:
    """Return ``(V,)`` how likely a p-value is at most ``level`` where ties are broken at random.

    A word whose neighbors never change has equal statistics under all labelings: its p-value without such
    ties is uniform, as that of every word that did not drift.
    """
    observed = statistics[:, :1]
    gap = TIE * np.maximum(1.0, np.abs(observed))
    above, reached = (statistics > observed + gap).mean(axis=1), (statistics >= observed - gap).mean(axis=1)
    return np.asarray(np.clip((level - above) / (reached - above), 0.0, 1.0))
