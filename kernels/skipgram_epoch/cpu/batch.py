"""Slopes and steps of a batch in registers, as LLVM code beyond what Numba generates.

A batch's vectors are named by their addresses, in arrays of int64: ``BATCH`` inputs and outputs, and
``3·groups − 1`` negatives. ``BATCH`` numbers of a row belong to a negative, those of the last row to the
outputs. A group is three rows: their twelve sums with four inputs, three vectors and an input are sixteen
registers, and seven to ten loads feed twelve fused multiply-adds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.kernels.panels import WORD, address, call, counted_loop, load, splat, wide_registers
from gpuemb.kernels.skipgram_epoch import BATCH

ADDRESS = types.intp
TOGETHER = 3  # rows of a group
GROUP = 4 * BATCH  # numbers computed at once for a group: those of its rows, and one row more, unused
NAME, ROW = 8, 4 * BATCH  # bytes of an address, and of a row of products
SLOPES, MASKS = (ir.VectorType(kind, GROUP) for kind in (ir.FloatType(), WORD))
QUAD = ir.VectorType(ir.FloatType(), BATCH)
SATURATED = 80.0  # |x| from which e^−|x| is that of 80: 2e-35


class Operands(NamedTuple):
    """What both operations take: addresses, and how often their loops run."""

    inputs: Any
    outputs: Any
    negatives: Any
    groups: Any
    pieces: Any
    steps: Any


def _slopes(
    typing_context: Any,
    inputs: Any,
    outputs: Any,
    negatives: Any,
    groups: Any,
    pieces: Any,
    steps: Any,
    words: Any,
    losses: Any,
    away: Any,
    towards: Any,
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *operands, words, losses, away, towards = arguments
        at = Operands(*operands)
        inputs, outputs = (_named(builder, names) for names in (at.inputs, at.outputs))
        listed = load(builder, words, 0, ir.VectorType(WORD, BATCH))
        of_outputs = _shuffled(builder, listed, [*range(BATCH)] * (GROUP // BATCH))
        away = _everywhere(builder, away)

        def group(number: Any, own: Sequence[Any], scale: Any, totals: Any) -> None:
            size = TOGETHER - bool(own)
            names = builder.add(at.negatives, _times(builder, number, TOGETHER * NAME))
            others = [load(builder, names, NAME * j, names.type) for j in range(size)]
            sums = _dots(builder, at.pieces, inputs, others, own)
            word = builder.add(words, _times(builder, number, TOGETHER * 4))
            drawn = load(builder, word, BATCH * 4, ir.VectorType(WORD, BATCH))
            drawn = _shuffled(builder, drawn, [lane // BATCH for lane in range(GROUP)])
            x, used = _joined(builder, sums), _used(builder, drawn, of_outputs, bool(own))
            found = _sigmoids(builder, _turned(builder, x) if own else x, used, scale, totals)
            step = builder.add(at.steps, _times(builder, number, TOGETHER * ROW))
            builder.store(found, address(builder, step, 0, SLOPES), align=4)

        def full(number: Any, _: Sequence[Any]) -> Sequence[Any]:
            group(number, [], away, losses)
            return []

        last, _ = _groups(builder, at.groups, [], full)
        scale = _row_of(builder, away, TOGETHER - 1, _everywhere(builder, towards))
        group(last, outputs, scale, builder.add(losses, _whole(losses, 2 * 4 * GROUP)))
        return context.get_dummy_value()

    return types.void(*[ADDRESS] * 8, types.float32, types.float32), generate


def _groups(
    builder: Any, groups: Any, sums: Sequence[Any], body: Callable[[Any, Sequence[Any]], Sequence[Any]]
) -> tuple[Any, Sequence[Any]]:
    """Emit ``sums = body(number, sums)`` for every group but the last; return its number, and the sums."""
    last, start = builder.sub(groups, _whole(groups, 1)), builder.block
    with builder.if_then(builder.icmp_signed(">", last, _whole(last, 0))):
        ended = counted_loop(
            builder, last, [_whole(last, 0)], 1, sums, lambda numbers, sums: body(numbers[0], sums)
        )
        end = builder.block
    found = []
    for before, after in zip(sums, ended, strict=True):
        value = builder.phi(before.type)
        value.add_incoming(before, start)
        value.add_incoming(after, end)
        found.append(value)
    return last, found


def _dots(
    builder: Any, pieces: Any, inputs: Sequence[Any], others: Sequence[Any], own: Sequence[Any]
) -> list[Any]:
    """Rows of dot products: of each other vector with every input, then of own outputs with theirs."""
    kind = _register()

    def piece(offsets: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
        new = list(sums)
        near = [_load(builder, row, offsets[0], kind) for row in others]
        for i, row in enumerate(inputs):
            x = _load(builder, row, offsets[0], kind)
            for j, vector in enumerate(near):
                new[BATCH * j + i] = _fused(builder, vector, x, sums[BATCH * j + i])
            if own:
                k = BATCH * len(near) + i
                new[k] = _fused(builder, _load(builder, own[i], offsets[0], kind), x, sums[k])
        return new

    zero = ir.Constant(kind, [0.0] * kind.count)
    start = [zero] * (BATCH * TOGETHER)
    sums = counted_loop(builder, pieces, [_whole(pieces, 0)], 4 * kind.count, start, piece)
    return [_sums_of(builder, sums[i : i + BATCH]) for i in range(0, len(sums), BATCH)]


def _used(builder: Any, drawn: Any, outputs: Any, last: bool) -> Any:
    """Which numbers count: neither word is absent, and the negative is not the pair's own output."""
    zero = ir.Constant(MASKS, [0] * GROUP)
    present = builder.icmp_signed(">=", outputs, zero)
    there = builder.icmp_signed(">=", drawn, zero)
    used = builder.and_(builder.and_(there, present), builder.icmp_signed("!=", drawn, outputs))
    return _row_of(builder, used, TOGETHER - 1, present) if last else used


