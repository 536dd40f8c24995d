"""Cells of cosines on the CPU: a BLAS tile, counted while it is in cache.

Plan      A stripe meets the later rows one tile after the other: a float64 product into a tile that is used
          again, then one pass over it. On the diagonal only what is right of it counts.
Bound by  float64 products where d is large, else the counters: 8 MB of them, hit where the cosines are.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.rank_cells import CELLS, TILE, Grid


def rank_cells(rows: Float64, start: int, stop: int, grid: Grid) -> Int64:
    """See :mod:`gpuemb.kernels.rank_cells`."""
    counts = np.zeros(CELLS, np.int64)
    with threads.single_threaded_blas():
        for top, bottom in tiles(stop - start, TILE):
            for left, right in tiles(len(rows) - start - top, TILE):
                first, other = start + top, start + top + left
                cosines = rows[first : start + bottom] @ rows[other : start + top + right].T
                _count(cosines, other - first, grid.low, grid.scale, counts)
    return counts


@njit
def _count(cosines: Float64, ahead: int, low: float, scale: float, counts: Int64) -> None:
    """Count the pairs of a tile whose columns are ``ahead`` rows further on than its rows."""
    for row in range(cosines.shape[0]):
        for column in range(max(0, row + 1 - ahead), cosines.shape[1]):
            counts[cell_of(cosines[row, column], low, scale)] += 1


@njit_inline
def cell_of(cosine: float, low: float, scale: float) -> int:
    """Which cell of the grid a cosine is in."""
    place = (cosine - low) * scale
    return int(min(max(place, 0.0), CELLS - 1.0))
