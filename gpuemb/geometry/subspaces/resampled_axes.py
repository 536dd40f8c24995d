"""Measures of subspaces, with the words of their tables permuted or resampled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int64
from gpuemb.core.memory import MemoryPlan, buffer, tiles
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.grams.thin_qr import column_means
from gpuemb.geometry.resampling.draws import draw_values
from gpuemb.geometry.resampling.prepared_pair import (
    PreparedPair,
    on_cpu,
    order_of,
    prepare_pair,
    weights_of,
)
from gpuemb.geometry.resampling.uncertainty import Draws, Uncertainty, summarize
from gpuemb.geometry.results import Similarity
from gpuemb.geometry.subspaces.axes import (
    CONDITION,
    Axes,
    Subspaces,
    leading,
    subspaces_of,
    subspaces_of_rows,
    tables_by_name,
)
from gpuemb.geometry.subspaces.pair_table import SubspaceMeasure
from gpuemb.kernels.gram import BLOCK_ROWS

Y = 1  # the table whose words are permuted; all others stay
NO_AXIS = {"raw": "one table is zero throughout", "centered": "the rows of one table are all equal"}


def similarity_of_subspaces(
    tables: Sequence[Any], measure: SubspaceMeasure, draws: Draws
) -> tuple[Similarity, Subspaces]:
    """Return a measure of the first two tables with its uncertainty if requested, and the subspaces.

    Args:
        tables: X, Y, and two anchors if the measure has them.
        measure: what to compute.
        draws: how many, from which seed, and the name of the function that was called.
    """
    spaces, zeros = subspaces_of(draws.where, tables, measure.preparation, measure.share)
    value = measure.value(spaces)
    if measure.cancels(spaces, value):
        named = tables_by_name(draws.where, tables)
        spaces = subspaces_of_rows(named, centered=measure.preparation == "centered", share=measure.share)
        value = measure.value(spaces)
    reason = NO_AXIS[measure.preparation] if math.isnan(value) else ""
    found = Similarity(value, draws.where, measure.preparation, zeros, reason, spaces.recomputed)
    return uncertainty_of_subspaces(tables, measure, draws).onto(found) if draws else found, spaces


def uncertainty_of_subspaces(tables: Sequence[Any], measure: SubspaceMeasure, draws: Draws) -> Uncertainty:
    """Return the null and the bootstrap of a measure of subspaces.

    Every table becomes ``X = QR`` once, the columns of Q nearly orthonormal. A draw sums products of rows of
    Q, so it errs by ``c·eps·condition²`` of the drawn rows *of Q*, which the condition of X does not
    enter, and by ``c·eps·condition`` of X. Where so few words are drawn that those are past 1e5, the drawn
    rows go through a thin QR of their own.

    Args:
        tables: X, Y, and two anchors if the measure has them; only the words of Y are permuted.
        measure: what to compute of each draw.
        draws: how many, from which seed.

    Returns:
        The same bits for any number of threads; a draw is the same whatever else is drawn.

    Cost: ``2·V·r·r'`` flops and one SVD a permutation, ``1.3·V·(r² + rr' + r'²)`` and a few a resample, ``r``
    the ranks, all in float64; all tables in float64 twice. Source: Definitions §4, §5.
    """
    spans = _orthonormal(tables, measure, draws)
    if spans is None:
        return summarize(draws, math.nan, np.empty(0), np.empty(0), best=measure.best, higher_is_closer=True)
    words = spans.pair.words
    with threads.single_threaded_blas():  # as the draws, whose bits are compared with its
        base, own = spans.pair.resampled(np.ones(words, np.int64))
        axes = spans.axes(base)
        observed = spans.value(base, axes, np.arange(words), np.arange(words))

    def permute(draw: int) -> float:
        order = order_of(draw, words, draws.seed)
        return spans.value(spans.pair.permuted(order, base, own)[0], axes, np.arange(words), order)

    def resample(draw: int) -> float:
        weights = weights_of(draw, words, draws.seed)
        sums, rows = spans.pair.resampled(weights)[0], np.repeat(np.arange(words), weights)
        return spans.value(sums, spans.axes(sums), rows, rows)

    null, resampled = draw_values(draws, measure.name, observed, permute, resample)
    return summarize(
        draws, observed, null, resampled, best=measure.best, higher_is_closer=measure.higher_is_closer
    )


@dataclass(frozen=True, eq=False)
class _ResampledAxes:
    """A resampled table's axes; ``U = Q factor``, and the condition of the resampled rows of Q."""

    axes: Axes
    factor: Float64
    condition: float


