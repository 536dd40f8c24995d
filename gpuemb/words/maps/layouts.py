"""Layouts of words by t-SNE and UMAP, from exact neighbors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int64
from gpuemb.core.checks import check_at_least, check_at_most
from gpuemb.core.device import DeviceName
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, VocabularyError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.random import stream
from gpuemb.neighbors.exact import nearest_neighbors, with_length
from gpuemb.words.maps.axes import Axes
from gpuemb.words.maps.extras import imported
from gpuemb.words.maps.faithfulness import JUDGED
from gpuemb.words.maps.inputs import Mapped, mapped, unit_rows
from gpuemb.words.maps.plane import AXES
from gpuemb.words.maps.result import WordMap, judged_together
from gpuemb.words.maps.turning import turned_onto

NEIGHBORS_OF_PERPLEXITY = 3  # as openTSNE and others take
LEAST_NEIGHBORS = 2  # of UMAP
LEAST_WORDS = 4
LARGEST_SEED = 2**32 - 1  # of NumPy's older generators, which both libraries use
JITTER = 0.01  # of the standard deviation: equal rows would never come apart
SMALL = 1e-4  # standard deviation of a start of t-SNE, as openTSNE's

Layout = Callable[[Float64, Int64, Float64, Float64], Float64]


@door
def tsne(
    table: Any,
    *,
    perplexity: float = 30.0,
    iterations: int = 500,
    neighbors: int | None = None,
    judged: int = JUDGED,
    seed: int = 0,
    device: DeviceName = None,
    progress: Progress = SILENT,
) -> WordMap:
    """Lay words out by t-SNE, and judge the map.

    openTSNE makes the layout from the exact neighbors by cosine, at their distances between unit rows,
    ``√(2 − 2cos)``. It starts at the first two principal axes of the unit rows. Needs the extra ``map``.

    Args:
        table: see :func:`pca`. Of several runs the consensus is drawn, and each run for itself, by the same
            seed, to see how far their maps agree.
        perplexity: about how many neighbors of a word count; three times as many are searched.
        iterations: after 250 of early exaggeration.
        neighbors: of a word, on which the map is judged; 10 by default, or as many as few words allow.
        judged: how many words: see :func:`trustworthiness`.
        seed: of the start and the layout; from 0 to 2³² − 1.
        device: where neighbors are searched: see :class:`gpuemb.Device`.
        progress: told of the work.

    Returns:
        The map. The same seed gives the same bits with any number of threads: one thread makes a layout.

    Raises:
        ConfigError: openTSNE is not installed; ``perplexity`` below 1 or not below a third of the words.
        VocabularyError: fewer than four words that are not zero.
        ShapeError, DTypeError, NonFiniteError, DeviceError: as :func:`pca`.
        MemoryBudgetError: the neighbors or the layout do not fit.

    Cost: ``2·V²·d`` flops for the neighbors, about ``V log V`` steps an iteration (from 10,000 words on
    ``V``), and what judging takes; once for each run and once for all.
    Source: van der Maaten and Hinton (2008), J. Mach. Learn. Res. 9; Poličar et al. (2024), J. Stat.
        Softw. 109.

    Example:
        >>> found = ge.tsne(ge.Embedding(x, words), perplexity=5)
        >>> found.coordinates.shape, found.value > found.quality.chance
        ((50, 2), True)
    """
    where = "tsne"
    _check_seed(where, seed)
    check_at_least(where, "perplexity", perplexity, 1)
    check_at_least(where, "iterations", iterations, 1)
    given = mapped(where, table, progress)
    words = _words_with_length(where, given)
    largest = (words - 1) // NEIGHBORS_OF_PERPLEXITY
    if perplexity > largest:
        raise ConfigError(
            f"{where}: perplexity = {perplexity:g} of {words} words",
            needed=f"Three neighbors for each unit of perplexity are needed: at most {largest}.",
            remedy=f"Give perplexity={largest}.",
        )
    library, affinity, near = (
        imported(where, f"openTSNE{part}") for part in ("", ".affinity", ".nearest_neighbors")
    )

    def layout(rows: Float64, ids: Int64, distances: Float64, start: Float64) -> Float64:
        graph = near.PrecomputedNeighbors(ids, distances)
        likenesses = affinity.PerplexityBasedNN(perplexity=perplexity, knn_index=graph, n_jobs=1)
        maker = library.TSNE(n_iter=iterations, n_jobs=1, random_state=seed)
        found = maker.fit(affinities=likenesses, initialization=start * (SMALL / start[:, 0].std()))
        return np.array(found, np.float64)

    settings = {"perplexity": perplexity, "iterations": iterations, "seed": seed}
    k = int(NEIGHBORS_OF_PERPLEXITY * perplexity)
    made = _Maker(where, "t-SNE", layout, k, seed, device, progress)
    return made.map(given, settings, neighbors, judged)


@door
def umap(
    table: Any,
    *,
    n_neighbors: int | None = None,
    min_dist: float = 0.1,
    neighbors: int | None = None,
    judged: int = JUDGED,
    seed: int = 0,
    device: DeviceName = None,
    progress: Progress = SILENT,
) -> WordMap:
    """Lay words out by UMAP, and judge the map.

    umap-learn makes the layout from the exact neighbors by cosine, at their distances between unit rows,
    ``√(2 − 2cos)``. It starts at the first two principal axes of the unit rows. Needs the extra ``map``; the
    first map of a process waits half a minute or so for the library to compile itself.

    Args:
        table: see :func:`pca`. Of several runs the consensus is drawn, and each run for itself, by the same
            seed, to see how far their maps agree.
        n_neighbors: of a word in the layout, itself included, as umap-learn counts; 15 by default, or as many
            as few words allow.
        min_dist: how near words may lie on the map, 0 to 1.
        neighbors: of a word, on which the map is judged; 10 by default, or as many as few words allow.
        judged: how many words: see :func:`trustworthiness`.
        seed: of the start and the layout; from 0 to 2³² − 1.
        device: where neighbors are searched: see :class:`gpuemb.Device`.
        progress: told of the work.

    Returns:
        The map. The same seed gives the same bits with any number of threads: one thread makes a layout.

    Raises:
        ConfigError: umap-learn is not installed; ``n_neighbors`` below 2 or not below the number of words;
            ``min_dist`` is no such share.
        VocabularyError: fewer than four words that are not zero.
        ShapeError, DTypeError, NonFiniteError, DeviceError: as :func:`pca`.
        MemoryBudgetError: the neighbors or the layout do not fit.

    Cost: ``2·V²·d`` flops for the neighbors, about ``V·n_neighbors`` steps in each of 200 to 500 epochs, and
    what judging takes; once for each run and once for all.
    Source: McInnes, Healy and Melville (2018), arXiv 1802.03426.

    Example:
        >>> found = ge.umap(ge.Embedding(x, words), n_neighbors=10)
        >>> found.coordinates.shape, found.value > found.quality.chance
        ((50, 2), True)
    """
    where = "umap"
    _check_seed(where, seed)
    check_at_least(where, "min_dist", min_dist, 0)
    check_at_most(where, "min_dist", min_dist, 1)
    given = mapped(where, table, progress)
    words = _words_with_length(where, given)
    count = min(15, words - 1) if n_neighbors is None else n_neighbors
    check_at_least(where, "n_neighbors", count, LEAST_NEIGHBORS)
    check_at_most(where, "n_neighbors", count, words - 1)
    library = imported(where, "umap")

    def layout(rows: Float64, ids: Int64, distances: Float64, start: Float64) -> Float64:
        itself = np.arange(len(rows))[:, None]
        graph = np.hstack([itself, ids]), np.hstack([np.zeros((len(rows), 1)), distances])
        maker = library.UMAP(
            n_neighbors=count,
            min_dist=min_dist,
            init=start.astype(np.float32),
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(graph[0], graph[1].astype(np.float32)),
        )
        with warnings.catch_warnings():  # that new words cannot be placed, which nobody asks for
            warnings.filterwarnings("ignore", "precomputed_knn")
            return np.array(maker.fit_transform(rows.astype(np.float32)), np.float64)

    settings = {"n_neighbors": count, "min_dist": min_dist, "seed": seed}
    made = _Maker(where, "UMAP", layout, count - 1, seed, device, progress)
    return made.map(given, settings, neighbors, judged)


def _check_seed(where: str, seed: int) -> None:
    check_at_least(where, "seed", seed, 0)
    check_at_most(where, "seed", seed, LARGEST_SEED)


def _words_with_length(where: str, given: Mapped) -> int:
    """Return the smallest number of words with a length in any table."""
    words = min(int(with_length(table).sum()) for table in [given.table, *given.tables])
    if words < LEAST_WORDS:
        raise VocabularyError(
            f"{where}: {words} words have a vector that is not zero",
            needed=f"A layout needs at least {LEAST_WORDS}.",
            remedy="pca(table) draws two words or more.",
        )
    return words


class _Maker:
    """A layout, and what leads to it."""

    def __init__(
        self,
        where: str,
        method: str,
        layout: Layout,
        k: int,
        seed: int,
        device: DeviceName,
        progress: Progress,
    ) -> None:
        self.where, self.method, self.layout, self.k = where, method, layout, k
        self.seed, self.device, self.progress = seed, device, progress

    def map(self, given: Mapped, settings: dict[str, Any], neighbors: int | None, judged: int) -> WordMap:
        """Lay out what is to be drawn, and each run for itself."""
        words, dim = given.table.shape
        self._plan(words, dim, len(given.tables)).require()
        tables = [given.table, *given.tables]
        with self.progress.phase(self.method, len(tables)) as task:
            points = []
            for table in tables:
                points.append(self._places(table))
                task.advance()
        whole, *runs = points
        fields = judged_together(
            self.where,
            given,
            whole,
            [turned_onto(whole, run) for run in runs],
            neighbors,
            judged,
            self.seed,
            self.progress,
        )
        return WordMap(**fields, method=self.method, settings=settings)

    def _plan(self, words: int, dim: int, runs: int) -> MemoryPlan:
        return MemoryPlan(
            f"{self.where} of {words} words",
            {
                "unit rows": 2 * buffer((words, dim), np.float64),
                "neighbors": buffer((words, self.k), np.float64) + buffer((words, self.k), np.int64),
                "graph in both directions": 3 * buffer((words, 2 * self.k), np.float64),
                "maps": (runs + 6) * buffer((words, AXES), np.float64),
            },
        )

    def _places(self, table: FloatMatrix) -> Float64:
        """``(V, 2)`` of a table; NaN of rows of zeros."""
        known = np.flatnonzero(with_length(table))
        rows = unit_rows(table, known)
        some = table if len(known) == len(table) else table[known]
        found = nearest_neighbors(some, self.k, device=self.device, progress=self.progress)
        distances = np.sqrt(np.maximum(2 - 2 * found.scores, 0.0))
        start = self._start(rows)
        places = np.full((len(table), AXES), np.nan)
        places[known] = self.layout(rows, found.ids.astype(np.int64), distances, start)
        return places

    def _start(self, rows: Float64) -> Float64:
        """``(V, 2)`` of standard deviation 1 across: the principal axes, and a little noise."""
        axes = Axes.of(self.where, rows)
        start = np.zeros((len(rows), AXES))
        found = axes.scores(rows, min(AXES, axes.rank))
        start[:, : found.shape[1]] = found / found[:, 0].std()
        noise = stream(self.seed, "map", "start").standard_normal(start.shape)
        return start + JITTER * noise
