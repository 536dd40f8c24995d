"""Cross-Grams on a GPU: one float64 cuBLAS product a pair of tables and block of rows; no text of its own.

Plan      Each block of 8 192 rows is widened to float64 once, its columns as rows. Each of its S(S+1)/2 table
          pairs is one product of the same shape in any set of tables, written into its place of one
          (D, D) array that is added to the sums. Tables of the host, memory maps too, stream through
          the device: one block is copied while one is computed on.
Bound by  float64 products, V·D² flops. Beside them a block passes through memory about ten times to be
          widened and measured. Whether products of 300 × 300 fill the multiprocessors (cuBLAS can let
          several share the 8 192 rows), and every second of this file, waits for a GPU.
Limits    Bits are those of the contract as far as cuBLAS gives a product of one shape the same bits.
          Memory: 24·8 192·D bytes for a block, 16·D² for sums; the host's tables twice 8 192 rows.
Rejected  One product of a block with itself: twice the flops, and a pair's bits would change with the
          number of tables, as cuBLAS chooses its kernel by the shape. syrk: the diagonal pairs alone
          are 2/(S + 1) of the products. Adding inside the product (β = 1): parts computed apart would
          not add up to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Float64, FloatMatrix, device_of
from gpuemb.core.cublas import row_products
from gpuemb.core.memory import tiles
from gpuemb.core.upload import uploaded
from gpuemb.kernels.gram import BLOCK_ROWS, GramSums, RowScaling

Multiply = Callable[[Any, Any, Any], object]  # left @ right.T into the third
SMALLEST_NORMAL, SMALLEST = 0x00800000, 2.0**-149  # of float32: the bits of one, and what one bit counts


def gram(tables: Sequence[FloatMatrix], preparation: RowScaling = "raw") -> GramSums:
    """See :mod:`gpuemb.kernels.gram`."""
    of_the_host = device_of(tables[0]).kind == "cpu"
    blocks = _uploaded(tables) if of_the_host else _slices(tables)
    widths = [table.shape[1] for table in tables]
    return sums_of_blocks(blocks, widths, preparation, cuda.cupy(), partial(row_products, "fp64"))


def _slices(tables: Sequence[FloatMatrix]) -> Iterator[list[FloatMatrix]]:
    for start, stop in tiles(tables[0].shape[0], BLOCK_ROWS):
        yield [table[start:stop] for table in tables]


def _uploaded(tables: Sequence[FloatMatrix]) -> Iterator[list[FloatMatrix]]:
    for blocks in zip(*(uploaded(table, BLOCK_ROWS) for table in tables), strict=True):
        yield [block for _, block in blocks]


def sums_of_blocks(
    blocks: Iterable[Sequence[FloatMatrix]],
    widths: Sequence[int],
    preparation: RowScaling,
    xp: Any,
    multiply: Multiply,
) -> GramSums:
    """Return the sums over blocks of rows, each a block of every table, with the functions of ``xp``."""
    edges = np.cumsum([0, *widths]).tolist()
    columns = [slice(a, b) for a, b in pairwise(edges)]
    runs, width = len(widths), edges[-1]
    products, block_products = (xp.zeros((width, width)) for _ in range(2))
    weighted, block_weighted = (xp.zeros((runs, width)) for _ in range(2))
    sums, norms, zeros = xp.zeros(width), xp.zeros((runs, runs)), xp.zeros(runs, np.int64)
    for tables in blocks:
        turned, kappa, empty = _prepared(tables, columns, preparation, xp)
        for first, second in combinations_with_replacement(columns, 2):
            multiply(turned[first], turned[second], block_products[first, second])
        products += block_products
        multiply(kappa, turned, block_weighted)
        weighted += block_weighted
        sums += turned.sum(axis=1)
        norms += xp.stack([(kappa * one).sum(axis=1) for one in kappa])
        zeros += empty
    products = xp.triu(products) + xp.triu(products, 1).T  # pairs of a table with itself are only nearly even
    return GramSums(products, sums, norms, weighted, zeros)


def _prepared(
    tables: Sequence[FloatMatrix], columns: Sequence[slice], preparation: RowScaling, xp: Any
) -> tuple[Float64, Float64, Any]:
    """Every column of a block in a row, ``(D, rows)``; squared lengths ``(S, rows)``; empty rows ``(S,)``."""
    turned = xp.empty((columns[-1].stop, len(tables[0])))
    kappa, empty = xp.empty((len(tables), len(tables[0]))), xp.empty(len(tables), np.int64)
    for run, (table, place) in enumerate(zip(tables, columns, strict=True)):
        rows = widened(table, xp)
        squared = (rows**2).sum(axis=1)
        empty[run] = (squared == 0).sum()
        if preparation == "unit":
            rows = rows / xp.where(squared == 0, 1.0, xp.sqrt(squared))[:, None]
            squared = (rows**2).sum(axis=1)
        turned[place], kappa[run] = rows.T, squared
    return turned, kappa, empty


def widened(rows: FloatMatrix, xp: Any) -> Float64:
    """Rows in float64, exactly: CuPy's own conversion takes float32 numbers below 1.2e-38 for zero."""
    wide: Float64 = rows.astype(np.float64)
    if rows.dtype != np.float32:
        return wide
    bits = xp.ascontiguousarray(rows).view(np.int32)
    sizes = bits & np.int32(0x7FFFFFFF)
    small = sizes.astype(np.float64) * SMALLEST
    return xp.where(sizes < SMALLEST_NORMAL, xp.where(bits < 0, -small, small), wide)  # type: ignore[no-any-return]
