"""Strategy of blocks multiplied by BLAS on one thread; the signatures of ``panels``, exactly.

Plan      Rows are widened, shifted and scaled into ``(n, d)``. float32 products take ``CHUNK_ROWS`` rows at a
          time and are added in float64.
Bound by  SGEMM or DGEMM.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64
from gpuemb.core.memory import tiles
from gpuemb.kernels.gram import CHUNK_ROWS
from gpuemb.kernels.gram.cpu.rows import add_narrow, prepare_rows, scale_rows


def empty_block(rows: int, columns: int, dtype: type[np.generic]) -> NDArray[Any]:
    """Allocate a block."""
    return np.empty((rows, columns), dtype)


def clear(block: NDArray[Any], rows: NDArray[np.intp]) -> None:
    """Make some rows zeros."""
    block[rows] = 0.0


def fill(
    rows: NDArray[Any],
    origin: Float64,
    probes: Float64,
    unit: bool,
    block: NDArray[Any],
    kappa: Float64,
    image: Float64,
) -> None:
    """See :func:`gpuemb.kernels.gram.cpu.panels.fill`."""
    wide = np.empty((CHUNK_ROWS, rows.shape[1]))
    for a, b in tiles(len(rows), CHUNK_ROWS):
        part = wide[: b - a]
        prepare_rows(rows[a:b], origin, probes, part, kappa[a:b], image[a:b])
        if unit:
            scale_rows(part, kappa[a:b], image[a:b])
        block[a:b] = part


def packed(factors: Float64) -> Float64:
    """Return the factors unchanged."""
    return factors


def product(left: NDArray[Any], right: NDArray[Any], rows: int, columns: int) -> Float64:
    """``EᵀF`` of the first rows of two blocks."""
    if left.dtype == np.float64:
        whole: Float64 = left[:rows].T @ right[:rows]
        return whole
    total = np.zeros((columns, right.shape[1]))
    for a, b in tiles(rows, CHUNK_ROWS):
        add_narrow(total, left[a:b].T @ right[a:b])
    return total


def factored(factors: Float64, first: int, block: Float64) -> Float64:
    """``MᵀE`` of factors, from column ``first`` on, and a float64 block."""
    total: Float64 = factors[:, first:].T @ block[: len(factors)]
    return total


def widened_factored(
    factors: Float64, first: int, rows: NDArray[Any], origin: Float64, unit: bool
) -> Float64:
    """``MᵀE`` as :func:`factored`, from the rows, widened a chunk at a time."""
    chosen, total = factors[:, first:], np.zeros((factors.shape[1] - first, rows.shape[1]))
    wide, kappa = np.empty((CHUNK_ROWS, rows.shape[1])), np.empty(CHUNK_ROWS)
    for a, b in tiles(len(rows), CHUNK_ROWS):
        fill(rows[a:b], origin, np.empty((0, rows.shape[1])), unit, wide, kappa, kappa[:, None][:, :0])
        total += chosen[a:b].T @ wide[: b - a]
    return total
