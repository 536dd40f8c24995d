"""Nearest rows of one table to rows of another that was mapped onto it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, Int32, to_host
from gpuemb.core.progress import SILENT, Progress
from gpuemb.neighbors.cosines import cosine_tiles
from gpuemb.neighbors.exact import nearest_neighbors

Metric: TypeAlias = Literal["cosine", "csls"]
METRICS: tuple[Metric, ...] = ("cosine", "csls")


class Found(NamedTuple):
    """Lists of rows of the target, best first, equal scores smaller row first.

    Attributes:
        ids: ``(Q, k)``, −1 padded.
        scores: ``(Q, k)``, NaN padded.
    """

    ids: Int32
    scores: Float64


def search_across(
    target: Any, asked: Any, source: Any, k: int, metric: Metric, csls_k: int, progress: Progress = SILENT
) -> Found:
    """Find the ``k`` rows of the target nearest to each asked row.

    Args:
        target: ``(V, m)``.
        asked: ``(Q, m)`` rows of the source, mapped.
        source: ``(U, m)`` all of its rows, which CSLS takes the neighbors of target rows from.
        k: of a list.
        metric: ``cosine``; or ``csls``, ``2cos(x, y) − r_Y(x) − r_X(y)``.
        csls_k: neighbors of which ``r`` is the mean cosine.
        progress: told of the searches.
    """
    if metric == "cosine":
        found = nearest_neighbors(target, k, queries=asked, progress=progress)
        return Found(to_host(found.ids), to_host(found.scores))
    near_x = _mean_cosines(target, asked, csls_k, progress)
    near_y = _mean_cosines(source, target, csls_k, progress)
    ids, scores = np.full((len(asked), k), -1, np.int32), np.full((len(asked), k), np.nan)
    for tile in cosine_tiles(asked, target):
        for row, cosines in enumerate(to_host(tile.scores), tile.start):
            values = 2 * cosines - (near_x[row] + near_y)
            known = np.flatnonzero(np.isfinite(values))
            best = known[np.lexsort((known, -values[known]))[:k]]
            ids[row, : len(best)], scores[row, : len(best)] = best, values[best]
    return Found(ids, scores)


def _mean_cosines(table: Any, asked: Array, k: int, progress: Progress) -> Float64:
    found = nearest_neighbors(table, k, queries=asked, progress=progress)
    scores = to_host(found.scores)
    known = np.isfinite(scores)
    mean: Float64 = np.where(known, scores, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(known.any(axis=1), mean, np.nan)
