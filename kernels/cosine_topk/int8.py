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

from gpuemb.core.arrays import Float32, Float64, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.cosine_topk.quantize import Quantized
from gpuemb.kernels.cosine_topk.room import Scratch
from gpuemb.kernels.cosine_topk.survivors import note_best
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
def seed_pairs(
    first: int,
    last: int,
    column: int,
    end: int,
    asked: Quantized,
    table: Quantized,
    k: int,
    room: Scratch,
) -> tuple[int, int]:
    """Note the best candidates among rows ``column … end`` of the table for rows ``first … last``.

    Returns:
        pairs noted, and the row to go on with: ``last``, or less where the room is full.
    """
    asked, table, room = borrowed(asked), borrowed(table), borrowed(room)
    steps, passed, width = asked.panels.shape[1], 0, 4 * room.tile.shape[1]
    widest, longest = _farthest(table, column, end)
    for row in range(first, last, SIDE):
        if passed > room.rows.size - SIDE * (end - column + 1):
            return passed, row
        for other in range(column, end, SIDE):
            store_scores(
                asked.panels.ctypes.data + row * GROUP * steps,
                table.panels.ctypes.data + other * GROUP * steps,
                steps,
                asked.start.ctypes.data + 4 * row,
                asked.scale.ctypes.data + 4 * row,
                table.scale.ctypes.data + 4 * other,
                room.tile.ctypes.data + 4 * (other - column),
                width,
            )
        for side in range(min(SIDE, last - row)):
            margin = asked.residual[row + side] * longest + widest + SLACK
            scores = room.tile[side, : end - column]
            passed = note_best(row + side, scores, column, margin, k, room, passed)
    return passed, last


@njit
def passing_pairs(
    pairs: Int64,
    begin: int,
    offset: int,
    step: int,
    asked: Quantized,
    table: Quantized,
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
        _set_floors(room.floors[0], -1, first, last, asked, _farthest(table, column, end), floors)
        if both:
            _set_floors(room.floors[1], 1, column, end, table, _farthest(asked, first, last), floors)
        for other in range(column + offset, end, SIDE):  # its panel stays in L1, the rows' block in L2
            if passed > room.rows.size - SIDE * step:
                return passed, pair, other - column
            for row in range(first, last, SIDE):
                if find_survivors(
                    asked.panels.ctypes.data + row * GROUP * steps,
                    table.panels.ctypes.data + other * GROUP * steps,
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
def _farthest(side: Quantized, first: int, last: int) -> tuple[float, float]:
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
    mine: Quantized,
    far: tuple[float, float],
    floors: Float64,
) -> None:
    """``sign`` times what D·s of a block of others must exceed, for my rows ``first … last``."""
    for row in range(first, last):
        least = floors[row] - mine.residual[row] * far[1] - far[0] - SLACK
        needed[row - first] = sign * (least / mine.scale[row] if mine.scale[row] > 0 else np.inf)


@njit_inline
def _note(row: int, other: int, passed: int, room: Scratch) -> int:
    """Note the pairs of a micro-tile that passed."""
    words = room.masks.view(np.uint64)
    for quarter in range(words.size):
        bits = words[quarter]
        while bits != 0:
            place = SIDE * SIDE // 4 * quarter + np.int64(trailing_zeros(bits))
            bits &= bits - np.uint64(1)
            room.rows[passed] = row + place // SIDE
            room.columns[passed] = other + place % SIDE
            room.passed[passed] = room.tile[0, place]
            passed += 1
    return passed
