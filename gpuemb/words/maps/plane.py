"""The nearest rows of every row of a map, by Euclidean distance, exactly."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.memory import tiles

AXES = 2  # of a map, on which it is read
AT_ONCE = 8192  # rows asked of the tree


def nearest_on_map(points: Float64, k: int, asked: Int64 | None = None) -> Int32:
    """Return ``(Q, k)`` rows nearest to each asked row, itself left out; of equal distances the first rows.

    Args:
        points: ``(V, m)`` finite coordinates, few columns.
        k: neighbors, at most V − 1.
        asked: ``(Q,)`` rows; None for all.

    Cost: a k-d tree; a row with a tie at the end of its list is compared with all others.
    """
    from scipy.spatial import cKDTree

    asked = np.arange(len(points)) if asked is None else asked
    tree = cKDTree(points)
    found = np.empty((len(asked), k), np.int32)
    most = min(len(points), k + 2)  # itself, its neighbors, and the next one, which shows a tie
    for start, stop in tiles(len(asked), AT_ONCE):
        rows = asked[start:stop]
        distances, ids = map(np.asarray, tree.query(points[rows], most))
        distances[ids == rows[:, None]] = -1.0  # itself is first
        order = np.lexsort((ids, distances))
        ids, distances = (np.take_along_axis(each, order, axis=1) for each in (ids, distances))
        found[start:stop] = ids[:, 1 : k + 1]
        if most < len(points):
            for place in np.flatnonzero((distances[:, 0] >= 0) | (distances[:, k] >= distances[:, k + 1])):
                found[start + place] = _compared_with_all(points, int(rows[place]), k)
    return found


def _compared_with_all(points: Float64, row: int, k: int) -> Int64:
    rows = np.delete(np.arange(len(points)), row)
    distances = np.sum((points[rows] - points[row]) ** 2, axis=1)
    return rows[np.argsort(distances, kind="stable")[:k]]
