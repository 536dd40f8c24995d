"""Histograms of all pairs' cosines, and sums of products of ranks looked up by histogram bin.

    rows, x, y        (V, d)  float64, every row of length 1
    start, stop       int     a stripe of rows: pairs (i, j) with start ≤ i < stop and i < j < V
    grid              Grid    bin of a cosine c: ⌊(c − low)·scale⌋, clipped to 0 … BINS − 1
    ranks_x, ranks_y  (BINS,) float64, the rank of every cosine of a bin
    rank_histogram →  (BINS,) int64, pairs in each bin
    rank_products  →  float   Σ ranks_x[bin of cos(x_i, x_j)] · ranks_y[bin of cos(y_i, y_j)]

The cosine is what BLAS gives for a tile of ``TILE`` rows; tiles begin at multiples of ``TILE``, and so do
stripes; the other side's tiles are counted from the stripe's first row. A pair has the same bits in both
kernels and in every call. Stripes add up to all pairs; tiles are added in order, so the sum of a stripe does
not depend on threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.dispatch import kernel

BINS = 1 << 20  # 8 MB of counts a worker; ranks of a normal sample are then within 5e-6 of their spread
TILE = 512  # rows of a tile: 2 MB of cosines stay in a core's own cache for the pass that follows


@dataclass(frozen=True)
class Grid:
    """Bins of equal width from ``low`` on, ``scale`` of them in 1."""

    low: float
    scale: float

    def bins_of(self, cosines: Float64) -> Int64:
        """Return the bin of each cosine."""
        bins: Int64 = np.clip(np.floor((cosines - self.low) * self.scale), 0, BINS - 1).astype(np.int64)
        return bins


@kernel
def rank_histogram(rows: Float64, start: int, stop: int, grid: Grid) -> Int64:
    """Count the cosines of a stripe of rows with all later rows.

    Cost: ``2·(stop − start)·V·d`` flops at most, one counter a pair.
    """
    counts = np.zeros(BINS, np.int64)
    for row in range(start, stop):
        np.add.at(counts, grid.bins_of(rows[row + 1 :] @ rows[row]), 1)
    return counts


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
        of_x = ranks_x[grid_x.bins_of(x[row + 1 :] @ x[row])]
        of_y = ranks_y[grid_y.bins_of(y[row + 1 :] @ y[row])]
        total += float(of_x @ of_y)
    return total
