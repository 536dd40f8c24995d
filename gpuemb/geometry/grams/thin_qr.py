"""Column means and thin QR of rows, where a Gram has too few digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeVar

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, FloatMatrix, device_of, namespace_of
from gpuemb.core.memory import tiles
from gpuemb.kernels.gram import BLOCK_ROWS

T = TypeVar("T")


def column_means(table: FloatMatrix) -> Array:
    """Return ``(d,)`` float64 means, taken from the first row on: a constant column has its own number."""
    xp = namespace_of(table)
    first = xp.astype(table[0, :], xp.float64)

    def sums(rows: tuple[int, int]) -> Array:
        return xp.sum(xp.astype(table[rows[0] : rows[1], :], xp.float64) - first, axis=0)

    total = first * 0.0
    for part in over_tiles(sums, table, BLOCK_ROWS):
        total = total + part
    return first + total / table.shape[0]


def over_tiles(function: Callable[[tuple[int, int]], T], table: FloatMatrix, step: int) -> Iterator[T]:
    """Yield ``function((start, stop))`` of every tile of rows in order; on the CPU by all workers."""
    cut = tiles(table.shape[0], step)
    return threads.stream(function, cut) if device_of(table).kind == "cpu" else map(function, cut)


@threads.single_threaded_blas()
def triangles(tables: list[FloatMatrix], *, centered: bool) -> list[Array]:
    """Return each table's columns ``(m, d_s)`` of R, ``QR`` the thin QR of all tables side by side.

    ``XᵀY`` of the rows is ``R_xᵀR_y``, and no square of a condition is taken on the way: R is exact for rows
    moved by ``c·eps`` of their columns' lengths. Blocks of 8,192 rows have triangles of their own, which are
    combined in order (TSQR); Q is never kept. Centered rows are moved to their means, and a column
    of ones before them absorbs the rounding of the means.

    Cost: about ``4·V·D²`` flops; three blocks of rows a worker and ``D²`` numbers.
    Source: Demmel, Grigori, Hoemmen and Langou (2012), SIAM J. Sci. Comput. 34.
    """
    xp = namespace_of(*tables)
    means = [column_means(table) if centered else None for table in tables]

    def triangle(rows: tuple[int, int]) -> Array:
        wide = [xp.astype(table[rows[0] : rows[1], :], xp.float64) for table in tables]
        wide = [block if mean is None else block - mean for block, mean in zip(wide, means, strict=True)]
        ones = [xp.ones_like(wide[0][:, :1])] if centered else []
        return xp.linalg.qr(xp.concat([*ones, *wide], axis=1), mode="reduced").R

    found: Array = None
    for part in over_tiles(triangle, tables[0], BLOCK_ROWS):
        found = part if found is None else xp.linalg.qr(xp.concat([found, part], axis=0), mode="reduced").R
    if centered:
        found = found[1:, 1:] if found.shape[0] > 1 else found[:, 1:] * 0.0
    edges = np.cumsum([0, *(table.shape[1] for table in tables)])
    return [found[:, int(a) : int(b)] for a, b in pairwise(edges)]
