"""The filter: products and their test in registers, pairs that pass in batches.

Plan      Two blocks of packed rows meet in micro-tiles of 8 × 32 scores (microtile.py). Pairs that pass are
          noted, and offered to their rows some thousand at a time: the inner loop holds products and the test
          alone. int8 and float32 words take the same path.
Bound by  products: (V² + V·T)·d operations of the symmetric half with its square diagonal tiles.
Bound     what int8.py or float32.py state for their words.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float32, Float64, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.cosine_topk.cpu.initial_thresholds import note_best
from gpuemb.kernels.cosine_topk.cpu.microtile import TALL, WIDE, find_survivors, store_scores
from gpuemb.kernels.cosine_topk.cpu.packed_rows import Packed
from gpuemb.kernels.cosine_topk.cpu.workspace import Scratch
from gpuemb.kernels.intrinsics import borrowed, trailing_zeros
from gpuemb.kernels.panels import LINE, SIDE, WORD_BYTES

BITS = 64  # of a word of masks


@njit
def seed_pairs(
    first: int,
    last: int,
    column: int,
    end: int,
    asked: Packed,
    table: Packed,
    slack: float,
    k: int,
    room: Scratch,
) -> tuple[int, int]:
    """Note the best candidates among rows ``column … end`` of the table for rows ``first … last``.

    Returns:
        pairs noted, and the row to go on with: ``last``, or less where the room is full.
    """
    asked, table, room = borrowed(asked), borrowed(table), borrowed(room)
    steps, passed, width = asked.panels.shape[1], 0, WORD_BYTES * room.tile.shape[1]
    widest, longest = _farthest(table, column, end)
    for row in range(first, last, TALL):
        if passed > room.rows.size - TALL * (end - column + 1):
            return passed, row
        for other in range(column, end, WIDE):
            store_scores(
                asked.panels,
                _words(asked, row),
                _words(table, other),
                steps,
                asked.start.ctypes.data + 4 * row,
                asked.scale.ctypes.data + 4 * row,
                table.scale.ctypes.data + 4 * other,
                room.tile.ctypes.data + 4 * (other - column),
                width,
            )
        for side in range(min(TALL, last - row)):
            margin = asked.residual[row + side] * longest + widest + slack
            scores = room.tile[side]
            passed = note_best(row + side, scores, end - column, column, margin, k, room, passed)
    return passed, last


@njit
def passing_pairs(
    pairs: Int64,
    begin: int,
    offset: int,
    step: int,
    asked: Packed,
    table: Packed,
    slack: float,
    floors: Float64,
    room: Scratch,
    both: bool,
) -> tuple[int, int, int]:
    """Note what reaches a floor of its row, or of its column if ``both`` ask, in pairs of blocks.

    Returns:
        pairs noted, and the pair and its offset of columns to go on with: ``len(pairs)`` when all are done.
    """
    asked, table, room = borrowed(asked), borrowed(table), borrowed(room)
    steps, passed = asked.panels.shape[1], 0
    floors_at = room.floors.ctypes.data
    beside_at = floors_at + 4 * room.floors.shape[1]
    for pair in range(begin, pairs.shape[0]):
        first, column = pairs[pair, 0] * step, pairs[pair, 1] * step
        last, end = min(first + step, asked.scale.size), min(column + step, table.scale.size)
        _set_floors(room.floors[0], -1, first, last, asked, _farthest(table, column, end), slack, floors)
        if both:
            _set_floors(room.floors[1], 1, column, end, table, _farthest(asked, first, last), slack, floors)
        for other in range(column + offset, end, WIDE):  # its panels stay in L1, the rows' block in L2
            if passed > room.rows.size - WIDE * step:
                return passed, pair, other - column
            for row in range(first, last, TALL):
                if find_survivors(
                    asked.panels,
                    _words(asked, row),
                    _words(table, other),
                    steps,
                    asked.start.ctypes.data + 4 * row,
                    asked.scale.ctypes.data + 4 * row,
                    floors_at + 4 * (row - first),
                    table.scale.ctypes.data + 4 * other,
                    beside_at + 4 * (other - column),
                    room.tile.ctypes.data,
                    room.tile.ctypes.data,
                    room.masks.ctypes.data,
                ):
                    passed = _note(row, other, passed, room)
        offset = 0
    return passed, pairs.shape[0], 0


@njit_inline
def _words(side: Packed, row: int) -> int:
    """Address of a row's first word."""
    panel, place = row // SIDE, row % SIDE
    return int(side.panels.ctypes.data + panel * LINE * side.panels.shape[1] + place * WORD_BYTES)


@njit_inline
def _farthest(side: Packed, first: int, last: int) -> tuple[float, float]:
    """The largest ‖e‖ and ‖h‖ of a block."""
    widest, longest = 0.0, 0.0
    for row in range(first, last):
        widest, longest = max(widest, side.residual[row]), max(longest, side.length[row])
    return widest, longest


@njit_inline
def _set_floors(
    needed: Float32,
    sign: int,
    first: int,
    last: int,
    mine: Packed,
    far: tuple[float, float],
    slack: float,
    floors: Float64,
) -> None:
    """``sign`` times what D·s of a block of others must exceed, for my rows ``first … last``."""
    for row in range(first, last):
        least = floors[row] - mine.residual[row] * far[1] - far[0] - slack
        needed[row - first] = sign * (least / mine.scale[row] if mine.scale[row] > 0 else np.inf)


@njit_inline
def _note(row: int, other: int, passed: int, room: Scratch) -> int:
    """Note the pairs of a micro-tile that passed."""
    words = room.masks.view(np.uint64)
    for word in range(words.size):
        bits = words[word]
        while bits != 0:
            place = BITS * word + np.int64(trailing_zeros(bits))
            bits &= bits - np.uint64(1)
            room.rows[passed] = row + place // WIDE
            room.columns[passed] = other + place % WIDE
            room.passed[passed] = room.tile[0, place]
            passed += 1
    return passed
