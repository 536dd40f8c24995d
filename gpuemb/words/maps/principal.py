"""Principal components of a table, or of the consensus of several runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.checks import check_at_least
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result
from gpuemb.uncertainty.intervals import SHARE, jackknife_interval
from gpuemb.words.maps.agreement import LEAST_RUNS
from gpuemb.words.maps.axes import Axes, turned
from gpuemb.words.maps.faithfulness import JUDGED
from gpuemb.words.maps.inputs import mapped
from gpuemb.words.maps.result import WordMap, judged_together

WHERE = "pca"
CONFIDENCE = 0.95


@result(kw_only=True)
class PrincipalComponents(WordMap):
    """The axes along which a table varies most, and where its words lie on them.

    What a :class:`WordMap` has, and:

    Attributes:
        loadings: ``(k, d)`` unit vectors, the axes; the largest entry of each is positive. Of a consensus
            they stand in the dimensions of the first run.
        variances: ``(k,)`` of the scores (``coordinates``), descending: squared length units of the table.
        explained: ``(k,)`` the share of the whole variance that each axis carries.
        groups: ``(k,)`` the number of the group of each axis: axes of one group have nearly equal variances,
            and their directions within it are a matter of chance.
        open_end: whether the axis after the last one belongs to the last group.
        mean: ``(d,)`` of the rows, which was subtracted.
        run_explained: ``(S, k)`` the share of each axis of each run, in the order of its own variances.
        explained_intervals: ``(k, 2)`` 95 % intervals of the mean of ``run_explained``: what as many other
            runs would give on average; NaN below three runs.
        run_loadings: ``(S, k, d)`` axes of each run in its own dimensions, turned to the map's: by signs, and
            within groups by the best rotation.
        axis_agreement: ``(S, k)`` cosine between the scores of each run's axis and those of the map's.
    """

    loadings: Float64
    variances: Float64
    explained: Float64
    groups: Int64
    open_end: bool
    mean: Float64
    run_explained: Float64
    explained_intervals: Float64
    run_loadings: Float64
    axis_agreement: Float64


@door
def pca(
    table: Any,
    k: int = 2,
    *,
    near: float | None = None,
    neighbors: int | None = None,
    judged: int = JUDGED,
    seed: int = 0,
    progress: Progress = SILENT,
) -> PrincipalComponents:
    """Find the ``k`` axes of largest variance, exactly, and judge the map of the first two.

    Rows are taken as they are, less their mean. Of several runs the consensus is drawn; the axes of each run
    are found for themselves and turned to those of the consensus.

    Args:
        table: an Embedding, a float array ``(V, d)`` of the host, a :class:`Consensus`; or several runs with
            one ``d``: an EmbeddingStack, an ``(S, V, d)`` array or a list of tables.
        k: axes.
        near: variances that differ by less than this fraction are nearly equal; by default ``√(2/V)``, the
            standard error of a variance over V words (North's rule).
        neighbors: of a word, on which the map is judged; 10 by default, or as many as few words allow.
        judged: how many words: see :func:`trustworthiness`.
        seed: of the stream that chooses them.
        progress: told of the work.

    Returns:
        Scores, axes and shares, the same bits for any number of threads; how far the picture can be trusted,
        and how far those of the runs agree.

    Raises:
        ConfigError: ``k`` is below 1, or more than the directions in which the table varies; ``near`` is
            negative.
        VocabularyError: fewer than two words, or runs that list other words.
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        DeviceError: a table that lies on a GPU.
        MemoryBudgetError: the products or the scores do not fit.

    Cost: ``V·d²`` flops and ``d³`` a table, and what judging takes: see :func:`trustworthiness`.
    Source: Pearson (1901); North et al. (1982), Monthly Weather Review 110, 699-706; Definitions §4, §5.

    Example:
        >>> found = ge.pca(ge.Embedding(x, words), 3)
        >>> found.coordinates.shape, found.explained.round(2).tolist()
        ((50, 3), [0.23, 0.18, 0.15])
        >>> runs = ge.pca([x, x @ q, y], 3)
        >>> bool((runs.axis_agreement > 0.9).all())
        True
    """
    given = mapped(WHERE, table, progress)
    words, dim = given.table.shape
    near = math.sqrt(2 / words) if near is None else near
    check_at_least(WHERE, "near", near, 0)
    _check_axes(k, words, dim)
    _plan(k, words, dim, len(given.tables)).require()
    axes = Axes.of(WHERE, given.table).check(WHERE, k)
    groups, open_end = axes.groups(k, near)
    scores = axes.scores(given.table, k)
    with progress.phase("axes of the runs", len(given.tables)) as task:
        runs = []
        for name, run in zip(given.runs, given.tables, strict=True):
            runs.append(turned(WHERE, name, run, scores, groups))
            task.advance()
    shares = np.array([run.explained for run in runs]).reshape(-1, k)
    return PrincipalComponents(
        **judged_together(
            WHERE, given, scores, [run.scores for run in runs], neighbors, judged, seed, progress
        ),
        method="PCA",
        settings={"axes": k, "near": near},
        loadings=axes.loadings[:k],
        variances=axes.values[:k] / (words - 1),
        explained=axes.values[:k] / axes.values.sum(),
        groups=groups,
        open_end=open_end,
        mean=axes.mean,
        run_explained=shares,
        explained_intervals=_intervals(shares),
        run_loadings=np.array([run.loadings for run in runs]).reshape(-1, k, dim),
        axis_agreement=np.array([run.agreement for run in runs]).reshape(-1, k),
    )


def _plan(k: int, words: int, dim: int, runs: int) -> MemoryPlan:
    return MemoryPlan(
        f"{WHERE} of {words} words",
        {
            "scores": (3 + 2 * runs) * buffer((words, k), np.float64),
            "products": 4 * buffer((dim, dim), np.float64),
            "axes of the runs": buffer((runs, k, dim), np.float64),
        },
    )


def _check_axes(k: int, words: int, dim: int) -> None:
    most = min(dim, words - 1)
    if not 1 <= k <= most:
        raise ConfigError(
            f"{WHERE}: k = {k} axes of {words} words in {dim} dimensions",
            needed=f"k is at least 1 and at most {most}: {words} words vary in no more directions.",
            remedy=f"Give k={min(max(k, 1), most)}.",
        )


def _intervals(shares: Float64) -> Float64:
    """``(k, 2)`` of the mean over runs; NaN below three."""
    runs, k = shares.shape
    found = np.full((k, 2), np.nan)
    if runs >= LEAST_RUNS:
        left_out = (shares.sum(axis=0) - shares) / (runs - 1)
        for axis in range(k):
            mean = float(shares[:, axis].mean())
            found[axis] = jackknife_interval(mean, left_out[:, axis], SHARE, CONFIDENCE)
    return found
