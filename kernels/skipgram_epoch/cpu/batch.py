"""Dot products and steps of a batch in registers, as LLVM code beyond what Numba generates.

Vectors are named by their addresses, in arrays of int64: ``BATCH`` inputs and outputs, and an odd number of
negatives, at least 3. A row of ``(negatives + 1, BATCH)`` float32 belongs to a negative, the last one to the
outputs.
Sixteen accumulators, of two negatives or of a negative and the outputs with every input, take ten or
seventeen loads for sixteen fused multiply-adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.kernels.panels import FLOATS, LINE, SIDE, WORD, address, call, counted_loop, load, splat
from gpuemb.kernels.skipgram_epoch import BATCH

ADDRESS = types.intp
NAME, ROW = 8, 4 * BATCH  # bytes of an address, and of a row of products
ZERO = ir.Constant(FLOATS, [0.0] * SIDE)


def _dots(
    typing_context: Any, inputs: Any, outputs: Any, negatives: Any, count: Any, lines: Any, products: Any
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        inputs, outputs, negatives, count, lines, products = arguments

        def write(sides: Sequence[Sequence[Any]], place: Any) -> None:
            def line(offsets: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
                rows = [_load(builder, row, offsets[0]) for row in _named(builder, inputs)]
                new = []
                for i, side in enumerate(sides):
                    others = [_load(builder, other, offsets[0]) for other in side]
                    for j, row in enumerate(rows):
                        new.append(_fused(builder, row, others[j % len(others)], sums[BATCH * i + j]))
                return new

            sums = counted_loop(builder, lines, [ir.Constant(lines.type, 0)], LINE, [ZERO] * SIDE, line)
            builder.store(_sums_of(builder, sums), address(builder, place, 0, FLOATS), align=4)

        def two(offsets: Sequence[Any], _: Sequence[Any]) -> Sequence[Any]:
            pair = [_name(builder, negatives, offsets[0], k) for k in range(2)]
            write([[one] for one in pair], builder.add(products, _times(builder, offsets[0], ROW // NAME)))
            return []

        counted_loop(
            builder, builder.lshr(count, ir.Constant(count.type, 1)), [_zero(count)], 2 * NAME, [], two
        )
        last = _times(builder, builder.sub(count, ir.Constant(count.type, 1)), NAME)
        end = builder.add(products, _times(builder, last, ROW // NAME))
        write([[_name(builder, negatives, last, 0)], _named(builder, outputs)], end)
        return context.get_dummy_value()

    return types.void(*[ADDRESS] * 6), generate


def _move(
    typing_context: Any, inputs: Any, outputs: Any, negatives: Any, count: Any, lines: Any, steps: Any
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        inputs, outputs, negatives, count, lines, steps = arguments
        of_outputs = builder.add(steps, _times(builder, count, ROW))

        def line(offsets: Sequence[Any], _: Sequence[Any]) -> Sequence[Any]:
            offset = offsets[0]
            rows = [_load(builder, row, offset) for row in _named(builder, inputs)]
            towards = [_step(builder, of_outputs, i) for i in range(BATCH)]
            moves: Sequence[Any] = [
                builder.fmul(step, _load(builder, output, offset))
                for step, output in zip(towards, _named(builder, outputs), strict=True)
            ]

            def pull(names: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
                other = _load(builder, _name(builder, negatives, names[0], 0), offset)
                row = builder.add(steps, _times(builder, names[0], ROW // NAME))
                return [_fused(builder, _step(builder, row, i), other, sums[i]) for i in range(BATCH)]

            moves = counted_loop(builder, count, [_zero(count)], NAME, moves, pull)

            def push(names: Sequence[Any], _: Sequence[Any]) -> Sequence[Any]:
                row = builder.add(steps, _times(builder, names[0], ROW // NAME))
                changed = [builder.fmul(_step(builder, row, i), rows[i]) for i in range(2)]
                for i in range(2, BATCH):
                    changed[i % 2] = _fused(builder, _step(builder, row, i), rows[i], changed[i % 2])
                _add(builder, _name(builder, negatives, names[0], 0), offset, builder.fadd(*changed))
                return []

            counted_loop(builder, count, [_zero(count)], NAME, [], push)
            for i, output in enumerate(_named(builder, outputs)):
                _add(builder, output, offset, builder.fmul(_step(builder, of_outputs, i), rows[i]))
            for row, move in zip(_named(builder, inputs), moves, strict=True):
                _add(builder, row, offset, move)
            return []

        counted_loop(builder, lines, [_zero(count)], LINE, [], line)
        return context.get_dummy_value()

    return types.void(*[ADDRESS] * 6), generate


def _zero(like: Any) -> Any:
    return ir.Constant(like.type, 0)


def _times(builder: Any, number: Any, factor: int) -> Any:
    return builder.mul(number, ir.Constant(number.type, factor))


def _name(builder: Any, names: Any, offset: Any, place: int) -> Any:
    return load(builder, builder.add(names, offset), NAME * place, names.type)


def _named(builder: Any, names: Any) -> list[Any]:
    return [load(builder, names, NAME * i, names.type) for i in range(BATCH)]


def _load(builder: Any, row: Any, offset: Any) -> Any:
    return load(builder, builder.add(row, offset), 0, FLOATS)


def _add(builder: Any, row: Any, offset: Any, change: Any) -> None:
    """Add to a line of a vector in memory: another word of the batch may have changed it before."""
    place = address(builder, builder.add(row, offset), 0, FLOATS)
    builder.store(builder.fadd(builder.load(place, align=4), change), place, align=4)


def _step(builder: Any, row: Any, place: int) -> Any:
    return splat(builder, row, 4 * place, FLOATS)


def _fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return call(builder, "llvm.fma.v16f32", FLOATS, a, b, c)


def _sums_of(builder: Any, rows: Sequence[Any]) -> Any:
    """Return the sums of sixteen vectors as one: a transposition that adds while it halves."""
    rows = list(rows)
    for width in (1, 2, 4, 8):
        lanes = range(SIDE)
        kept = [lane if not lane & width else lane - width + SIDE for lane in lanes]
        moved = [lane + width if not lane & width else lane + SIDE for lane in lanes]
        rows = [
            builder.fadd(_shuffled(builder, a, b, kept), _shuffled(builder, a, b, moved))
            for a, b in zip(rows[::2], rows[1::2], strict=True)
        ]
    return rows[0]


def _shuffled(builder: Any, a: Any, b: Any, lanes: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(WORD, SIDE), list(lanes)))


# ``dots(inputs, outputs, negatives, count, lines, products)`` writes every dot product of a batch whose
# vectors have so many lines of sixteen numbers; ``move(…, steps)`` adds ``step · other`` to both vectors of
# every pair, with all vectors as they were before. Arguments are addresses and numbers.
dots = cast(Callable[[int, int, int, int, int, int], None], intrinsic(_dots))
move = cast(Callable[[int, int, int, int, int, int], None], intrinsic(_move))
