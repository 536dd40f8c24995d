"""Slopes and moves of a batch in registers, as LLVM code beyond what Numba generates.

A batch's vectors are named by their addresses, in arrays of int64: ``INPUTS`` inputs, ``RUN`` outputs of
each, and ``3·tiles`` negatives, in this order. A tile is three negatives: their twelve products with four
inputs, three vectors and an input are sixteen registers, and seven loads feed twelve fused multiply-adds.
What is computed for each number of outputs of an input is generated for that number: no lane is wasted, no
loop predicted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.kernels.panels import LINE, WORD, address, call, counted_loop, load, splat
from gpuemb.kernels.skipgram_epoch import INPUTS, RUN
from gpuemb.kernels.skipgram_epoch.cpu.registers import (
    NAME,
    NAMED,
    ROW,
    TOGETHER,
    constant,
    everywhere,
    fetch,
    for_each_size,
    fused,
    integer,
    load_piece,
    named,
    pieces_of,
    polynomial,
    products_of,
    register,
    store_piece,
    sums_of,
    tiles_of,
    unrolled_tiles,
    zero_of,
)

ADDRESS = types.intp
USUAL = 4  # tiles of a batch: twelve negatives, of five a pair
Body = Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]
Tiles = Callable[[Sequence[Any], Body], Sequence[Any]]  # (sums, body): as :func:`tiles_of`
SATURATED = 80.0  # |x| from which e^−|x| is that of 80: 2e-35
# of (log(1 + p) − p) / p² for 0 ≤ p ≤ 1, interpolated at Chebyshev's nodes: log(1 + p) within 2e-8
LOGARITHM = (
    -0.4999999698,
    0.3333284189,
    -0.2498652617,
    0.1985410623,
    -0.1584756572,
    0.1156184545,
    -0.06675772509,
    0.02522405436,
    -0.004466211604,
)


def _against(typing_context: Any, inputs: Any, negatives: Any, tiles: Any, pieces: Any, products: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        inputs, negatives, tiles, pieces, products = arguments
        kind, rows = register(), named(builder, inputs)

        def tile(places: Sequence[Any], _: Sequence[Any]) -> Sequence[Any]:
            names, found = builder.add(negatives, places[0]), products_of(builder, products, places[0])
            others = [load(builder, names, NAME * j, names.type) for j in range(TOGETHER)]

            def piece(offsets: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
                new = list(sums)
                near = [load_piece(builder, row, offsets[0], kind) for row in others]
                for i, row in enumerate(rows):
                    x = load_piece(builder, row, offsets[0], kind)
                    for j, vector in enumerate(near):
                        new[INPUTS * j + i] = fused(builder, vector, x, sums[INPUTS * j + i])
                return new

            sums = pieces_of(builder, pieces, [zero_of(kind)] * (INPUTS * TOGETHER), piece)
            for j in range(TOGETHER):
                quad = sums_of(builder, sums[INPUTS * j : INPUTS * (j + 1)])
                builder.store(quad, address(builder, found, ROW * j, quad.type), align=4)
            return []

        tiles_of(builder, tiles, [], tile)
        return context.get_dummy_value()

    return types.void(*[ADDRESS] * 5), generate


def _towards(typing_context: Any, vector: Any, outputs: Any, count: Any, pieces: Any, products: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, outputs, count, pieces, products = arguments
        kind = register()

        def each(number: int) -> None:
            rows = named(builder, outputs, number)

            def piece(offsets: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
                x = load_piece(builder, vector, offsets[0], kind)
                near = [load_piece(builder, row, offsets[0], kind) for row in rows]
                return [fused(builder, x, other, total) for other, total in zip(near, sums, strict=True)]

            sums = pieces_of(builder, pieces, [zero_of(kind)] * number, piece)
            quad = sums_of(builder, [*sums, *[zero_of(kind)] * (RUN - number)])
            builder.store(quad, address(builder, products, 0, quad.type), align=4)

        for_each_size(builder, count, each)
        return context.get_dummy_value()

    return types.void(*[ADDRESS] * 5), generate


def _slopes(typing_context: Any, products: Any, weights: Any, vectors: Any, losses: Any, rate: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        products, weights, vectors, losses, rate = arguments
        kind = register()
        scale = everywhere(builder, rate, kind)

        def some(places: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
            weight = load(builder, places[1], 0, kind)
            slope, loss = _sigmoids(builder, load(builder, places[0], 0, kind), weight)
            step = builder.fmul(builder.fmul(weight, scale), slope)
            store_piece(builder, places[0], integer(places[0], 0), step)
            size = call(builder, f"llvm.fabs.v{kind.count}f32", kind, weight)
            return [fused(builder, size, loss, sums[0])]

        (loss,) = counted_loop(builder, vectors, [products, weights], 4 * kind.count, [zero_of(kind)], some)
        wide = ir.VectorType(ir.DoubleType(), kind.count)
        total = address(builder, losses, 0, wide)
        builder.store(builder.fadd(builder.load(total, align=8), builder.fpext(loss, wide)), total, align=8)
        return context.get_dummy_value()

    return types.void(*[ADDRESS] * 4, types.float32), generate


def _sigmoids(builder: Any, product: Any, weight: Any) -> tuple[Any, Any]:
    """Return ``σ(y)`` and ``log(1 + e^y)`` where y is the product, with the other sign for weights above 0.

    ``log(1 + e^y) = max(y, 0) + log(1 + e^−|y|)``. ``e^−|y| = 2^−n·e^f``, the power of two by the bits of the
    number and ``e^f``, |f| ≤ ½·log 2, by Taylor's polynomial of degree 7, whose error is 5e-9.
    """
    kind = product.type
    masks = ir.VectorType(WORD, kind.count)
    sign = ir.Constant(masks, [1 << 31] * kind.count)
    turned = builder.and_(builder.not_(builder.bitcast(weight, masks)), sign)
    y = builder.bitcast(builder.xor(builder.bitcast(product, masks), turned), kind)
    size = call(builder, f"llvm.fabs.v{kind.count}f32", kind, y)
    most = constant(kind, SATURATED)
    size = builder.select(builder.fcmp_ordered("<", size, most), size, most)
    whole = call(
        builder, f"llvm.rint.v{kind.count}f32", kind, builder.fmul(size, constant(kind, 1 / math.log(2)))
    )
    f = fused(builder, whole, constant(kind, math.log(2)), builder.fneg(size))
    e = polynomial(builder, f, [1 / math.factorial(degree) for degree in range(8)])
    shift = builder.shl(builder.fptosi(whole, masks), ir.Constant(masks, [23] * kind.count))
    power = builder.bitcast(builder.sub(builder.bitcast(e, masks), shift), kind)
    one, zero = constant(kind, 1.0), zero_of(kind)
    negative = builder.fcmp_ordered("<", y, zero)
    slope = builder.fdiv(builder.select(negative, power, one), builder.fadd(one, power))
    curved = fused(builder, polynomial(builder, power, LOGARITHM), builder.fmul(power, power), power)
    return slope, builder.fadd(curved, builder.select(negative, zero, y))


def _gather(typing_context: Any, outputs: Any, count: Any, pieces: Any, steps: Any, moves: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        outputs, count, pieces, steps, moves = arguments
        kind = register()

        def each(number: int) -> None:
            rows = named(builder, outputs, number)
            along = [splat(builder, steps, 4 * j, kind) for j in range(number)]

            def piece(offsets: Sequence[Any], _: Sequence[Any]) -> Sequence[Any]:
                near = [load_piece(builder, row, offsets[0], kind) for row in rows]
                move = builder.fmul(along[0], near[0])
                for step, other in zip(along[1:], near[1:], strict=True):
                    move = fused(builder, step, other, move)
                store_piece(builder, moves, offsets[0], move)
                return []

            pieces_of(builder, pieces, [], piece)

        for_each_size(builder, count, each)
        return context.get_dummy_value()

    return types.void(*[ADDRESS] * 5), generate


def _repel(
    typing_context: Any,
    inputs: Any,
    negatives: Any,
    tiles: Any,
    pieces: Any,
    steps: Any,
    moves: Any,
    width: Any,
    ahead: Any,
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        inputs, negatives, tiles, pieces, steps, moves, width, ahead = arguments
        kind, rows = register(), named(builder, inputs)
        gathered = [moves]
        for _ in range(INPUTS - 1):
            gathered.append(builder.add(gathered[-1], width))

        def piece(offset: Any, each_tile: Tiles) -> None:
            mask, zero = integer(offset, LINE - 1), integer(offset, 0)
            with builder.if_then(builder.icmp_unsigned("==", builder.and_(offset, mask), zero)):
                fetch(builder, ahead, NAMED, offset)
                each_tile([], lambda places, _: fetch_tile(places[0], offset))
            vectors = [load_piece(builder, row, offset, kind) for row in rows]

            def tile(places: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
                names, along = builder.add(negatives, places[0]), products_of(builder, steps, places[0])
                new = list(sums)
                for j in range(TOGETHER):
                    row = load(builder, names, NAME * j, names.type)
                    other = moved = load_piece(builder, row, offset, kind)
                    for i, vector in enumerate(vectors):
                        step, total = splat(builder, along, ROW * j + 4 * i, kind), INPUTS * (j % 2) + i
                        new[total] = fused(builder, step, other, new[total])
                        moved = fused(builder, step, vector, moved)
                    store_piece(builder, row, offset, moved)
                return new

            start = [load_piece(builder, row, offset, kind) for row in gathered]
            sums = each_tile([*start, *vectors], tile)  # two of an input: half as long to wait
            for row, one, other in zip(gathered, sums[:INPUTS], sums[INPUTS:], strict=True):
                store_piece(builder, row, offset, builder.fadd(one, other))

        def fetch_tile(place: Any, offset: Any) -> Sequence[Any]:
            fetch(
                builder,
                builder.add(ahead, builder.add(place, integer(place, NAME * NAMED))),
                TOGETHER,
                offset,
            )
            return []

        def each_piece(each_tile: Tiles) -> None:
            def body(offsets: Sequence[Any], _: Sequence[Any]) -> Sequence[Any]:
                piece(offsets[0], each_tile)
                return []

            pieces_of(builder, pieces, [], body)

        usual = builder.icmp_unsigned("==", tiles, integer(tiles, USUAL))
        with builder.if_else(usual) as (unrolled, looped):
            with unrolled:  # no loop whose end is predicted wrongly
                each_piece(lambda sums, body: unrolled_tiles(tiles, USUAL, sums, body))
            with looped:
                each_piece(lambda sums, body: tiles_of(builder, tiles, sums, body))
        return context.get_dummy_value()

    return types.void(*[ADDRESS] * 8), generate


def _attract(
    typing_context: Any, vector: Any, outputs: Any, count: Any, pieces: Any, steps: Any, moved: Any
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, outputs, count, pieces, steps, moved = arguments
        kind = register()

        def each(number: int) -> None:
            rows = named(builder, outputs, number)
            along = [splat(builder, steps, 4 * j, kind) for j in range(number)]

            def piece(offsets: Sequence[Any], _: Sequence[Any]) -> Sequence[Any]:
                offset = offsets[0]
                x = load_piece(builder, vector, offset, kind)
                for row, step in zip(rows, along, strict=True):
                    store_piece(
                        builder, row, offset, fused(builder, step, x, load_piece(builder, row, offset, kind))
                    )
                store_piece(builder, vector, offset, load_piece(builder, moved, offset, kind))
                return []

            pieces_of(builder, pieces, [], piece)

        for_each_size(builder, count, each)
        return context.get_dummy_value()

    return types.void(*[ADDRESS] * 6), generate


# ``against(inputs, negatives, tiles, pieces, products)`` writes ``v·n`` of every negative with every input,
# ``towards(vector, outputs, count, pieces, products)`` those of one input with its outputs.
# ``slopes(products, weights, vectors, losses, rate)`` replaces products by ``rate · weight · σ(y)``, y the
# product for weights below zero, else its negative, and adds ``|weight| · log(1 + e^y)`` to the losses.
# ``gather(outputs, count, pieces, steps, moves)`` writes ``Σ step · c``, ``repel(…, steps, moves, width,
# ahead)`` adds ``step · n`` and the input itself to these, moves the negatives, and fetches the
# vectors of another batch; ``attract(vector, outputs, count, pieces, steps, moved)`` moves an input and its
# outputs.
against = cast(Callable[..., None], intrinsic(_against))
towards = cast(Callable[..., None], intrinsic(_towards))
slopes = cast(Callable[..., None], intrinsic(_slopes))
gather = cast(Callable[..., None], intrinsic(_gather))
repel = cast(Callable[..., None], intrinsic(_repel))
attract = cast(Callable[..., None], intrinsic(_attract))
