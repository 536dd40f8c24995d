"""Sorted lists of the best k rows of a few queries; candidates are scored by definition."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.scoring import LANES, defined_dot, measure_lengths


class QueryLists(NamedTuple):
    """Some queries and their lists among some rows.

    Attributes:
        rows: ``(q, 16·g)`` the queries, padded with zeros, of the table's dtype.
        lengths: ``(q,)`` √κ; a list of a query of length 0 stays empty.
        excluded: ``(q,)`` the row excluded as a candidate, or −1.
        best: ``(q, k)`` scores, descending; −∞ where there is none yet.
        ids: ``(q, k)`` their rows.
        found: ``(q,)`` entries of each list.
        candidate: ``(1, 16·g)`` buffer for one row.
    """

    rows: FloatMatrix
    lengths: Float64
    excluded: Int64
    best: Float64
    ids: Int32
    found: Int64
    candidate: FloatMatrix


def query_lists(queries: FloatMatrix, excluded: Int64, best: Float64, ids: Int32) -> QueryLists:
    """Start empty lists in ``best`` and ``ids``."""
    rows = np.zeros((len(queries), -(-queries.shape[1] // LANES) * LANES), queries.dtype)
    rows[:, : queries.shape[1]] = queries
    lengths = np.empty(len(rows))
    measure_lengths(rows, lengths, 0, len(rows))
    found = np.zeros(len(rows), np.int64)
    return QueryLists(rows, lengths, excluded, best, ids, found, np.zeros((1, rows.shape[1]), rows.dtype))


@njit
def add_candidate(table: FloatMatrix, lists: QueryLists, query: int, candidate: int) -> None:
    """Score a row for a query; keep it if it is among the best."""
    if candidate == lists.excluded[query]:
        return
    padded, groups = lists.candidate, lists.rows.shape[1] // LANES
    for column in range(table.shape[1]):  # assigning to a slice can raise, which compiles for a second
        padded[0, column] = table[candidate, column]
    row = padded.ctypes.data
    at = lists.rows.ctypes.data + query * lists.rows.strides[0]
    own = np.sqrt(defined_dot(padded, row, row, groups))
    if own == 0:
        return
    score = defined_dot(padded, at, row, groups) / (lists.lengths[query] * own)
    best, ids, k = lists.best[query], lists.ids[query], lists.best.shape[1]
    if lists.found[query] < k or score > best[k - 1]:
        _insert(best, ids, lists.found[query], score, candidate)
        lists.found[query] = min(lists.found[query] + 1, k)


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
