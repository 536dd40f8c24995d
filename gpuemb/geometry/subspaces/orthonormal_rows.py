"""Orthonormal bases of the columns of tables, so that permuted products are cosines between subspaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix
from gpuemb.core.memory import MemoryPlan, buffer, tiles
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.named_tables import NamedTables
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.grams.thin_qr import column_means
from gpuemb.geometry.resampling.prepared_pair import PreparedPair, on_cpu, prepare_pair
from gpuemb.geometry.subspaces.axes import Subspaces, subspaces_of_all
from gpuemb.kernels.gram import BLOCK_ROWS

Y = 1  # the table whose words are permuted; all others stay


def orthonormal_pair(
    given: NamedTables, grams: Grams, share: float | None
) -> tuple[PreparedPair, Callable[[PairSums], Subspaces]]:
    """Return ``U`` of every table, ready to be summed, and the subspaces that such sums belong to.

    The condition of the tables does not enter: ``U`` is nearly orthonormal, and permuting the words of one
    table changes its products with the others only.

    Args:
        given: tables over the same words.
        grams: their float64 products.
        share: of ``Σλ`` that the axes kept must hold; all axes when None.

    Cost: ``2·V·d·r`` flops a table; all tables in float64.
    """
    checked = [on_cpu(given.where, table) for table in given.tables]
    spaces = subspaces_of_all(grams, share)
    ranks = [axes.rank for axes in spaces.axes]
    words = len(checked[0])
    MemoryPlan(
        f"{given.where}: permutations", {"orthonormal rows": 2 * buffer((words, sum(ranks)), np.float64)}
    ).require()
    rows = [
        _rotated(table, axes.directions / axes.singular, centered=grams.preparation == "centered")
        for table, axes in zip(checked, spaces.axes, strict=True)
    ]
    others = [s for s in range(len(rows)) if s != Y]
    edges = np.cumsum([0, *(ranks[s] for s in others)])
    columns = {s: slice(edges[place], edges[place + 1]) for place, s in enumerate(others)}
    pair = prepare_pair(given.where, np.concatenate([rows[s] for s in others], axis=1), rows[Y], "raw")

    axes = [replace(run, left=None) for run in spaces.axes]

    def product(sums: PairSums, s: int, t: int) -> Float64:
        """``U_sᵀ U_t``."""
        if s == Y:
            return np.asarray(sums.gram_y if t == Y else sums.cross[columns[t]].T)
        found = (sums.cross if t == Y else sums.gram_x)[columns[s]]
        return np.asarray(found if t == Y else found[:, columns[t]])

    def subspaces(sums: PairSums) -> Subspaces:
        every = range(len(rows))
        return Subspaces(axes, [[product(sums, s, t) for t in every] for s in every], False)

    return pair, subspaces


@threads.single_threaded_blas()
def _rotated(table: FloatMatrix, turn: Float64, *, centered: bool) -> Float64:
    """``X turn``, of rows without their means if centered."""
    mean = column_means(table) if centered else np.zeros(table.shape[1])
    rows = np.empty((len(table), turn.shape[1]))
    for start, stop in tiles(len(table), BLOCK_ROWS):
        rows[start:stop] = (table[start:stop].astype(np.float64) - mean) @ turn
    return rows
