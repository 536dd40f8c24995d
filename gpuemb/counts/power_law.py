"""Power laws of ranks: how fast word frequencies and singular values fall."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.checks import check_at_least, check_at_most, check_choice
from gpuemb.core.errors import ConfigError
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.decomposition import truncated_svd

SpectrumOf: TypeAlias = Literal["counts", "ppmi"]
CONFIDENCE = 0.95


@dataclass(frozen=True)
class PowerLaw:
    """A line through ``log value`` against ``log rank``.

    Attributes:
        exponent: ``β``, minus the slope.
        interval: of ``β``, at the given confidence, from the residuals of the line as if they were
            independent; values in descending order are not quite.
        r_squared: share of the variance of ``log value`` on the line.
        ranks: first and last rank of the fit, both included, from 1.
        confidence: of the interval.
    """

    exponent: float
    interval: tuple[float, float]
    r_squared: float
    ranks: tuple[int, int]
    confidence: float = CONFIDENCE

    def __float__(self) -> float:
        return self.exponent

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.exponent:.4g} [{low:.4g}, {high:.4g}] at {self.confidence:.0%}, "
            f"R² {self.r_squared:.4g}, ranks {self.ranks[0]} to {self.ranks[1]}"
        )


@dataclass(frozen=True, eq=False)
class CountSpectrum:
    """The largest singular values of counts, or of their PPMI.

    Attributes:
        values: ``(k,)`` float64, descending; of counts in the window's own weights, of PPMI in nats.
        of: ``counts`` or ``ppmi``.
        residual: largest ``‖Av − σu‖ / σ_1`` over the triplets.
    """

    values: Float64
    of: SpectrumOf
    residual: float

    def power_law(self, ranks: tuple[int, int] | None = None) -> PowerLaw:
        """Fit the Zipf exponent of ``ranks`` (default: all ``k``, which the result says)."""
        return fit_power_law(self.values, ranks or (1, len(self.values)))


def count_spectrum(counts: Cooccurrence, k: int, *, of: SpectrumOf = "counts") -> CountSpectrum:
    """Return the ``k`` largest singular values.

    Raises:
        ConfigError: more values than words, or an unknown matrix.

    Cost: some ``10·k`` products with the sparse matrix.
    """
    check_choice("spectrum", "of", of, ("counts", "ppmi"))
    check_at_least("spectrum", "k", k, 1)
    check_at_most("spectrum", "k", k, len(counts.vocabulary))
    factors = truncated_svd(counts.ppmi() if of == "ppmi" else counts.to_float(), k)
    return CountSpectrum(factors.singular, of, factors.residual)


def rank_frequency(counts: Cooccurrence, ranks: tuple[int, int]) -> PowerLaw:
    """Fit Zipf's law to the words' own frequencies between two ranks.

    Raises:
        ConfigError: fewer than three ranks, ranks that no word has, or words that never occur.

    Source: Zipf (1949); Definitions §1.
    """
    return fit_power_law(np.sort(counts.vocabulary.counts)[::-1], ranks)


def fit_power_law(values: Any, ranks: tuple[int, int]) -> PowerLaw:
    """Least squares of ``log values[r − 1]`` on ``log r`` for ``ranks[0] ≤ r ≤ ranks[1]``.

    Args:
        values: positive numbers, descending.
        ranks: first and last rank, from 1.

    Raises:
        ConfigError: fewer than three ranks, ranks beyond the values, or values that are not positive.
    """
    from scipy.stats import t

    first, last = ranks
    if not 1 <= first <= last - 2 or last > len(values):
        raise ConfigError(
            f"power law: ranks {first} to {last} of {len(values)} values",
            needed="A line with an interval needs at least three ranks that exist, counted from 1.",
            remedy=f"Give ranks=(first, last) between 1 and {len(values)}.",
        )
    chosen = np.asarray(values[first - 1 : last], np.float64)
    if not (chosen > 0).all():
        raise ConfigError(
            f"power law: rank {first + int(np.argmin(chosen > 0))} has the value 0",
            needed="A logarithm needs positive values.",
            remedy=f"End at rank {first + int(np.argmin(chosen > 0)) - 1} or before.",
        )
    x, y = np.log(np.arange(first, last + 1.0)), np.log(chosen)
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    left, variance = float(((y - slope * x) ** 2).sum()), float(y @ y)
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(x) - 2)) * math.sqrt(left / (len(x) - 2) / float(x @ x))
    explained = 1 - left / variance if variance else math.nan  # equal values have no variance to explain
    return PowerLaw(-slope, (-slope - half, -slope + half), explained, (first, last))
