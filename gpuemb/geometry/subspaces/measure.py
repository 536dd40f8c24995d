"""Measures of the subspaces that two tables span."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix
from gpuemb.core.memory import MemoryPlan, buffer, tiles
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.geometry.grams.build import summed
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.grams.thin_qr import column_means
from gpuemb.geometry.measure import Measure, PairTable
from gpuemb.geometry.resampling.own_terms import ValueOfSums
from gpuemb.geometry.resampling.prepared_pair import PreparedPair, on_cpu, prepare_pair
from gpuemb.geometry.subspaces.axes import (
    CONDITION,
    Axes,
    Subspaces,
    axes_of_runs,
    leading,
    subspaces_of_all,
    subspaces_of_grams,
    subspaces_of_runs,
)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class SubspaceMeasure(Measure):
    """A measure of the subspaces of two tables, and perhaps of their anchors.

    Attributes:
        of_subspaces: the measure.
        share: of ``Σλ`` that the axes kept must hold; all axes when None.
        doubtful: whether a value from Grams is taken again from the rows.
        anchored: whether tables beyond the first two are anchors; else they are further runs.
    """

    of_subspaces: Callable[[Subspaces], float]
    share: float | None = None
    doubtful: Callable[[Subspaces, float], bool] | None = None
    anchored: bool = False

    def reason(self, grams: Grams, value: float) -> str:
        """Return why a value is missing, or says nothing: few words span the same space in any table."""
        free = grams.rows - (self.preparation == "centered")
        if free > int(np.diff(grams.edges[:3]).max()) or not math.isclose(value, self.best, abs_tol=1e-9):
            return super().reason(grams, value)
        return f"{grams.rows} words in no fewer dimensions: the columns of any two tables span the same space"

    def pair_table(self, grams: Grams) -> PairTable:
        """Return the measure of every pair of runs from float64 products.

        The rows are read again for pairs with a condition past 1e5. With anchors, the one value is at (0, 1).
        """
        wide, _ = grams.in_float64(tuple(range(grams.runs)))
        axes = [leading(run, self.share) for run in axes_of_runs(wide)]
        members = [(s, t) for s, t in combinations_with_replacement(range(grams.runs), 2)]
        groups: list[tuple[int, ...]] = [tuple(range(grams.runs))] if self.anchored else list(members)
        found = PairTable.of(np.full((grams.runs, grams.runs), math.nan))
        taken = threads.stream(lambda runs: self._both_ways(wide, axes, runs), groups)
        for runs, (forth, back, recomputed) in zip(groups, taken, strict=True):
            found.values[runs[0], runs[1]], found.values[runs[1], runs[0]] = forth, back
            found.recomputed[runs[0], runs[1]] = found.recomputed[runs[1], runs[0]] = recomputed
        return found

    def _both_ways(
        self, grams: Grams, axes: Sequence[Axes], runs: tuple[int, ...]
    ) -> tuple[float, float, bool]:
        """The measure of two runs in both orders; of a run with itself always from its Gram."""
        different = runs[0] != runs[1]
        if different and any(axes[run].rank and axes[run].condition > CONDITION for run in runs):
            spaces = subspaces_of_runs(grams, runs, self.share)
        else:
            spaces = subspaces_of_grams(grams, axes, runs)
        value = self.of_subspaces(spaces)
        if different and self.doubtful is not None and self.doubtful(spaces, value):
            spaces = subspaces_of_runs(grams, runs, self.share)
            value = self.of_subspaces(spaces)
        back = value if self.symmetric else self.of_subspaces(spaces.exchanged())
        return value, back, spaces.recomputed

    def of_products(self, grams: Grams) -> float:
        """Return the measure from products alone; NaN where the condition leaves too few digits."""
        prepared = grams.centered() if self.preparation == "centered" else grams
        axes = [leading(run, self.share) for run in axes_of_runs(prepared)]
        if any(run.rank and run.condition > CONDITION for run in axes):
            return math.nan
        spaces = subspaces_of_grams(prepared, axes, range(prepared.runs))
        value = self.of_subspaces(spaces)
        lost = self.doubtful is not None and self.doubtful(spaces, value)
        return math.nan if lost else value

    def resampled(self, given: NamedTables, grams: Grams | None) -> tuple[PreparedPair, ValueOfSums]:
        """Return orthonormal rows, and the measure of sums of them."""
        known = summed(Grams, given, self.preparation, "float64") if grams is None else grams
        pair, subspaces = orthonormal_pair(given, known, self.share)
        return pair, lambda sums, own: self.of_subspaces(subspaces(sums))
