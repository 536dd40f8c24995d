"""Exact int8 products at the processor's full rate: its VNNI instructions through Numba.

A word of a panel is four coordinates of a row, K = d / 4: ``(K, 16, 4)`` int8. The instruction multiplies
unsigned by signed bytes, adds four products and never saturates: sums are exact. AVX-512 has it for sixteen
lanes, AVX-VNNI for eight.

Only this file names the instruction; other kernels use it through ``signed`` and ``unsigned``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.kernels.panels import SIDE, WORD, WORDS, Arithmetic, address, call, features, products

GROUP = 4  # coordinates a word
FEATURES = "avx512vnni", "avxvnni"  # the first present is used
WHOLE, HALF = "llvm.x86.avx512.vpdpbusd.512", "llvm.x86.avx512.vpdpbusd.256"
TO_UNSIGNED = -0x7F7F7F80  # 0x80808080: turns four int8 q into four uint8 q + 128


@cache
def missing() -> str:
    """Return why the instruction cannot be used here; empty when it can."""
    if any(name in features() for name in FEATURES):
        return ""
    if "neon" in features():
        return "int8 products are of x86-64 alone; on 64-bit ARM tables are filtered in float32"
    return f"this processor has neither {' nor '.join(FEATURES)}; tables are filtered in float32"


def _add_products(builder: Any, sums: Any, columns: Any, row: Any) -> Any:
    if FEATURES[0] in features():
        return call(builder, WHOLE, WORDS, sums, columns, row)
    half = ir.VectorType(WORD, SIDE // 2)
    halves = [
        call(
            builder, HALF, half, *(_lanes(builder, whole, first, SIDE // 2) for whole in (sums, columns, row))
        )
        for first in (0, SIDE // 2)
    ]
    return builder.shuffle_vector(*halves, ir.Constant(WORDS, list(range(SIDE))))


def _lanes(builder: Any, whole: Any, first: int, count: int) -> Any:
    chosen = ir.Constant(ir.VectorType(WORD, count), list(range(first, first + count)))
    return builder.shuffle_vector(whole, ir.Constant(whole.type, ir.Undefined), chosen)


def _offset(builder: Any, columns: Any) -> Any:
    return builder.xor(columns, ir.Constant(WORDS, [TO_UNSIGNED] * SIDE))


# Columns of uint8; and columns of int8, offset by 128 when loaded: sums must start at −128 · Σ row.
unsigned = Arithmetic(WORDS, lambda builder, columns: columns, _add_products)
signed = Arithmetic(WORDS, _offset, _add_products)


def _int8_tile(typing_context: Any, left: Any, right: Any, steps: Any, out: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, columns, times, target = arguments
        zeros = [ir.Constant(WORDS, [0] * SIDE)] * SIDE
        for row, (total,) in enumerate(products(builder, rows, [columns], times, zeros, unsigned)):
            builder.store(total, address(builder, target, 4 * SIDE * row, WORDS), align=4)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp), generate


# ``int8_tile(left, right, K, out)``: addresses of an int8 panel, a uint8 panel, and ``(16, 16)`` int32.
int8_tile = cast(Callable[[int, int, int, int], None], intrinsic(_int8_tile))
