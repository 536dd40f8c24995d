"""Eigenvalue spectrum of a table and the distance between two."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, namespace_of, to_host
from gpuemb.core.checks import check_at_least
from gpuemb.core.errors import ConfigError
from gpuemb.geometry.grams.build import pair_grams
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.resampling.draws import uncertainty
from gpuemb.geometry.resampling.measure import Measure, OwnTerms
from gpuemb.geometry.resampling.uncertainty import Draws, Resampling, resampled
from gpuemb.geometry.results import Similarity
from gpuemb.geometry.zipf import LEAST_RANKS, Zipf, default_ranks, zipf_exponent

NO_VARIANCE = "the rows are all equal"


@dataclass(frozen=True, eq=False)
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
    zipf: Zipf | None = None
    correlation: Spectrum | None = None
    reason: str = ""
    recomputed: bool = False


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
    """
    grams = pair_grams("spectrum", [x], "centered", "float64", ("X",))
    gram = grams.block(0, 0)
    if ranks is not None:
        check_ranks(ranks, gram.shape[0])
    return replace(spectrum_of_gram(gram, ranks), recomputed=grams.moved)


def check_ranks(ranks: tuple[int, int], dim: int) -> None:
    """Ranks must be a range of three or more among ``dim``.

    Raises:
        ConfigError: they are not.
    """
    first, last = ranks
    check_at_least("spectrum", "the first rank", first, 1)
    if last > dim or last - first + 1 < LEAST_RANKS:
        raise ConfigError(
            f"spectrum: ranks {first} to {last} of {dim} eigenvalues",
            needed=f"At least {LEAST_RANKS} ranks are needed, the last at most {dim}.",
            remedy=f"Leave ranks out for {default_ranks(dim)}." if dim >= LEAST_RANKS else "Leave ranks out.",
        )


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
        zipf = Zipf(math.nan, math.nan, math.nan, math.nan, first, last, NO_VARIANCE)
        return Spectrum(to_host(values), math.nan, math.nan, math.nan, zipf=zipf, reason=NO_VARIANCE)
    ratio = total**2 / squares
    isotropy = (ratio - 1) / (dim - 1) if dim > 1 else math.nan
    zipf = zipf_exponent(to_host(values), (first, last))
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
        zipf = Zipf(math.nan, math.nan, math.nan, math.nan, *(ranks or default_ranks(dim)), reason)
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


@resampled
def spectrum_distance(
    x: Any, y: Any, *, correlation: bool = False, **resampling: Unpack[Resampling]
) -> Similarity:
    """``½ Σ_r |λ_r/Σλ − λ'_r/Σλ'|``: 0 for proportional spectra, at most 1; the shorter is padded with 0.

    Args:
        x: an Embedding, a float array ``(V, d)``, or its :class:`Spectrum`.
        y: another, ``(V, d')``; a Spectrum if ``x`` is one.
        correlation: compare the spectra of the correlation matrices.
        resampling: permutations, bootstrap, seed, confidence and progress, as ``Resampling`` says; no
            permutations, as a spectrum has no order of words; a word counts as often as it is
            drawn.

    Returns:
        The distance in ``.value``; NaN with its reason where either has no variance, or a constant column
        no correlation.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.
        ConfigError: permutations; a bootstrap of spectra without their words; a negative number of draws, or
            a confidence that is no share.

    Cost: ``V·(d + d')²`` flops; ``1.3·V·(d² + dd' + d'²)`` a resample. Source: Definitions §4, §5.
    """
    draws = Draws.of("spectrum_distance", resampling)
    given = isinstance(x, Spectrum) and isinstance(y, Spectrum)
    _check_draws(draws, spectra=given)
    if given:
        first, second, zeros, recomputed = x, y, 0, x.recomputed or y.recomputed
    else:
        grams = pair_grams("spectrum_distance", [x, y], "centered", "float64")
        first, second = (spectrum_of_gram(grams.block(s, s)) for s in range(2))
        zeros, recomputed = grams.zeros, grams.moved
    if correlation:
        first, second = first.correlation or first, second.correlation or second
    value = distance_of_spectra(first, second)
    reason = (first.reason or second.reason or NO_VARIANCE) if math.isnan(value) else ""
    found = Similarity(value, "spectrum_distance", "centered", zeros, reason, recomputed)
    measure = CORRELATION_DISTANCE if correlation else SPECTRUM_DISTANCE
    return uncertainty(x, y, measure, draws).onto(found) if draws else found


def _check_draws(draws: Draws, *, spectra: bool) -> None:
    if draws.permutations:
        raise ConfigError(
            f"spectrum_distance: permutations = {draws.permutations}",
            needed="A spectrum has no order of words: every permutation gives the same distance.",
            remedy="Ask for bootstrap=…, or permute a measure that pairs words, such as rsa or cka.",
        )
    if draws.bootstrap and spectra:
        raise ConfigError(
            f"spectrum_distance: bootstrap = {draws.bootstrap} of two spectra",
            needed="A spectrum no longer holds the words that are to be drawn.",
            remedy="Give the tables themselves: spectrum_distance(x, y, bootstrap=…).",
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


def _distance_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """The distance of the Grams' spectra; copies of a word count."""
    first, second = (_spectrum_of(gram, None) for gram in (sums.gram_x, sums.gram_y))
    return distance_of_spectra(first, second)


def _correlation_distance_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """The distance of the correlation matrices' spectra."""
    first, second = (_of_correlation(gram, None) for gram in (sums.gram_x, sums.gram_y))
    return distance_of_spectra(first, second)


SPECTRUM_DISTANCE = Measure("spectrum distance", "centered", _distance_of_sums, 0.0, higher_is_closer=False)
CORRELATION_DISTANCE = Measure(
    "spectrum distance", "centered", _correlation_distance_of_sums, 0.0, higher_is_closer=False
)
