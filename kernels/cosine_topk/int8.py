"""The int8 filter: products and their test in registers, AVX-512 VNNI.

Plan      Micro-tiles of 16 × 16 scores: sixteen accumulators whose lanes are columns (vnni.py). A pair of row i
          and column j survives where D·s_i·s_j plus its bound reaches the floor of i or of j. Solved for D·s_j
          and for D·s_i, the right sides are a number a row and a number a column, computed once a tile of
          blocks; the test is a maximum over the rows of each, two comparisons and one branch for 256 scores.
Bound by  int8 products: (V² + V·T)·d operations of the symmetric half with its square diagonal tiles.
Bound     ε_ij = min(‖e_i‖‖h_j‖ + ‖e_j‖, ‖e_j‖‖h_i‖ + ‖e_i‖) (quantize.py) plus SLACK: turning D and the
          thresholds to float32 and one product round by 2⁻²⁴ each of a number below 1.02, the waiting bound by
          as much: below 4e-7 together; the defined score itself errs by less than 1e-13.
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
from gpuemb.core.jit import njit
from gpuemb.kernels.cosine_topk.arrange import Arranged
from gpuemb.kernels.cosine_topk.quantize import Quantized
from gpuemb.kernels.cosine_topk.survivors import Lists, offer, offer_row
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
) -> None:
    """Start the lists of every block of rows (``blocks[:, 0]``) with the best of a block of the table."""
    asked, table, lists = borrowed(asked), borrowed(table), borrowed(lists)
    asked_int8, table_int8 = borrowed(asked_int8), borrowed(table_int8)
    k, steps = lists.scores.shape[1], asked_int8.panels.shape[1]
    approximate = np.empty((SIDE, step), np.float32)
    maxima = np.empty((4 * (k + 1) + SIDE - 1) // SIDE * SIDE, np.float32)
    for block in range(blocks.shape[0]):
        first, column = blocks[block, 0] * step, blocks[block, 1] * step
        last, end = min(first + step, len(asked.rows)), min(column + step, len(table.rows))
        widest, longest = table_int8.residual[column:end].max(), table_int8.length[column:end].max()
        for row in range(first, last, SIDE):
            for other in range(column, end, SIDE):
                store_scores(
                    asked_int8.panels[row // SIDE].ctypes.data,
                    table_int8.panels[other // SIDE].ctypes.data,
                    steps,
                    asked_int8.start[row:].ctypes.data,
                    asked_int8.scale[row:].ctypes.data,
                    table_int8.scale[other:].ctypes.data,
                    approximate[:, other - column :].ctypes.data,
                    4 * step,
                )
            for side in range(min(SIDE, last - row)):
                margin = asked_int8.residual[row + side] * longest + widest + SLACK
                scores = approximate[side, : end - column]
                offer_row(row + side, scores, column, margin, maxima, asked, table, lists)


@njit
def cross_blocks(
    pairs: Int64,
    step: int,
    asked: Arranged,
    asked_int8: Quantized,
    table: Arranged,
    table_int8: Quantized,
    lists: Lists,
    both: bool,
) -> None:
    """Offer what survives of every pair of blocks to the rows' lists, and to the columns' if ``both`` ask."""
    asked, table, lists = borrowed(asked), borrowed(table), borrowed(lists)
    asked_int8, table_int8 = borrowed(asked_int8), borrowed(table_int8)
    row_floors, column_floors = np.empty(step, np.float32), np.full(step, np.float32(np.inf))
    scores, masks = np.empty((SIDE, SIDE), np.float32), np.zeros(SIDE, np.uint16)
    steps = asked_int8.panels.shape[1]
    panel = SIDE * GROUP * steps
    out, bits = scores.ctypes.data, masks.ctypes.data
    row_floors_at, column_floors_at = row_floors.ctypes.data, column_floors.ctypes.data
    for pair in range(pairs.shape[0]):
        first, column = pairs[pair, 0] * step, pairs[pair, 1] * step
        last, end = min(first + step, asked_int8.scale.size), min(column + step, table_int8.scale.size)
        rows_far, columns_far = _farthest(asked_int8, first, last), _farthest(table_int8, column, end)
        _set_floors(row_floors, first, last, -1, asked_int8, columns_far, lists)
        if both:
            _set_floors(column_floors, column, end, 1, table_int8, rows_far, lists)
        rows_at, columns_at = asked_int8.panels.ctypes.data, table_int8.panels.ctypes.data
        starts_at, scales_at = asked_int8.start.ctypes.data, asked_int8.scale.ctypes.data
        across_at = table_int8.scale.ctypes.data
        for other in range(column, end, SIDE):  # its panel stays in L1, the rows' block in L2
            for row in range(first, last, SIDE):
                if not find_survivors(
                    rows_at + row // SIDE * panel,
                    columns_at + other // SIDE * panel,
                    steps,
                    starts_at + 4 * row,
                    scales_at + 4 * row,
                    row_floors_at + 4 * (row - first),
                    across_at + 4 * other,
                    column_floors_at + 4 * (other - column),
                    out,
                    out,
                    bits,
                ):
                    continue
                if _visit(row, other, scores, masks, asked, asked_int8, table, table_int8, lists, both):
                    floors = row_floors[row - first :]
                    _set_floors(floors, row, row + SIDE, -1, asked_int8, columns_far, lists)
                    if both:
                        floors = column_floors[other - column :]
                        _set_floors(floors, other, other + SIDE, 1, table_int8, rows_far, lists)


@njit
def _farthest(side: Quantized, first: int, last: int) -> tuple[float, float]:
    """The largest ‖e‖ and ‖h‖ of a block."""
    return side.residual[first:last].max(), side.length[first:last].max()


@njit
def _set_floors(
    floors: Float32,
    first: int,
    last: int,
    sign: int,
    mine: Quantized,
    far: tuple[float, float],
    lists: Lists,
) -> None:
    """``sign`` times what D·s of the other side must exceed, for rows ``first … last`` of mine."""
    for row in range(first, last):
        needed = lists.floor[row] - mine.residual[row] * far[1] - far[0] - SLACK
        floors[row - first] = sign * (needed / mine.scale[row] if mine.scale[row] > 0 else np.inf)


@njit
def _visit(
    row: int,
    other: int,
    scores: Float32,
    masks: Any,
    asked: Arranged,
    asked_int8: Quantized,
    table: Arranged,
    table_int8: Quantized,
    lists: Lists,
    both: bool,
) -> bool:
    """Offer the pairs of a micro-tile that pass their own bound; say whether a floor may have risen."""
    settled = False
    words = masks.view(np.uint64)
    for quarter in range(words.size):
        bits = words[quarter]
        while bits != 0:
            lane = trailing_zeros(bits)
            bits &= bits - np.uint64(1)
            side = 4 * quarter + lane // SIDE
            i, j = row + side, other + lane % SIDE
            if i >= len(asked.rows) or j >= len(table.rows):
                continue
            forward = asked_int8.residual[i] * table_int8.length[j] + table_int8.residual[j]
            backward = table_int8.residual[j] * asked_int8.length[i] + asked_int8.residual[i]
            bound = scores[side, lane % SIDE] + min(forward, backward) + SLACK
            if bound >= lists.floor[i]:
                settled |= offer(i, j, bound, asked, table, lists)
            if both and bound >= lists.floor[j]:
                settled |= offer(j, i, bound, table, asked, lists)
    return settled
