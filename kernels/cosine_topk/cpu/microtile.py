"""Micro-tile of the filter: scores of a few rows with thirty-two columns and their test, in registers.

A pair of row i and column j passes where D·s_i·s_j plus its bound reaches the threshold of i or of j. Solved
for D·s_j and D·s_i, the right sides are one number a row and one a column; the test is a maximum over the
rows of each, two comparisons for sixteen columns and one branch a micro-tile, which is 8 × 32 scores in wide
registers. Words are int8 or float32; float32 words carry no scales.

Rejected  12 × 2 or 14 × 2 vectors of accumulators: as fast without the test, but they spill with it.
          16 × 1: seventeen loads for sixteen products, 6 % slower where two of each fit in a cycle.
          int32 thresholds: one scale for all rows, and a wider bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.kernels import vnni
from gpuemb.kernels.panels import (
    FLOATS,
    LINE,
    SIDE,
    WORDS,
    Arithmetic,
    address,
    call,
    counted_loop,
    load,
    products,
    splat,
    wide_registers,
)

TALL = 8 if wide_registers() else SIDE  # rows; sixteen make 6 + 6 + 4 a pass of 16 registers
ACROSS = 2  # panels of columns
WIDE = SIDE * ACROSS
MASK = ir.IntType(SIDE)
ADDRESS = types.intp
EXACT = Arithmetic(  # float32 words
    FLOATS,
    lambda builder, columns: columns,
    lambda builder, sums, columns, row: call(builder, "llvm.fma.v16f32", FLOATS, columns, row, sums),
)


class _Tile:
    """Code shared by both intrinsics, for one type of words.

    Attributes:
        exact: whether the words are float32.
        raw: vector type of the products before they are scores.
    """

    def __init__(self, builder: Any, panels: Any) -> None:
        self.builder, self.exact = builder, panels.dtype == types.float32
        self.raw = FLOATS if self.exact else WORDS

    def dots(self, rows: Any, columns: Any, steps: Any, starts: Any) -> list[list[Any]]:
        """D of every pair: exact for int8, with starts −128·Σq of the rows."""
        builder = self.builder
        width = builder.mul(steps, ir.Constant(steps.type, LINE))
        panels = [columns, builder.add(columns, width)]
        if self.exact:
            zeros = [ir.Constant(FLOATS, [0.0] * SIDE)] * TALL
            return products(builder, rows, panels, steps, zeros, EXACT)
        begin = [splat(builder, starts, 4 * row, WORDS) for row in range(TALL)]
        return products(builder, rows, panels, steps, begin, vnni.signed)

    def score(self, dot: Any) -> Any:
        """D as float32."""
        return dot if self.exact else self.builder.sitofp(dot, FLOATS)

    def by_row_scale(self, score: Any, scales: Any, row: int) -> Any:
        """D·s_i."""
        return score if self.exact else self.builder.fmul(score, splat(self.builder, scales, 4 * row, FLOATS))

    def above_row_threshold(self, score: Any, across: Any, negative: Any, row: int) -> Any:
        """Positive where D·s_j exceeds the row's threshold: one rounding."""
        threshold = splat(self.builder, negative, 4 * row, FLOATS)
        if self.exact:
            return self.builder.fadd(score, threshold)
        return call(self.builder, "llvm.fma.v16f32", FLOATS, score, across, threshold)

    def across(self, base: Any) -> list[Any]:
        """One number a column."""
        return [load(self.builder, base, LINE * panel, FLOATS) for panel in range(ACROSS)]

    def passing(self, scores: Sequence[Any], panel: int, addresses: Sequence[Any]) -> Any:
        """Lanes in which any row passes; scales and thresholds of the rows, then of the columns."""
        row_scales, row_thresholds, column_scales, column_thresholds = addresses
        across, thresholds = (self.across(base)[panel] for base in (column_scales, column_thresholds))
        by_row = self._largest(
            [self.above_row_threshold(score, across, row_thresholds, row) for row, score in enumerate(scores)]
        )
        by_column = self._largest(
            [self.by_row_scale(score, row_scales, row) for row, score in enumerate(scores)]
        )
        zero = ir.Constant(FLOATS, [0.0] * SIDE)
        return self.builder.or_(self._above(by_row, zero), self._above(by_column, thresholds))

    def _above(self, left: Any, right: Any) -> Any:
        return self.builder.fcmp_ordered(">", left, right)

    def _largest(self, values: Sequence[Any]) -> Any:
        best = values[0]
        for value in values[1:]:
            best = self.builder.select(self._above(best, value), best, value)
        return best


