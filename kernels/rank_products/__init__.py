"""The sum over pairs of rows of the product of two ranks, each looked up by the cell of a cosine.

x, y              (V, d), (V, e)  float64, every row of length 1
start, stop       int             a stripe of rows, as in :mod:`gpuemb.kernels.rank_cells`
grid_x, grid_y    Grid            which cell a cosine is in
ranks_x, ranks_y  (CELLS,)        float64, the rank that every cosine of a cell has
→                 float           Σ ranks_x[cell of cos(x_i, x_j)] · ranks_y[cell of cos(y_i, y_j)]
                                  over start ≤ i < stop, i < j < V

The cosines have the bits of ``rank_cells``. Tiles are added in order, so the sum of a stripe does not
depend on threads.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.dispatch import kernel
from gpuemb.kernels.rank_cells import CELLS, Grid


@kernel
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
    """Sum the products of ranks of a stripe of rows with all later rows.

    Cost: ``2·(stop − start)·V·(d + e)`` flops at most, two lookups a pair.
    """
    total = 0.0
    for row in range(start, stop):
        sides = []
        for rows, grid, ranks in ((x, grid_x, ranks_x), (y, grid_y, ranks_y)):
            cosines = rows[row + 1 :] @ rows[row]
            cells = np.clip(np.floor((cosines - grid.low) * grid.scale), 0, CELLS - 1)
            sides.append(ranks[cells.astype(np.int64)])
        total += float(sides[0] @ sides[1])
    return total
