"""Exact int8 products at the processor's full rate: AVX-512 VNNI through Numba.

    left   (K, 16, 4) int8    sixteen rows, four coordinates together, K = d / 4
    right  (K, 16, 4) uint8   sixteen columns in the same order
    →      (16, 16)   int32   out[i, j] = Σ left[·, i, ·] · right[·, j, ·]

Sixteen accumulators of sixteen lanes stay in registers while K steps run; a row's four coordinates are
broadcast by the instruction's own memory operand. Sums of int8 products are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Int32

SIDE, GROUP = 16, 4
FEATURE = "avx512vnni"
Bytes: TypeAlias = NDArray[Any]  # (panels, K, 16, 4) of int8 or uint8


def missing() -> str:
    """Say why the instruction cannot be used here; empty when it can."""
    from llvmlite import binding

    if binding.get_host_cpu_features().get(FEATURE, False):
        return ""
    return f"this processor has no {FEATURE}"


def pack(rows: NDArray[Any]) -> Bytes:
    """Lay ``(n, d)`` bytes out in panels ``(n / 16, d / 4, 16, 4)``; n and d must be multiples."""
    count, dim = rows.shape
    panels = rows.reshape(count // SIDE, SIDE, dim // GROUP, GROUP).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(panels)


def product(left: Bytes, right: Bytes, out: Int32) -> None:
    """Write all products of two packed tables to ``out`` ``(panels, panels, 16, 16)``, on our workers."""
    multiply = _compiled()
    parts = threads.ranges(len(left), 4 * threads.count())
    threads.run(lambda part: multiply(left, right, out, part[0], part[1]), parts)


@cache
def _compiled() -> Callable[..., None]:
    from gpuemb.core.jit import njit

    tile = _tile()

    def multiply(left: Any, right: Any, out: Any, first: int, last: int) -> None:
        for i in range(first, last):
            for j in range(right.shape[0]):
                tile(left[i].ctypes.data, right[j].ctypes.data, left.shape[1], out[i, j].ctypes.data)

    return njit(multiply)


def _tile() -> Callable[..., None]:
    from numba.core import types
    from numba.extending import intrinsic

    def tile(typing_context: Any, left: Any, right: Any, steps: Any, out: Any) -> Any:
        return types.void(types.uintp, types.uintp, types.intp, types.uintp), _generate

    compiled: Callable[..., None] = intrinsic(tile)
    return compiled


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Emit the loop over K with its sixteen accumulators as SSA values, so that none spills."""
    from llvmlite import ir

    left, right, steps, out = arguments
    word, lanes = ir.IntType(32), ir.VectorType(ir.IntType(32), SIDE)
    index = steps.type

    def address(base: Any, offset: int, kind: Any) -> Any:
        return builder.inttoptr(builder.add(base, ir.Constant(base.type, offset)), kind.as_pointer())

    before, loop, after = builder.block, *(builder.append_basic_block(n) for n in ("steps", "done"))
    builder.branch(loop)
    builder.position_at_end(loop)
    at = builder.phi(index)
    sums = [builder.phi(lanes) for _ in range(SIDE)]
    offset = builder.mul(at, ir.Constant(index, SIDE * GROUP))
    here = [builder.add(base, offset) for base in (left, right)]
    column = builder.load(address(here[1], 0, lanes), align=1)
    rows = [builder.load(address(here[0], GROUP * row, word), align=1) for row in range(SIDE)]
    added = [_dot(builder, sums[row], column, _broadcast(builder, rows[row])) for row in range(SIDE)]
    following = builder.add(at, ir.Constant(index, 1))
    at.add_incoming(ir.Constant(index, 0), before)
    at.add_incoming(following, loop)
    for total, new in zip(sums, added, strict=True):
        total.add_incoming(ir.Constant(lanes, [0] * SIDE), before)
        total.add_incoming(new, loop)
    builder.cbranch(builder.icmp_signed("<", following, steps), loop, after)
    builder.position_at_end(after)
    for row, total in enumerate(added):
        builder.store(total, address(out, 4 * SIDE * row, lanes), align=1)
    return context.get_dummy_value()


def _broadcast(builder: Any, value: Any) -> Any:
    from llvmlite import ir

    lanes = ir.VectorType(value.type, SIDE)
    one = builder.insert_element(ir.Constant(lanes, ir.Undefined), value, ir.Constant(value.type, 0))
    return builder.shuffle_vector(one, ir.Constant(lanes, ir.Undefined), ir.Constant(lanes, [0] * SIDE))


def _dot(builder: Any, total: Any, unsigned: Any, signed: Any) -> Any:
    from llvmlite import ir
    from numba.core import cgutils

    kind = ir.FunctionType(total.type, [total.type] * 3)
    name = "llvm.x86.avx512.vpdpbusd.512"
    instruction = cgutils.get_or_insert_function(builder.module, kind, name)  # type: ignore[no-untyped-call]
    return builder.call(instruction, [total, unsigned, signed])
