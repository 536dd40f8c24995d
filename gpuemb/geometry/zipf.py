"""The exponent of a power law in ranks, over ranks that are named."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float64

LEAST_RANKS = 3  # a line through two points has no residual
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Zipf:
    """A straight line through ``log λ_r`` on ``log r``.

    Attributes:
        exponent: ``β = −slope``; NaN where the line does not exist.
        low, high: the 95 % interval of β of a least-squares line with independent residuals. Eigenvalues in
            order are not independent: it tells how straight the line is, not what another sample would give.
        r_squared: share of the variance of ``log λ_r`` that the line explains; NaN for equal values.
        first, last: the ranks used, from 1, both included.
        reason: why the exponent is NaN; empty otherwise.
    """

    exponent: float
    low: float
    high: float
    r_squared: float
    first: int
    last: int
    reason: str = ""


def default_ranks(count: int) -> tuple[int, int]:
    """The first half of the ranks, at least three: behind it a spectrum falls below every power law."""
    return 1, max(LEAST_RANKS, -(-count // 2))


def zipf_exponent(values: Float64, ranks: tuple[int, int]) -> Zipf:
    """Fit the exponent of descending values over ranks ``first`` to ``last``, both included, from 1.

    NaN with its reason for fewer than three ranks, or where a value in the range is within rounding of
    zero (``count·eps`` of the largest). Source: Definitions §1.
    """
    first, last = ranks
    used = values[first - 1 : last]
    if first < 1 or last - first + 1 < LEAST_RANKS or last > len(values):
        return _nowhere(first, last, f"ranks {first} to {last} of {len(values)}: three or more are needed")
    if not used[-1] > len(values) * 2.0**-52 * values[0]:
        rank = first + int(np.argmin(used > len(values) * 2.0**-52 * values[0]))
        return _nowhere(first, last, f"the value of rank {rank} is zero")
    across = np.log(np.arange(first, last + 1, dtype=np.float64))
    up = np.log(used)
    across, up = across - across.mean(), up - up.mean()
    spread = float(np.sum(across**2))
    slope = float(np.sum(across * up)) / spread
    left_over, whole = float(np.sum((up - slope * across) ** 2)), float(np.sum(up**2))
    half = _quantile(len(up) - 2) * math.sqrt(left_over / (len(up) - 2) / spread)
    r_squared = 1 - left_over / whole if whole > 0 else math.nan
    return Zipf(-slope, -slope - half, -slope + half, r_squared, first, last)


def _nowhere(first: int, last: int, reason: str) -> Zipf:
    return Zipf(math.nan, math.nan, math.nan, math.nan, first, last, reason)


def _quantile(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))
