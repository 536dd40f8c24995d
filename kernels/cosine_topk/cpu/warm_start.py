"""Floors from rows that may be near, before the filter starts.

The k-th best exact score of any k different rows is a lower bound of a row's k-th best: where another run's
lists are at hand, most of a row's candidates are excluded from the first block on. Right floors save time,
useless ones cost their scores, and the answer depends on neither.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int32
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk.cpu.candidates import Lists
from gpuemb.kernels.cosine_topk.cpu.row_order import CHUNK, Arranged
from gpuemb.kernels.intrinsics import borrowed
from gpuemb.kernels.scoring import LANES, defined_dot


def raise_floors(likely: Int32, asked: Arranged, table: Arranged, words: int, lists: Lists) -> None:
    """Raise the floor of every row that ``k`` different candidates are likely for.

    Args:
        likely: ``(Q, m)`` rows of the caller's table, −1 padded; the row itself, rows without length and
            rows that stand there twice do not count.
        asked: the rows that ask.
        table: their candidates.
        words: rows of the caller's table.
        lists: whose floors are raised; their entries stay as they are.

    Cost: ``2·Q·m·d`` flops.
    """
    positions = np.full(words, -1, np.int32)
    positions[table.numbers] = np.arange(len(table.numbers), dtype=np.int32)
    k, floor = lists.scores.shape[1], lists.floor
    guesses = np.ascontiguousarray(likely).view(np.ndarray)
    guesses.flags.writeable = False  # one compiled kernel for memory maps and for arrays
    threads.run(
        lambda part: _raise_floors(guesses, positions, asked, table, k, floor, *part),
        tiles(len(asked.rows), CHUNK),
    )


@njit
def _raise_floors(
    likely: Int32,
    positions: Int32,
    asked: Arranged,
    table: Arranged,
    k: int,
    floor: Float64,
    first: int,
    last: int,
) -> None:
    asked, table = borrowed(asked), borrowed(table)
    scores, ids = np.empty(k), np.empty(k, np.int32)
    groups = asked.rows.shape[1] // LANES
    for row in range(first, last):
        at, found = asked.rows[row].ctypes.data, 0
        for number in likely[asked.numbers[row]]:
            if number < 0 or number == asked.excluded[row] or positions[number] < 0:
                continue
            candidate = positions[number]
            dot = defined_dot(table.rows, at, table.rows[candidate].ctypes.data, groups)
            score = dot / (asked.lengths[row] * table.lengths[candidate])
            found = _insert_once(scores, ids, found, score, number)
        if found == k:
            floor[row] = scores[k - 1]


@njit_inline
def _insert_once(scores: Float64, ids: Int32, found: int, score: float, number: int) -> int:
    """Insert into a list of the best, unless the number is there; return the list's new length."""
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
