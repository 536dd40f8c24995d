"""Squared distances after the best orthogonal map, from sums and the nuclear norm of XᵀY."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from gpuemb.geometry.grams.digits import NEARLY_EQUAL
from gpuemb.geometry.grams.pair_sums import PairSums, Preparation, root_or_nan
from gpuemb.geometry.resampling.measure import Measure, OwnTerms


def squared_distance(
    length_x: float, length_y: float, nuclear: float, *, scale: bool = False
) -> tuple[float, float]:
    """Return ``‖sXQ − Y‖²`` and the size it was subtracted from: ``s = 1``, or the best scale.

    Args:
        length_x: ``‖X‖²``.
        length_y: ``‖Y‖²``.
        nuclear: ``tr(QᵀXᵀY)``.
        scale: whether s is the best one.
    """
    if not scale:
        return length_x + length_y - 2 * nuclear, length_x + length_y
    return length_y - max(0.0, nuclear) * best_scale(length_x, nuclear), length_y


def best_scale(length_x: float, nuclear: float) -> float:
    """Return ``tr(QᵀXᵀY)/‖X‖²``; below 0 (in one dimension only, where to scale is to reflect) it is 0."""
    return max(0.0, nuclear) / length_x if length_x > 0 else 0.0


def squared_chord(length_x: float, length_y: float, nuclear: float) -> tuple[float, float]:
    """Return :func:`squared_distance` of tables scaled to length 1; NaN where one has none."""
    size = math.sqrt(length_x * length_y)
    return 2 - 2 * nuclear / size if size > 0 else math.nan, 2.0


def angle_of_chord(chord: float) -> float:
    """Return the angle in radians."""
    return chord if math.isnan(chord) else 2 * math.asin(min(1.0, chord / 2))


def procrustes_measure(*, scale: bool = False, center: bool = False, rotation_only: bool = False) -> Measure:
    """Return the Procrustes distance of :func:`gpuemb.procrustes` with the same options."""
    value = partial(procrustes_of_sums, scale=scale, rotation_only=rotation_only)
    preparation: Preparation = "centered" if center else "raw"
    return Measure("Procrustes distance", preparation, value, best=0.0, higher_is_closer=False)


def procrustes_of_sums(
    sums: PairSums, own: OwnTerms, *, scale: bool = False, rotation_only: bool = False
) -> float:
    """Return the Procrustes distance from the sums of rows; NaN within their rounding.

    It has no pairs of words: copies of a word count as often as they occur. Where the best
    map reflects, the best rotation loses twice the smallest singular value.
    """
    singular = np.linalg.svd(sums.cross, compute_uv=False)
    nuclear = float(singular.sum())
    if rotation_only and np.linalg.slogdet(sums.cross)[0] < 0:
        nuclear -= 2 * float(singular[-1])
    return root_or_nan(*squared_distance(*_lengths(sums), nuclear, scale=scale))


def angle_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """Return the angle between centered tables as shapes; NaN within their rounding."""
    return angle_of_chord(root_or_nan(*squared_chord(*_lengths(sums), _nuclear(sums))))


def displacement_of_sums(sums: PairSums, own: OwnTerms) -> float:
    """Return one minus the mean aligned cosine ``‖C‖_*/V`` of unit rows; NaN within rounding."""
    value = 1 - _nuclear(sums) / sums.rows if sums.rows else math.nan
    return value if value > NEARLY_EQUAL else math.nan


def _nuclear(sums: PairSums) -> float:
    return float(np.linalg.svd(sums.cross, compute_uv=False).sum())


def _lengths(sums: PairSums) -> tuple[float, float]:
    return float(np.trace(sums.gram_x)), float(np.trace(sums.gram_y))


ANGULAR = Measure("angle", "centered", angle_of_sums, best=0.0, higher_is_closer=False)
BURES = Measure("Bures distance", "centered", procrustes_of_sums, best=0.0, higher_is_closer=False)
DISPLACEMENT = Measure("displacement", "unit", displacement_of_sums, best=0.0, higher_is_closer=False)
