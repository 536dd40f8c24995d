"""Cross-Grams on the CPU: one float64 BLAS product a pair of tables and block of rows.

Plan      Each block of 8 192 rows is widened to float64 once; its S(S+1)/2 table pairs are independent
          tasks, each one DGEMM on one thread. The upper blocks are mirrored at the end.
Bound by  DGEMM: V·D² flops. Memory: 8 192·D·8 bytes for the block, D²·8 for the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement, pairwise

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int64
from gpuemb.core.memory import tiles
from gpuemb.kernels.gram import BLOCK_ROWS, GramSums, RowScaling


def gram(tables: Sequence[FloatMatrix], preparation: RowScaling = "raw") -> GramSums:
    """See :mod:`gpuemb.kernels.gram`."""
    edges = np.cumsum([0, *(table.shape[1] for table in tables)])
    columns = [slice(a, b) for a, b in pairwise(edges)]
    runs, width = len(tables), int(edges[-1])
    products, weighted = np.zeros((width, width)), np.zeros((runs, width))
    sums, norms, zeros = np.zeros(width), np.zeros((runs, runs)), np.zeros(runs, np.int64)
    pairs = list(combinations_with_replacement(range(runs), 2))
    for start, stop in tiles(tables[0].shape[0], BLOCK_ROWS):
        block, kappa, empty = _prepare(tables, start, stop, preparation)

        def multiply(pair: tuple[int, int], block: list[Float64] = block) -> None:
            first, second = pair
            products[columns[first], columns[second]] += block[first].T @ block[second]

        threads.run(multiply, pairs)
        for run, columns_of_run in enumerate(columns):
            sums[columns_of_run] += block[run].sum(0)
            for other in range(runs):
                weighted[other, columns_of_run] += _weigh(kappa[other], block[run])
                norms[other, run] += np.sum(kappa[other] * kappa[run])
        zeros += empty
    for first, second in pairs:
        products[columns[second], columns[first]] = products[columns[first], columns[second]].T
    return GramSums(products, sums, norms, weighted, zeros)


def _prepare(
    tables: Sequence[FloatMatrix], start: int, stop: int, preparation: RowScaling
) -> tuple[list[Float64], list[Float64], Int64]:
    """Widen one block of every table, scale its rows if asked, and count its empty rows."""

    def widen(table: FloatMatrix) -> tuple[Float64, Float64, int]:
        rows = np.array(table[start:stop], np.float64)
        kappa = np.sum(rows**2, axis=1)
        empty = int(np.sum(kappa == 0))
        if preparation == "unit":
            lengths = np.sqrt(kappa)
            lengths[kappa == 0] = 1.0
            rows /= lengths[:, None]
            kappa = np.sum(rows**2, axis=1)
        return rows, kappa, empty

    blocks, kappas, empties = zip(*threads.run(widen, tables), strict=True)
    return list(blocks), list(kappas), np.array(empties, np.int64)


def _weigh(kappa: Float64, rows: Float64) -> Float64:
    with threads.single_threaded_blas():
        return kappa @ rows
