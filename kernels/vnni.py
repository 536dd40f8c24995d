"""Exact int8 products at the processor's full rate: AVX-512 VNNI through Numba.

A panel is sixteen rows of int8, four coordinates together: ``(K, 16, 4)``, K = d / 4. The product of two
panels is sixteen accumulators of sixteen int32 lanes that stay in registers while K steps run; a row's four
coordinates are broadcast by the instruction's own memory operand. The instruction multiplies unsigned by
signed bytes, adds four products and never saturates: sums are exact.

Only this file knows the instruction. Numba's own code reaches it by the intrinsics built from ``products``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

SIDE, GROUP = 16, 4
FEATURE = "avx512vnni"
INSTRUCTION = "llvm.x86.avx512.vpdpbusd.512"
TO_UNSIGNED = -0x7F7F7F80  # 0x80808080: turns four int8 q into four uint8 q + 128

WORD, INDEX = ir.IntType(32), ir.IntType(64)
LANES = ir.VectorType(WORD, SIDE)


@cache
def missing() -> str:
    """Say why the instruction cannot be used here; empty when it can."""
    from llvmlite import binding

    if binding.get_host_cpu_features().get(FEATURE, False):
        return ""
    return f"this processor has no {FEATURE}"


def address(builder: Any, base: Any, offset: int, kind: Any) -> Any:
    """Pointer to a ``kind``, ``offset`` bytes behind the integer ``base``."""
    return builder.inttoptr(builder.add(base, ir.Constant(base.type, offset)), kind.as_pointer())


def load(builder: Any, base: Any, offset: int, kind: Any) -> Any:
    """Read a ``kind`` there; numbers of four bytes or more lie at multiples of four."""
    return builder.load(address(builder, base, offset, kind), align=4)


def splat(builder: Any, base: Any, offset: int, lanes: Any) -> Any:
    """Read four bytes to all sixteen lanes; LLVM makes it an instruction's memory operand."""
    one = load(builder, base, offset, lanes.element)
    undefined = ir.Constant(lanes, ir.Undefined)
    first = builder.insert_element(undefined, one, ir.Constant(WORD, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(LANES, [0] * SIDE))


def call(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """Call one of LLVM's own functions."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    return builder.call(function, arguments)


def counted_loop(
    builder: Any,
    times: Any,
    pointers: Sequence[Any],
    step: int,
    sums: Sequence[Any],
    body: Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]],
) -> Sequence[Any]:
    """Emit ``times`` ≥ 1 passes of ``sums = body(pointers, sums)``; pointers advance by ``step`` bytes.

    All are SSA values with phi nodes: accumulators stay in registers without luck.
    """
    before, loop = builder.block, builder.append_basic_block("steps")
    after = builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    left = builder.phi(times.type)
    here = [builder.phi(pointer.type) for pointer in pointers]
    old = [builder.phi(value.type) for value in sums]
    new = body(here, old)
    fewer = builder.sub(left, ir.Constant(times.type, 1))
    there = [builder.add(pointer, ir.Constant(pointer.type, step)) for pointer in here]
    for phi, start, following in zip(
        [left, *here, *old], [times, *pointers, *sums], [fewer, *there, *new], strict=True
    ):
        phi.add_incoming(start, before)
        phi.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("!=", fewer, ir.Constant(times.type, 0)), loop, after)
    builder.position_at_end(after)
    return new


def products(
    builder: Any, rows: Any, columns: Any, steps: Any, starts: Sequence[Any], *, signed: bool
) -> Sequence[Any]:
    """Emit the product of two panels: sixteen vectors, one a row, a lane a column.

    Args:
        builder: of the function that is generated.
        rows: address of the panel of int8 whose rows are broadcast.
        columns: address of the panel whose columns are the lanes.
        steps: K, at least 1.
        starts: what each accumulator begins with.
        signed: the columns are int8 too and are raised by 128 on the way: the starts must hold
            ``−128 · Σ row``. Otherwise they are uint8.
    """
    flip = ir.Constant(LANES, [TO_UNSIGNED] * SIDE)

    def step(pointers: Sequence[Any], sums: Sequence[Any]) -> Sequence[Any]:
        loaded = load(builder, pointers[1], 0, LANES)
        column = builder.xor(loaded, flip) if signed else loaded
        return [
            call(
                builder,
                INSTRUCTION,
                LANES,
                total,
                column,
                splat(builder, pointers[0], GROUP * row, LANES),
            )
            for row, total in enumerate(sums)
        ]

    return counted_loop(builder, steps, [rows, columns], SIDE * GROUP, starts, step)


def _int8_tile(typing_context: Any, left: Any, right: Any, steps: Any, out: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, columns, times, target = arguments
        zeros = [ir.Constant(LANES, [0] * SIDE)] * SIDE
        for row, total in enumerate(products(builder, rows, columns, times, zeros, signed=False)):
            builder.store(total, address(builder, target, 4 * SIDE * row, LANES), align=4)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp), generate


# ``int8_tile(left, right, K, out)``: addresses of an int8 panel, a uint8 panel, and ``(16, 16)`` int32.
int8_tile = cast(Callable[[int, int, int, int], None], intrinsic(_int8_tile))
