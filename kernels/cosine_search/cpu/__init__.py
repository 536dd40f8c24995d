"""Cosine search on the CPU: a low-precision filter with a proof, float64 scores.

Plan      A pair whose low-precision score lies more than its error's bound below the query's k-th exact score
          so far is dropped, any other is scored by definition and inserted into the query's sorted
          list (query_lists.py). A prepared table is int8 where the processor has such products (int8.py),
          else float32: BLAS multiplies a tile of unit queries with a tile of unit columns. Few queries: each
          worker takes part of the columns, and the lists are merged. Columns that were not prepared are
          scaled a tile at a time. Nothing is dropped without proof: the answer is exact for any tiles and
threads. Bound     Rounding a unit row to float32 moves it by at most 2⁻²⁴, float32 BLAS adds at most d·2⁻²⁴:
          ε = (d + 8)·2⁻²⁴ covers both rows and the float64 roundings.
Bound by  reading the prepared table where queries are few, else float32 or int8 products.
Weak case tables whose scores all lie within the bound of each other run at float64 speed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, FloatMatrix, Int32, Int64
from gpuemb.core.jit import njit, njit_reassociated
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_search import TASKS_A_WORKER, TILE, UNITS, Prepared, unit_rows
from gpuemb.kernels.cosine_search.cpu.query_lists import QueryLists, add_candidate, query_lists
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.panels import SIDE

QUERY_TILE = 256
FILTER_GROUP = 128  # scores tested at once without a branch


def cosine_search(
    rows: FloatMatrix, prepared: Prepared | None, k: int, queries: FloatMatrix, itself: Int64
) -> TopK:
    """See :mod:`gpuemb.kernels.cosine_search`."""
    queries = np.ascontiguousarray(queries)
    parts = tiles(len(queries), min(QUERY_TILE, len(queries)))
    panels = -(-len(rows) // SIDE)
    columns = threads.ranges(panels, math.ceil(TASKS_A_WORKER * threads.count() / len(parts)))
    ids = np.full((len(columns), len(queries), k), -1, np.int32)
    best = np.full(ids.shape, -np.inf)
    add_columns = _filter(rows, prepared)

    def search(task: tuple[tuple[int, int], int]) -> None:
        (start, stop), part = task
        mine = slice(start, stop)
        lists = query_lists(queries[mine], itself[mine], best[part, mine], ids[part, mine])
        add_columns(queries[mine], lists, *columns[part])

    threads.run(search, product(parts, range(len(columns))))
    proved = int(np.count_nonzero(queries.any(axis=1)))
    by_int8 = prepared is not None and not isinstance(prepared, np.ndarray)
    return _merged(ids, best, k, certified=proved if by_int8 else 0, refined=0 if by_int8 else proved)


def _filter(
    rows: FloatMatrix, prepared: Prepared | None
) -> Callable[[FloatMatrix, QueryLists, int, int], None]:
    """Return the filter, which adds the candidates of some panels of rows to the lists."""
    if prepared is None or isinstance(prepared, np.ndarray):
        return partial(_add_by_float32, rows, prepared)
    from gpuemb.kernels.cosine_search.cpu.int8 import add_passing

    return partial(add_passing, rows, prepared)


def _add_by_float32(
    rows: FloatMatrix, unit: Float32 | None, queries: FloatMatrix, lists: QueryLists, first: int, last: int
) -> None:
    unit_queries, epsilon = unit_rows(queries), (rows.shape[1] + 8) * 2.0**-24
    tile = TILE // len(queries)
    step = tile if unit is not None else max(1, min(tile, UNITS // rows.shape[1]))
    scratch = np.empty((step, rows.shape[1]) if unit is None else (0, 0), np.float32)
    begin, end = SIDE * first, min(SIDE * last, len(rows))
    for start in range(begin, end, step):
        stop = min(start + step, end)
        columns = _unit_part(rows, unit, start, stop, scratch)
        _add_candidates(unit_queries @ columns.T, epsilon, start, rows, lists)


def _unit_part(rows: FloatMatrix, unit: Float32 | None, first: int, last: int, scratch: Float32) -> Float32:
    """Rows ``first … last`` at length 1: prepared ones, or computed in ``scratch``."""
    if unit is not None:
        return unit[first:last]
    scaled = scratch[: last - first]
    _scale(rows[first:last], scaled)
    return scaled


@njit_reassociated
def _scale(rows: FloatMatrix, unit: Float32) -> None:
    for row in range(len(rows)):
        squared = 0.0
        for column in range(rows.shape[1]):
            squared += np.float64(rows[row, column]) * np.float64(rows[row, column])
        inverse = 1 / np.sqrt(squared) if squared > 0 else 0.0
        for column in range(rows.shape[1]):
            unit[row, column] = np.float64(rows[row, column]) * inverse


def _merged(ids: Int32, scores: Float64, k: int, *, certified: int, refined: int) -> TopK:
    """Merge the parts' lists: higher scores first, equal ones by row."""
    all_ids, all_scores = np.concatenate(list(ids), axis=1), np.concatenate(list(scores), axis=1)
    order = np.lexsort((all_ids, -all_scores), axis=1)[:, :k]
    best = np.take_along_axis(all_ids, order, axis=1)
    found = np.take_along_axis(all_scores, order, axis=1)
    return TopK(best, np.where(best >= 0, found, np.nan), certified, refined)


@njit
def _add_candidates(
    approximate: Float32, epsilon: float, first: int, table: FloatMatrix, lists: QueryLists
) -> None:
    k, columns = lists.best.shape[1], approximate.shape[1]
    for query in range(approximate.shape[0]):
        if lists.lengths[query] == 0:
            continue
        row, best = approximate[query], lists.best[query]
        for start in range(0, columns, FILTER_GROUP):
            stop = min(start + FILTER_GROUP, columns)
            threshold = np.float32(best[k - 1] - epsilon)
            passing = 0
            for column in range(start, stop):
                passing += row[column] >= threshold
            if passing == 0:
                continue
            for column in range(start, stop):
                if row[column] >= np.float32(best[k - 1] - epsilon):
                    add_candidate(table, lists, query, first + column)
