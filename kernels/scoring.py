"""The defined dot product and length (Definitions §3) in vector registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.core.arrays import Float64, FloatMatrix
from gpuemb.core.jit import njit
from gpuemb.kernels.panels import call, counted_loop, load

LANES = 16  # partial sums: column c adds to sum c mod 16
HALF = LANES // 2
DOUBLES = ir.VectorType(ir.DoubleType(), HALF)


def _defined_dot(typing_context: Any, rows: Any, x: Any, y: Any, groups: Any) -> Any:
    narrow = rows.dtype == types.float32
    stored = ir.VectorType(ir.FloatType(), HALF) if narrow else DOUBLES
    half_bytes = HALF * (4 if narrow else 8)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def eight(base: Any, offset: int) -> Any:
            numbers = load(builder, base, offset, stored)
            return builder.fpext(numbers, DOUBLES) if narrow else numbers

        def step(pointers: Any, sums: Any) -> Any:
            return [
                call(builder, "llvm.fma.v8f64", DOUBLES, *(eight(p, offset) for p in pointers), total)
                for offset, total in zip((0, half_bytes), sums, strict=True)
            ]

        zeros = [ir.Constant(DOUBLES, [0.0] * HALF)] * 2
        sums = counted_loop(builder, arguments[3], arguments[1:3], 2 * half_bytes, zeros, step)
        total = builder.fadd(*sums)
        while total.type.count > 1:
            total = _added_by_halves(builder, total)
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float64(rows, types.intp, types.intp, types.intp), generate


def _added_by_halves(builder: Any, sums: Any) -> Any:
    half = sums.type.count // 2
    positions = ir.VectorType(ir.IntType(32), half)
    low, high = (
        builder.shuffle_vector(
            sums, ir.Constant(sums.type, ir.Undefined), ir.Constant(positions, list(range(at, at + half)))
        )
        for at in (0, half)
    )
    return builder.fadd(low, high)


# ``defined_dot(rows, x, y, groups)``: the dot product of two rows of ``rows``' dtype at the addresses x
# and y, of ``groups`` ≥ 1 times sixteen columns, in the defined order.
defined_dot = cast(Callable[[Any, int, int, int], float], intrinsic(_defined_dot))


@njit
def measure_lengths(rows: FloatMatrix, lengths: Float64, first: int, last: int) -> None:
    """``√κ`` of padded rows."""
    for row in range(first, last):
        at = rows[row].ctypes.data
        lengths[row] = np.sqrt(defined_dot(rows, at, at, rows.shape[1] // LANES))
