"""Corrected search on the CPU: float32 cosines, a linear bound with a proof, float64 scores.

Plan      BLAS multiplies a tile of unit queries with a tile of unit rows in float32. A pair is a candidate if
          its cosine reaches a number that is linear in what corrects the row, and is then scored by
          definition and inserted. A worker takes queries, or with few of them part of the rows.
Bound     With s the query's k-th score so far, a row can be better only if
            csls              c ≥ (s + r_q)/2 + r_y/2
            mutual proximity  neither tail exceeds −s: c ≥ m_q + t·s_q and c ≥ m_y + t·s_y, for any t with
                              erfc(t·√½)/2 ≥ −s, and a little more; found by bisection when s changes
          both of the form c ≥ max(least, base_y + t·slope_y). A float32 cosine is right within (d + 8)·2⁻²⁴,
          as in cosine_search; SLACK·(1 + |t|) covers the four float32 roundings of the right side.
Bound by  float32 products, then a multiplication, an addition and a comparison a pair.
Weak case tables whose scores all lie within the bound of each other run at float64 speed.
Rejected  Rows with r as one more column, in cosine_topk: scores are another definition's there, so a longer
          list must be proved and rescored; and mutual proximity is no product of vectors.
"""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, FloatMatrix, Int32, Int64, wide
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import MemoryPlan, buffer, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.kernels.corrected_search import METHODS, SQRT_HALF, Method
from gpuemb.kernels.cosine_search import unit_rows
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.intrinsics import borrowed
from gpuemb.kernels.scoring import LANES, defined_dot, measure_lengths

QUERY_TILE, TILE = 256, 1 << 19  # queries of a task; cosines of a tile: 2 MB are read back from L2
GROUP = 128  # pairs tested at once without a branch
TASKS_A_WORKER = 2
SLACK = 2.0**-21
CSLS, PROXIMITY = range(len(METHODS))
FARTHEST, HALVINGS = 40.0, 24  # of the bisection: erfc(40·√½) is 0, and 80·2⁻²⁴ is 5·10⁻⁶
# (a + b) − a·b in float64 is at least each tail within 2⁻⁵¹, erfc monotone within as much.
ROUNDED = 1 + 2.0**-49
ALWAYS = -4.0  # a bound that every cosine reaches


class Rows(NamedTuple):
    """The table and what corrects its rows.

    Attributes:
        rows: ``(V, d)``.
        of_rows: ``(V, 2)`` as in the contract.
        base: ``(V,)`` and
        slope: ``(V,)`` of the bound.
    """

    rows: FloatMatrix
    of_rows: Float64
    base: Float32
    slope: Float32


class Lists(NamedTuple):
    """Some queries and their sorted lists.

    Attributes:
        rows: ``(q, 16·g)`` queries, padded with zeros, of the table's dtype.
        lengths: ``(q,)`` √κ.
        excluded: ``(q,)`` row that is no candidate, or −1.
        of_queries: ``(q, 2)`` as in the contract.
        best: ``(q, k)`` scores, descending; −∞ where there is none yet.
        ids: ``(q, k)`` their rows.
        bounds: ``(q, 3)`` least, t and slack of the bound; a slack of infinity lets every pair pass.
        candidate: ``(1, 16·g)`` buffer for one row.
    """

    rows: FloatMatrix
    lengths: Float64
    excluded: Int64
    of_queries: Float64
    best: Float64
    ids: Int32
    bounds: Float32
    candidate: FloatMatrix


