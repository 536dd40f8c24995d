"""Uncertainty of what was measured between runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.errors import ShapeError
from gpuemb.geometry.resampling.intervals import ANY, Range, jackknife_interval

LEAST_RUNS = 3  # below it a jackknife has no degrees of freedom to speak of (Definitions §5)
ENOUGH_RUNS = 10  # below it rare bad runs cannot be seen (Definitions §5)


@dataclass(frozen=True)
class Estimate:
    """A mean over pairs of runs.

    Attributes:
        value: the mean over the pairs that have a value; NaN where none has.
        low: lower end of the 95 % interval; NaN when there are fewer than three runs.
        high: upper end.
        reason: why there is no interval; empty when there is one.
        undefined: pairs without a value, left out of the mean.
    """

    value: float
    low: float
    high: float
    reason: str = ""
    undefined: int = 0

    def __float__(self) -> float:
        return self.value


def mean_over_pairs(values: Float64, possible: Range = ANY, *, confidence: float = 0.95) -> Estimate:
    """Mean of an ``(S, S)`` table over its pairs, with a jackknife interval over runs.

    Pairs are not independent: each run is in S − 1 of them. So one *run* at a time is left out:
    variance ``(S−1)/S · Σ(θ₍ₛ₎ − θ̄)²`` on the scale of :class:`Range`, Student's t with S − 1 degrees of
    freedom. A pair without a value is left out and counted.

    Args:
        values: ``(S, S)`` symmetric; NaN for pairs without a value.
        possible: the range of the measure, which the interval does not leave.
        confidence: of the interval.

    Raises:
        ShapeError: not square, or fewer than two runs.

    Source: Definitions §5; Efron and Tibshirani (1993), chapter 11.
    """
    runs = len(values)
    if values.shape != (runs, runs) or runs < 2:
        raise ShapeError(
            f"mean_over_pairs: a table of shape {values.shape}",
            needed="A square table over at least two runs is needed.",
            remedy="Train with two or more seeds.",
        )
    pairs = values[np.triu_indices(runs, 1)]
    undefined = int(np.isnan(pairs).sum())
    mean = _pair_mean(values)
    if np.isnan(mean):
        return Estimate(mean, np.nan, np.nan, "no pair of runs has a value", undefined)
    if runs < LEAST_RUNS:
        return Estimate(mean, np.nan, np.nan, f"{runs} runs: an interval needs {LEAST_RUNS}", undefined)
    left_out = np.array([_pair_mean(np.delete(np.delete(values, s, 0), s, 1)) for s in range(runs)])
    if np.isnan(left_out).any():
        reason = f"{undefined} of {len(pairs)} pairs have no value: too few are left without some run"
        return Estimate(mean, np.nan, np.nan, reason, undefined)
    low, high = jackknife_interval(mean, left_out, possible, confidence)
    return Estimate(mean, low, high, undefined=undefined)


def _pair_mean(values: Float64) -> float:
    return mean_of_known(values[np.triu_indices(len(values), 1)])


def mean_of_known(values: Float64) -> float:
    """Mean of the values that are not NaN; NaN where all are."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
