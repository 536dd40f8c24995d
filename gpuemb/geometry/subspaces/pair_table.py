"""Measures of two subspaces, and their tables of all pairs of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.subspaces.axes import (
    CONDITION,
    Axes,
    SubspacePreparation,
    Subspaces,
    axes_of_runs,
    leading,
    subspaces_of_grams,
    subspaces_of_runs,
)


@dataclass(frozen=True)
class SubspaceMeasure:
    """A number about two tables, and perhaps their anchors, that follows from the spaces they span.

    Attributes:
        name: in progress reports.
        preparation: of the rows.
        value: the number.
        share: of ``Σλ`` that the axes kept must hold; all axes when None.
        uncanceled: a value below so many times the squared condition of what is summed has lost its digits
            in the sums, and is taken from the rows.
        best: its value for two tables that agree.
        higher_is_closer: whether larger values are nearer to that.
        symmetric: whether it is the same both ways round.
    """

    name: str
    preparation: SubspacePreparation
    value: Callable[[Subspaces], float]
    share: float | None = None
    uncanceled: float = 0.0
    best: float = 1.0
    higher_is_closer: bool = True
    symmetric: bool = True

    def cancels(self, spaces: Subspaces, value: float) -> bool:
        """Whether a value from Grams is too small for the digits that they hold."""
        if spaces.recomputed or not spaces.exist:
            return False
        return value < self.uncanceled * max(axes.condition for axes in spaces.axes) ** 2


def subspace_table(grams: Grams, measure: SubspaceMeasure) -> Float64:
    """Return ``(S, S)`` values of all pairs of runs, from float64 products.

    The rows are read again for pairs with a condition past 1e5, or with a value that cancels.
    """
    wide, _ = grams.in_float64(tuple(range(grams.runs)))
    axes = [leading(run, measure.share) for run in axes_of_runs(wide)]
    pairs = list(combinations_with_replacement(range(grams.runs), 2))
    values = np.empty((grams.runs, grams.runs))
    found = threads.stream(lambda pair: _both_ways(wide, axes, measure, pair), pairs)
    for (s, t), (forth, back) in zip(pairs, found, strict=True):
        values[s, t], values[t, s] = forth, back
    return values


def _both_ways(
    grams: Grams, axes: Sequence[Axes], measure: SubspaceMeasure, runs: tuple[int, int]
) -> tuple[float, float]:
    """The measure of two runs in both orders; of a run with itself always from its Gram."""
    different = runs[0] != runs[1]
    ill_conditioned = different and any(axes[run].rank and axes[run].condition > CONDITION for run in runs)
    of_rows = partial(subspaces_of_runs, grams, runs, measure.share)
    spaces = of_rows() if ill_conditioned else subspaces_of_grams(grams, axes, runs)
    value = measure.value(spaces)
    if different and measure.cancels(spaces, value):
        spaces = of_rows()
        value = measure.value(spaces)
    return value, value if measure.symmetric else measure.value(spaces.exchanged())
