"""Cosine search on the CPU: a float32 filter with a proof, float64 answers.

Plan      BLAS multiplies a tile of unit queries with a tile of unit columns; a pair whose float32 score lies
          more than ε below the query's k-th exact score so far is dropped, any other is scored by definition
          and offered to the query's sorted list. Few queries: each worker takes part of the columns, and the
          lists are merged. Nothing is dropped without proof: the answer is exact for any tiles and threads.
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
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_search import unit_rows
from gpuemb.kernels.cosine_topk import LANES, TopK
from gpuemb.kernels.intrinsics import fused_multiply_add

QUERY_TILE = 256
TILE = 1 << 19  # scores: 2 MB are read back from L2
FILTER_GROUP = 128  # scores tested at once without a branch
TASKS_A_WORKER = 2


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
    ids = np.full((len(columns), len(asked), k), -1, np.int32)
    best = np.full(ids.shape, -np.inf)

    def search(task: tuple[tuple[int, int], int]) -> None:
        (start, stop), part = task
        mine = slice(start, stop)
        found = np.zeros(stop - start, np.int64)
        for first, last in tiles(columns[part][1] - columns[part][0], TILE // width):
            first, last = first + columns[part][0], last + columns[part][0]
            approximate = asked_unit[mine] @ unit[first:last].T
            _offer_survivors(
                approximate,
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


def _merged(ids: Int32, scores: Float64, k: int, asking: int) -> TopK:
    """One list of the parts' lists: higher scores first, equal ones by row."""
    all_ids, all_scores = np.concatenate(list(ids), axis=1), np.concatenate(list(scores), axis=1)
    order = np.lexsort((all_ids, -all_scores), axis=1)[:, :k]
    best = np.take_along_axis(all_ids, order, axis=1)
    found = np.take_along_axis(all_scores, order, axis=1)
    return TopK(best, np.where(best >= 0, found, np.nan), refined=asking)


@njit_inline
def _dot(x: FloatMatrix, y: FloatMatrix, sums: Float64) -> float:
    """The defined dot product: sixteen partial sums, added by halves."""
    sums[:] = 0
    whole = x.size // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            sums[lane] = fused_multiply_add(
                np.float64(x[start + lane]), np.float64(y[start + lane]), sums[lane]
            )
    for column in range(whole, x.size):
        lane = column - whole
        sums[lane] = fused_multiply_add(np.float64(x[column]), np.float64(y[column]), sums[lane])
    half = LANES // 2
    while half > 0:
        for lane in range(half):
            sums[lane] += sums[lane + half]
        half //= 2
    return float(sums[0])


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
    k, columns, sums = best.shape[1], approximate.shape[1], np.empty(LANES)
    for query in range(approximate.shape[0]):
        length = np.sqrt(_dot(asked[query], asked[query], sums))
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
                own = np.sqrt(_dot(table[candidate], table[candidate], sums))
                if own == 0:
                    continue
                score = _dot(asked[query], table[candidate], sums) / (length * own)
                if found[query] < k or score > best[query, k - 1]:
                    _insert(best[query], ids[query], found[query], score, candidate)
                    found[query] = min(found[query] + 1, k)
                    threshold = np.float32(best[query, k - 1] - epsilon)


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
