"""The exponent of a power law in ranks, fitted by least squares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from gpuemb.core.doors import enter, whole_number
from gpuemb.core.errors import ConfigError
from gpuemb.core.results import result, shown

CONFIDENCE = 0.95
LEAST_RANKS = 3  # a line through two points has no residual


@result(eq=True)
class PowerLaw:
    """A line through ``log value`` against ``log rank``.

    Attributes:
        exponent: ``β``, minus the slope; NaN where no line can be fitted.
        interval: of ``β``, at the given confidence: of the law that the values were drawn from, which knows
            that values in order depend on each other. Its width hardly depends on how straight the line is.
        r_squared: share of the variance of ``log value`` on the line; NaN for equal values.
        ranks: first and last rank of the fit, both included, from 1.
        confidence: of the interval.
        reason: why the exponent is NaN; empty otherwise.
    """

    exponent: float
    interval: tuple[float, float]
    r_squared: float
    ranks: tuple[int, int]
    confidence: float = CONFIDENCE
    reason: str = ""

    def __float__(self) -> float:
        return self.exponent

    def __str__(self) -> str:
        if self.reason:
            return f"nan, {self.reason}"
        low, high = self.interval
        return (
            f"{self.exponent:.4g} [{low:.4g}, {high:.4g}] at {self.confidence:.0%}, "
            f"R² {self.r_squared:.4g}, ranks {self.ranks[0]} to {self.ranks[1]}"
        )


def no_power_law(ranks: tuple[int, int], reason: str) -> PowerLaw:
    """Return a result of NaN with its reason."""
    return PowerLaw(math.nan, (math.nan, math.nan), math.nan, ranks, reason=reason)


def default_ranks(count: int) -> tuple[int, int]:
    """Return the first half of the ranks, at least three: beyond it spectra fall below every power law."""
    return 1, max(LEAST_RANKS, -(-count // 2))


def check_ranks(ranks: Any) -> tuple[int, int]:
    """Return the first and the last rank.

    Raises:
        ConfigError: not two whole numbers.
    """
    found = [whole_number(rank, None) for rank in enter("power law", "ranks", ranks, Sequence)]
    if len(found) != len(("first", "last")) or None in found:
        raise ConfigError(
            f"power law: ranks = {shown(ranks)}",
            needed="The first and the last rank are needed, whole numbers from 1.",
            remedy="ranks=(1, 100), for example.",
        )
    return found[0], found[1]


def fit_power_law(
    values: Any, ranks: tuple[int, int], *, missing: Literal["nan", "raise"] = "raise", zero: float = 0.0
) -> PowerLaw:
    """Least squares of ``log values[r − 1]`` on ``log r`` for ``ranks[0] ≤ r ≤ ranks[1]``.

    Args:
        values: positive numbers, descending.
        ranks: first and last rank, from 1.
        missing: ``raise`` an error where no line can be fitted, or return ``nan`` with its reason.
        zero: values up to this one count as 0: rounding of the largest, say.

    Raises:
        ConfigError: fewer than three ranks, ranks beyond the values, or values of 0, unless ``missing``
            is ``nan``.

    The interval is that of values drawn from a power law (Pareto), of which ``ranks`` are a part. In order,
    ``log values[r − 1]`` is ``β Σ_{j ≥ r} E_j / j`` plus a constant, with independent exponential ``E_j``:
    so the fitted exponent is ``β`` times a sum of exponentials, whose quantiles are taken as those of the
    gamma distribution with its mean and variance. From rank 1 on, its standard error is ``β√(2/n)`` for many
    ranks ``n``; the mean, 1.08 at n = 50, corrects the interval and leaves the exponent as it is.

    Source: Definitions §1; Gabaix & Ibragimov (2011), JBES 29; Rényi (1953), order statistics.
    """
    first, last = check_ranks(ranks)
    used = np.asarray(values[max(first - 1, 0) : last], np.float64)
    reason, needed, remedy = "", "", ""
    if first < 1 or last - first + 1 < LEAST_RANKS or last > len(values):
        reason = f"ranks {first} to {last} of {len(values)}: three or more are needed"
        needed = "A line with an interval needs at least three ranks that exist, counted from 1."
        remedy = f"Give ranks=(first, last) between 1 and {len(values)}."
    elif not (used > zero).all():
        rank = first + int(np.argmin(used > zero))
        reason = f"the value of rank {rank} is zero"
        needed, remedy = "A logarithm needs positive values.", f"End at rank {rank - 1} or before."
    if reason and missing == "raise":
        raise ConfigError(f"power law: {reason}", needed=needed, remedy=remedy)
    return no_power_law(ranks, reason) if reason else _line(used, first, last)


def _line(used: Any, first: int, last: int) -> PowerLaw:
    ranks = np.arange(first, last + 1, dtype=np.float64)
    across, up = np.log(ranks), np.log(used)
    across, up = across - across.mean(), up - up.mean()
    weights = -across / np.sum(across**2)
    exponent = float(np.sum(weights * up))
    left_over, whole = float(np.sum((up + exponent * across) ** 2)), float(np.sum(up**2))
    low, high = sorted(exponent / ratio for ratio in _ratios(np.cumsum(weights) / ranks))
    r_squared = 1 - left_over / whole if whole > 0 else math.nan  # equal values have no variance
    return PowerLaw(exponent, (low, high), r_squared, (first, last))


def _ratios(shares: Any) -> tuple[float, float]:
    """Quantiles of fitted over true exponent: of a sum of ``shares`` of independent exponentials."""
    from scipy.special import gammaincinv

    mean, variance = float(np.sum(shares)), float(np.sum(shares**2))
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(gammaincinv(mean**2 / variance, share)) for share in (tail, 1 - tail))
    return low * variance / mean, high * variance / mean
