"""Measures of two subspaces, for every pair of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.subspaces.axes import (
    CONDITION,
    Axes,
    Subspaces,
    axes_of_runs,
    leading,
    subspaces_of_grams,
    subspaces_of_runs,
)


@dataclass(frozen=True)
class SubspaceTable:
    """A measure of two subspaces, for every pair of runs.

    Attributes:
        measure: takes two subspaces.
        share: as :func:`subspaces_of` takes it.
        doubtful: whether a value from Grams is taken again from the rows.
        symmetric: whether the measure is the same both ways round.
    """

    measure: Callable[[Subspaces], float]
    share: float | None = None
    doubtful: Callable[[Subspaces, float], bool] | None = None
    symmetric: bool = True

    def of(self, grams: Grams) -> Float64:
        """Return ``(S, S)`` values, from float64 products.

        Args:
            grams: products of all runs; their rows are read again for pairs with a condition past 1e5.
        """
        wide, _ = grams.exact(tuple(range(grams.runs)))
        axes = [leading(run, self.share) for run in axes_of_runs(wide)]
        pairs = list(combinations_with_replacement(range(grams.runs), 2))
        values = np.empty((grams.runs, grams.runs))
        found = threads.stream(lambda pair: self._both_ways(wide, axes, pair), pairs)
        for (s, t), (forth, back) in zip(pairs, found, strict=True):
            values[s, t], values[t, s] = forth, back
        return values

    def _both_ways(self, grams: Grams, axes: Sequence[Axes], runs: tuple[int, int]) -> tuple[float, float]:
        """The measure of two runs in both orders; of a run with itself always from its Gram."""
        different = runs[0] != runs[1]
        steep = different and any(axes[run].rank and axes[run].condition > CONDITION for run in runs)
        if steep:
            spaces = subspaces_of_runs(grams, runs, self.share)
        else:
            spaces = subspaces_of_grams(grams, axes, runs)
        value = self.measure(spaces)
        if different and self.doubtful is not None and self.doubtful(spaces, value):
            spaces = subspaces_of_runs(grams, runs, self.share)
            value = self.measure(spaces)
        return value, value if self.symmetric else self.measure(spaces.exchanged())
