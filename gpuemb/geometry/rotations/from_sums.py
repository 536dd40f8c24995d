"""Measures of two tables that can be drawn anew because they follow from sums alone."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from gpuemb.geometry.grams.digits import NEARLY_EQUAL
from gpuemb.geometry.grams.pair_sums import PairSums, Preparation, root_or_nan
from gpuemb.geometry.resampling.measure import Measure, OwnTerms


def procrustes_measure(*, scale: bool = False, center: bool = False, rotation_only: bool = False) -> Measure:
    """Return the Procrustes distance of :func:`gpuemb.procrustes` with the same options."""
    value = partial(procrustes_of_sums, scale=scale, rotation_only=rotation_only)
    preparation: Preparation = "centered" if center else "raw"
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
        return root_or_nan(length_y - taken, length_y)
    return root_or_nan(length_x + length_y - 2 * nuclear, length_x + length_y)


def angle_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """Return the angle between centered tables as shapes; NaN where it is lost in their rounding."""
    size = math.sqrt(float(np.trace(sums.gram_x)) * float(np.trace(sums.gram_y)))
    if size == 0:
        return math.nan
    chord = root_or_nan(2 - 2 * float(np.linalg.svd(sums.cross, compute_uv=False).sum()) / size, 2.0)
    return math.nan if math.isnan(chord) else 2 * math.asin(min(1.0, chord / 2))


def displacement_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """Return one minus the mean aligned cosine ``‖C‖_*/V`` of unit rows; NaN where it is lost in rounding."""
    if sums.rows == 0:
        return math.nan
    mean = float(np.linalg.svd(sums.cross, compute_uv=False).sum()) / sums.rows
    return 1 - mean if 1 - mean > NEARLY_EQUAL else math.nan


PROCRUSTES = procrustes_measure()
ANGULAR = Measure("angle", "centered", angle_of_sums, best=0.0, higher_is_closer=False)
BURES = Measure("Bures distance", "centered", procrustes_of_sums, best=0.0, higher_is_closer=False)
DISPLACEMENT = Measure("displacement", "unit", displacement_of_sums, best=0.0, higher_is_closer=False)