def corrected_search(
    rows: FloatMatrix,
    queries: FloatMatrix,
    itself: Int64,
    of_rows: Float64,
    of_queries: Float64,
    k: int,
    method: Method,
    progress: Progress = SILENT,
) -> TopK:
    """See :mod:`gpuemb.kernels.corrected_search`."""
    plan(rows.shape, len(queries), k).require()
    table, asked = (np.ascontiguousarray(x, wide(x)).view(np.ndarray) for x in (rows, queries))
    code, width = METHODS.index(method), min(QUERY_TILE, max(len(asked), 1))
    unit, side = unit_rows(table), _bounded(table, of_rows, code)
    delta = (rows.shape[1] + 8) * 2.0**-24 + SLACK
    parts = tiles(len(asked), width)
    columns = threads.ranges(len(table), math.ceil(TASKS_A_WORKER * threads.count() / max(len(parts), 1)))
    ids = np.full((len(columns), len(asked), k), -1, np.int32)
    best = np.full(ids.shape, -np.inf)

    def search(task: tuple[tuple[int, int], int]) -> int:
        (start, stop), part = task
        mine = slice(start, stop)
        lists = _lists(asked[mine], itself[mine], of_queries[mine], best[part, mine], ids[part, mine])
        unit_queries, step = unit_rows(asked[mine]), max(GROUP, TILE // (stop - start))
        first, last = columns[part]
        for begin in range(first, last, step):
            end = min(begin + step, last)
            add_passing(unit_queries @ unit[begin:end].T, begin, side, lists, code, delta)
        return stop - start if part == 0 else 0

    with (
        progress.phase(f"{method} of {len(asked):,} rows", len(asked)) as task,
        threads.single_threaded_blas(),
    ):
        for done in threads.stream(search, product(parts, range(len(columns)))):
            task.advance(done)
    return _merged(ids, best, k, refined=int(np.count_nonzero(asked.any(axis=1))))


def plan(shape: tuple[int, ...], queries: int, k: int) -> MemoryPlan:
    """Bytes beside the table."""
    workers = threads.count()
    return MemoryPlan(
        f"corrected_search of {queries} among {shape[0]} rows, {shape[1]} dimensions",
        {
            "unit rows": buffer((shape[0], shape[1] + 2), np.float32),
            "tiles of cosines": workers
            * (buffer((TILE,), np.float32) + buffer((QUERY_TILE, shape[1]), "f4")),
            "lists": 12 * k * (2 * queries + QUERY_TILE * TASKS_A_WORKER * workers),
        },
    )


def _bounded(table: FloatMatrix, of_rows: Float64, code: int) -> Rows:
    """Pair the table with the bound of each row; a row without deviation is always a candidate."""
    of_rows = np.ascontiguousarray(of_rows)
    if code == CSLS:
        return Rows(table, of_rows, (of_rows[:, 0] / 2).astype(np.float32), np.ones(len(table), np.float32))
    base = np.where(of_rows[:, 1] == 0, ALWAYS, of_rows[:, 0])
    return Rows(table, of_rows, base.astype(np.float32), of_rows[:, 1].astype(np.float32))


def _lists(queries: FloatMatrix, excluded: Int64, of_queries: Float64, best: Float64, ids: Int32) -> Lists:
    rows = np.zeros((len(queries), -(-queries.shape[1] // LANES) * LANES), queries.dtype)
    rows[:, : queries.shape[1]] = queries
    lengths = np.empty(len(rows))
    measure_lengths(rows, lengths, 0, len(rows))
    bounds = np.tile(np.array([ALWAYS, 0, np.inf], np.float32), (len(rows), 1))
    of_queries, excluded = np.ascontiguousarray(of_queries), np.ascontiguousarray(excluded, np.int64)
    candidate = np.zeros((1, rows.shape[1]), rows.dtype)
    return Lists(rows, lengths, excluded, of_queries, best, ids, bounds, candidate)


@njit
def add_passing(cosines: Float32, first: int, side: Rows, lists: Lists, code: int, delta: float) -> None:
    """Score the pairs of a tile that can be among the best; its first column is row ``first``."""
    side, lists = borrowed(side), borrowed(lists)
    for q in range(cosines.shape[0]):
        if lists.lengths[q] == 0:
            continue
        line = cosines[q]
        for start in range(0, line.size, GROUP):
            stop = min(start + GROUP, line.size)
            if _passing(line, side, first, start, stop, lists.bounds[q]) == 0:
                continue
            for place in range(start, stop):
                if _passing(line, side, first, place, place + 1, lists.bounds[q]):
                    _add(q, first + place, side, lists, code, delta)


@njit_inline
def _passing(line: Float32, side: Rows, first: int, start: int, stop: int, bounds: Float32) -> np.int32:
    """How many pairs reach the bound."""
    least, t, slack, passing = bounds[0], bounds[1], bounds[2], np.int32(0)
    for place in range(start, stop):
        needed = max(least, side.base[first + place] + t * side.slope[first + place])
        passing += np.int32(line[place] + slack >= needed)
    return passing


@njit
def _add(q: int, row: int, side: Rows, lists: Lists, code: int, delta: float) -> None:
    """Score a row for a query by definition; keep it if it is among the best."""
    if row == lists.excluded[q]:
        return
    padded, groups = lists.candidate, lists.rows.shape[1] // LANES
    for column in range(side.rows.shape[1]):  # assigning to a slice can raise, which compiles for a second
        padded[0, column] = side.rows[row, column]
    at = padded.ctypes.data
    own = np.sqrt(defined_dot(padded, at, at, groups))
    if own == 0:
        return
    query = lists.rows.ctypes.data + q * lists.rows.strides[0]
    cosine = defined_dot(padded, query, at, groups) / (lists.lengths[q] * own)
    of_query, of_row = lists.of_queries[q], side.of_rows[row]
    if code == CSLS:
        score = 2 * cosine - (of_query[0] + of_row[0])
    else:
        a, b = _tail(cosine, of_query), _tail(cosine, of_row)
        score = -((a + b) - a * b)
    best, ids = lists.best[q], lists.ids[q]
    if not score > best[best.size - 1]:  # NaN neither
        return
    place = best.size - 1  # behind all scores that are not smaller: rows come in order, so ties stay in it
    while place > 0 and best[place - 1] < score:
        best[place], ids[place] = best[place - 1], ids[place - 1]
        place -= 1
    best[place], ids[place] = score, row
    if ids[ids.size - 1] >= 0:
        _raise_bound(best[best.size - 1], of_query, lists.bounds[q], code, delta)


@njit_inline
def _tail(cosine: float, of: Float64) -> float:
    z = (cosine - of[0]) / of[1] if of[1] != 0 else 0.0
    return 0.5 * math.erfc(z * SQRT_HALF)


@njit
def _raise_bound(score: float, of_query: Float64, bounds: Float32, code: int, delta: float) -> None:
    """Set the bound that a row must reach to be better than the k-th score."""
    if code == CSLS:
        bounds[1], bounds[2] = (score + of_query[0]) / 2, delta
        return
    if -score * ROUNDED > 1:  # no tail is too large
        return
    low, high = -FARTHEST, FARTHEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if 0.5 * math.erfc(middle * SQRT_HALF) >= -score * ROUNDED:
            low = middle
        else:
            high = middle
    bounds[0] = of_query[0] + low * of_query[1] if of_query[1] != 0 else ALWAYS
    bounds[1], bounds[2] = low, delta + SLACK * abs(low)


def _merged(ids: Int32, scores: Float64, k: int, refined: int) -> TopK:
    """Merge the parts' lists: higher scores first, equal ones by row."""
    all_ids, all_scores = (np.concatenate(list(each), axis=1) for each in (ids, scores))
    if len(ids) > 1:
        order = np.lexsort((all_ids, -all_scores), axis=1)[:, :k]
        all_ids, all_scores = (np.take_along_axis(each, order, axis=1) for each in (all_ids, all_scores))
    return TopK(all_ids, np.where(all_ids >= 0, all_scores, np.nan), refined=refined)
