"""Lists of a few queries as they grow: candidates are scored by definition, the best k stay."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.scoring import LANES, defined_dot, measure_lengths


class Asking(NamedTuple):
    """Some queries, and what they have found among some rows.

    Attributes:
        rows: ``(q, 16·g)`` the queries, padded with zeros, of the table's dtype.
        lengths: ``(q,)`` √κ; one without length finds nothing.
        excluded: ``(q,)`` the row that is no candidate, or −1.
        best: ``(q, k)`` scores, descending; −∞ where there is none yet.
        ids: ``(q, k)`` their rows.
        found: ``(q,)`` how many there are.
        candidate: ``(1, 16·g)`` room for one row.
    """

    rows: FloatMatrix
    lengths: Float64
    excluded: Int64
    best: Float64
    ids: Int32
    found: Int64
    candidate: FloatMatrix


def asking(queries: FloatMatrix, excluded: Int64, best: Float64, ids: Int32) -> Asking:
    """Give queries lists, which are written to ``best`` and ``ids``."""
    rows = np.zeros((len(queries), -(-queries.shape[1] // LANES) * LANES), queries.dtype)
    rows[:, : queries.shape[1]] = queries
    lengths = np.empty(len(rows))
    measure_lengths(rows, lengths, 0, len(rows))
    found = np.zeros(len(rows), np.int64)
    return Asking(rows, lengths, excluded, best, ids, found, np.zeros((1, rows.shape[1]), rows.dtype))


@njit
def offer(table: FloatMatrix, some: Asking, query: int, candidate: int) -> None:
    """Score a row for a query; keep it if it is among the best."""
    if candidate == some.excluded[query]:
        return
    padded, groups = some.candidate, some.rows.shape[1] // LANES
    for column in range(
        table.shape[1]
    ):  # a slice's assignment compiles for a second: it can raise, with a text
        padded[0, column] = table[candidate, column]
    theirs = padded.ctypes.data
    mine = some.rows.ctypes.data + query * some.rows.strides[0]
    own = np.sqrt(defined_dot(padded, theirs, theirs, groups))
    if own == 0:
        return
    score = defined_dot(padded, mine, theirs, groups) / (some.lengths[query] * own)
    best, ids, k = some.best[query], some.ids[query], some.best.shape[1]
    if some.found[query] < k or score > best[k - 1]:
        _insert(best, ids, some.found[query], score, candidate)
        some.found[query] = min(some.found[query] + 1, k)


@njit
def _insert(best: Float64, ids: Int32, found: int, score: float, candidate: int) -> None:
    """Insert behind all scores that are not smaller: candidates come in row order, so ties stay in it."""
    position = min(found, best.size - 1)
    while position > 0 and best[position - 1] < score:
        best[position] = best[position - 1]
        ids[position] = ids[position - 1]
        position -= 1
    best[position] = score
    ids[position] = candidate