def _sigmoids(builder: Any, x: Any, used: Any, scale: Any, totals: Any) -> Any:
    """Return ``scale · σ(x)`` where used, else 0; add to the sums and multiply the products of the loss.

    ``log(1 + e^x) = max(x, 0) + log(1 + e^−|x|)``: the first terms are summed, the factors multiplied.
    ``e^−|x| = 2^−n·e^f``, the power of two by the bits of the number and ``e^f``, |f| ≤ ½·log 2, by Taylor's
    polynomial of degree 7, whose error is 5e-9.
    """
    zero, one = _constant(0.0), _constant(1.0)
    size = call(builder, f"llvm.fabs.v{GROUP}f32", SLOPES, x)
    size = builder.select(builder.fcmp_ordered("<", size, _constant(SATURATED)), size, _constant(SATURATED))
    scaled = builder.fmul(size, _constant(1 / math.log(2)))
    whole = call(builder, f"llvm.rint.v{GROUP}f32", SLOPES, scaled)
    f = _fused(builder, whole, _constant(math.log(2)), builder.fneg(size))
    e = _constant(1 / math.factorial(7))
    for degree in reversed(range(7)):
        e = _fused(builder, e, f, _constant(1 / math.factorial(degree)))
    shift = builder.shl(builder.fptosi(whole, MASKS), ir.Constant(MASKS, [23] * GROUP))
    power = builder.bitcast(builder.sub(builder.bitcast(e, MASKS), shift), SLOPES)
    factor = builder.fadd(one, power)
    negative = builder.fcmp_ordered("<", x, zero)
    for place, identity, change, combine in (
        (0, zero, builder.select(negative, zero, x), builder.fadd),
        (4 * GROUP, one, factor, builder.fmul),
    ):
        total = address(builder, totals, place, SLOPES)
        change = builder.select(used, change, identity)
        builder.store(combine(builder.load(total, align=4), change), total, align=4)
    slope = builder.fdiv(builder.select(negative, power, one), factor)
    return builder.select(used, builder.fmul(slope, scale), zero)


