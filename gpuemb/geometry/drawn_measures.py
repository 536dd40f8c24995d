"""Measures of two tables that can be drawn anew because they follow from sums alone."""

from __future__ import annotations

import math

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.geometry.crossgrams import PairSums
from gpuemb.geometry.distances import NEARLY_EQUAL
from gpuemb.geometry.resampling import Measure, OwnTerms

LEAST_WORDS = 4  # HSIC₁ divides by V − 3


def debiased_cka_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """Return debiased linear CKA from the sums of centered columns; may be negative.

    ``HSIC₁`` does not change when a column is shifted, so the sums of centered rows serve: ``1ᵀK1 = 0`` with
    the diagonal, ``−Σκ`` without. Two copies of a word have similarity 0, as a word with itself has.

    Source: Song (2012); Kornblith (2019); Definitions §4, §5.
    """
    if sums.rows < LEAST_WORDS:
        return math.nan
    norms = (_squared(sums.gram_x), _squared(sums.cross), _squared(sums.gram_y))
    places = ((0, 0), (0, 1), (1, 1))
    xx, xy, yy = (_hsic(norm, own, sums.rows, i, j) for norm, (i, j) in zip(norms, places, strict=True))
    return xy / math.sqrt(xx * yy) if xx > 0 and yy > 0 else math.nan


def _hsic(norm: float, own: OwnTerms, words: int, i: int, j: int) -> float:
    """``HSIC₁`` times ``V(V−3)``, of kernels whose rows sum to what their own words take out of them."""
    trace = norm - float(own.products[1, i, j])
    sums = float(own.lengths[1, i] * own.lengths[1, j]) / ((words - 1) * (words - 2))
    return trace + sums - 2 * float(own.products[2, i, j]) / (words - 2)


def pip_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """Return the PIP loss from the sums of raw rows; NaN where it is lost in their rounding."""
    copies = own.copies
    scale = _squared(sums.gram_x) + _squared(sums.gram_y) - float(copies[0, 0] + copies[1, 1])
    return _root(scale - 2 * (_squared(sums.cross) - float(copies[0, 1])), scale)


def procrustes_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """Return the Procrustes distance from the sums of raw rows; NaN where it is lost in their rounding.

    It has no pairs of words, so that copies of a word count as often as they stand there.
    """
    scale = float(np.trace(sums.gram_x) + np.trace(sums.gram_y))
    return _root(scale - 2 * float(np.linalg.svd(sums.cross, compute_uv=False).sum()), scale)


def _squared(product: Float64) -> float:
    return float(np.sum(product**2))


def _root(squared: float, scale: float) -> float:
    return math.sqrt(squared) if squared > NEARLY_EQUAL * scale else math.nan


DEBIASED_CKA = Measure("debiased CKA", "centered", debiased_cka_of_sums)
PIP_LOSS = Measure("PIP loss", "raw", pip_of_sums, best=0.0, higher_is_closer=False)
PROCRUSTES = Measure("Procrustes distance", "raw", procrustes_of_sums, best=0.0, higher_is_closer=False)
