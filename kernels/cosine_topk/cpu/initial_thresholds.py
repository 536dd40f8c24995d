"""Initial candidates of a row: a score level by bisection, then all scores within the error bound of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from gpuemb.core.arrays import Float32
from gpuemb.core.jit import njit_inline
from gpuemb.kernels.cosine_topk.cpu.workspace import Workspace
from gpuemb.kernels.intrinsics import trailing_zeros
from gpuemb.kernels.panels import FLOATS, LINE, SIDE, WORD, WORDS, call, counted_loop, load

HALVINGS = 12  # of the interval that holds every cosine: to 7e-4, finer than the bound of int8
SPARE = 8  # one candidate in so many may be more than needed


def _reaching(builder: Any, scores: Any, level: Any) -> Any:
    """Lanes of sixteen scores at an address that reach the level."""
    one = builder.insert_element(ir.Constant(FLOATS, ir.Undefined), level, ir.Constant(WORD, 0))
    levels = builder.shuffle_vector(one, ir.Constant(FLOATS, ir.Undefined), ir.Constant(WORDS, [0] * SIDE))
    return builder.fcmp_ordered(">=", load(builder, scores, 0, FLOATS), levels)


def _count_reaching(typing_context: Any, scores: Any, groups: Any, level: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at, times, least = arguments

        def step(pointers: Any, sums: Any) -> Any:
            return [builder.add(sums[0], builder.zext(_reaching(builder, pointers[0], least), WORDS))]

        zeros = [ir.Constant(WORDS, [0] * SIDE)]
        (total,) = counted_loop(builder, times, [at], LINE, zeros, step)
        return builder.zext(call(builder, "llvm.vector.reduce.add.v16i32", WORD, total), arguments[1].type)

    return types.intp(types.intp, types.intp, types.float32), generate


def _lanes_reaching(typing_context: Any, scores: Any, level: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = builder.bitcast(_reaching(builder, *arguments), ir.IntType(SIDE))
        return builder.zext(lanes, ir.IntType(64))

    return types.uint64(types.intp, types.float32), generate


# ``count_reaching(scores, groups, level)``: how many of sixteen times ``groups`` ≥ 1 float32 at an address
# reach ``level``; ``lanes_reaching(scores, level)``: which of sixteen do, as bits.
count_reaching = cast(Callable[[int, int, Any], int], intrinsic(_count_reaching))
lanes_reaching = cast(Callable[[int, Any], Any], intrinsic(_lanes_reaching))


@njit_inline
def add_best(
    row: int,
    approximate: Float32,
    count: int,
    column: int,
    margin: float,
    k: int,
    work: Workspace,
    passed: int,
) -> int:
    """Collect what can be among the k best of a row's first scores, certain ones first; return the pairs.

    Args:
        row: the query.
        approximate: ``(c,)`` whole groups of sixteen scores; those behind ``count`` are overwritten.
        count: its scores of the table's rows ``column …``.
        column: position of the first.
        margin: error bound of these scores.
        k: neighbors.
        work: of this worker.
        passed: pairs collected before.
    """
    groups, at = -(-count // SIDE), approximate.ctypes.data
    for place in range(count, SIDE * groups):
        approximate[place] = -np.inf
    level = _level(at, groups, k + 1) if count > k else np.float32(-np.inf)  # one may be the row itself
    low, possible = max(np.float32(level - 2 * margin), np.float32(-2)), 0  # above −∞, which pads
    for group in range(groups):
        bits = lanes_reaching(at + LINE * group, low)
        while bits != 0:
            place = int(SIDE * group + np.int64(trailing_zeros(bits)))
            bits &= bits - np.uint64(1)
            certain = approximate[place] >= level
            work.rows[passed], work.passed[passed] = row, approximate[place]
            work.columns[passed] = column + place
            work.uncertain[possible] = place
            passed += int(certain)
            possible += int(not certain)
    for entry in range(possible):
        unsure = work.uncertain[entry]
        work.rows[passed + entry], work.passed[passed + entry] = row, approximate[unsure]
        work.columns[passed + entry] = column + unsure
    return passed + possible


@njit_inline
def _level(at: int, groups: int, count: int) -> np.float32:
    """Find a level that at least ``count`` scores reach, and few more where bisection finds one."""
    low, high = np.float32(-2), np.float32(2)
    for _ in range(HALVINGS):
        middle = np.float32(0.5) * (low + high)
        reaching = count_reaching(at, groups, middle)
        if reaching < count:
            high = middle
        else:
            low = middle
            if reaching <= count + count // SPARE:
                break
    return low
