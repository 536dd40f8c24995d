"""Sparse times dense on the CPU: rows on all workers, two vectors of sums in registers.

Plan      A strip of 32 columns at a time: for each nonzero of a row, one broadcast and two fused
          multiply-adds with the strip of the dense row it names.
Bound by  gathering those rows from the caches: 128 bytes a nonzero and strip.
Contract  a row is summed by one worker in the order of its nonzeros: the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.panels import FLOATS, LINE, WORD, WORD_BYTES, address, call, counted_loop, load, splat
from gpuemb.kernels.sparse_product import STRIP

VECTORS = STRIP // FLOATS.count
PARTS = 8  # a worker, so that rows of unequal lengths even out


def sparse_product(starts: Int64, columns: Int32, values: Float32, dense: Float32) -> Float32:
    """See :mod:`gpuemb.kernels.sparse_product`."""
    product = _on_lines(len(starts) - 1, dense.shape[1])
    if dense.ctypes.data % LINE:
        unaligned, dense = dense, _on_lines(*dense.shape)
        dense[:] = unaligned
    many = PARTS * threads.count()
    cuts = np.searchsorted(starts, np.linspace(0, starts[-1], many + 1)[1:-1])
    edges = [0, *(min(int(cut), len(product)) for cut in cuts), len(product)]

    def multiply(part: tuple[int, int]) -> None:
        _rows(starts, columns, values, dense, product, *part)

    threads.run(multiply, [part for part in pairwise(edges) if part[0] < part[1]])
    return product


def _on_lines(rows: int, columns: int) -> Float32:
    """An uninitialized table whose rows begin with cache lines: others are gathered 1.6 times slower."""
    words = np.empty(rows * columns + LINE // WORD_BYTES, np.float32)
    first = -words.ctypes.data % LINE // WORD_BYTES
    return words[first : first + rows * columns].reshape(rows, columns)


def _sum_strip(
    typing_context: Any, columns: Any, values: Any, count: Any, dense: Any, stride: Any, out: Any
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        columns, values, count, dense, stride, out = arguments

        def step(pointers: Any, sums: Any) -> Any:
            column = builder.sext(load(builder, pointers[0], 0, WORD), dense.type)
            row = builder.add(dense, builder.mul(column, stride))
            value = splat(builder, pointers[1], 0, FLOATS)
            return [
                call(builder, "llvm.fma.v16f32", FLOATS, value, load(builder, row, at, FLOATS), total)
                for at, total in zip(PLACES, sums, strict=True)
            ]

        zeros = [ir.Constant(FLOATS, [0.0] * FLOATS.count)] * VECTORS
        for at, total in zip(
            PLACES, counted_loop(builder, count, [columns, values], WORD_BYTES, zeros, step), strict=True
        ):
            builder.store(total, address(builder, out, at, FLOATS), align=WORD_BYTES)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), generate


PLACES = tuple(WORD_BYTES * FLOATS.count * vector for vector in range(VECTORS))
# ``sum_strip(columns, values, count, dense, stride, out)``: ``count`` ≥ 1 nonzeros of a row; addresses
# all but ``count`` and ``stride``, the bytes between dense rows.
sum_strip = cast(Callable[..., None], intrinsic(_sum_strip))


@njit
def _rows(
    starts: Int64, columns: Int32, values: Float32, dense: Float32, product: Float32, first: int, stop: int
) -> None:
    stride, width = dense.strides[0], WORD_BYTES * STRIP
    at, to = dense.ctypes.data, product.ctypes.data
    names, numbers = columns.ctypes.data, values.ctypes.data
    for row in range(first, stop):
        begin, count = starts[row], starts[row + 1] - starts[row]
        if count == 0:
            product[row] = 0
            continue
        for strip in range(dense.shape[1] // STRIP):
            sum_strip(
                names + WORD_BYTES * begin,
                numbers + WORD_BYTES * begin,
                count,
                at + strip * width,
                stride,
                to + row * stride + strip * width,
            )
