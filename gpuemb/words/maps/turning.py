"""Maps turned onto each other, so that pictures of runs can be compared by eye."""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64


@threads.single_threaded_blas()
def turned_onto(target: Float64, points: Float64) -> Float64:
    """Return a map moved, turned and reflected, but not scaled, onto another; NaN rows stay.

    Source: Schönemann (1966).
    """
    known = np.isfinite(target).all(axis=1) & np.isfinite(points).all(axis=1)
    goal = target[known].mean(axis=0)
    own = points[known].mean(axis=0)
    left, _, right = np.linalg.svd((points[known] - own).T @ (target[known] - goal))
    turned: Float64 = (points - own) @ (left @ right) + goal
    return turned