def _move(
    typing_context: Any, inputs: Any, outputs: Any, negatives: Any, groups: Any, pieces: Any, steps: Any
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at, kind = Operands(*arguments), _register()
        inputs, outputs = (_named(builder, names) for names in (at.inputs, at.outputs))
        last = builder.sub(at.groups, _whole(at.groups, 1))
        of_outputs = builder.add(at.steps, _times(builder, last, TOGETHER * ROW, (TOGETHER - 1) * ROW))

        def piece(offsets: Sequence[Any], _: Sequence[Any]) -> Sequence[Any]:
            offset = offsets[0]
            vectors = [_load(builder, row, offset, kind) for row in inputs]

            def negatives(number: Any, moves: Sequence[Any], size: int = TOGETHER) -> list[Any]:
                names = builder.add(at.negatives, _times(builder, number, TOGETHER * NAME))
                steps = builder.add(at.steps, _times(builder, number, TOGETHER * ROW))
                moves = list(moves)
                for j in range(size):
                    row = load(builder, names, NAME * j, names.type)
                    other = moved = _load(builder, row, offset, kind)
                    for i, vector in enumerate(vectors):
                        along = splat(builder, steps, ROW * j + 4 * i, kind)
                        moves[i] = _fused(builder, along, other, moves[i])
                        moved = _fused(builder, along, vector, moved)
                    _store(builder, row, offset, moved)
                return moves

            moves: Sequence[Any] = [
                builder.fmul(splat(builder, of_outputs, 4 * i, kind), _load(builder, row, offset, kind))
                for i, row in enumerate(outputs)
            ]
            last, moves = _groups(builder, at.groups, moves, negatives)
            moves = negatives(last, moves, TOGETHER - 1)
            for i, row in enumerate(outputs):
                along = splat(builder, of_outputs, 4 * i, kind)
                _store(
                    builder,
                    row,
                    offset,
                    _fused(builder, along, vectors[i], _load(builder, row, offset, kind)),
                )
            for row, change in zip(inputs, moves, strict=True):
                _store(builder, row, offset, builder.fadd(_load(builder, row, offset, kind), change))
            return []

        counted_loop(builder, at.pieces, [_whole(at.pieces, 0)], 4 * kind.count, [], piece)
        return context.get_dummy_value()

    return types.void(*[ADDRESS] * 6), generate


def lanes() -> int:
    """Return how many float32 a register holds: sums of more would not stay in registers."""
    return 16 if wide_registers() else 8


def _register() -> Any:
    return ir.VectorType(ir.FloatType(), lanes())


def _whole(like: Any, number: int) -> Any:
    return ir.Constant(like.type, number)


def _times(builder: Any, number: Any, factor: int, more: int = 0) -> Any:
    product = builder.mul(number, _whole(number, factor))
    return builder.add(product, _whole(number, more)) if more else product


def _constant(number: float) -> Any:
    return ir.Constant(SLOPES, [number] * GROUP)


def _everywhere(builder: Any, number: Any) -> Any:
    first = builder.insert_element(ir.Constant(SLOPES, ir.Undefined), number, ir.Constant(WORD, 0))
    return _shuffled(builder, first, [0] * GROUP)


def _row_of(builder: Any, numbers: Any, row: int, others: Any) -> Any:
    """Replace a row of a group by that of another one."""
    lanes = [lane + GROUP * (lane // BATCH == row) for lane in range(GROUP)]
    return builder.shuffle_vector(numbers, others, ir.Constant(MASKS, lanes))


def _turned(builder: Any, x: Any) -> Any:
    """Products with own outputs, the last row, with the other sign."""
    return _row_of(builder, x, TOGETHER - 1, builder.fneg(x))


def _joined(builder: Any, rows: Sequence[Any]) -> Any:
    """Three rows as one vector; its last quarter is that of the first row."""
    two = ir.VectorType(WORD, 2 * BATCH)
    first, second = (
        builder.shuffle_vector(a, b, ir.Constant(two, list(range(2 * BATCH))))
        for a, b in ((rows[0], rows[1]), (rows[2], rows[0]))
    )
    return builder.shuffle_vector(first, second, ir.Constant(MASKS, list(range(GROUP))))


def _named(builder: Any, names: Any) -> list[Any]:
    return [load(builder, names, NAME * i, names.type) for i in range(BATCH)]


def _load(builder: Any, row: Any, offset: Any, kind: Any) -> Any:
    return load(builder, builder.add(row, offset), 0, kind)


def _store(builder: Any, row: Any, offset: Any, value: Any) -> None:
    builder.store(value, address(builder, builder.add(row, offset), 0, value.type), align=4)


def _fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return call(builder, f"llvm.fma.v{a.type.count}f32", a.type, a, b, c)


def _sums_of(builder: Any, rows: Sequence[Any]) -> Any:
    """Return the sums of four vectors as one: a transposition that adds while it halves."""
    rows = list(rows)
    for width in (1, 2):
        lanes = range(rows[0].type.count)
        kept = [lane if not lane & width else lane - width + len(lanes) for lane in lanes]
        moved = [lane + width if not lane & width else lane + len(lanes) for lane in lanes]
        rows = [
            builder.fadd(_shuffled(builder, a, kept, b), _shuffled(builder, a, moved, b))
            for a, b in zip(rows[::2], rows[1::2], strict=True)
        ]
    (sums,) = rows
    while sums.type.count > BATCH:
        half = sums.type.count // 2
        low, high = (_shuffled(builder, sums, [*range(first, first + half)]) for first in (0, half))
        sums = builder.fadd(low, high)
    return sums


def _shuffled(builder: Any, a: Any, lanes: Sequence[int], b: Any = None) -> Any:
    other = ir.Constant(a.type, ir.Undefined) if b is None else b
    return builder.shuffle_vector(a, other, ir.Constant(ir.VectorType(WORD, len(lanes)), list(lanes)))


# ``slopes(inputs, outputs, negatives, groups, pieces, steps, words, losses, away, towards)`` writes
# ``away · σ(v·c_n)`` of every negative, and ``towards · σ(−v·c)`` of the outputs, to ``steps``; 0 where
# ``words`` (outputs, then negatives, −1 for none) say that it does not count. ``move(…, steps)`` adds
# ``step · other`` to both vectors of every pair, with all vectors as before; negatives must be distinct.
slopes = cast(Callable[..., None], intrinsic(_slopes))
move = cast(Callable[..., None], intrinsic(_move))
