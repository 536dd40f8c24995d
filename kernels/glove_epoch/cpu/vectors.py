"""A step of AdaGrad in whole cache lines, as LLVM code: what the loop vectorizer does not write.

It takes 256 bits where there are 512, and refines each reciprocal root by a Newton step, four more operations
a root. The instructions' own 14 or 11 bits are enough: a step is longer or shorter by that share, at equal
loss. A line is one register of 512 bits or two of 256; only the root is another instruction.

Floor on Zen 3, a line: 8 stores of 256 bits, one a cycle; 12 loads and 18 operations take 6 and 9. At d = 100
that is 63 cycles a nonzero. Its dot product takes about 60 more, each operation waiting for the one before:
that of the following nonzero is computed before the step wherever they share no row, to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.core.arrays import Float32, Float64, Int32, Int64
from gpuemb.core.jit import njit_reassociated
from gpuemb.kernels.intrinsics import prefetch
from gpuemb.kernels.panels import (
    FLOATS,
    LINE,
    WORD,
    address,
    call,
    counted_loop,
    features,
    load,
    wide_registers,
)

AHEAD = 4  # nonzeros: the rows of that one are asked for while this one is stepped
NARROW = ir.VectorType(ir.FloatType(), FLOATS.count // 2)
ADDRESS = types.intp


def approximate_roots() -> bool:
    """Whether there are registers of 256 bits or more, with fused multiply-add and reciprocal roots."""
    return wide_registers() or {"avx2", "fma"} <= features()


def _fused(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return call(builder, "llvm.fma.v16f32", FLOATS, a, b, c)


def _lanes(builder: Any, x: Any, y: Any, lanes: list[int]) -> Any:
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(WORD, len(lanes)), lanes))


def _everywhere(builder: Any, number: Any) -> Any:
    undefined = ir.Constant(FLOATS, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(WORD, 0))
    return _lanes(builder, first, undefined, [0] * FLOATS.count)


def _reciprocal_root(builder: Any, x: Any) -> Any:
    undefined = ir.Constant(FLOATS, ir.Undefined)
    if wide_registers():
        every = ir.Constant(ir.IntType(16), -1)
        return call(builder, "llvm.x86.avx512.rsqrt14.ps.512", FLOATS, x, undefined, every)
    halves = (
        _lanes(builder, x, undefined, [*range(first, first + NARROW.count)]) for first in (0, NARROW.count)
    )
    low, high = (call(builder, "llvm.x86.avx.rsqrt.ps.256", NARROW, half) for half in halves)
    return _lanes(builder, low, high, [*range(FLOATS.count)])


def _dot(typing_context: Any, x: Any, y: Any, lines: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, y, lines = arguments

        def step(pointers: Any, sums: Any) -> Any:
            left, right = (load(builder, pointer, 0, FLOATS) for pointer in pointers)
            return [_fused(builder, left, right, sums[0])]

        (sums,) = counted_loop(builder, lines, [x, y], LINE, [ir.Constant(FLOATS, [0.0] * 16)], step)
        for apart in (8, 4, 2, 1):  # lanes are added pairwise, in one fixed tree
            turned = [(lane + apart) % FLOATS.count for lane in range(FLOATS.count)]
            sums = builder.fadd(sums, _lanes(builder, sums, ir.Constant(FLOATS, ir.Undefined), turned))
        return builder.extract_element(sums, ir.Constant(WORD, 0))

    return types.float32(*[ADDRESS] * 3), generate


def _step(
    typing_context: Any, word: Any, context: Any, word_sums: Any, context_sums: Any, lines: Any, size: Any
) -> Any:
    def generate(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *rows, lines, size = arguments
        sizes = _everywhere(builder, size)

        def step(pointers: Any, sums: Any) -> Any:
            word, context, *squares = (load(builder, pointer, 0, FLOATS) for pointer in pointers)
            moves = builder.fmul(sizes, context), builder.fmul(sizes, word)
            values = [*zip((word, context), moves, squares, strict=True)]
            new = [_fused(builder, builder.fneg(m), _reciprocal_root(builder, s), v) for v, m, s in values]
            new += [_fused(builder, move, move, square) for _, move, square in values]
            for pointer, value in zip(pointers, new, strict=True):
                builder.store(value, address(builder, pointer, 0, FLOATS), align=4)
            return []

        counted_loop(builder, lines, rows, LINE, [], step)
        return _.get_dummy_value()

    return types.void(*[ADDRESS] * 5, types.float32), generate


# ``dot(x, y, lines)`` of rows of ``lines`` cache lines; ``step(w, c, w_sums, c_sums, lines, a)`` moves both
# rows and adds to their AdaGrad sums. All but ``lines`` and ``a`` are addresses.
dot = cast(Callable[[Any, Any, Any], Any], intrinsic(_dot))
step = cast(Callable[..., None], intrinsic(_step))


@njit_reassociated
def visit_lines(
    rows: Int32,
    columns: Int32,
    logs: Float32,
    weights: Float32,
    bounds: Int64,
    losses: Float64,
    vectors: Float32,
    biases: Float32,
    squares: Float32,
    bias_squares: Float32,
    rate: np.float32,
) -> None:
    """Visit the nonzeros of some blocks, as :func:`gpuemb.kernels.glove_epoch.cpu.visit`."""
    size, lines = vectors.strides[1], vectors.strides[1] // LINE
    words, word_sums = vectors.ctypes.data, squares.ctypes.data
    contexts, context_sums = words + vectors.strides[0], word_sums + squares.strides[0]
    for block in range(len(bounds)):
        loss, last = 0.0, bounds[block, 1] - 1
        ready, product = False, np.float32(0)
        for n in range(bounds[block, 0], last + 1):
            i, j = np.uint32(rows[n]), np.uint32(columns[n])  # unsigned: never counted from the end
            row, column = size * i, size * j
            soon = min(n + AHEAD, last)
            for line in range(lines):
                prefetch(words + size * rows[soon] + LINE * line)
                prefetch(contexts + size * columns[soon] + LINE * line)
                prefetch(word_sums + size * rows[soon] + LINE * line)
                prefetch(context_sums + size * columns[soon] + LINE * line)
            if not ready:
                product = dot(words + row, contexts + column, lines)
            error = product + biases[0, i] + biases[1, j] - logs[n]
            ready = n < last and rows[n + 1] != rows[n] and columns[n + 1] != columns[n]
            if ready:
                product = dot(words + size * rows[n + 1], contexts + size * columns[n + 1], lines)
            weighted = weights[n] * error
            loss += weighted * error
            move = rate * weighted
            step(words + row, contexts + column, word_sums + row, context_sums + column, lines, move)
            biases[0, i] -= move / np.sqrt(bias_squares[0, i])
            biases[1, j] -= move / np.sqrt(bias_squares[1, j])
            bias_squares[0, i] += move * move
            bias_squares[1, j] += move * move
        losses[block] = loss
