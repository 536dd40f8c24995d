"""Histogram and rank products of cosines on the CPU: one pass over BLAS tiles while they are in cache.

Plan      A stripe is multiplied with the later rows, one tile after another, in float64; the tile's memory is
          used again. One pass over the tile counts or looks up; on the diagonal, only the entries above it.
Bound by  float64 products where d is large, else counters or lookups: 8 MB a table.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.binned_ranks import BINS, TILE, Grid


def rank_histogram(rows: Float64, start: int, stop: int, grid: Grid) -> Int64:
    """See :mod:`gpuemb.kernels.binned_ranks`."""
    counts = np.zeros(BINS, np.int64)
    with threads.single_threaded_blas():
        for one, other in _tile_pairs(start, stop, len(rows)):
            cosines = rows[one] @ rows[other].T
            _count(cosines, other.start - one.start, grid.low, grid.scale, counts)
    return counts


def rank_products(
    x: Float64,
    y: Float64,
    start: int,
    stop: int,
    grid_x: Grid,
    grid_y: Grid,
    ranks_x: Float64,
    ranks_y: Float64,
) -> float:
    """See :mod:`gpuemb.kernels.binned_ranks`."""
    grids = (grid_x.low, grid_x.scale, grid_y.low, grid_y.scale)
    total = 0.0
    with threads.single_threaded_blas():
        for one, other in _tile_pairs(start, stop, len(x)):
            cosines_x, cosines_y = (rows[one] @ rows[other].T for rows in (x, y))
            total += _multiply(cosines_x, cosines_y, other.start - one.start, grids, ranks_x, ranks_y)
    return total


def _tile_pairs(start: int, stop: int, words: int) -> Iterator[tuple[slice, slice]]:
    """Yield the rows of each tile of a stripe with each tile of the rows from there on."""
    for top, bottom in tiles(stop - start, TILE):
        first = start + top
        for left, right in tiles(words - first, TILE):
            yield slice(first, start + bottom), slice(first + left, first + right)


@njit
def _count(cosines: Float64, ahead: int, low: float, scale: float, counts: Int64) -> None:
    """Count the pairs of a tile whose columns are ``ahead`` rows further on than its rows."""
    for row in range(cosines.shape[0]):
        for column in range(max(0, row + 1 - ahead), cosines.shape[1]):
            counts[_bin_of(cosines[row, column], low, scale)] += 1


@njit
def _multiply(
    cosines_x: Float64,
    cosines_y: Float64,
    ahead: int,
    grids: tuple[float, float, float, float],
    ranks_x: Float64,
    ranks_y: Float64,
) -> float:
    """Sum over the pairs of a tile whose columns are ``ahead`` rows further on than its rows."""
    total = 0.0
    for row in range(cosines_x.shape[0]):
        own = 0.0
        for column in range(max(0, row + 1 - ahead), cosines_x.shape[1]):
            x = ranks_x[_bin_of(cosines_x[row, column], grids[0], grids[1])]
            own += x * ranks_y[_bin_of(cosines_y[row, column], grids[2], grids[3])]
        total += own
    return total


@njit_inline
def _bin_of(cosine: float, low: float, scale: float) -> int:
    place = (cosine - low) * scale
    return int(min(max(place, 0.0), BINS - 1.0))
