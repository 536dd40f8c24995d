"""Cross-Grams on a GPU: one float64 cuBLAS product a pair of tables and block of rows, no CUDA text.

Plan      Each block of 8 192 rows is widened to float64 once, its columns as rows. Each of its S(S+1)/2 table
          pairs is one product of the same shape in any set of tables, written into its place of one
          (D, D) array; blocks are added as a binary tree, with its nodes on the device. Tables of the
          host, memory maps too, stream through it: one block is copied while one is computed on.
Bound by  float64 products, V·D² flops. Beside them a block goes through memory about ten times to be
          widened and measured. Whether products of 300 × 300 fill the multiprocessors (cuBLAS can let
          several share the 8 192 rows), and every second of this file, is not measured on a GPU yet.
Limits    Bits are those of the contract as far as cuBLAS gives a product of one shape the same bits.
          Memory: 24·8 192·D bytes for a block, 16·D² for sums; the host's tables twice 8 192 rows.
Rejected  One product of a block with itself: twice the flops, and a pair's bits would change with the
          number of tables, as cuBLAS chooses its kernel by the shape. syrk: the diagonal pairs alone
          are 2/(S + 1) of the products. Adding inside the product (β = 1): parts computed apart would
          not add up to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, combinations_with_replacement, pairwise
from typing import Any

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Float64, FloatMatrix, device_of
from gpuemb.core.cuda.cublas import row_products
from gpuemb.core.cuda.host_streaming import uploaded
from gpuemb.core.memory import tiles
from gpuemb.kernels.gram import BLOCK_ROWS, GramSums, Pairs, Precision, RowScaling

Multiply = Callable[[Any, Any, Any], object]  # left @ right.T into the third
SMALLEST_NORMAL, SMALLEST = 0x00800000, 2.0**-149  # of float32: its bits, and the value of the lowest bit


def gram(
    tables: Sequence[FloatMatrix],
    preparation: RowScaling = "raw",
    precision: Precision = "float64",
    pairs: Pairs | None = None,
    origins: Sequence[Float64] | None = None,
) -> GramSums:
    """See :mod:`gpuemb.kernels.gram`; products are float64 whatever the precision, of all pairs."""
    xp = cuda.cupy()
    on_host = device_of(tables[0]).kind == "cpu"
    blocks = _uploaded(tables) if on_host else _slices(tables)
    moved = None if origins is None else [xp.asarray(origin) for origin in origins]
    one = _Block([table.shape[1] for table in tables], preparation, moved, xp, partial(row_products, "fp64"))
    found = in_tree(map(one.sums, blocks))
    upper = xp.triu(found.products)  # products of a table with itself are only nearly symmetric
    products = upper + xp.triu(found.products, 1).T
    return replace(found, products=products, left_out=xp.asarray(found.left_out))


def _slices(tables: Sequence[FloatMatrix]) -> Iterator[list[FloatMatrix]]:
    for start, stop in tiles(tables[0].shape[0], BLOCK_ROWS):
        yield [table[start:stop] for table in tables]


def _uploaded(tables: Sequence[FloatMatrix]) -> Iterator[list[FloatMatrix]]:
    for blocks in zip(*(uploaded(table, BLOCK_ROWS) for table in tables), strict=True):
        yield [block for _, block in blocks]


def in_tree(blocks: Iterable[GramSums]) -> GramSums:
    """Add like a binary counter: two trees of one size become one twice as large."""
    nodes: list[tuple[int, GramSums]] = []
    for node in blocks:
        size = 1
        while nodes and nodes[-1][0] == size:
            node = nodes.pop()[1] + node
            size *= 2
        nodes.append((size, node))
    total = nodes.pop()[1]
    while nodes:
        total = nodes.pop()[1] + total
    return total


@dataclass(frozen=True, eq=False)
class _Block:
    """Sums over one block of rows of every table, with the functions of ``xp``."""

    widths: Sequence[int]
    preparation: RowScaling
    origins: Sequence[Float64] | None
    xp: Any
    multiply: Multiply

    def sums(self, tables: Sequence[FloatMatrix]) -> GramSums:
        """Return all sums over a block."""
        xp, runs, width = self.xp, len(tables), sum(self.widths)
        columns = [slice(a, b) for a, b in pairwise(accumulate(self.widths, initial=0))]
        transposed, kappa, empty, kept = self._prepared(tables, columns)
        products, weighted = xp.zeros((width, width)), xp.empty((runs, width))
        for first, second in combinations_with_replacement(columns, 2):
            self.multiply(transposed[first], transposed[second], products[first, second])
        self.multiply(kappa, transposed, weighted)
        norms = xp.stack([(kappa * one).sum(axis=1) for one in kappa])
        left_out, images = (~kept).sum(), xp.zeros((width, 0))
        return GramSums(
            products, transposed.sum(axis=1), kappa.sum(axis=1), norms, weighted, empty, left_out, images
        )

    def _prepared(
        self, tables: Sequence[FloatMatrix], columns: Sequence[slice]
    ) -> tuple[Float64, Float64, Any, Any]:
        """Transposed rows ``(D, n)``, squared lengths ``(S, n)``, empty rows ``(S,)``, rows kept ``(n,)``."""
        xp, count = self.xp, len(tables[0])
        transposed, kappa = xp.empty((sum(self.widths), count)), xp.empty((len(tables), count))
        for run, (table, place) in enumerate(zip(tables, columns, strict=True)):
            rows = widened(table, xp)
            if self.origins is not None:
                rows = rows - self.origins[run]
            transposed[place], kappa[run] = rows.T, (rows**2).sum(axis=1)
        long = kappa > 0
        kept = long.all(axis=0)
        if self.preparation == "unit":
            for run, place in enumerate(columns):
                lengths = xp.sqrt(xp.where(kept, kappa[run], 1.0))
                transposed[place] = xp.where(kept, transposed[place] / lengths, 0.0)
            kappa[...] = kept
        return transposed, kappa, (~long).sum(axis=1), kept


def widened(rows: FloatMatrix, xp: Any) -> Float64:
    """Rows in float64, exactly: CuPy's own conversion takes float32 numbers below 1.2e-38 for zero."""
    wide: Float64 = rows.astype(np.float64)
    if rows.dtype != np.float32:
        return wide
    bits = xp.ascontiguousarray(rows).view(np.int32)
    sizes = bits & np.int32(0x7FFFFFFF)
    small = sizes.astype(np.float64) * SMALLEST
    return xp.where(sizes < SMALLEST_NORMAL, xp.where(bits < 0, -small, small), wide)  # type: ignore[no-any-return]
