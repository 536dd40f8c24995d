"""Micro-tile of a Gram product: eight columns of one table with one or two panels of another, in registers.

Eight rows of accumulators, each of two vectors of 512 bits, take ten loads for sixteen fused multiply-adds:
both units are busy. float32 sums of a chunk of rows are widened once, when added to the float64 total.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.kernels.panels import DOUBLES, FLOATS, Arithmetic, address, call, load, products

TALL = 8  # columns of the left table
ADDRESS = types.intp
BYTES = 8  # of a number of the total


def _fused(name: str, lanes: Any) -> Arithmetic:
    return Arithmetic(
        lanes,
        lambda builder, columns: columns,
        lambda builder, sums, columns, row: call(builder, name, lanes, columns, row, sums),
    )


SINGLE, DOUBLE = _fused("llvm.fma.v16f32", FLOATS), _fused("llvm.fma.v8f64", DOUBLES)


def _adding(across: int) -> Callable[..., None]:
    """Build the intrinsic for so many panels of columns."""

    def add(
        typing_context: Any,
        panels: Any,
        rows: Any,
        columns: Any,
        apart: Any,
        steps: Any,
        total: Any,
        stride: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _, rows, columns, apart, steps, total, stride = arguments
            arithmetic = SINGLE if panels.dtype == types.float32 else DOUBLE
            count = arithmetic.lanes.count
            wide = ir.VectorType(ir.DoubleType(), count)
            beside = [columns, builder.add(columns, apart)][:across]
            zeros = [ir.Constant(arithmetic.lanes, [0.0] * count)] * TALL
            for row, sums in enumerate(products(builder, rows, beside, steps, zeros, arithmetic)):
                at = builder.add(total, builder.mul(stride, ir.Constant(stride.type, row)))
                for panel, found in enumerate(sums):
                    place = BYTES * count * panel
                    more = builder.fpext(found, wide) if count > DOUBLES.count else found
                    known = load(builder, at, place, wide)
                    builder.store(builder.fadd(known, more), address(builder, at, place, wide), align=4)
            return context.get_dummy_value()

        return types.void(panels, *[ADDRESS] * 6), generate

    return cast(Callable[..., None], intrinsic(add))


# ``add_one(panels, rows, columns, apart, K, total, stride)`` adds K products of ``TALL`` words of a line with
# a panel, ``add_two`` with two, ``apart`` bytes from each other, to float64 rows, ``stride`` bytes apart.
# Addresses are numbers; ``panels`` only says what the words are.
add_one, add_two = _adding(1), _adding(2)
