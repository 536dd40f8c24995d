"""Products of ranks on the CPU: a BLAS tile of each table, looked up while both are in cache.

Plan      As ``rank_cells``: the same tiles, hence the same bits; then one pass over both.
Bound by  float64 products where d is large, else the lookups: 8 MB a table, hit where the cosines are.
"""

from __future__ import annotations

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.core.jit import njit
from gpuemb.core.memory import tiles
from gpuemb.kernels.rank_cells import TILE, Grid
from gpuemb.kernels.rank_cells.cpu import cell_of


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
    """See :mod:`gpuemb.kernels.rank_products`."""
    total = 0.0
    with threads.single_threaded_blas():
        for top, bottom in tiles(stop - start, TILE):
            for left, right in tiles(len(x) - start - top, TILE):
                first, last = start + top, start + bottom
                other, end = start + top + left, start + top + right
                total += _multiply(
                    x[first:last] @ x[other:end].T,
                    y[first:last] @ y[other:end].T,
                    other - first,
                    (grid_x.low, grid_x.scale, grid_y.low, grid_y.scale),
                    ranks_x,
                    ranks_y,
                )
    return total


@njit
def _multiply(
    cosines_x: Float64,
    cosines_y: Float64,
    ahead: int,
    grids: tuple[float, float, float, float],
    ranks_x: Float64,
    ranks_y: Float64,
) -> float:
    """Add the pairs of a tile whose columns are ``ahead`` rows further on than its rows."""
    total = 0.0
    for row in range(cosines_x.shape[0]):
        own = 0.0
        for column in range(max(0, row + 1 - ahead), cosines_x.shape[1]):
            x = ranks_x[cell_of(cosines_x[row, column], grids[0], grids[1])]
            own += x * ranks_y[cell_of(cosines_y[row, column], grids[2], grids[3])]
        total += own
    return total
