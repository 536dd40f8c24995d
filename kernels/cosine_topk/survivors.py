"""Candidates that no bound has excluded: they wait, are scored by definition, and join a row's list.

A pair is dropped only when its upper bound lies below the row's floor, the k-th exact score found so far.
A row's waiting candidates are scored when its buffer is full, so nothing ever overflows, and are merged into
its sorted list; the floor rises. Every list is proved as it grows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, FloatMatrix, Int32
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk.arrange import CHUNK, Arranged
from gpuemb.kernels.cosine_topk.scoring import LANES, defined_dot
from gpuemb.kernels.intrinsics import borrowed, prefetch
from gpuemb.kernels.vnni import SIDE

FEW, MANY = 16, 32  # candidates that wait: more make merging cheap, fewer let the floor rise sooner
SHORT_LIST = 32  # neighbors up to which few wait
LINE = 64  # bytes of a cache line
TOGETHER = 2048  # pairs that pass before their rows look at them: the products run undisturbed


class Lists(NamedTuple):
    """The answer as it grows; the rows that ask are in their arranged order, the answer in the caller's.

    Attributes:
        ids: ``(Q, k)`` int32, −1 padded.
        scores: ``(Q, k)`` float64, NaN padded.
        found: ``(n,)`` int32, entries of each row's list.
        floor: ``(m,)`` float64, the k-th exact score; −∞ before there is one; +∞ for padding, m ≥ n.
        waiting: ``(n,)`` int32, candidates in each row's buffer.
        candidates: ``(n, b)`` int32, positions in the arranged table.
        bounds: ``(n, b)`` float32, what their scores can be at most.
        scored: ``(n,)`` int32, candidates scored in float64.
    """

    ids: Int32
    scores: Float64
    found: Int32
    floor: Float64
    waiting: Int32
    candidates: Int32
    bounds: Float32
    scored: Int32


class Scratch(NamedTuple):
    """Room of one worker, so that nothing is allocated between two scores.

    Attributes:
        scores: ``(c,)`` float64, of candidates that are being settled.
        ids: ``(c,)`` int32, theirs.
        sure: ``(c,)`` int32, places of the best of a row's first scores.
        likely: ``(c,)`` int32, places of those that can still be among the best.
        maxima: ``(g,)`` float32, of more than k groups of them.
        floors: ``(2, c)`` float32, of a block's rows and of another's columns.
        tile: ``(16, c)`` float32, scores.
        masks: ``(16,)`` uint16, which of them pass.
        rows: ``(h,)`` int32, of pairs that passed together.
        columns: ``(h,)`` int32, theirs.
        passed: ``(h,)`` float32, their scores.
    """

    scores: Float64
    ids: Int32
    sure: Int32
    likely: Int32
    maxima: Float32
    floors: Float32
    tile: Float32
    masks: NDArray[np.uint16]
    rows: Int32
    columns: Int32
    passed: Float32


def scratch(step: int, k: int) -> Scratch:
    """Room for blocks of ``step`` rows."""
    whole = max(step, SIDE * SIDE)
    groups = -(-4 * (k + 1) // SIDE) * SIDE
    return Scratch(
        np.empty(whole),
        np.empty(whole, np.int32),
        np.empty(whole, np.int32),
        np.empty(whole, np.int32),
        np.empty(groups, np.float32),
        np.full((2, whole), np.float32(np.inf)),
        np.empty((SIDE, whole), np.float32),
        np.zeros(SIDE, np.uint16),
        np.empty(TOGETHER, np.int32),
        np.empty(TOGETHER, np.int32),
        np.empty(TOGETHER, np.float32),
    )


def buffer_length(k: int) -> int:
    """How many candidates a row lets wait."""
    return FEW if k <= SHORT_LIST else MANY


def empty_lists(queries: int, k: int, rows: int, padded: int) -> Lists:
    """Lists of ``queries``, of which ``rows`` have a length and ask."""
    floor = np.full(padded, np.inf)
    floor[:rows] = -np.inf
    ids, scores = np.empty((queries, k), np.int32), np.empty((queries, k))

    def clear(part: tuple[int, int]) -> None:  # the first touch of so much memory takes time
        ids[slice(*part)], scores[slice(*part)] = -1, np.nan

    threads.run(clear, tiles(queries, CHUNK))
    return Lists(
        ids,
        scores,
        np.zeros(rows, np.int32),
        floor,
        np.zeros(rows, np.int32),
        np.empty((rows, buffer_length(k)), np.int32),
        np.empty((rows, buffer_length(k)), np.float32),
        np.zeros(rows, np.int32),
    )


@njit_inline
def offer(
    row: int,
    candidate: int,
    bound: float,
    asked: Arranged,
    table: Arranged,
    lists: Lists,
    room: Scratch,
) -> bool:
    """Let a candidate wait; say whether the buffer was full and has been settled."""
    waiting = lists.waiting[row]
    lists.candidates[row, waiting] = candidate
    lists.bounds[row, waiting] = bound
    lists.waiting[row] = waiting + 1
    full = waiting + 1 == lists.candidates.shape[1]
    if full:
        settle(row, asked, table, lists, room)
    return bool(full)


@njit
def settle(row: int, asked: Arranged, table: Arranged, lists: Lists, room: Scratch) -> None:
    """Score what waits and can still enter, and merge it into the list."""
    scores, ids = room.scores, room.ids
    floor, fresh, query = lists.floor[row], 0, asked.numbers[row]
    _prefetch_row(lists.scores, query)
    _prefetch_row(lists.ids, query)
    for place in range(lists.waiting[row]):
        candidate = lists.candidates[row, place]
        if lists.bounds[row, place] >= floor and table.numbers[candidate] != asked.excluded[row]:
            _prefetch_row(table.rows, candidate)
            ids[fresh] = candidate
            fresh += 1
    lists.waiting[row] = 0
    lists.scored[row] += fresh
    groups = asked.rows.shape[1] // LANES
    at = asked.rows[row].ctypes.data
    for place in range(fresh):
        candidate = ids[place]
        dot = defined_dot(table.rows, at, table.rows[candidate].ctypes.data, groups)
        scores[place] = dot / (asked.lengths[row] * table.lengths[candidate])
        ids[place] = table.numbers[candidate]
    kept = 0
    for place in range(fresh):  # those that enter, sorted by insertion
        if scores[place] >= floor:
            _insert(scores, ids, kept, scores[place], ids[place])
            kept += 1
    lists.found[row] = _merge(lists.scores[query], lists.ids[query], lists.found[row], scores, ids, kept)
    if lists.found[row] == lists.scores.shape[1]:
        lists.floor[row] = lists.scores[query, lists.found[row] - 1]


@njit_inline
def _prefetch_row(matrix: FloatMatrix, row: int) -> None:
    width = matrix.shape[1] * matrix.itemsize
    for offset in range(0, width, LINE):
        prefetch(matrix.ctypes.data + row * width + offset)


@njit_inline
def _before(score: float, number: int, other_score: float, other_number: int) -> bool:
    """Higher scores first, equal scores smaller row first."""
    return score > other_score or (score == other_score and number < other_number)


@njit_inline
def _insert(scores: Float64, ids: Int32, count: int, score: float, number: int) -> None:
    """Insert into the sorted first ``count`` entries."""
    place = count
    while place > 0 and _before(score, number, scores[place - 1], ids[place - 1]):
        scores[place] = scores[place - 1]
        ids[place] = ids[place - 1]
        place -= 1
    scores[place] = score
    ids[place] = number


@njit_inline
def _merge(scores: Float64, ids: Int32, found: int, fresh: Float64, fresh_ids: Int32, count: int) -> int:
    """Merge sorted candidates into a sorted list that keeps the best, from the end; return its length."""
    old, new = found - 1, count - 1
    total = min(scores.size, found + count)
    for _ in range(found + count - total):  # the worst leave
        if old < 0 or (new >= 0 and _before(scores[old], ids[old], fresh[new], fresh_ids[new])):
            new -= 1
        else:
            old -= 1
    for place in range(total - 1, -1, -1):
        if new < 0:
            break
        if old >= 0 and _before(fresh[new], fresh_ids[new], scores[old], ids[old]):
            scores[place] = scores[old]
            ids[place] = ids[old]
            old -= 1
        else:
            scores[place] = fresh[new]
            ids[place] = fresh_ids[new]
            new -= 1
    return total


@njit
def settle_all(asked: Arranged, table: Arranged, lists: Lists, room: Scratch, first: int, last: int) -> None:
    """Score all that still waits."""
    asked, table, lists, room = borrowed(asked), borrowed(table), borrowed(lists), borrowed(room)
    for row in range(first, last):
        if lists.waiting[row] > 0:
            settle(row, asked, table, lists, room)


@njit_inline
def offer_row(
    row: int,
    approximate: Float32,
    column: int,
    margin: float,
    asked: Arranged,
    table: Arranged,
    lists: Lists,
    room: Scratch,
) -> None:
    """Offer what can be among the k best of a row's first scores, the surest first.

    Args:
        row: that asks.
        approximate: ``(c,)`` its scores of the table's rows ``column …``.
        column: position of the first.
        margin: how far any of these may be from the defined score.
        asked: the rows that ask.
        table: their candidates.
        lists: the answers.
        room: of this worker.
    """
    k, maxima = lists.scores.shape[1], room.maxima
    count, groups, sure = approximate.size, maxima.size, np.float32(-np.inf)
    low = np.float32(-np.inf)
    if count >= groups:  # k + 1 groups have a member at least this near; one may be the row itself
        maxima[:] = approximate[:groups]
        for start in range(groups, count - groups + 1, groups):
            for place in range(groups):
                maxima[place] = max(maxima[place], approximate[start + place])
        sure = np.float32(_largest(maxima, k))
        low = np.float32(sure - 2 * margin)
    certain, possible = 0, 0
    for place in range(count):  # without a branch: each place is written and kept only if it counts
        score = approximate[place]
        room.sure[certain] = place
        certain += score >= sure
        room.likely[possible] = place
        possible += (score >= low) & (score < sure)
    for entry in range(certain + possible):
        place = room.sure[entry] if entry < certain else room.likely[entry - certain]
        bound = approximate[place] + margin
        if bound >= lists.floor[row]:
            offer(row, column + place, bound, asked, table, lists, room)


@njit_inline
def _largest(values: Float32, rank: int) -> float:
    """The value that ``rank`` others are not smaller than; the values change places (quickselect)."""
    low, high = 0, values.size - 1
    while low < high:
        pivot, left, right = values[(low + high) >> 1], low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if rank <= right:
            high = right
        elif rank >= left:
            low = left
        else:
            break
    return float(values[rank])
