"""What is read again from the rows where their Gram has lost the digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, FloatMatrix, device_of, like, namespace_of
from gpuemb.core.checks import check_matrix, check_same_rows
from gpuemb.core.memory import tiles
from gpuemb.embeddings.model import tables_of, words_of
from gpuemb.geometry.crossgrams import ROUNDING, CrossGrams, cross_grams
from gpuemb.kernels.gram import BLOCK_ROWS, gram

T = TypeVar("T")

# Centering by subtraction errs by at most ROUNDING of the raw squared length. Where that is more than 1e-6 of
# what is left, the rows are moved to their means and summed again (Definitions §2 asks for 1e-6).
FAR = ROUNDING / 1e-6


def checked_tables(where: str, runs: Any) -> list[FloatMatrix]:
    """Return tables as arrays.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as :func:`check_matrix`; unequal numbers of words.
    """
    words = words_of(runs)
    tables = [check_matrix(where, f"run {s}", table, words) for s, table in enumerate(tables_of(runs))]
    for table in tables[1:]:
        check_same_rows(where, tables[0], table)
    return tables


def column_means(table: FloatMatrix) -> Array:
    """Return ``(d,)`` float64 means, taken from the first row on: a constant column has its own number."""
    xp = namespace_of(table)
    first = xp.astype(table[0, :], xp.float64)
    total = first * 0.0
    for start, stop in tiles(table.shape[0], BLOCK_ROWS):
        total = total + xp.sum(xp.astype(table[start:stop, :], xp.float64) - first, axis=0)
    return first + total / table.shape[0]


def moved_grams(tables: list[FloatMatrix]) -> CrossGrams:
    """Sum the products of rows moved to their means: raw sums that lose nothing when they are centered.

    Cost: two passes, ``V·D²`` flops; one block of 8,192 rows beside the products.
    """
    means = [column_means(table) for table in tables]
    xp = namespace_of(*tables)
    total: list[Array] = []
    for start, stop in tiles(tables[0].shape[0], BLOCK_ROWS):
        block = [
            xp.astype(t[start:stop, :], xp.float64) - mean for t, mean in zip(tables, means, strict=True)
        ]
        found = gram.on(device_of(tables[0]))(block, "raw")
        sums = [found.products, found.sums, found.norms, found.weighted]
        total = sums if not total else [a + b for a, b in zip(total, sums, strict=True)]
    edges = np.cumsum([0, *(table.shape[1] for table in tables)])
    products, column_sums, norms, weighted = (like(a, tables[0]) for a in total)
    rows = tables[0].shape[0]
    return CrossGrams("raw", rows, edges, products, column_sums, norms, weighted, 0)


def grams_near_means(runs: Any) -> tuple[CrossGrams, bool]:
    """Return raw sums that can be centered to 1e-6, and whether the rows were moved for that.

    Args:
        runs: as :func:`cross_grams` takes them.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as :func:`cross_grams`.
    """
    raw = cross_grams(runs)
    if not _far(raw):
        return raw, False
    return replace(moved_grams(checked_tables("cross_grams", runs)), zeros=raw.zeros), True


def _far(raw: CrossGrams) -> bool:
    """Whether some run's mean is so long that subtracting it would leave too few digits."""
    xp = namespace_of(raw.products)
    centered = raw.centered()
    for s in range(raw.runs):
        length = float(xp.linalg.trace(raw.block(s, s)))
        if float(xp.sum(centered.block(s, s) ** 2)) ** 0.5 < FAR * length:
            return True
    return False


def over_tiles(function: Callable[[tuple[int, int]], T], table: FloatMatrix, step: int) -> Iterator[T]:
    """Yield ``function((start, stop))`` of every tile of rows in order; on the CPU by all workers."""
    cut = tiles(table.shape[0], step)
    return threads.stream(function, cut) if device_of(table).kind == "cpu" else map(function, cut)


@threads.single_threaded_blas()
def triangles(tables: list[FloatMatrix], *, centered: bool) -> list[Array]:
    """Return each table's columns ``(m, d_s)`` of R, ``QR`` the thin QR of all tables side by side.

    ``XᵀY`` of the rows is ``R_xᵀR_y``, and no square of a condition is taken on the way: R is exact for rows
    moved by ``c·eps`` of their columns' lengths. Blocks of 8,192 rows have triangles of their own, which are
    brought together in order (TSQR); Q is never kept. Centered rows are moved to their means, and a column
    of ones before them takes what the rounding of the means has left.

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