def _store_scores(
    typing_context: Any,
    panels: Any,
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
        _, *addresses, row_scales, column_scales, out, stride = arguments
        tile = _Tile(builder, panels)
        across = tile.across(column_scales)
        for row, dots in enumerate(tile.dots(*addresses)):
            at = builder.add(out, builder.mul(stride, ir.Constant(stride.type, row)))
            for panel, dot in enumerate(dots):
                score = tile.by_row_scale(tile.score(dot), row_scales, row)
                score = score if tile.exact else builder.fmul(score, across[panel])
                builder.store(score, address(builder, at, LINE * panel, FLOATS), align=4)
        return context.get_dummy_value()

    return types.void(panels, *[ADDRESS] * 8), generate


# ``store_scores(panels, rows, columns, K, starts, row scales, column scales, out, stride)``: D·s_i·s_j of
# ``TALL`` rows and two panels as float32, a row every ``stride`` bytes; all but K and the stride are
# addresses. ``panels`` only says what the words are.
store_scores = cast(Callable[..., None], intrinsic(_store_scores))


def _find_candidates(
    typing_context: Any,
    panels: Any,
    rows: Any,
    columns: Any,
    steps: Any,
    starts: Any,
    row_scales: Any,
    row_thresholds: Any,
    column_scales: Any,
    column_thresholds: Any,
    out: Any,
    same_out: Any,
    masks: Any,
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, *addresses, row_scales, row_thresholds, column_scales, column_thresholds, out, same_out, masks = (
            arguments
        )
        tile, of_columns = _Tile(builder, panels), [column_scales, column_thresholds]
        dots = tile.dots(*addresses)

        def test_row(place: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
            """Read a row back: values kept for this branch would push the sums out of the registers."""
            words, lines = (builder.mul(place[0], ir.Constant(out.type, size)) for size in (4, ACROSS * LINE))
            scales, thresholds, bits = (
                builder.add(base, words) for base in (row_scales, row_thresholds, masks)
            )
            at = builder.add(same_out, lines)
            for panel, across in enumerate(tile.across(column_scales)):
                score = tile.score(load(builder, at, LINE * panel, tile.raw))
                lanes = tile.passing([score], panel, [scales, thresholds, *of_columns])
                builder.store(builder.bitcast(lanes, MASK), address(builder, bits, 2 * panel, MASK), align=2)
                if not tile.exact:
                    scaled = builder.fmul(tile.by_row_scale(score, scales, 0), across)
                    builder.store(scaled, address(builder, at, LINE * panel, FLOATS), align=4)
            return []

        some = [
            tile.passing(
                [tile.score(row[panel]) for row in dots], panel, [row_scales, row_thresholds, *of_columns]
            )
            for panel in range(ACROSS)
        ]
        found = builder.icmp_unsigned("!=", builder.bitcast(builder.or_(*some), MASK), ir.Constant(MASK, 0))
        with builder.if_then(found, likely=False):
            for place, dot in enumerate(dot for values in dots for dot in values):
                builder.store(dot, address(builder, out, LINE * place, tile.raw), align=4)
            rows, first = ir.Constant(out.type, TALL), ir.Constant(out.type, 0)
            counted_loop(builder, rows, [first], 1, [], test_row)  # not unrolled: rare, and compiled sooner
        return found

    return types.boolean(panels, *[ADDRESS] * 11), generate


# ``find_candidates(panels, rows, columns, K, starts, row scales, −row thresholds t, column scales, column
# thresholds t, out, out, masks)``: whether D·s_j > t_i or D·s_i > t_j for any of ``TALL`` rows, two panels.
# Only then ``out`` holds D·s_i·s_j ``(TALL, 32)`` float32 and ``masks`` the lanes ``(TALL, 2)`` uint16 that
# pass. LLVM must not know that both arguments are the same ``out``.
find_candidates = cast(Callable[..., bool], intrinsic(_find_candidates))
