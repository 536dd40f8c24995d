"""Tables of vectors side by side: every measure of every pair, and of every word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Array, Float64, FloatMatrix, device_of, namespace_of, to_host
from gpuemb.core.checks import check_choice, check_neighbors
from gpuemb.core.errors import ShapeError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.embeddings.model import EmbeddingStack, tables_of, words_of
from gpuemb.geometry.consensus import consensus
from gpuemb.geometry.crossgrams import CrossGrams, cross_grams
from gpuemb.geometry.procrustes import aligned_cosines, procrustes
from gpuemb.geometry.words import pip_per_word, second_order_cosine
from gpuemb.kernels.polar import polar
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.overlap import NeighborOverlap, neighbor_overlap
from gpuemb.stability.result import PairMeasure
from gpuemb.stability.statistics import mean_over_pairs

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Comparison:
    """What several tables agree on.

    Attributes:
        runs: the ``S`` names of the tables.
        words: a pyarrow table, one row a word: ``word``, ``count`` where known, and the mean over all pairs
            of tables of each measure of words.
        measures: each measure of pairs, with its ``(S, S)`` values and the mean over pairs.
        neighbors: how many neighbors were compared.
    """

    runs: tuple[str, ...]
    words: pyarrow.Table
    measures: tuple[PairMeasure, ...]
    neighbors: int

    def __getitem__(self, measure: str) -> PairMeasure:
        """Return one measure of pairs by its name.

        Raises:
            ConfigError: it was not taken; those that were are named.
        """
        taken = tuple(one.measure for one in self.measures)
        check_choice("compare", "measure", measure, taken)
        return self.measures[taken.index(measure)]

    @property
    def pairs(self) -> pyarrow.Table:
        """A pyarrow table, one row a pair of tables and measure; both directions of a directed measure."""
        import pyarrow

        rows = [
            (self.runs[a], self.runs[b], one.measure, one.preparation, float(one.values[a, b]))
            for one in self.measures
            for a, b in (permutations if one.measure in DIRECTED else combinations)(range(len(self.runs)), 2)
        ]
        names = ("run_a", "run_b", "measure", "preparation", "value")
        columns = zip(*rows, strict=True) if rows else ((),) * len(names)
        return pyarrow.table(dict(zip(names, map(list, columns), strict=True)))


class _Tables:
    """The tables, and what several measures share, made when the first asks."""

    def __init__(self, runs: Any, k: int, progress: Progress) -> None:
        self.runs, self.k, self.progress = runs, k, progress
        self.tables: list[FloatMatrix] = tables_of(runs)
        self.pairs = list(combinations(range(len(self.tables)), 2))

    @cached_property
    def raw(self) -> CrossGrams:
        return cross_grams(self.runs)

    @cached_property
    def unit(self) -> CrossGrams:
        return cross_grams(self.runs, "unit")

    @cached_property
    def centered(self) -> CrossGrams:
        return cross_grams(self.runs, "centered")

    @property
    def alike(self) -> bool:
        """Whether all tables have one d."""
        return len({table.shape[1] for table in self.tables}) == 1

    def procrustes(self) -> Float64:
        """``(S, S)`` distances, one pair at a time where d differs."""
        if self.alike:
            return self.raw.procrustes().distance
        distances = np.zeros((len(self.tables),) * 2)
        for s, t in self.pairs:
            distances[s, t] = distances[t, s] = procrustes(self.tables[s], self.tables[t]).distance
        return distances

    @cached_property
    def lists(self) -> NeighborOverlap:
        found = []
        with self.progress.phase("neighbors", len(self.tables)) as task:
            for table in self.tables:
                found.append(nearest_neighbors(table, self.k))
                task.advance()
        return neighbor_overlap(*found)

    @cached_property
    def cosines(self) -> tuple[Float64, Float64]:
        """``(P, V)`` as they stand (NaN where d differs), and after the best rotation."""
        before, after = [], []
        for s, t in self.pairs:
            x, y = self.tables[s], self.tables[t]
            cross = self.unit.block(s, t)
            factors = polar.on(device_of(cross))(cross[None, ...])
            rotation = namespace_of(cross).asarray(factors.rotation[0])
            same = x.shape[1] == y.shape[1]
            before.append(to_host(aligned_cosines(x, y)) if same else np.full(x.shape[0], np.nan))
            after.append(to_host(aligned_cosines(x, y, rotation)))
        return np.array(before), np.array(after)

    def each_pair(self, measure: Callable[[FloatMatrix, FloatMatrix], Array]) -> Float64:
        """``(V,)`` the mean over pairs of a measure of words."""
        found: Float64 = _mean([to_host(measure(self.tables[s], self.tables[t])) for s, t in self.pairs])
        return found

    def square(self, per_word: Float64) -> Float64:
        """``(S, S)`` the means over words of ``(P, V)``."""
        table = np.eye(len(self.tables))
        for (s, t), values in zip(self.pairs, per_word, strict=True):
            table[s, t] = table[t, s] = _mean(values)
        return table


@dataclass(frozen=True)
class PairKind:
    """A measure of pairs: how it is called, read and taken."""

    title: str
    preparation: str
    higher_is_closer: bool
    take: Callable[[_Tables], Float64]


PAIR_MEASURES: dict[str, PairKind] = {
    "direct_distance": PairKind("Distance as they stand", "raw", False, lambda x: x.raw.direct()),
    "procrustes_distance": PairKind(
        "Distance after the best rotation", "raw", False, lambda x: x.procrustes()
    ),
    "angular": PairKind("Angle between shapes", "centered", False, lambda x: x.centered.angular()),
    "bures": PairKind("Bures distance", "centered", False, lambda x: x.centered.bures()),
    "unaligned_cosine": PairKind("Mean cosine as they stand", "unit", True, lambda x: x.square(x.cosines[0])),
    "aligned_cosine": PairKind(
        "Mean cosine after the best rotation", "unit", True, lambda x: x.square(x.cosines[1])
    ),
    "overlap": PairKind(
        "Overlap of the nearest neighbors", "unit", True, lambda x: x.square(x.lists.per_word)
    ),
    "jaccard": PairKind(
        "Jaccard of the nearest neighbors", "unit", True, lambda x: x.square(x.lists.jaccard)
    ),
    "rank_biased_overlap": PairKind(
        "Rank-biased overlap of the nearest neighbors", "unit", True, lambda x: x.square(x.lists.rank_biased)
    ),
    "average_overlap": PairKind(
        "Average overlap of the nearest neighbors", "unit", True, lambda x: x.square(x.lists.average_overlap)
    ),
    "rank_similarity": PairKind(
        "Rank similarity of the nearest neighbors", "unit", True, lambda x: x.square(x.lists.rank_similarity)
    ),
    "rsa": PairKind("RSA (Pearson, all word pairs)", "unit", True, lambda x: x.unit.rsa()),
    "cka": PairKind("Linear CKA", "centered", True, lambda x: x.centered.cka()),
    "cka_debiased": PairKind("Linear CKA, debiased", "raw", True, lambda x: x.raw.cka(debiased=True)),
    "cca": PairKind("Mean canonical correlation", "centered", True, lambda x: x.centered.cca()),
    "svcca": PairKind("SVCCA (99 % of the variance)", "centered", True, lambda x: x.centered.svcca()),
    "pwcca": PairKind("PWCCA, weighted by the first", "centered", True, lambda x: x.centered.pwcca()),
    "eigenspace_overlap": PairKind("Eigenspace overlap", "raw", True, lambda x: x.raw.eigenspace_overlap()),
    "eigenspace_instability": PairKind(
        "Eigenspace instability", "raw", False, lambda x: x.raw.eigenspace_instability()
    ),
    "pip_loss": PairKind("PIP loss", "raw", False, lambda x: x.raw.pip_loss()),
    "spectrum_distance": PairKind(
        "Distance of the spectra", "centered", False, lambda x: x.centered.spectrum_distance()
    ),
}
DIRECTED = ("pwcca",)
LIST_MEASURES = ("overlap", "jaccard", "rank_biased_overlap", "average_overlap", "rank_similarity")
WORD_MEASURES: dict[str, Callable[[_Tables], Any]] = {
    "overlap": lambda x: x.lists.stability,
    "lowest_overlap": lambda x: x.lists.lowest,
    "neighbors_in_all": lambda x: x.lists.in_all_runs,
    "joint_reliability": lambda x: x.lists.joint_reliability,
    "unaligned_cosine": lambda x: _mean(x.cosines[0]),
    "aligned_cosine": lambda x: _mean(x.cosines[1]),
    "second_order_cosine": lambda x: x.each_pair(second_order_cosine),
    "pip_per_word": lambda x: x.each_pair(pip_per_word),
    "spread": lambda x: to_host(consensus(x.runs).spread),
}
MEASURES = tuple(dict.fromkeys([*PAIR_MEASURES, *WORD_MEASURES]))


def compare(
    stack: Any, measures: str | Sequence[str] = "all", *, k: int = 10, progress: Progress = SILENT
) -> Comparison:
    """Take every measure of every pair of tables, and of every word.

    Args:
        stack: an EmbeddingStack, a sequence of Embeddings or tables ``(V, d_s)`` over the same words, or an
            ``(S, V, d)`` array; row ``i`` is the same word in all. ``gpuemb.stack`` lines tables up by word.
        measures: ``"all"``, or names out of ``gpuemb.stability.compare.MEASURES``.
        k: neighbors of a word that are compared.
        progress: told of each measure.

    Returns:
        ``.pairs`` and ``.words`` as pyarrow tables, and the ``(S, S)`` values of each measure. Where d
        differs, direct distance and unaligned cosine do not exist and are NaN, and ``spread`` is left out.

    Raises:
        ShapeError: fewer than two tables, or tables of different words.
        ConfigError: an unknown measure, or ``k`` is not below the number of words.
        DTypeError, NonFiniteError: as the tables require.

    Cost: for all, three passes ``V·(S·d)²``, one search of neighbors a table, four passes a pair.
    Source: Definitions §2-4.
    """
    asked = MEASURES if measures == "all" else (measures,) if isinstance(measures, str) else tuple(measures)
    for name in asked:
        check_choice("compare", "measure", name, MEASURES)
    tables = tables_of(stack)
    if len(tables) < 2:
        raise ShapeError(
            f"compare: {len(tables)} table",
            needed="At least two tables over the same words are compared.",
            remedy="gpuemb.compare(gpuemb.stack([a, b]))",
        )
    if set(asked).intersection(LIST_MEASURES, WORD_MEASURES):
        check_neighbors("compare", k, tables[0].shape[0] - 1)
    work = _Tables(stack, k, progress)
    taken, columns = [], _names_of_words(stack, tables[0].shape[0])
    with progress.phase("comparing", len(asked)) as task:
        for name in asked:
            if name in PAIR_MEASURES:
                taken.append(_pair_measure(name, PAIR_MEASURES[name], work))
            if name in WORD_MEASURES and (name != "spread" or work.alike):
                columns[name] = WORD_MEASURES[name](work)
            task.advance()
    import pyarrow

    return Comparison(_names(stack, len(tables)), pyarrow.table(columns), tuple(taken), k)


def _pair_measure(name: str, kind: PairKind, work: _Tables) -> PairMeasure:
    values = np.array(kind.take(work))
    chance = work.lists.chance if name == "overlap" else None
    estimate = mean_over_pairs((values + values.T) / 2 if name in DIRECTED else values)
    return PairMeasure(name, kind.title, kind.preparation, values, estimate, chance, kind.higher_is_closer)


def _names(stack: Any, count: int) -> tuple[str, ...]:
    if isinstance(stack, EmbeddingStack):
        return tuple(stack.runs)
    own = [getattr(run, "name", "") for run in stack] if isinstance(stack, (list, tuple)) else []
    return tuple(own) if all(own) and len(set(own)) == count else tuple(f"run {s}" for s in range(count))


def _names_of_words(stack: Any, count: int) -> dict[str, Any]:
    first = stack[0] if isinstance(stack, (list, tuple)) else stack
    words = words_of(first)
    columns: dict[str, Any] = {"word": [str(i) for i in range(count)] if words is None else list(words)}
    if getattr(first, "counts", None) is not None:
        columns["count"] = first.counts
    return columns


def _mean(values: Any) -> Any:
    """Mean over the first axis of what is known; NaN where nothing is."""
    values = np.asarray(values)
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
