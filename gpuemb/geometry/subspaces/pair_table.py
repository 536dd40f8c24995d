"""Measures of two subspaces, for every pair of runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TypeAlias

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.geometry.grams.digits import PROMISED
from gpuemb.geometry.grams.float32_bounds import PairErrors
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

Pair: TypeAlias = tuple[int, int]
Places: TypeAlias = Sequence[int] | Mapping[int, int]


@dataclass(frozen=True)
class SubspaceTable:
    """A measure of two spaces, for every pair of runs.

    Attributes:
        measure: takes two spaces.
        share: as :func:`subspaces_of` takes it.
        doubtful: whether a value from Grams is taken again from the rows.
        error: bound of a value's error where products are float32; None: they must be float64.
        symmetric: whether the measure is the same both ways round.
    """

    measure: Callable[[Subspaces], float]
    share: float | None = None
    doubtful: Callable[[Subspaces, float], bool] | None = None
    error: Callable[[Subspaces, PairErrors], float] | None = None
    symmetric: bool = True

    def of(self, grams: Grams) -> Float64:
        """Return ``(S, S)`` values.

        Args:
            grams: products of all runs; their rows are read again where products have too few digits, and
                for pairs with a condition past 1e5.
        """
        pairs = list(combinations_with_replacement(range(grams.runs), 2))
        wide = grams if self.error else grams.again(pairs)[0]
        values = np.empty((grams.runs, grams.runs))
        again = self._fill(values, wide, pairs, range(grams.runs))
        if again:
            wide, place = grams.again(again)
            self._fill(values, wide, again, place)
        return values

    def _fill(self, values: Float64, grams: Grams, pairs: Sequence[Pair], place: Places) -> list[Pair]:
        """Write the values of some pairs; return those that the products have too few digits for."""
        axes = [leading(run, self.share) for run in axes_of_runs(grams)]
        again = []
        found = threads.stream(lambda pair: self._one(grams, axes, [place[run] for run in pair]), pairs)
        for (s, t), both in zip(pairs, found, strict=True):
            if both is None:
                again.append((s, t))
            else:
                values[s, t], values[t, s] = both
        return again

    def _one(self, grams: Grams, axes: Sequence[Axes], runs: Sequence[int]) -> tuple[float, float] | None:
        """The measure of two runs in both orders; None where the products have too few digits for it."""
        different = runs[0] != runs[1]
        steep = different and any(axes[run].rank and axes[run].condition > CONDITION for run in runs)
        if steep and not grams.final:
            return None
        spaces = (
            subspaces_of_runs(grams, runs, self.share) if steep else subspaces_of_grams(grams, axes, runs)
        )
        value = self.measure(spaces)
        if different and not grams.final:
            bound = self.error(spaces, grams.errors(runs[0], runs[1])) if self.error else math.inf
            if not bound <= PROMISED * abs(value):
                return None
        if different and self.doubtful is not None and self.doubtful(spaces, value):
            spaces = subspaces_of_runs(grams, runs, self.share)
            value = self.measure(spaces)
        return value, value if self.symmetric else self.measure(spaces.exchanged())
