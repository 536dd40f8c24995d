"""Linear contrasts of independent estimates, each with its own jackknife."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float64


@dataclass(frozen=True, eq=False)
class Jackknifed:
    """An estimate with its values where one group is left out at a time.

    Attributes:
        value: from all groups.
        left_out: ``(n,)`` without one group each.
    """

    value: float
    left_out: Float64

    def log(self) -> Jackknifed:
        """Return the logarithm; NaN where a value is not above zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            left_out = np.where(self.left_out > 0, np.log(self.left_out), np.nan)
        return Jackknifed(math.log(self.value) if self.value > 0 else math.nan, left_out)

    @property
    def variance(self) -> float:
        """``(n−1)/n · Σ(θ₍ᵢ₎ − θ̄)²``; NaN with fewer than two groups or an unknown value."""
        count = len(self.left_out)
        if count < 2 or not np.isfinite(self.left_out).all():
            return math.nan
        return (count - 1) / count * float(np.sum((self.left_out - self.left_out.mean()) ** 2))

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the variance."""
        return len(self.left_out) - 1


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its interval; NaN where there is none."""

    value: float
    low: float
    high: float

    def mapped(self, function: object) -> Interval:
        """Return the images of value and ends under an increasing function of a number."""
        assert callable(function)
        return Interval(*(float(function(each)) for each in (self.value, self.low, self.high)))

    def is_above(self, bound: float) -> bool:
        """Whether the whole interval is above a number; False without an interval."""
        return self.low > bound

    def is_below(self, bound: float) -> bool:
        """Whether the whole interval is below a number; False without an interval."""
        return self.high < bound


def contrast(weights: Sequence[float], estimates: Sequence[Jackknifed], confidence: float = 0.95) -> Interval:
    """Return ``Σ wᵢ θᵢ`` of independent estimates.

    The variance is ``Σ wᵢ² vᵢ``, Student's t has the degrees of freedom of Welch and Satterthwaite.

    Args:
        weights: of the estimates.
        estimates: from different runs, or from runs that share nothing but what cancels in the contrast.
        confidence: of the interval.

    Source: Satterthwaite (1946), Biometrics Bulletin 2, 110-114.
    """
    from scipy.special import stdtrit

    value = sum(w * one.value for w, one in zip(weights, estimates, strict=True))
    parts = [w * w * one.variance for w, one in zip(weights, estimates, strict=True) if w]
    freedoms = [one.freedom for w, one in zip(weights, estimates, strict=True) if w]
    variance = sum(parts)
    if not parts or math.isnan(value) or math.isnan(variance):
        return Interval(value, math.nan, math.nan)
    if variance == 0:
        return Interval(value, value, value)
    freedom = variance**2 / sum(part**2 / df for part, df in zip(parts, freedoms, strict=True))
    half = float(stdtrit(freedom, 0.5 + confidence / 2)) * math.sqrt(variance)
    return Interval(value, value - half, value + half)


def slope(levels: Sequence[float], estimates: Sequence[Jackknifed], confidence: float = 0.95) -> Interval:
    """Return the least-squares slope of independent estimates on their levels.

    It is a contrast: exact whether or not a line fits, as the mean change along the levels.

    Raises:
        ValueError: all levels are equal.
    """
    centered = np.asarray(levels, float) - np.mean(levels)
    size = float(centered @ centered)
    if size == 0:
        raise ValueError("a slope needs two different levels")
    return contrast((centered / size).tolist(), estimates, confidence)
