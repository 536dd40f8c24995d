"""Measures of the subspaces that two tables span."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from gpuemb.core import threads
from gpuemb.geometry.grams.build import summed
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.named_tables import NamedTables
from gpuemb.geometry.measure import Measure, PairTable
from gpuemb.geometry.resampling.own_terms import ValueOfSums
from gpuemb.geometry.resampling.prepared_pair import PreparedPair
from gpuemb.geometry.subspaces.axes import (
    CONDITION,
    Axes,
    Subspaces,
    axes_of_runs,
    leading,
    subspaces_of_grams,
    subspaces_of_runs,
)
from gpuemb.geometry.subspaces.orthonormal_rows import orthonormal_pair


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

    def table(self, grams: Grams) -> PairTable:
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
