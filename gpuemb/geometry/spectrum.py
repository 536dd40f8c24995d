"""How a table's variance is spread over directions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, namespace_of, to_host
from gpuemb.geometry.crossgrams import cross_grams


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The eigenvalues of a table's centered Gram and what follows from them.

    Attributes:
        eigenvalues: ``(d,)`` float64, descending; squared length units of the table, summed over words.
        participation_ratio: ``(Σλ)² / Σλ²``, between 1 and d: how many directions carry the variance.
        effective_rank: ``exp H(σ / Σσ)`` on singular values ``σ = √λ``.
        iso_score: ``(participation ratio − 1) / (d − 1)``; NaN for one dimension.
    """

    eigenvalues: Float64
    participation_ratio: float
    effective_rank: float
    iso_score: float


def spectrum(x: Any) -> Spectrum:
    """Return the spectrum of a table with column means removed.

    Args:
        x: an Embedding or a float array ``(V, d)``.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the table requires.

    Cost: ``V·d²`` flops. Source: Roy and Vetterli (2007); Rudman (2022); Definitions §4.
    """
    return spectrum_of_gram(cross_grams([x], "centered").block(0, 0))


@threads.single_threaded_blas()
def spectrum_of_gram(gram: Array) -> Spectrum:
    """Return the spectrum from a centered Gram ``(d, d)``; a constant table has NaN throughout."""
    xp = namespace_of(gram)
    values = xp.flip(xp.linalg.eigvalsh(gram))
    values = xp.where(values > 0, values, xp.zeros_like(values))
    total, squares = float(xp.sum(values)), float(xp.sum(values**2))
    if total == 0:
        return Spectrum(to_host(values), math.nan, math.nan, math.nan)
    ratio = total**2 / squares
    dim = gram.shape[0]
    isotropy = (ratio - 1) / (dim - 1) if dim > 1 else math.nan
    return Spectrum(to_host(values), ratio, _effective_rank(xp.sqrt(values)), isotropy)


def _effective_rank(singular: Array) -> float:
    xp = namespace_of(singular)
    shares = singular / xp.sum(singular)
    positive = shares > 0
    logs = xp.log(xp.where(positive, shares, xp.ones_like(shares)))
    return math.exp(-float(xp.sum(shares * logs)))


def spectrum_distance(first: Spectrum, second: Spectrum) -> float:
    """``½ Σ_r |λ_r/Σλ − λ'_r/Σλ'|``: 0 for proportional spectra, at most 1; the shorter is padded with 0."""
    import numpy as np

    length = max(len(first.eigenvalues), len(second.eigenvalues))
    shares = [
        np.pad(s.eigenvalues, (0, length - len(s.eigenvalues))) / s.eigenvalues.sum()
        if s.eigenvalues.sum() > 0
        else np.full(length, np.nan)
        for s in (first, second)
    ]
    return float(0.5 * np.abs(shares[0] - shares[1]).sum())
