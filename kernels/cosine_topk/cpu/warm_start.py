"""Warm start: thresholds from rows that may be near, before the filter starts.

The k-th best exact score of any k different rows is a lower bound of a row's k-th best: with another run's
lists, most of a row's candidates are excluded from the first block on. Good thresholds save time, useless
ones cost their scores, and the answer depends on neither.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int32
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk.cpu.candidates import Lists
from gpuemb.kernels.cosine_topk.cpu.row_order import CHUNK, OrderedRows
from gpuemb.kernels.intrinsics import borrowed
from gpuemb.kernels.scoring import LANES, defined_dot


def raise_thresholds(
    warm_start: Int32, queries: OrderedRows, table: OrderedRows, words: int, lists: Lists
) -> None:
    """Raise the threshold of every query with ``k`` different warm-start rows.

    Args:
        warm_start: ``(Q, m)`` rows of the caller's table, −1 padded; the row itself, rows of length 0 and
            duplicates do not count.
        queries: the queries.
        table: their candidates.
        words: rows of the caller's table.
        lists: whose thresholds are raised; their entries stay as they are.

    Cost: ``2·Q·m·d`` flops.
    """
    positions = np.full(words, -1, np.int32)
    positions[table.numbers] = np.arange(len(table.numbers), dtype=np.int32)
    k, threshold = lists.scores.shape[1], lists.threshold
    guesses = np.ascontiguousarray(warm_start).view(np.ndarray)
    guesses.flags.writeable = False  # one compiled kernel for memory maps and for arrays
    threads.run(
        lambda part: _raise_thresholds(guesses, positions, queries, table, k, threshold, *part),
        tiles(len(queries.rows), CHUNK),
    )


@njit
def _raise_thresholds(
    warm_start: Int32,
    positions: Int32,
    queries: OrderedRows,
    table: OrderedRows,
    k: int,
    threshold: Float64,
    first: int,
    last: int,
) -> None:
    queries, table = borrowed(queries), borrowed(table)
    scores, ids = np.empty(k), np.empty(k, np.int32)
    groups = queries.rows.shape[1] // LANES
    for row in range(first, last):
        at, found = queries.rows[row].ctypes.data, 0
        for number in warm_start[queries.numbers[row]]:
            if number < 0 or number == queries.excluded[row] or positions[number] < 0:
                continue
            candidate = positions[number]
            dot = defined_dot(table.rows, at, table.rows[candidate].ctypes.data, groups)
            score = dot / (queries.lengths[row] * table.lengths[candidate])
            found = _insert_once(scores, ids, found, score, number)
        if found == k:
            threshold[row] = scores[k - 1]


@njit_inline
def _insert_once(scores: Float64, ids: Int32, found: int, score: float, number: int) -> int:
    """Insert into a sorted list, unless the number is there; return the list's new length."""
    place = found
    while place > 0 and (
        scores[place - 1] < score or (scores[place - 1] == score and ids[place - 1] > number)
    ):
        place -= 1
    if place == scores.size or (place > 0 and scores[place - 1] == score and ids[place - 1] == number):
        return found
    grown = min(found + 1, scores.size)
    for entry in range(grown - 1, place, -1):
        scores[entry] = scores[entry - 1]
        ids[entry] = ids[entry - 1]
    scores[place] = score
    ids[place] = number
    return grown
