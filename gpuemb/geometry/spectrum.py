"""Eigenvalue spectrum of a table and the distance between two."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, namespace_of, to_host
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.results import result
from gpuemb.counts.power_law import PowerLaw, default_ranks, fit_power_law, no_power_law
from gpuemb.geometry.grams.build import pair_grams
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.measure import MeasureOfSums, PairTable
from gpuemb.geometry.measure.measured import Similarity, measured
from gpuemb.geometry.resampling.own_terms import OwnTerms
from gpuemb.uncertainty.draws import Draws, Resampling
from gpuemb.uncertainty.intervals import SHARE

NO_VARIANCE = "the rows are all equal"


@result
class Spectrum:
    """The eigenvalues of a table's centered Gram and what follows from them.

    Attributes:
        eigenvalues: ``(d,)`` float64, descending; squared length units of the table, summed over words. Of a
            correlation matrix: pure numbers that add up to d.
        participation_ratio: ``(Σλ)² / Σλ²``, between 1 and d: how many directions carry the variance.
        effective_rank: ``exp H(σ / Σσ)`` on singular values ``σ = √λ``.
        iso_score: ``(participation ratio − 1) / (d − 1)``; NaN for one dimension.
        entropy_rank: ``exp H(λ / Σλ)`` on the eigenvalues, at most the effective rank.
        zipf: how fast ``λ_r`` falls with its rank.
        correlation: the same of the correlation matrix (columns standardized); of that itself None.
        reason: why the numbers are NaN; empty otherwise.
        recomputed: whether the rows were moved to their means before they were summed.
    """

    eigenvalues: Float64
    participation_ratio: float
    effective_rank: float
    iso_score: float
    entropy_rank: float = math.nan
    zipf: PowerLaw | None = None
    correlation: Spectrum | None = None
    reason: str = ""
    recomputed: bool = False


@door
def spectrum(x: Any, *, ranks: tuple[int, int] | None = None) -> Spectrum:
    """Return the spectrum of a table with column means removed.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        ranks: first and last rank of the Zipf exponent, from 1; by default the first half, at least three.

    Returns:
        The numbers of the centered Gram, and in ``.correlation`` those of the correlation matrix, which are
        NaN with their reason where a column is constant.

    Raises:
        ConfigError: ranks that are no range of three or more within ``d``.
        ShapeError, DTypeError, NonFiniteError: as the table requires.

    Cost: ``V·d²`` flops. Source: Roy and Vetterli (2007); Rudman (2022); Definitions §4.

    Example:
        >>> found = ge.spectrum(x)
        >>> round(found.participation_ratio, 2), round(found.effective_rank, 2)
        (6.72, 7.81)
    """
    grams = pair_grams("spectrum", [x], "centered", "float64", ("X",))
    gram = grams.block(0, 0)
    if ranks is not None:
        fit_power_law(np.ones(gram.shape[0]), ranks)  # refuses ranks that do not exist
    return replace(spectrum_of_gram(gram, ranks), recomputed=grams.moved)


def spectrum_of_gram(gram: Array, ranks: tuple[int, int] | None = None) -> Spectrum:
    """Return the spectrum from a centered Gram ``(d, d)``; a constant table has NaN throughout."""
    return replace(_spectrum_of(gram, ranks), correlation=_of_correlation(gram, ranks))


@threads.single_threaded_blas()
def _spectrum_of(gram: Array, ranks: tuple[int, int] | None) -> Spectrum:
    xp = namespace_of(gram)
    values = xp.flip(xp.linalg.eigvalsh(gram))
    values = xp.where(values > 0, values, xp.zeros_like(values))
    total, squares = float(xp.sum(values)), float(xp.sum(values**2))
    dim = gram.shape[0]
    first, last = default_ranks(dim) if ranks is None else ranks
    if total == 0:
        zipf = no_power_law((first, last), NO_VARIANCE)
        return Spectrum(to_host(values), math.nan, math.nan, math.nan, zipf=zipf, reason=NO_VARIANCE)
    ratio = total**2 / squares
    isotropy = (ratio - 1) / (dim - 1) if dim > 1 else math.nan
    zero = dim * 2.0**-52 * float(values[0])  # rounding of the largest
    zipf = fit_power_law(to_host(values), (first, last), missing="nan", zero=zero)
    rank, entropy_rank = _effective_rank(xp.sqrt(values)), _effective_rank(values)
    return Spectrum(to_host(values), ratio, rank, isotropy, entropy_rank, zipf)


def _of_correlation(gram: Array, ranks: tuple[int, int] | None) -> Spectrum:
    """The spectrum of the correlation matrix; NaN where a column is constant, which has no correlation."""
    xp = namespace_of(gram)
    variances = xp.linalg.diagonal(gram)
    constant = [column for column, value in enumerate(to_host(variances).tolist()) if value <= 0]
    if constant:
        reason = f"column {constant[0]} is constant"
        dim = gram.shape[0]
        zipf = no_power_law(ranks or default_ranks(dim), reason)
        nowhere = np.full(dim, math.nan)
        return Spectrum(nowhere, math.nan, math.nan, math.nan, zipf=zipf, reason=reason)
    lengths = xp.sqrt(variances)
    return _spectrum_of(gram / lengths[:, None] / lengths[None, :], ranks)


def _effective_rank(numbers: Array) -> float:
    """``exp`` of the entropy of the shares."""
    xp = namespace_of(numbers)
    shares = numbers / xp.sum(numbers)
    positive = shares > 0
    logs = xp.log(xp.where(positive, shares, xp.ones_like(shares)))
    return math.exp(-float(xp.sum(shares * logs)))


@door
def spectrum_distance(
    x: Any, y: Any, *, correlation: bool = False, **resampling: Unpack[Resampling]
) -> Similarity:
    """``½ Σ_r |λ_r/Σλ − λ'_r/Σλ'|``: 0 for proportional spectra, at most 1; the shorter is padded with 0.

    Args:
        x: an Embedding, a float array ``(V, d)``, or its :class:`Spectrum`.
        y: another, ``(V, d')``; a Spectrum if ``x`` is one: then there is no interval.
        correlation: compare the spectra of the correlation matrices.
        resampling: see :class:`gpuemb.Resampling`; a spectrum does not depend on the order of words, so there
            are no permutations.

    Returns:
        The distance in ``.value``; NaN with its reason where either has no variance, or a constant column
        no correlation.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.
        ConfigError: permutations or bootstrap; a spectrum and a table; a confidence that is no share.

    Cost: ``V·(d + d')²`` flops, as many again and ``2·B`` decompositions for the interval.
    Source: Definitions §4, §5.

    Example:
        >>> round(ge.spectrum_distance(x, y).value, 3), round(ge.spectrum_distance(x, 2 * x @ q).value, 6)
        (0.009, 0.0)
    """
    draws = Draws("spectrum_distance", **resampling)
    measure = spectrum_measure(correlation=correlation)
    if not isinstance(x, Spectrum) and not isinstance(y, Spectrum):
        return measured(measure, x, y, draws)
    _check_spectra(x, y, draws)
    value = measure.distance(x, y)
    reason = (x.reason or y.reason or NO_VARIANCE) if math.isnan(value) else ""
    return Similarity(value, measure.name, "centered", 0, reason, x.recomputed or y.recomputed)


def _check_spectra(x: Any, y: Any, draws: Draws) -> None:
    if not isinstance(x, Spectrum) or not isinstance(y, Spectrum):
        raise ConfigError(
            "spectrum_distance: a spectrum and a table were given",
            needed="Two tables, or two spectra, are needed.",
            remedy="Take the spectrum of the table too: spectrum_distance(x, spectrum(y)).",
        )
    if draws:
        raise ConfigError(
            "spectrum_distance: permutations or bootstrap of two spectra were asked for",
            needed="A spectrum no longer holds the words that are to be resampled.",
            remedy="Give the tables themselves: spectrum_distance(x, y).",
        )


def distance_of_spectra(first: Spectrum, second: Spectrum) -> float:
    """Return the distance of two spectra; NaN where either has no variance."""
    length = max(len(first.eigenvalues), len(second.eigenvalues))
    shares = [
        np.pad(s.eigenvalues, (0, length - len(s.eigenvalues))) / s.eigenvalues.sum()
        if s.eigenvalues.sum() > 0
        else np.full(length, np.nan)
        for s in (first, second)
    ]
    return float(0.5 * np.abs(shares[0] - shares[1]).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class SpectrumMeasure(MeasureOfSums):
    """The distance of two spectra; there are no pairs of words.

    Attributes:
        correlation: whether of the correlation matrices.
    """

    correlation: bool = False

    def pair_table(self, grams: Grams) -> PairTable:
        """Return the distance of every pair of centered runs."""
        spectra = [spectrum_of_gram(grams.block(s, s)) for s in range(grams.runs)]
        values = np.array([[self.distance(a, b) for b in spectra] for a in spectra])
        return PairTable.of(values, grams.moved)

    def distance(self, first: Spectrum, second: Spectrum) -> float:
        """Return the distance of two spectra; NaN where either has no variance."""
        if self.correlation:
            first, second = first.correlation or first, second.correlation or second
        return distance_of_spectra(first, second)

    def value(self, sums: PairSums, own: OwnTerms | None = None) -> float:
        """Return the distance of two tables from their sums."""
        take = _of_correlation if self.correlation else _spectrum_of
        return distance_of_spectra(take(sums.gram_x, None), take(sums.gram_y, None))


def spectrum_measure(*, correlation: bool = False) -> SpectrumMeasure:
    """Return the distance of the Grams' spectra, or of the correlation matrices'."""
    return CORRELATION_DISTANCE if correlation else SPECTRUM_DISTANCE


SPECTRUM_DISTANCE = SpectrumMeasure(
    name="spectrum_distance",
    title="Distance of the spectra",
    meaning="Half the summed difference of the shares of variance by rank; 0 when they are equal.",
    preparation="centered",
    possible=SHARE,
    missing="the rows of one table are all equal",
    higher_is_closer=False,
    precision="float64",
    permutable=False,
    options=spectrum_measure,
)
CORRELATION_DISTANCE = replace(
    SPECTRUM_DISTANCE,
    title="Distance of the correlation spectra",
    missing="the rows of one table are all equal, or a column is constant",
    correlation=True,
)
