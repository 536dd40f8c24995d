"""How many pairs of rows have a cosine in each cell of a fine grid.

rows   (V, d)    float64, every row of length 1
start  int       the first row of the stripe
stop   int       one behind its last
grid   Grid      cell of a cosine c: ⌊(c − low)·scale⌋, moved into 0 … CELLS − 1
→      (CELLS,)  int64, pairs (i, j) with start ≤ i < stop and i < j < V

The cosine is what BLAS gives for a tile of ``TILE`` rows; tiles begin at multiples of ``TILE``, so do
stripes, and the other side's tiles are counted from the stripe's own rows on. A pair has the same bits in
every call. Stripes add up to all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.dispatch import kernel

CELLS = 1 << 20  # 8 MB of counts a worker; ranks of a normal sample are then within 5e-6 of their spread
TILE = 512  # rows of a tile: 2 MB of cosines stay in a core's own cache for the count that follows


@dataclass(frozen=True)
class Grid:
    """Cells of equal width from ``low`` on, ``scale`` of them in 1."""

    low: float
    scale: float


@kernel
def rank_cells(rows: Float64, start: int, stop: int, grid: Grid) -> Int64:
    """Count the cosines of a stripe of rows with all later rows.

    Cost: ``2·(stop − start)·V·d`` flops at most, one counter a pair.
    """
    counts = np.zeros(CELLS, np.int64)
    for row in range(start, stop):
        cosines = rows[row + 1 :] @ rows[row]
        cells = np.clip(np.floor((cosines - grid.low) * grid.scale), 0, CELLS - 1).astype(np.int64)
        np.add.at(counts, cells, 1)
    return counts
