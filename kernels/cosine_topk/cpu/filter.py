"""The filter: products and their test in registers, passing pairs in batches.

Plan      Two blocks of packed rows are multiplied in micro-tiles of 8 × 32 scores (microtile.py). Pairs that
          pass are collected and buffered by row some thousand at a time: the inner loop holds products and
          the test alone. int8 and float32 words take the same path.
Bound by  products: (V² + V·T)·d operations of the symmetric half with its square diagonal tiles.
Bound     that of int8.py or float32.py.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float32, Float64, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.cosine_topk.cpu.initial_thresholds import add_best
from gpuemb.kernels.cosine_topk.cpu.microtile import TALL, WIDE, find_candidates, store_scores
from gpuemb.kernels.cosine_topk.cpu.packed_rows import PackedRows
from gpuemb.kernels.cosine_topk.cpu.workspace import Workspace
from gpuemb.kernels.intrinsics import borrowed, trailing_zeros
from gpuemb.kernels.panels import LINE, SIDE, WORD_BYTES

BITS = 64  # of a word of masks


@njit
def initial_pairs(
    first: int,
    last: int,
    column: int,
    end: int,
    queries: PackedRows,
    table: PackedRows,
    slack: float,
    k: int,
    work: Workspace,
) -> tuple[int, int]:
    """Collect the best candidates among rows ``column … end`` of the table for rows ``first … last``.

    Returns:
        pairs collected, and the next row: ``last``, or less where the workspace is full.
    """
    queries, table, work = borrowed(queries), borrowed(table), borrowed(work)
    steps, passed, width = queries.panels.shape[1], 0, WORD_BYTES * work.tile.shape[1]
    widest, longest = _largest_errors(table, column, end)
    for row in range(first, last, TALL):
        if passed > work.rows.size - TALL * (end - column + 1):
            return passed, row
        for other in range(column, end, WIDE):
            store_scores(
                queries.panels,
                _words(queries, row),
                _words(table, other),
                steps,
                queries.start.ctypes.data + 4 * row,
                queries.scale.ctypes.data + 4 * row,
                table.scale.ctypes.data + 4 * other,
                work.tile.ctypes.data + 4 * (other - column),
                width,
            )
        for side in range(min(TALL, last - row)):
            margin = queries.residual[row + side] * longest + widest + slack
            scores = work.tile[side]
            passed = add_best(row + side, scores, end - column, column, margin, k, work, passed)
    return passed, last


@njit
def passing_pairs(
    pairs: Int64,
    begin: int,
    offset: int,
    step: int,
    queries: PackedRows,
    table: PackedRows,
    slack: float,
    thresholds: Float64,
    work: Workspace,
    symmetric: bool,
) -> tuple[int, int, int]:
    """Collect pairs that reach the threshold of their row, or of their column where ``symmetric``.

    Returns:
        pairs collected, and the next pair of blocks and its offset of columns: ``len(pairs)`` at the end.
    """
    queries, table, work = borrowed(queries), borrowed(table), borrowed(work)
    steps, passed = queries.panels.shape[1], 0
    row_thresholds_at = work.thresholds.ctypes.data
    column_thresholds_at = row_thresholds_at + 4 * work.thresholds.shape[1]
    for pair in range(begin, pairs.shape[0]):
        first, column = pairs[pair, 0] * step, pairs[pair, 1] * step
        last, end = min(first + step, queries.scale.size), min(column + step, table.scale.size)
        _set_thresholds(
            work.thresholds[0],
            -1,
            first,
            last,
            queries,
            _largest_errors(table, column, end),
            slack,
            thresholds,
        )
        if symmetric:
            _set_thresholds(
                work.thresholds[1],
                1,
                column,
                end,
                table,
                _largest_errors(queries, first, last),
                slack,
                thresholds,
            )
        for other in range(column + offset, end, WIDE):  # its panels stay in L1, the rows' block in L2
            if passed > work.rows.size - WIDE * step:
                return passed, pair, other - column
            for row in range(first, last, TALL):
                if find_candidates(
                    queries.panels,
                    _words(queries, row),
                    _words(table, other),
                    steps,
                    queries.start.ctypes.data + 4 * row,
                    queries.scale.ctypes.data + 4 * row,
                    row_thresholds_at + 4 * (row - first),
                    table.scale.ctypes.data + 4 * other,
                    column_thresholds_at + 4 * (other - column),
                    work.tile.ctypes.data,
                    work.tile.ctypes.data,
                    work.masks.ctypes.data,
                ):
                    passed = _add_passing(row, other, passed, work)
        offset = 0
    return passed, pairs.shape[0], 0


@njit_inline
def _words(side: PackedRows, row: int) -> int:
    """Address of a row's first word."""
    panel, place = row // SIDE, row % SIDE
    return int(side.panels.ctypes.data + panel * LINE * side.panels.shape[1] + place * WORD_BYTES)


@njit_inline
def _largest_errors(side: PackedRows, first: int, last: int) -> tuple[float, float]:
    """The largest ‖e‖ and ‖h‖ of a block."""
    widest, longest = 0.0, 0.0
    for row in range(first, last):
        widest, longest = max(widest, side.residual[row]), max(longest, side.length[row])
    return widest, longest


@njit_inline
def _set_thresholds(
    needed: Float32,
    sign: int,
    first: int,
    last: int,
    side: PackedRows,
    largest: tuple[float, float],
    slack: float,
    thresholds: Float64,
) -> None:
    """``sign`` times the bound that D·s with a block of the other side must exceed, a row of ``side``."""
    for row in range(first, last):
        least = thresholds[row] - side.residual[row] * largest[1] - largest[0] - slack
        needed[row - first] = sign * (least / side.scale[row] if side.scale[row] > 0 else np.inf)


@njit_inline
def _add_passing(row: int, other: int, passed: int, work: Workspace) -> int:
    """Collect the passing pairs of a micro-tile."""
    words = work.masks.view(np.uint64)
    for word in range(words.size):
        bits = words[word]
        while bits != 0:
            place = BITS * word + np.int64(trailing_zeros(bits))
            bits &= bits - np.uint64(1)
            work.rows[passed] = row + place // WIDE
            work.columns[passed] = other + place % WIDE
            work.passed[passed] = work.tile[0, place]
            passed += 1
    return passed
