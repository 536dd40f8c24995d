"""Defined cosines on the CPU: a vector lane a pair, so every sum keeps its defined order.

Plan      A worker takes as many panels of 64 columns as fit L2, and six rows at a time; a tile of 6 x 32
          pairs stays in registers from the first product to the last sum (tile.py). Scores are written in
          runs of several KB: 512 bytes of six rows in turn take six times as long. Lengths of the columns
          cost as much as a row more.
Bound by  float64 multiply-adds; sixteen additions and a division a pair; by reading the panels where there
          are few rows.
Rejected  Sixteen sums of a row and panel in L1: more than twice as slow, three accesses a multiply-add.
          Lanes along a row: the tree would be inside a register, ten instructions a pair.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, FloatStack
from gpuemb.core.jit import njit
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_scores import WIDTH
from gpuemb.kernels.cosine_scores.cpu.tile import ACROSS, PARTIALS, TALL, defined_dots
from gpuemb.kernels.cosine_topk import LANES
from gpuemb.kernels.intrinsics import fused_multiply_add

PANELS_A_TASK = 16  # 1,024 columns
LINE = 8  # float64 of a cache line
CACHED = 1 << 18  # bytes of panels that stay in L2 for all rows


def cosine_scores(rows: FloatMatrix, panels: FloatStack, out: FloatMatrix) -> FloatMatrix:
    """See :mod:`gpuemb.kernels.cosine_scores`."""
    dim = rows.shape[1]
    padded = np.zeros((-(-len(rows) // TALL) * TALL, dim + 1))
    padded[: len(rows), :dim] = rows
    lengths = np.sqrt(_squares(padded))
    stripes = np.ascontiguousarray(padded.reshape(-1, TALL, dim + 1).swapaxes(1, 2))
    per_pass = max(1, min(PANELS_A_TASK, CACHED // (panels[:1].nbytes or 1)))

    def score(part: tuple[int, int]) -> None:
        for first, last in tiles(part[1] - part[0], per_pass):
            _score(stripes, lengths, panels, part[0] + first, part[0] + last, out)

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
    stripes: FloatStack, lengths: Float64, panels: FloatStack, first: int, last: int, out: FloatMatrix
) -> None:
    """Score all rows with some panels; the products of a stripe are divided row by row."""
    start, dim = first * WIDTH, panels.shape[1]
    width = min((last - first) * WIDTH, out.shape[1] - start)
    own, dots = np.empty((last - first) * WIDTH), np.empty((TALL, (last - first) * WIDTH))
    space = np.empty(PARTIALS + LINE)
    partials = -(-space.ctypes.data // (8 * LINE)) * 8 * LINE
    for number in range(first, last):
        _measure(panels[number], own[(number - first) * WIDTH :])
    for stripe in range(len(stripes)):
        rows = stripes[stripe].ctypes.data
        for number in range(first, last):
            for left in range(0, WIDTH, ACROSS):
                columns = panels[number, 0, left:].ctypes.data
                target = dots[0, (number - first) * WIDTH + left :].ctypes.data
                defined_dots(panels, rows, columns, dim, partials, partials, target, 8 * len(own))
        top = stripe * TALL
        for row in range(top, min(top + TALL, len(out))):
            for place in range(width):
                length = lengths[row] * own[place]
                out[row, start + place] = dots[row - top, place] / length if length > 0 else np.nan


@njit
def _measure(panel: FloatMatrix, lengths: Float64) -> None:
    """Compute the length of each column of a panel."""
    sums = np.zeros((LANES, WIDTH))
    for coordinate in range(len(panel)):
        lane = coordinate % LANES
        for place in range(WIDTH):
            value = np.float64(panel[coordinate, place])
            sums[lane, place] = fused_multiply_add(value, value, sums[lane, place])
    half = LANES // 2
    while half > 0:
        for lane in range(half):
            for place in range(WIDTH):
                sums[lane, place] += sums[lane + half, place]
        half //= 2
    for place in range(WIDTH):
        lengths[place] = np.sqrt(sums[0, place])
