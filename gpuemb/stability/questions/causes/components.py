"""Variance components: what each cause, varied alone, makes runs differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.stability.questions.evidence import EQUAL, PairsOfRuns, variances
from gpuemb.stability.result import ModelResult
from gpuemb.stability.statistics import LEAST_RUNS, mean_of_known
from gpuemb.uncertainty.contrasts import Interval, Jackknifed, contrast
from gpuemb.uncertainty.intervals import DISTANCE, SHARE, jackknife_interval

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True, eq=False)
class Component:
    """The variance between runs that one cause makes.

    Attributes:
        cause: one of ``CAUSES``, or ``seed`` for all that is random together.
        model: whose runs vary in it alone.
        values: of every pair of runs and word.
    """

    cause: str
    model: str
    values: PairsOfRuns

    @property
    def estimate(self) -> Jackknifed:
        """The mean over words and pairs, over runs."""
        return self.values.over_runs()

    @property
    def interval(self) -> Interval:
        """The same with its 95 % interval."""
        found = self.estimate
        return Interval(found.value, *_ends(found))


def share_of(component: Component, all_of_them: Sequence[Component]) -> Interval:
    """Return the share of one component in the sum of several, with its interval on the logit.

    The runs of different causes are independent. Its logit is ``log D − log Σ D'`` over the others, whose
    variance is ``var(log D) + Σ (D' / Σ D')² var(log D')``.
    """
    own = component.estimate
    others = [one.estimate for one in all_of_them if one is not component and one.estimate.value >= EQUAL]
    rest = sum(one.value for one in others)
    if own.value < EQUAL or rest < EQUAL:
        value = math.nan if own.value + rest < EQUAL else own.value / (own.value + rest)
        return Interval(value, math.nan, math.nan)
    weights = [1.0, *(-one.value / rest for one in others)]
    linear = contrast(weights, [own.log(), *(one.log() for one in others)])
    logit = math.log(own.value / rest)
    ends = (logit + linear.low - linear.value, logit + linear.high - linear.value)
    return Interval(own.value / (own.value + rest), *map(SHARE.from_line, ends))


def ratio_of(above: Sequence[Component], below: Sequence[Component]) -> Interval:
    """Return ``Σ D / Σ D'`` with its interval, both sums over independent components."""
    parts = [[one.estimate for one in part if one.estimate.value >= EQUAL] for part in (above, below)]
    sums = [sum(one.value for one in part) for part in parts]
    if min(sums) < EQUAL:
        return Interval(math.nan, math.nan, math.nan)
    weights = [
        sign * one.value / total
        for sign, total, part in zip((1, -1), sums, parts, strict=True)
        for one in part
    ]
    linear = contrast(weights, [one.log() for part in parts for one in part])
    center = math.log(sums[0] / sums[1])
    shift = center - linear.value
    return Interval(center, linear.low + shift, linear.high + shift).mapped(math.exp)


def words_of(components: Sequence[Component], words: Sequence[str], group: str) -> pyarrow.Table:
    """Return a table, one row a cause and word: its variance with an interval, and its share."""
    import pyarrow

    means = np.stack([one.values.of_words for one in components])
    total = means.sum(axis=0)
    shares = np.divide(means, total, out=np.full_like(means, np.nan), where=total >= EQUAL)
    parts = []
    for one, mean, share in zip(components, means, shares, strict=True):
        low, high = word_intervals(one.values)
        parts.append(
            pyarrow.table(
                {
                    "models": pyarrow.array([group] * len(words), pyarrow.string()),
                    "cause": pyarrow.array([one.cause] * len(words), pyarrow.string()),
                    "word": pyarrow.array(list(words), pyarrow.string()),
                    "variance": mean,
                    "low": low,
                    "high": high,
                    "share": share,
                }
            )
        )
    return pyarrow.concat_tables(parts)


def word_intervals(values: PairsOfRuns, confidence: float = 0.95) -> tuple[Float64, Float64]:
    """Return ``(V,)`` ends of the interval of each word's mean over pairs: a jackknife over runs on the log.

    NaN with fewer than three runs, and for words whose variance is zero.

    Source: Definitions §5.
    """
    from scipy.special import stdtrit

    without, value = values.of_words_without_runs(), values.of_words
    count = len(without)
    nothing: Float64 = np.full(value.shape, np.nan)
    if count < LEAST_RUNS:
        return nothing, nothing
    known = (value >= EQUAL) & (without >= EQUAL).all(axis=0)
    logs = np.log(np.where(known, without, 1.0))
    errors = np.sqrt((count - 1) / count * ((logs - logs.mean(axis=0)) ** 2).sum(axis=0))
    half = float(stdtrit(count - 1, 0.5 + confidence / 2)) * errors
    return np.where(known, value * np.exp(-half), np.nan), np.where(known, value * np.exp(half), np.nan)


def setting_variance(models: Sequence[ModelResult]) -> Interval:
    """Return the variance that a setting makes beside that between runs of one setting.

    Half the squared distance of runs of different settings and seeds, less the mean of that of different
    seeds within each setting: the variance component of the setting. It may come out below zero.

    Args:
        models: that differ in one setting; the same seeds each, at least three for an interval.

    Cost: as of ``variances`` for the runs of all models together.
    """
    seeds = models[0].config.seeds
    tables = [np.asarray(table) for model in models for table in model.stack.tables()]
    means = [mean_of_known(row) for row in variances(tables, models[0].stack.index_to_key)]
    marks = [(place, seed) for place, model in enumerate(models) for seed in model.config.seeds]
    pairs = list(combinations(marks, 2))

    def component(left_out: int | None) -> float:
        across: list[float] = []
        within: list[float] = []
        for ((one, a), (other, b)), mean in zip(pairs, means, strict=True):
            if left_out not in (a, b) and a != b:
                (within if one == other else across).append(mean)
        if not across or not within:
            return math.nan
        return float(np.mean(across) - np.mean(within))

    found = Jackknifed(component(None), np.array([component(seed) for seed in seeds]))
    if len(seeds) < LEAST_RUNS:
        return Interval(found.value, math.nan, math.nan)
    return contrast([1.0], [found])


def _ends(found: Jackknifed) -> tuple[float, float]:
    if len(found.left_out) < LEAST_RUNS:
        return math.nan, math.nan
    return jackknife_interval(found.value, found.left_out, DISTANCE)
