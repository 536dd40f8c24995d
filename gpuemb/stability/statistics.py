"""Uncertainty of what was measured between runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.errors import ShapeError

LEAST_RUNS = 3  # below it a jackknife has no degrees of freedom to speak of (Definitions §5)


@dataclass(frozen=True)
class Estimate:
    """A mean over pairs of runs.

    Attributes:
        value: the mean.
        low: lower end of the 95 % interval; NaN when there are fewer than three runs.
        high: upper end.
        reason: why there is no interval; empty when there is one.
    """

    value: float
    low: float
    high: float
    reason: str = ""

    def __float__(self) -> float:
        return self.value


def mean_over_pairs(values: Float64, *, confidence: float = 0.95) -> Estimate:
    """Mean of an ``(S, S)`` table over its pairs, with a jackknife interval over runs.

    Pairs are not independent: each run is in S − 1 of them. So one *run* at a time is left out:
    variance ``(S−1)/S · Σ(θ₍ₛ₎ − θ̄)²``, Student's t with S − 1 degrees of freedom.

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
    mean = _pair_mean(values)
    if runs < LEAST_RUNS:
        return Estimate(mean, np.nan, np.nan, f"{runs} runs: an interval needs {LEAST_RUNS}")
    left_out = np.array([_pair_mean(np.delete(np.delete(values, s, 0), s, 1)) for s in range(runs)])
    variance = (runs - 1) / runs * float(np.sum((left_out - left_out.mean()) ** 2))
    from scipy.special import stdtrit

    half = float(stdtrit(runs - 1, 0.5 + confidence / 2)) * float(np.sqrt(variance))
    return Estimate(mean, mean - half, mean + half)


def _pair_mean(values: Float64) -> float:
    first, second = np.triu_indices(len(values), 1)
    return float(values[first, second].mean())


def mean_of_known(values: Float64) -> float:
    """Mean of the values that are not NaN; NaN where all are."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
