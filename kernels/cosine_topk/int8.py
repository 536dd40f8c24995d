"""The int8 filter: products and their test in registers, AVX-512 VNNI.

Plan      Micro-tiles of 16 × 16 scores: sixteen accumulators whose lanes are columns (vnni.py). A pair of row
          i and column j passes where D·s_i·s_j plus its bound reaches the floor of i or of j. Solved for
          D·s_j and D·s_i, the right sides are one number a row and one a column; the test is a maximum over
          the rows of each, two comparisons and one branch for 256 scores. Pairs that pass are noted, and
          offered to their rows some thousand at a time: the inner loop holds products and the test alone.
Bound by  int8 products: (V² + V·T)·d operations of the symmetric half with its square diagonal tiles.
Bound     ε_ij = min(‖e_i‖‖h_j‖ + ‖e_j‖, ‖e_j‖‖h_i‖ + ‖e_i‖) (quantize.py) plus SLACK: turning D and the
          thresholds to float32 and one product round by 2⁻²⁴ each of a number below 1.02, the waiting bound
          by as much: below 4e-7 together; the defined score itself errs by less than 1e-13.
Rejected  12 × 2 or 14 × 2 vectors of accumulators: as fast without the test, but they spill with it.
          int32 thresholds: one scale for all rows, and a wider bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.core.arrays import Float32, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.cosine_topk.arrange import Arranged
from gpuemb.kernels.cosine_topk.quantize import Quantized
from gpuemb.kernels.cosine_topk.survivors import TOGETHER, Lists, Scratch, offer, offer_row
from gpuemb.kernels.intrinsics import borrowed, trailing_zeros
from gpuemb.kernels.vnni import GROUP, LANES, SIDE, address, call, load, products, splat

SLACK = 1e-6
FLOATS = ir.VectorType(ir.FloatType(), SIDE)
MASK = ir.IntType(SIDE)
ADDRESS = types.intp


def _dots(builder: Any, rows: Any, columns: Any, steps: Any, starts: Any) -> Sequence[Any]:
    """Emit D of every pair of two panels: exact, for the starts hold −128·Σq of the rows."""
    begin = [splat(builder, starts, 4 * row, LANES) for row in range(SIDE)]
    return products(builder, rows, columns, steps, begin, signed=True)


def _store_scores(
    typing_context: Any,
    rows: Any,
    columns: Any,
    steps: Any,
    starts: Any,
    row_scales: Any,
    column_scales: Any,
    out: Any,
    stride: Any,
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *panels, row_scales, column_scales, out, stride = arguments
        across = load(builder, column_scales, 0, FLOATS)
        for row, total in enumerate(_dots(builder, *panels)):
            scaled = builder.fmul(builder.sitofp(total, FLOATS), splat(builder, row_scales, 4 * row, FLOATS))
            at = builder.add(out, builder.mul(stride, ir.Constant(stride.type, row)))
            builder.store(builder.fmul(scaled, across), address(builder, at, 0, FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(*[ADDRESS] * 8), generate


# ``store_scores(rows, columns, K, starts, row scales, column scales, out, stride)``: D·s_i·s_j of two panels
# as float32, a row every ``stride`` bytes; all but K and the stride are addresses.
store_scores = cast(Callable[..., None], intrinsic(_store_scores))


def _find_survivors(
    typing_context: Any,
    rows: Any,
    columns: Any,
    steps: Any,
    starts: Any,
    row_scales: Any,
    row_floors: Any,
    column_scales: Any,
    column_floors: Any,
    out: Any,
    same_out: Any,
    masks: Any,
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *panels, row_scales, row_floors, column_scales, column_floors, out, same_out, masks = arguments
        zero = ir.Constant(FLOATS, [0.0] * SIDE)

        def above(left: Any, right: Any) -> Any:
            return builder.fcmp_ordered(">", left, right)

        def larger(left: Any, right: Any) -> Any:
            return right if left is None else builder.select(above(left, right), left, right)

        def for_row(score: Any, row: int, across: Any) -> Any:  # positive where D·s_j > floor: one rounding
            negative = splat(builder, row_floors, 4 * row, FLOATS)
            return call(builder, "llvm.fma.v16f32", FLOATS, score, across, negative)

        def for_column(score: Any, row: int) -> Any:
            return builder.fmul(score, splat(builder, row_scales, 4 * row, FLOATS))

        dots = _dots(builder, *panels)
        across, floors = (load(builder, base, 0, FLOATS) for base in (column_scales, column_floors))
        best_row, best_column = None, None
        for row, dot in enumerate(dots):
            score = builder.sitofp(dot, FLOATS)
            best_row = larger(best_row, for_row(score, row, across))
            best_column = larger(best_column, for_column(score, row))
        passing = builder.or_(above(best_row, zero), above(best_column, floors))
        found = builder.icmp_unsigned("!=", builder.bitcast(passing, MASK), ir.Constant(MASK, 0))
        with builder.if_then(found, likely=False):
            for row, dot in enumerate(dots):
                builder.store(dot, address(builder, out, 4 * SIDE * row, LANES), align=4)
            across, floors = (load(builder, base, 0, FLOATS) for base in (column_scales, column_floors))
            for row in range(SIDE):  # read back: values kept for this branch would push the sums out
                dot = load(builder, same_out, 4 * SIDE * row, LANES)
                score = builder.sitofp(dot, FLOATS)
                scaled = for_column(score, row)
                either = builder.or_(above(for_row(score, row, across), zero), above(scaled, floors))
                bits = address(builder, masks, 2 * row, MASK)
                builder.store(builder.bitcast(either, MASK), bits, align=2)
                cell = address(builder, same_out, 4 * SIDE * row, FLOATS)
                builder.store(builder.fmul(scaled, across), cell, align=4)
        return found

    return types.boolean(*[ADDRESS] * 11), generate


# ``find_survivors(rows, columns, K, starts, row scales, −row floors, column scales, column floors, out, out,
# masks)``: whether D·s_j > floor_i or D·s_i > floor_j for any pair of two panels. Only then ``out`` holds
# D·s_i·s_j ``(16, 16)`` float32 and ``masks`` the lanes ``(16,)`` uint16 that pass. LLVM must not know that
# both arguments are the same ``out``.
find_survivors = cast(Callable[..., bool], intrinsic(_find_survivors))


@njit
def seed_blocks(
    blocks: Int64,
    step: int,
    asked: Arranged,
    asked_int8: Quantized,
    table: Arranged,
    table_int8: Quantized,
    lists: Lists,
    room: Scratch,
) -> None:
    """Start the lists of every block of rows (``blocks[:, 0]``) with the best of a block of the table."""
    asked, table, lists, room = borrowed(asked), borrowed(table), borrowed(lists), borrowed(room)
    asked_int8, table_int8 = borrowed(asked_int8), borrowed(table_int8)
    steps = asked_int8.panels.shape[1]
    for block in range(blocks.shape[0]):
        first, column = blocks[block, 0] * step, blocks[block, 1] * step
        last, end = min(first + step, len(asked.rows)), min(column + step, len(table.rows))
        widest, longest = _farthest(table_int8, column, end)
        for row in range(first, last, SIDE):
            for other in range(column, end, SIDE):
                store_scores(
                    asked_int8.panels[row // SIDE].ctypes.data,
                    table_int8.panels[other // SIDE].ctypes.data,
                    steps,
                    asked_int8.start[row:].ctypes.data,
                    asked_int8.scale[row:].ctypes.data,
                    table_int8.scale[other:].ctypes.data,
                    room.tile[:, other - column :].ctypes.data,
                    4 * room.tile.shape[1],
                )
            for side in range(min(SIDE, last - row)):
                margin = asked_int8.residual[row + side] * longest + widest + SLACK
                scores = room.tile[side, : end - column]
                offer_row(row + side, scores, column, margin, asked, table, lists, room)


@njit
def cross_blocks(
    pairs: Int64,
    step: int,
    asked: Arranged,
    asked_int8: Quantized,
    table: Arranged,
    table_int8: Quantized,
    lists: Lists,
    room: Scratch,
    both: bool,
) -> None:
    """Offer what survives of every pair of blocks to the rows' lists, and to the columns' if ``both`` ask."""
    asked, table, lists, room = borrowed(asked), borrowed(table), borrowed(lists), borrowed(room)
    asked_int8, table_int8 = borrowed(asked_int8), borrowed(table_int8)
    steps = asked_int8.panels.shape[1]
    panel = SIDE * GROUP * steps
    for pair in range(pairs.shape[0]):
        first, column = pairs[pair, 0] * step, pairs[pair, 1] * step
        last, end = min(first + step, asked_int8.scale.size), min(column + step, table_int8.scale.size)
        _set_floors(room.floors[0], -1, first, last, asked_int8, table_int8, column, end, lists)
        if both:
            _set_floors(room.floors[1], 1, column, end, table_int8, asked_int8, first, last, lists)
        rows_at, columns_at = asked_int8.panels.ctypes.data, table_int8.panels.ctypes.data
        starts_at, scales_at = asked_int8.start.ctypes.data, asked_int8.scale.ctypes.data
        across_at, floors_at = table_int8.scale.ctypes.data, room.floors.ctypes.data
        beside_at = floors_at + 4 * room.floors.shape[1]
        out, masks = room.tile.ctypes.data, room.masks.ctypes.data
        passed = 0
        for other in range(column, end, SIDE):  # its panel stays in L1, the rows' block in L2
            for row in range(first, last, SIDE):
                if find_survivors(
                    rows_at + row // SIDE * panel,
                    columns_at + other // SIDE * panel,
                    steps,
                    starts_at + 4 * row,
                    scales_at + 4 * row,
                    floors_at + 4 * (row - first),
                    across_at + 4 * other,
                    beside_at + 4 * (other - column),
                    out,
                    out,
                    masks,
                ):
                    passed = _collect(row, other, passed, room)
                    if passed > TOGETHER - SIDE * SIDE:
                        _offer_all(passed, asked, asked_int8, table, table_int8, lists, room, both)
                        passed = 0
                        _set_floors(
                            room.floors[0], -1, first, last, asked_int8, table_int8, column, end, lists
                        )
                        if both:
                            _set_floors(
                                room.floors[1], 1, column, end, table_int8, asked_int8, first, last, lists
                            )
        _offer_all(passed, asked, asked_int8, table, table_int8, lists, room, both)


@njit_inline
def _farthest(side: Quantized, first: int, last: int) -> tuple[float, float]:
    """The largest ‖e‖ and ‖h‖ of a block."""
    widest, longest = 0.0, 0.0
    for row in range(first, last):
        widest, longest = max(widest, side.residual[row]), max(longest, side.length[row])
    return widest, longest


@njit_inline
def _set_floors(
    floors: Float32,
    sign: int,
    first: int,
    last: int,
    mine: Quantized,
    other: Quantized,
    column: int,
    end: int,
    lists: Lists,
) -> None:
    """``sign`` times what D·s must exceed, for my rows ``first … last`` against a block of others."""
    widest, longest = _farthest(other, column, end)
    for row in range(first, last):
        needed = lists.floor[row] - mine.residual[row] * longest - widest - SLACK
        floors[row - first] = sign * (needed / mine.scale[row] if mine.scale[row] > 0 else np.inf)


@njit_inline
def _collect(row: int, other: int, passed: int, room: Scratch) -> int:
    """Note the pairs of a micro-tile that passed."""
    words = room.masks.view(np.uint64)
    for quarter in range(words.size):
        bits = words[quarter]
        while bits != 0:
            lane = trailing_zeros(bits)
            bits &= bits - np.uint64(1)
            place = SIDE * SIDE // 4 * quarter + lane
            room.rows[passed] = row + place // SIDE
            room.columns[passed] = other + place % SIDE
            room.passed[passed] = room.tile[0, place]
            passed += 1
    return passed


@njit_inline
def _offer_all(
    passed: int,
    asked: Arranged,
    asked_int8: Quantized,
    table: Arranged,
    table_int8: Quantized,
    lists: Lists,
    room: Scratch,
    both: bool,
) -> None:
    """Offer the pairs that passed and whose own bound reaches a floor."""
    for entry in range(passed):
        i, j = room.rows[entry], room.columns[entry]
        if i >= len(asked.rows) or j >= len(table.rows):
            continue
        forward = asked_int8.residual[i] * table_int8.length[j] + table_int8.residual[j]
        backward = table_int8.residual[j] * asked_int8.length[i] + asked_int8.residual[i]
        bound = room.passed[entry] + min(forward, backward) + SLACK
        for turn in range(2 if both else 1):
            row, other = (i, j) if turn == 0 else (j, i)
            if bound >= lists.floor[row]:
                offer(row, other, bound, asked, table, lists, room)
