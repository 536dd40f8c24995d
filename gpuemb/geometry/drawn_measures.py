"""Measures of two tables that can be drawn anew because they follow from sums alone."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.geometry.digits import NEARLY_EQUAL
from gpuemb.geometry.pair_sums import PairSums
from gpuemb.geometry.resampling import DrawnPreparation, Measure, OwnTerms

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


def procrustes_measure(*, scale: bool = False, center: bool = False, rotation_only: bool = False) -> Measure:
    """Return the Procrustes distance of :func:`gpuemb.procrustes` with the same options."""
    value = partial(procrustes_of_sums, scale=scale, rotation_only=rotation_only)
    preparation: DrawnPreparation = "centered" if center else "raw"
    return Measure("Procrustes distance", preparation, value, best=0.0, higher_is_closer=False)


def procrustes_of_sums(
    sums: PairSums, own: OwnTerms, *, scale: bool = False, rotation_only: bool = False
) -> float:
    """Return the Procrustes distance from the sums of rows; NaN where it is lost in their rounding.

    It has no pairs of words, so that copies of a word count as often as they stand there. Where the best
    map reflects, the best rotation loses twice the smallest singular value.
    """
    singular = np.linalg.svd(sums.cross, compute_uv=False)
    nuclear = float(singular.sum())
    if rotation_only and np.linalg.slogdet(sums.cross)[0] < 0:
        nuclear -= 2 * float(singular[-1])
    length_x, length_y = float(np.trace(sums.gram_x)), float(np.trace(sums.gram_y))
    if scale:
        taken = max(0.0, nuclear) ** 2 / length_x if length_x > 0 else 0.0
        return _root(length_y - taken, length_y)
    return _root(length_x + length_y - 2 * nuclear, length_x + length_y)


def angle_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """Return the angle between centered tables as shapes; NaN where it is lost in their rounding."""
    size = math.sqrt(float(np.trace(sums.gram_x)) * float(np.trace(sums.gram_y)))
    if size == 0:
        return math.nan
    chord = _root(2 - 2 * float(np.linalg.svd(sums.cross, compute_uv=False).sum()) / size, 2.0)
    return math.nan if math.isnan(chord) else 2 * math.asin(min(1.0, chord / 2))


def displacement_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """Return one minus the mean aligned cosine ``‖C‖_*/V`` of unit rows; NaN where it is lost in rounding."""
    if sums.rows == 0:
        return math.nan
    mean = float(np.linalg.svd(sums.cross, compute_uv=False).sum()) / sums.rows
    return 1 - mean if 1 - mean > NEARLY_EQUAL else math.nan


def _squared(product: Float64) -> float:
    return float(np.sum(product**2))


def _root(squared: float, scale: float) -> float:
    return math.sqrt(squared) if squared > NEARLY_EQUAL * scale else math.nan


DEBIASED_CKA = Measure("debiased CKA", "centered", debiased_cka_of_sums)
PIP_LOSS = Measure("PIP loss", "raw", pip_of_sums, best=0.0, higher_is_closer=False)
PROCRUSTES = procrustes_measure()
ANGULAR = Measure("angle", "centered", angle_of_sums, best=0.0, higher_is_closer=False)
BURES = Measure("Bures distance", "centered", procrustes_of_sums, best=0.0, higher_is_closer=False)
DISPLACEMENT = Measure("displacement", "unit", displacement_of_sums, best=0.0, higher_is_closer=False)
