"""Centered kernel alignment of two tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, Unpack

import numpy as np

from gpuemb.core.doors import door
from gpuemb.geometry.grams.digits import ROUNDING
from gpuemb.geometry.grams.float32_bounds import PairErrors
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.measure import MeasureOfSums, PairTable, SumsMeasure
from gpuemb.geometry.measure.measured import Similarity, measured
from gpuemb.geometry.resampling.own_terms import OwnTerms, without_copies
from gpuemb.uncertainty.draws import Draws, Resampling
from gpuemb.uncertainty.intervals import CORRELATION, SHARE

LEAST_WORDS = 4  # HSIC₁ divides by V − 3


@door
def cka(x: Any, y: Any, *, debiased: bool = False, **resampling: Unpack[Resampling]) -> Similarity:
    """Linear CKA ``‖C‖² / (‖G_X‖ ‖G_Y‖)`` of centered columns, between 0 and 1.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        debiased: the ratio of unbiased estimates ``HSIC₁`` instead: near 0 for unrelated tables however many
            dimensions they have. At most 1, may be negative, and is never clamped; needs 4 words.
        resampling: see :class:`gpuemb.Resampling`.

    Returns:
        The alignment in ``.value``; NaN with its reason where a table's rows are all equal, and for the
        debiased one where they are all equally far apart. ``.recomputed`` where the columns' means are so
        much larger than their spread that the rows were moved there first.

    Raises:
        GpuembError: as :func:`rsa`, of the tables and the resampling.

    Cost: ``V·(d + d')²`` flops, as many again for the interval.
    Source: Kornblith (2019); Song (2012); Definitions §4, §5.

    Example:
        >>> round(ge.cka(x, y).value, 3), round(ge.cka(x, 3 * x @ q).value, 3)
        (0.992, 1.0)
        >>> unrelated = np.random.default_rng(1).standard_normal((50, 8))
        >>> abs(ge.cka(x, unrelated, debiased=True).value) < 0.05 < ge.cka(x, unrelated).value
        True
    """
    return measured(DEBIASED_CKA if debiased else CKA, x, y, Draws("cka", **resampling))


def linear_cka(sums: PairSums, own: OwnTerms | None = None) -> float:
    """Return linear CKA from the sums of centered columns; two copies of a word are no pair."""
    x, cross, y = without_copies(sums, own)
    scale = math.sqrt(max(0.0, x) * max(0.0, y))
    return cross / scale if scale > 0 else math.nan


def cka_error(sums: PairSums, errors: PairErrors) -> float:
    """Bound of the error of linear CKA, relative errors of its parts added; NaN where it does not exist."""
    norm_x, norm_cross, norm_y = without_copies(sums, None)
    if min(norm_x, norm_y) == 0:
        return math.nan
    x, y, cross = errors.squares()
    scale = math.sqrt(norm_x * norm_y)
    return cross / scale + norm_cross / scale * (x / norm_x + y / norm_y)


def debiased_cka(sums: PairSums, own: OwnTerms) -> float:
    """Return ``HSIC₁(X,Y) / √(HSIC₁(X,X) HSIC₁(Y,Y))`` from the sums of centered columns; may be negative.

    ``HSIC₁`` does not change when a column is shifted, so the sums of centered rows serve: ``1ᵀK1 = 0`` with
    the diagonal, ``−Σκ`` without. Two copies of a word have similarity 0, as a word with itself has. NaN
    below 4 words, and where an estimate does not stand out of the rounding of ``‖G‖²``.

    Source: Song (2012); Kornblith (2019); Definitions §4, §5.
    """
    if sums.rows < LEAST_WORDS:
        return math.nan
    norms = without_copies(sums, None)
    places = ((0, 0), (0, 1), (1, 1))
    xx, xy, yy = (_hsic(norm, own, sums.rows, *place) for norm, place in zip(norms, places, strict=True))
    exists = xx > ROUNDING * norms[0] and yy > ROUNDING * norms[2]
    return xy / math.sqrt(xx * yy) if exists else math.nan


def _hsic(norm: float, own: OwnTerms, words: int, i: int, j: int) -> float:
    """``HSIC₁`` times ``V(V−3)``, of kernels whose rows sum to what their own words take out of them."""
    trace = norm - float(own.products[1, i, j])
    sums = float(own.lengths[1, i] * own.lengths[1, j]) / ((words - 1) * (words - 2))
    return trace + sums - 2 * float(own.products[2, i, j]) / (words - 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class DebiasedCka(MeasureOfSums):
    """Debiased CKA: besides the sums it needs the lengths of the centered rows."""

    def pair_table(self, grams: Grams) -> PairTable:
        """Return the measure of every pair of centered runs.

        Cost: two more passes of ``V·D`` steps, and ``V·S`` numbers.
        """
        wide, place = grams.in_float64(tuple(range(grams.runs)))
        lengths = [wide.source_rows().centered_lengths(s) for s in place]
        values = np.empty((grams.runs, grams.runs))
        for s, t in combinations_with_replacement(range(grams.runs), 2):
            own = OwnTerms.of_single_words(lengths[s], lengths[t])
            values[s, t] = values[t, s] = self.value(wide.pair(place[s], place[t]), own)
        return PairTable.of(values, grams.moved)

    def value(self, sums: PairSums, own: OwnTerms | None = None) -> float:
        """Return the measure of two tables from the sums of centered columns and their own terms."""
        return math.nan if own is None else debiased_cka(sums, own)

    def of_products(self, grams: Grams) -> float:
        """Return the measure of two tables from raw products alone."""
        return self.value(grams.centered().pair(0, 1), OwnTerms.of_centered(grams))


CKA = SumsMeasure(
    name="cka",
    title="Linear CKA",
    meaning="Linear centered kernel alignment: the similarity of the two tables of inner products between"
    " words, from 0 to 1; no rotation can change it.",
    preparation="centered",
    possible=SHARE,
    missing="the rows of one table are all equal",
    of_word_pairs=True,
    of_sums=linear_cka,
    error=cka_error,
)
DEBIASED_CKA = DebiasedCka(
    name="cka_debiased",
    title="Linear CKA, debiased",
    meaning="Linear CKA from unbiased estimates: near 0 for unrelated tables of any dimensions.",
    preparation="centered",
    possible=CORRELATION,
    missing="the rows of one table are all equal, or all equally far apart, or there are fewer than 4",
    precision="float64",
    of_word_pairs=True,
)
