"""Intervals: the jackknife's on a scale without ends, and Wilson's of a share of independent trials."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float64


@dataclass(frozen=True)
class Range:
    """The values that a measure can take, and the map that takes them to the whole line.

    Two finite ends give the logit of the share of the range (of a correlation, Fisher's z times two), one
    finite end the logarithm of the distance from it, none the value itself.

    Attributes:
        low: the lower end.
        high: the upper end.
    """

    low: float = -math.inf
    high: float = math.inf

    def onto_line(self, values: Float64) -> Float64:
        """Map values to the line; an end of the range to an infinity."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if math.isinf(self.low):
                return values
            above: Float64 = np.log(np.maximum(values - self.low, 0.0))
            return above if math.isinf(self.high) else above - np.log(np.maximum(self.high - values, 0.0))

    def from_line(self, z: float) -> float:
        """Map a number of the line back into the range."""
        if math.isinf(self.low):
            return z
        if math.isinf(self.high):
            return self.low + math.exp(min(z, 700.0))
        return self.low + (self.high - self.low) / (1 + math.exp(min(-z, 700.0)))

    def clipped(self, value: float) -> float:
        """The nearest value of the range."""
        return min(max(value, self.low), self.high)


ANY, CORRELATION, SHARE, DISTANCE = Range(), Range(-1.0, 1.0), Range(0.0, 1.0), Range(0.0)
ANGLE = Range(0.0, math.pi / 2)


def jackknife_interval(
    value: float, left_out: Float64, values: Range = ANY, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of an estimate from its values with one group left out at a time.

    The variance ``(n−1)/n · Σ(z₍ᵢ₎ − z̄)²`` is taken on the line onto which ``values`` is mapped, with
    Student's t of n − 1 degrees of freedom, and the ends are mapped back: the interval holds ``value`` and
    stays inside the range. Where some estimate stands at an end of the range, the variance is taken as the
    values are and the interval cut at the ends.

    Args:
        value: the estimate from all groups.
        left_out: ``(n,)`` the estimates without one group each; entries that are NaN are passed over.
        values: the range of the estimate.
        confidence: of the interval.

    Returns:
        Its ends; NaN with fewer than two known entries.

    Source: Efron and Tibshirani (1993), chapter 11; Definitions §5.
    """
    from scipy.special import stdtrit

    known = left_out[np.isfinite(left_out)]
    if len(known) < 2 or math.isnan(value):
        return math.nan, math.nan
    t = float(stdtrit(len(known) - 1, 0.5 + confidence / 2))
    z = values.onto_line(np.append(known, value))
    if np.isfinite(z).all():
        half = t * _standard_error(z[:-1])
        center = float(z[-1])
        low, high = values.from_line(center - half), values.from_line(center + half)
        return min(low, value), max(high, value)  # the way there and back may round
    half = t * _standard_error(known)
    return values.clipped(value - half), values.clipped(value + half)


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a probability from independent trials: all that a test of the score does not reject.

    It holds the share itself, stays between 0 and 1, and has a width where none or all succeed.

    Args:
        successes: of the trials.
        trials: how many.
        confidence: of the interval.

    Returns:
        Its ends; NaN without trials.

    Source: Wilson (1927), J. Am. Stat. Assoc. 22, 209-212; Brown, Cai and DasGupta (2001), Statist. Sci. 16.
    """
    from scipy.special import ndtri

    if not trials:
        return math.nan, math.nan
    squared = float(ndtri(0.5 + confidence / 2)) ** 2
    share = successes / trials
    center = (successes + squared / 2) / (trials + squared)
    half = math.sqrt(squared * (trials * share * (1 - share) + squared / 4)) / (trials + squared)
    return max(0.0, min(center - half, share)), min(
        1.0, max(center + half, share)
    )  # rounding passes the share


def jackknife_variance(left_out: Float64, values: Range = ANY) -> float:
    """Return the variance of an estimate on the line of ``values`` from its values without one group each.

    Args:
        left_out: ``(n,)``; entries that are NaN are passed over.
        values: the range of the estimate.

    Returns:
        NaN with fewer than two known entries, or where one stands at an end of the range.
    """
    z = values.onto_line(left_out[np.isfinite(left_out)])
    return _standard_error(z) ** 2 if len(z) > 1 and np.isfinite(z).all() else math.nan


def variance_interval(
    value: float, variance: float, groups: int, values: Range = ANY, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of an estimate whose variance on the line of ``values`` is known from so many groups.

    Returns:
        Its ends; NaN where there is no variance.
    """
    from scipy.special import stdtrit

    center = float(values.onto_line(np.array([value]))[0])
    half = float(stdtrit(groups - 1, 0.5 + confidence / 2)) * math.sqrt(variance)
    if not math.isfinite(center + half):
        return math.nan, math.nan
    return min(values.from_line(center - half), value), max(values.from_line(center + half), value)


def _standard_error(left_out: Float64) -> float:
    count = len(left_out)
    return math.sqrt((count - 1) / count * float(np.sum((left_out - left_out.mean()) ** 2)))
