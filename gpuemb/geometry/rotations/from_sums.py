"""The Procrustes distance of two tables from their sums alone."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import to_host
from gpuemb.geometry.grams.pair_sums import PairSums, root_or_nan
from gpuemb.geometry.resampling.own_terms import OwnTerms


def nuclear_norm(sums: PairSums, *, rotation_only: bool = False) -> float:
    """Return ``‖C‖_*``; less twice the smallest singular value where the best map reflects and may not."""
    cross = to_host(sums.cross)
    singular = np.linalg.svd(cross, compute_uv=False)
    reflects = rotation_only and np.linalg.slogdet(cross)[0] < 0
    return float(singular.sum()) - (2 * float(singular[-1]) if reflects else 0.0)


def squared_lengths(sums: PairSums) -> tuple[float, float]:
    """Return ``‖X‖²`` and ``‖Y‖²``."""
    return float(np.trace(to_host(sums.gram_x))), float(np.trace(to_host(sums.gram_y)))


def procrustes_of_sums(
    sums: PairSums, own: OwnTerms | None, *, scale: bool = False, rotation_only: bool = False
) -> float:
    """Return the Procrustes distance; NaN where it is lost in the rounding of the sums."""
    nuclear = nuclear_norm(sums, rotation_only=rotation_only)
    length_x, length_y = squared_lengths(sums)
    if scale:
        taken = max(0.0, nuclear) ** 2 / length_x if length_x > 0 else 0.0
        return root_or_nan(length_y - taken, length_y)
    return root_or_nan(length_x + length_y - 2 * nuclear, length_x + length_y)
