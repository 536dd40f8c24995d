"""Unit rows in float32, for processors without int8 products and for few queries.

Rounding a unit row to float32 moves it by at most 2⁻²⁴, and d products added in float32, in whatever order,
are wrong by at most d·2⁻²⁴ (Jeannerod & Rump 2013, SIAM J. Matrix Anal. 34, 338-344): ε = (d + 8)·2⁻²⁴ covers
symmetric rows, the float32 thresholds, and the float64 score's own 2⁻⁵³ (d + 8).

Weak case: registers of 256 bits. With half of faiss-cpu's products at its rate of multiply-adds, twice its
speed is the bound; 20,000 rows of 300 dimensions, compiled for AVX2 alone, came to 1.6 times.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.jit import njit
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk.cpu.packed_rows import PackedRows, empty_panels
from gpuemb.kernels.cosine_topk.cpu.row_order import OrderedRows
from gpuemb.kernels.panels import SIDE

PANELS_A_TASK = 256


def rounding(dim: int) -> float:
    """Return the error bound of a float32 score of unit rows."""
    return (dim + 8) * 2.0**-24


def unit_rows(ordered: OrderedRows, dim: int) -> PackedRows:
    """Pack ordered rows of ``dim`` columns as float32 of length 1; errors are all in :func:`rounding`."""
    packed = empty_panels(len(ordered.rows), dim, 1, np.float32)
    parts = tiles(len(packed.panels), PANELS_A_TASK)
    threads.run(lambda part: _normalize(ordered, dim, packed, *part), parts)
    packed.scale[: len(ordered.rows)] = 1
    return packed


@njit
def _normalize(ordered: OrderedRows, dim: int, packed: PackedRows, first: int, last: int) -> None:
    count = len(ordered.rows)
    for panel in range(first, last):
        packed.panels[panel] = 0
        for side in range(min(SIDE, count - SIDE * panel)):
            row = SIDE * panel + side
            inverse = 1 / ordered.lengths[row]
            for column in range(dim):
                packed.panels[panel, column, side, 0] = np.float64(ordered.rows[row, column]) * inverse
