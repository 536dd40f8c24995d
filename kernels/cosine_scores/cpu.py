"""Defined cosines on the CPU: vector lanes hold different pairs, so every sum keeps its own order.

Plan      A worker takes some panels. A row meets the 64 columns of a panel: its sixteen partial sums are the
          rows of a small array in L1, each coordinate is one fused multiply-add of 64 columns, and the tree
          adds whole rows. Lengths of the columns cost as much as one more row.
Bound by  float64 multiply-adds whose sums go to L1 and back; by reading the panels where there are few rows.
Rejected  Lanes along a row: the tree would be inside a register, ten instructions a pair.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, FloatStack
from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.cosine_scores import WIDTH
from gpuemb.kernels.cosine_topk import LANES
from gpuemb.kernels.intrinsics import fused_multiply_add

PANELS_A_TASK = 16  # 1,024 columns


def cosine_scores(rows: FloatMatrix, panels: FloatStack, out: FloatMatrix) -> FloatMatrix:
    """See :mod:`gpuemb.kernels.cosine_scores`."""
    asked = np.ascontiguousarray(rows, np.float64)
    lengths = np.sqrt(_squares(asked))

    def score(part: tuple[int, int]) -> None:
        _score(asked, lengths, panels, part[0], part[1], out)

    threads.run(score, threads.ranges(len(panels), -(-len(panels) // PANELS_A_TASK)))
    return out


@njit
def _squares(rows: Float64) -> Float64:
    squares, sums = np.empty(len(rows)), np.empty(LANES)
    for row in range(len(rows)):
        sums[:] = 0
        for column in range(rows.shape[1]):
            value = rows[row, column]
            sums[column % LANES] = fused_multiply_add(value, value, sums[column % LANES])
        half = LANES // 2
        while half > 0:
            for lane in range(half):
                sums[lane] += sums[lane + half]
            half //= 2
        squares[row] = sums[0]
    return squares


@njit
def _score(
    rows: Float64, lengths: Float64, panels: FloatStack, first: int, last: int, out: FloatMatrix
) -> None:
    sums, own = np.empty((LANES, WIDTH)), np.empty(WIDTH)
    for number in range(first, last):
        start = number * WIDTH
        width = min(WIDTH, out.shape[1] - start)
        sums[:] = 0
        for column in range(rows.shape[1]):
            lane = column % LANES
            for place in range(WIDTH):
                value = np.float64(panels[number, column, place])
                sums[lane, place] = fused_multiply_add(value, value, sums[lane, place])
        _add_by_halves(sums)
        own[:] = np.sqrt(sums[0])
        for row in range(len(rows)):
            sums[:] = 0
            for column in range(rows.shape[1]):
                lane, value = column % LANES, rows[row, column]
                for place in range(WIDTH):
                    other = np.float64(panels[number, column, place])
                    sums[lane, place] = fused_multiply_add(value, other, sums[lane, place])
            _add_by_halves(sums)
            for place in range(width):
                length = lengths[row] * own[place]
                out[row, start + place] = sums[0, place] / length if length > 0 else np.nan


@njit_inline
def _add_by_halves(sums: Float64) -> None:
    half = LANES // 2
    while half > 0:
        for lane in range(half):
            for place in range(WIDTH):
                sums[lane, place] += sums[lane + half, place]
        half //= 2