@dataclass(frozen=True, eq=False)
class _OrthonormalTables:
    """Tables ``X = QR``: ``pair`` holds Q of Y on its right, those of all others on its left."""

    tables: list[FloatMatrix]
    pair: PreparedPair
    factors: list[Float64]
    measure: SubspaceMeasure

    def value(
        self, sums: PairSums, axes: list[_ResampledAxes] | None, rows: Int64, rows_of_y: Int64
    ) -> float:
        """Return the measure of a draw from its sums, or from its rows where the sums have too few digits."""
        measure = self.measure
        if axes is not None:
            found = measure.value(self._subspaces(sums, axes))
            if found >= measure.uncanceled * max(one.condition for one in axes) ** 2:
                return found
        drawn = [table[rows_of_y if s == Y else rows] for s, table in enumerate(self.tables)]
        centered = measure.preparation == "centered"
        return measure.value(subspaces_of_rows(drawn, centered=centered, share=measure.share))

    def axes(self, sums: PairSums) -> list[_ResampledAxes] | None:
        """Return the axes of every table from the sums of Q; None where they have too few digits."""
        found = [
            _resampled_axes(self._product(sums, s, s), factor, self.pair.words, self.measure.share)
            for s, factor in enumerate(self.factors)
        ]
        known = [one for one in found if one is not None]
        return known if len(known) == len(found) else None

    def _subspaces(self, sums: PairSums, axes: list[_ResampledAxes]) -> Subspaces:
        every = list(enumerate(axes))
        cosines = [[a.factor.T @ self._product(sums, s, t) @ b.factor for t, b in every] for s, a in every]
        return Subspaces([one.axes for one in axes], cosines, False)

    def _product(self, sums: PairSums, s: int, t: int) -> Float64:
        """``Q_sᵀ Q_t`` of the drawn rows."""
        if s == Y:
            return np.asarray(sums.gram_y if t == Y else sums.cross[self._columns(t)].T)
        rows = (sums.cross if t == Y else sums.gram_x)[self._columns(s)]
        return np.asarray(rows if t == Y else rows[:, self._columns(t)])

    def _columns(self, s: int) -> slice:
        """Columns of a table among those on the left."""
        before = [len(factor) for t, factor in enumerate(self.factors[:s]) if t != Y]
        return slice(sum(before), sum(before) + len(self.factors[s]))


def _resampled_axes(gram: Float64, factor: Float64, words: int, share: float | None) -> _ResampledAxes | None:
    """With ``QᵀQ = EΛEᵀ`` the drawn ``QR`` is ``(QEΛ^-½)(Λ^½EᵀR)``: orthonormal columns, a small matrix."""
    values, vectors = np.linalg.eigh(gram)
    if not values[0] * CONDITION**2 >= values[-1] > 0:
        return None
    roots = np.sqrt(values)
    left, singular, right = np.linalg.svd((vectors * roots).T @ factor, full_matrices=False)
    rank = int(np.sum(singular > max(words, factor.shape[1]) * 2.0**-52 * singular[0]))
    axes = leading(Axes(singular[:rank], right[:rank].T, float(singular[0])), share)
    return _ResampledAxes(axes, (vectors / roots) @ left[:, : axes.rank], float(roots[-1] / roots[0]))


def _orthonormal(tables: Sequence[Any], measure: SubspaceMeasure, draws: Draws) -> _OrthonormalTables | None:
    """Factor every table into ``QR``; None where one has no axis."""
    checked = [on_cpu(draws.where, table) for table in tables_by_name(draws.where, tables)]
    spaces, _ = subspaces_of(draws.where, checked, measure.preparation)
    if not spaces.exist:
        return None
    words, columns = len(checked[0]), sum(axes.rank for axes in spaces.axes)
    plan = {"orthonormal rows": 2 * buffer((words, columns), np.float64)}
    MemoryPlan(f"{draws.where}: permutations or bootstrap", plan).require()
    centered = measure.preparation == "centered"
    rows, factors = [], []
    for table, axes in zip(checked, spaces.axes, strict=True):
        singular, directions = axes.singular, axes.directions
        rows.append(_scaled(table, directions / singular, centered=centered))
        factors.append(singular[:, None] * directions.T)
    left = np.concatenate([part for s, part in enumerate(rows) if s != Y], axis=1)
    return _OrthonormalTables(
        checked, prepare_pair(draws.where, left, rows[Y], measure.preparation), factors, measure
    )


@threads.single_threaded_blas()
def _scaled(table: FloatMatrix, factor: Float64, *, centered: bool) -> Float64:
    """``Q = X directions / singular``, of rows without their means if centered."""
    mean = column_means(table) if centered else np.zeros(table.shape[1])
    rows = np.empty((len(table), factor.shape[1]))
    for start, stop in tiles(len(table), BLOCK_ROWS):
        rows[start:stop] = (table[start:stop].astype(np.float64) - mean) @ factor
    return rows
