"""Cosine search on the CPU: a float32 filter with a proof, float64 answers.

Plan      BLAS multiplies a tile of unit queries with a tile of unit columns; a pair whose float32 score lies
          more than ε below the query's k-th exact score so far is dropped, any other is scored by definition
          and offered to the query's sorted list. Few queries: each worker takes part of the columns, and the
          lists are merged. Columns that were not prepared are scaled a tile at a time. Nothing is dropped
          without proof: the answer is exact for any tiles and threads.
Bound     Rounding a unit row to float32 moves it by at most 2⁻²⁴, float32 BLAS adds at most d·2⁻²⁴:
          ε = (d + 8)·2⁻²⁴ covers both rows and the float64 roundings.
Bound by  reading ``unit`` where queries are few, else float32 products.
Weak case tables whose scores all lie within ε of each other run at float64 speed.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, FloatMatrix, Int32, Int64
from gpuemb.core.jit import njit, njit_inline, njit_reassociated
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_search import TASKS_A_WORKER, TILE, UNITS, unit_rows
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.scoring import LANES, defined_dot

QUERY_TILE = 256
FILTER_GROUP = 128  # scores tested at once without a branch


def cosine_search(
    rows: FloatMatrix, unit: Float32 | None, k: int, queries: FloatMatrix, itself: Int64
) -> TopK:
    """See :mod:`gpuemb.kernels.cosine_search`."""
    unit = unit_rows(rows) if unit is None else unit
    asked = np.ascontiguousarray(queries)
    asked_unit, width = unit_rows(asked), min(QUERY_TILE, len(asked))
    epsilon = (rows.shape[1] + 8) * 2.0**-24
    some = tiles(len(asked), width)
    columns = threads.ranges(len(rows), math.ceil(TASKS_A_WORKER * threads.count() / len(some)))
    step = TILE // width if unit is not None else max(1, min(TILE // width, UNITS // rows.shape[1]))
    ids = np.full((len(columns), len(asked), k), -1, np.int32)
    best = np.full(ids.shape, -np.inf)

    def search(task: tuple[tuple[int, int], int]) -> None:
        (start, stop), part = task
        mine = slice(start, stop)
        found = np.zeros(stop - start, np.int64)
        room = np.empty((step, rows.shape[1]) if unit is None else (0, 0), np.float32)
        begin, end = columns[part]
        for first in range(begin, end, step):
            last = min(first + step, end)
            _offer_survivors(
                asked_unit[mine] @ _unit_part(rows, unit, first, last, room).T,
                epsilon,
                first,
                rows,
                asked[mine],
                itself[mine],
                best[part, mine],
                ids[part, mine],
                found,
            )

    threads.run(search, product(some, range(len(columns))))
    return _merged(ids, best, k, int(np.count_nonzero(asked_unit.any(axis=1))))


def _unit_part(rows: FloatMatrix, unit: Float32 | None, first: int, last: int, room: Float32) -> Float32:
    """Rows ``first … last`` at length 1: those that were prepared, or made in ``room``."""
    if unit is not None:
        return unit[first:last]
    made = room[: last - first]
    _scale(rows[first:last], made)
    return made


@njit_reassociated
def _scale(rows: FloatMatrix, unit: Float32) -> None:
    for row in range(len(rows)):
        squared = 0.0
        for column in range(rows.shape[1]):
            squared += np.float64(rows[row, column]) * np.float64(rows[row, column])
        inverse = 1 / np.sqrt(squared) if squared > 0 else 0.0
        for column in range(rows.shape[1]):
            unit[row, column] = np.float64(rows[row, column]) * inverse


def _merged(ids: Int32, scores: Float64, k: int, asking: int) -> TopK:
    """One list of the parts' lists: higher scores first, equal ones by row."""
    all_ids, all_scores = np.concatenate(list(ids), axis=1), np.concatenate(list(scores), axis=1)
    order = np.lexsort((all_ids, -all_scores), axis=1)[:, :k]
    best = np.take_along_axis(all_ids, order, axis=1)
    found = np.take_along_axis(all_scores, order, axis=1)
    return TopK(best, np.where(best >= 0, found, np.nan), refined=asking)


@njit
def _offer_survivors(
    approximate: Float32,
    epsilon: float,
    first: int,
    table: FloatMatrix,
    asked: FloatMatrix,
    excluded: Int64,
    best: Float64,
    ids: Int32,
    found: Int64,
) -> None:
    k, columns = best.shape[1], approximate.shape[1]
    groups = -(-table.shape[1] // LANES)
    padded = np.zeros((2, groups * LANES), table.dtype)  # a query and a candidate
    mine, theirs = padded[0].ctypes.data, padded[1].ctypes.data
    for query in range(approximate.shape[0]):
        _copy(asked[query], padded[0])
        length = np.sqrt(defined_dot(padded, mine, mine, groups))
        if length == 0:
            continue
        row = approximate[query]
        threshold = np.float32(best[query, k - 1] - epsilon)
        for start in range(0, columns, FILTER_GROUP):
            stop = min(start + FILTER_GROUP, columns)
            passing = 0
            for column in range(start, stop):
                passing += row[column] >= threshold
            if passing == 0:
                continue
            for column in range(start, stop):
                candidate = first + column
                if row[column] < threshold or candidate == excluded[query]:
                    continue
                _copy(table[candidate], padded[1])
                own = np.sqrt(defined_dot(padded, theirs, theirs, groups))
                if own == 0:
                    continue
                score = defined_dot(padded, mine, theirs, groups) / (length * own)
                if found[query] < k or score > best[query, k - 1]:
                    _insert(best[query], ids[query], found[query], score, candidate)
                    found[query] = min(found[query] + 1, k)
                    threshold = np.float32(best[query, k - 1] - epsilon)


@njit_inline
def _copy(row: FloatMatrix, padded: FloatMatrix) -> None:
    for column in range(row.size):  # a slice's assignment compiles for a second: it can raise, with a text
        padded[column] = row[column]


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
