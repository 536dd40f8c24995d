"""Register tile of defined dot products: a few rows with the columns of a panel.

Partial sum after partial sum: each is complete before the next begins, so a tile keeps one accumulator a row
and vector of columns. Complete sums are added in the tree of Definitions §3: partial sums come in
bit-reversed order, and two of one level are added at once, so at most five are pending.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.kernels.cosine_scores import WIDTH
from gpuemb.kernels.cosine_topk import LANES
from gpuemb.kernels.panels import address, call, counted_loop, load, wide_registers

TALL = 6  # rows
VECTOR = 8  # columns of a vector
VECTORS = 4 if wide_registers() else 1  # with the columns' own, 28 of 32 or 15 of 16 registers
ACROSS = VECTOR * VECTORS
DOUBLES, FLOATS = (ir.VectorType(number(), VECTOR) for number in (ir.DoubleType, ir.FloatType))
ZERO, NEGATIVE_ZERO = (ir.Constant(DOUBLES, [zero] * VECTOR) for zero in (0.0, -0.0))
WORD = ir.IntType(64)
LEVELS = LANES.bit_length() - 1  # of the tree
ALIGNED = 8 * VECTOR  # bytes of a vector
PARTIALS = LEVELS * TALL * ACROSS  # float64


def _defined_dots(
    typing_context: Any,
    panels: Any,
    rows: Any,
    columns: Any,
    dim: Any,
    partials: Any,
    same_partials: Any,
    out: Any,
    stride: Any,
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, rows, columns, dim, partials, same_partials, out, stride = arguments
        tile = _Tile(builder, panels, rows, columns, dim)
        for place, lane in enumerate(_bit_reversed(LANES)):
            sums, level = tile.partial_sums(lane), _trailing_ones(place)
            for below in range(level):
                sums = [
                    builder.fadd(builder.load(earlier, align=ALIGNED), later)
                    for earlier, later in zip(tile.places(same_partials, below), sums, strict=True)
                ]
            for total, target in zip(sums, tile.places(partials, level), strict=True):
                if level < LEVELS:
                    builder.store(total, target, align=ALIGNED)
        padding = tile.padding()
        for place, total in enumerate(sums):
            row, vector = divmod(place, VECTORS)
            at = builder.add(out, builder.mul(stride, WORD(row)))
            target = address(builder, at, 8 * VECTOR * vector, DOUBLES)
            builder.store(builder.fadd(total, padding), target, align=8)
        return context.get_dummy_value()

    return types.void(panels, *[types.intp] * 7), generate


# ``defined_dots(panels, rows, columns, d, partials, partials, out, stride)``: products of ``TALL`` rows,
# whose numbers lie side by side as ``(d + 1, TALL)`` float64, zeros last, with ``ACROSS`` columns of one of
# the ``panels``; a row's products go to ``out`` every ``stride`` bytes. Rows, columns, out and ``partials``,
# which begins a cache line and has ``PARTIALS`` float64, are addresses. LLVM must not know that both are the
# same ``partials``: it would keep sums in registers that do not fit.
defined_dots = cast(Callable[[Any, int, int, int, int, int, int, int], None], intrinsic(_defined_dots))


class _Tile:
    """Code of the sums of a tile, for one dtype of panels."""

    def __init__(self, builder: Any, panels: Any, rows: Any, columns: Any, dim: Any) -> None:
        self.builder, self.rows, self.columns, self.dim = builder, rows, columns, dim
        self.stored, self.size = (FLOATS, 4) if panels.dtype == types.float32 else (DOUBLES, 8)

    def partial_sums(self, lane: int) -> list[Any]:
        """Σ over coordinates ``lane``, ``lane`` + 16, … for each row and vector; without a branch.

        Without any, the zeros behind the rows times the first coordinate.
        """
        builder = self.builder
        there = builder.icmp_signed(">", self.dim, WORD(lane))
        steps = builder.ashr(builder.add(self.dim, WORD(LANES - 1 - lane)), WORD(4))
        begin = [builder.select(there, WORD(lane), otherwise) for otherwise in (self.dim, WORD(0))]
        steps = builder.select(there, steps, WORD(1))
        zeros = [ZERO] * (TALL * VECTORS)
        return list(counted_loop(builder, steps, begin, LANES, zeros, self._step))

    def _step(self, coordinates: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
        """Add the products of a coordinate of the rows and one of the columns."""
        builder = self.builder
        row, column = (
            builder.add(base, builder.mul(coordinate, WORD(step)))
            for base, coordinate, step in zip(
                (self.rows, self.columns), coordinates, (8 * TALL, self.size * WIDTH), strict=True
            )
        )
        across = [self._columns(column, vector) for vector in range(VECTORS)]
        new = []
        for place, total in enumerate(sums):
            number = load(builder, row, 8 * (place // VECTORS), ir.DoubleType())
            first = builder.insert_element(ir.Constant(DOUBLES, ir.Undefined), number, ir.IntType(32)(0))
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), [0] * VECTOR)
            everywhere = builder.shuffle_vector(first, ir.Constant(DOUBLES, ir.Undefined), lanes)
            new.append(call(builder, "llvm.fma.v8f64", DOUBLES, across[place % VECTORS], everywhere, total))
        return new

    def _columns(self, base: Any, vector: int) -> Any:
        numbers = load(self.builder, base, self.size * VECTOR * vector, self.stored)
        return numbers if self.stored is DOUBLES else self.builder.fpext(numbers, DOUBLES)

    def places(self, base: Any, level: int) -> list[Any]:
        """Addresses of the pending sums of a level of the tree."""
        first = TALL * VECTORS * level
        return [address(self.builder, base, ALIGNED * (first + n), DOUBLES) for n in range(TALL * VECTORS)]

    def padding(self) -> Any:
        """Zeros that turn −0 to +0 where d is no multiple of 16: the definition pads with zeros."""
        whole = self.builder.icmp_signed("==", self.builder.and_(self.dim, WORD(LANES - 1)), WORD(0))
        return self.builder.select(whole, NEGATIVE_ZERO, ZERO)


def _bit_reversed(count: int) -> list[int]:
    """Order 0 … count − 1 by their bits backwards; ``count`` is a power of two."""
    if count == 1:
        return [0]
    half = _bit_reversed(count // 2)
    return [2 * place for place in half] + [2 * place + 1 for place in half]


def _trailing_ones(place: int) -> int:
    return ((place + 1) & -(place + 1)).bit_length() - 1
