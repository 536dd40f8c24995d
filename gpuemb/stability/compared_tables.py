"""Tables over the same words, with what several measures of them share, computed when first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TypeVar

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, FloatMatrix, Int32, Int64, device_of, to_host
from gpuemb.core.device import CPU
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.geometry.cross_grams import CrossGrams
from gpuemb.geometry.grams.build import summed
from gpuemb.geometry.per_word import aligned_cosines
from gpuemb.geometry.rotations.polar_factors import polar_factors
from gpuemb.kernels.cosine_topk import cosine_topk
from gpuemb.neighbors.chance import candidates_of_all, expected_share, null_overlaps
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.stability.statistics import mean_of_known
from gpuemb.uncertainty.draws import Draws

T = TypeVar("T")
LIST_MEASURES = {  # name of the measure: attribute of NeighborOverlap, (P, V)
    "overlap": "per_word",
    "jaccard": "jaccard",
    "rank_biased_overlap": "rank_biased",
    "average_overlap": "average_overlap",
    "rank_similarity": "rank_similarity",
}


@dataclass(frozen=True, eq=False)
class ListAgreement:
    """How far the neighbor lists of all runs agree.

    Attributes:
        pairs: ``(S, S)`` mean over words of each list measure.
        stability: ``(V,)`` mean overlap over pairs.
        lowest: ``(V,)`` overlap of the pair of runs that agrees least.
        in_all_runs: ``(V,)`` neighbors in the lists of all runs.
        joint_reliability: ``(V,)`` the same as a share of the neighbors in any list.
    """

    pairs: dict[str, Float64]
    stability: Float64
    lowest: Float64
    in_all_runs: Int32
    joint_reliability: Float64


@dataclass(frozen=True, eq=False)
class WordValues:
    """A measure of words in two tables.

    Attributes:
        pairs: ``(S, S)`` means over the words; 1 on the diagonal.
        words: ``(V,)`` means over the pairs of runs in which a word has the measure.
    """

    pairs: Float64
    words: Float64


@dataclass(eq=False)
class SumsOfWords:
    """Sums ``(V,)`` of a measure of words over pairs of runs, of each run with those before it apart.

    Attributes:
        total: sum over the pairs in which a word has a value, of all runs but the last.
        known: how many these are, of all runs.
        last: the last run, and its own sum.
    """

    total: Float64 | float = 0.0
    known: Int64 | int = 0
    last: tuple[int, Float64 | float] = (-1, 0.0)

    def add(self, pair: tuple[int, int], values: Float64) -> None:
        """Add the values of one more pair ``(s, t)``, sorted by ``t``, then ``s``."""
        run, own = self.last
        exists = np.isfinite(values)
        if run != pair[1]:
            self.total, own = self.total + own, np.zeros(len(values))
        self.known = self.known + exists
        self.last = (pair[1], own + np.where(exists, values, 0.0))

    def mean(self) -> Float64:
        """Return the means; NaN for a word that has no value."""
        total = np.asarray(self.total + self.last[1])
        nothing: Float64 = np.full(total.shape, np.nan)
        np.divide(total, self.known, out=nothing, where=np.asarray(self.known) > 0)
        return nothing


class ComparedTables:
    """Tables over the same words; each shared quantity is computed once.

    Args:
        given: the checked tables.
        k: neighbors of a word.
        ids: ``(S, V, k)`` the neighbors, where they are known already.
        progress: of the neighbor search.
        searched: neighbors that are searched for, where they are more; ``k`` by default.
    """

    def __init__(
        self,
        given: NamedTables,
        k: int,
        ids: Int32 | None = None,
        progress: Progress = SILENT,
        searched: int = 0,
    ) -> None:
        self.given, self.k, self.progress, self.searched = given, k, progress, searched or k
        self.tables: list[FloatMatrix] = given.tables
        self._ids = ids
        self.pairs = list(combinations(range(len(self.tables)), 2))

    @cached_property
    def grams(self) -> CrossGrams:
        """The products of all pairs, of every preparation; float64, since most measures need that."""
        return summed(CrossGrams, self.given, "raw", "float64")

    @property
    def one_width(self) -> bool:
        """Whether all tables have the same number of dimensions."""
        return len({table.shape[1] for table in self.tables}) == 1

    @property
    def ids(self) -> Int32:
        """``(S, V, searched)`` rows of the nearest neighbors."""
        if self._ids is None:
            found: list[Array] = []
            with self.progress.phase("neighbors", len(self.tables)) as task:
                for table in self.tables:
                    found.append(to_host(cosine_topk.on(device_of(table))(table, self.searched).ids))
                    task.advance()
            self._ids = np.stack(found)
        return self._ids

    @property
    def known_ids(self) -> Int32 | None:
        """The neighbors, where some measure has searched for them."""
        return self._ids

    @cached_property
    def lists(self) -> ListAgreement:
        """Agreement of the neighbor lists, a tile of words at a time: never ``P × V`` numbers at once."""
        words, pairs = self.ids.shape[1], len(self.pairs)
        sums, known = np.zeros((len(LIST_MEASURES), pairs)), np.zeros(pairs)
        parts = []
        for start, stop in tiles(words, rows_per_tile(len(LIST_MEASURES) * 8 * pairs)):
            part = neighbor_overlap(self.ids[:, start:stop])
            parts.append((part.stability, part.lowest, part.in_all_runs, part.joint_reliability))
            sums += [np.nansum(getattr(part, name), axis=1) for name in LIST_MEASURES.values()]
            known += np.isfinite(part.per_word).sum(axis=1)
        means = np.divide(sums, known, out=np.full_like(sums, np.nan), where=known > 0)
        tables = {name: self.square(mean, 1.0) for name, mean in zip(LIST_MEASURES, means, strict=True)}
        return ListAgreement(tables, *(np.concatenate(column) for column in zip(*parts, strict=True)))

    @property
    def chance(self) -> float:
        """The mean overlap of lists of unrelated tables."""
        return mean_of_known(chance_of_pairs(self.ids))

    @cached_property
    def unaligned_cosines(self) -> WordValues:
        """Cosines of the tables as they are; NaN for pairs of different dimensions."""

        def cosines(s: int, t: int) -> Array:
            x, y = self.tables[s], self.tables[t]
            return aligned_cosines(x, y) if x.shape[1] == y.shape[1] else np.full(x.shape[0], np.nan)

        return self.per_word(cosines)

    @cached_property
    def rotations(self) -> dict[tuple[int, int], Array]:
        """The rotation of every pair that is best for rows of length 1."""
        unit = self.grams.prepared("unit")

        def cross(s: int, t: int) -> Array:
            own = unit.of_pair(s, t)
            return unit.block(s, t) if own is unit else own.block(0, 1)

        factors = polar_factors([cross(s, t) for s, t in self.pairs])
        return {pair: factor.rotation for pair, factor in zip(self.pairs, factors, strict=True)}

    def aligned_cosines_of(self, s: int, t: int) -> Array:
        """Return ``(V,)`` cosines of two tables after their best rotation."""
        return aligned_cosines(self.tables[s], self.tables[t], self.rotations[s, t])

    @cached_property
    def aligned_cosines(self) -> WordValues:
        """Cosines after the rotation that is best for rows of length 1."""
        self.rotations  # noqa: B018  # once, before many threads ask
        return self.per_word(self.aligned_cosines_of)

    def per_word(self, measure: Callable[[int, int], Array]) -> WordValues:
        """Take a measure ``(V,)`` of every pair; a word counts in the pairs in which it has one."""
        # One pair has the workers to itself; a GPU takes the launches of one thread in order.
        beside = len(self.pairs) > 1 and device_of(self.tables[0]) == CPU
        each = threads.stream if beside else map
        ordered = [pair for pair, _ in self.by_run((pair, None) for pair in self.pairs)]
        sums, means = SumsOfWords(), {}
        for pair, values in zip(ordered, each(lambda pair: to_host(measure(*pair)), ordered), strict=True):
            sums.add(pair, values)
            means[pair] = mean_of_known(values)
        return WordValues(self.square([means[pair] for pair in self.pairs], 1.0), sums.mean())

    def by_run(self, of_pairs: Iterable[tuple[tuple[int, int], T]]) -> list[tuple[tuple[int, int], T]]:
        """Sort what there is of pairs ``(s, t)`` by ``t``, then ``s``: as a study adds run after run."""
        return sorted(of_pairs, key=lambda one: one[0][::-1])

    def square(self, values: Sequence[float] | Float64, diagonal: float) -> Float64:
        """Spread the values of pairs over a symmetric ``(S, S)`` table."""
        table = np.full((len(self.tables),) * 2, diagonal)
        for value, (s, t) in zip(values, self.pairs, strict=True):
            table[s, t] = table[t, s] = value
        return table


def chance_of_pairs(ids: Int32, pairs: Sequence[tuple[int, int]] | None = None) -> Float64:
    """What the lists of every pair of runs share by chance, mean over the words that have an overlap.

    Args:
        ids: ``(S, V, k)`` lists of every word.
        pairs: of runs; all when None.

    Returns:
        ``(P,)``; NaN where no word has an overlap.
    """
    candidates = [candidates_of_all(run) for run in ids]
    lengths = (ids >= 0).sum(axis=2)
    found = []
    for a, b in combinations(range(len(ids)), 2) if pairs is None else pairs:
        share = expected_share(candidates[a], candidates[b])  # type: ignore[arg-type]  # lists of every word
        shorter, exist = np.minimum(lengths[a], lengths[b]), (lengths[a] > 0) & (lengths[b] > 0)
        found.append(mean_of_known(np.where(exist, shorter * share, np.nan)))
    return np.array(found)


def null_of_pairs(ids: Int32, draws: Draws, pairs: Sequence[tuple[int, int]] | None = None) -> Float64:
    """Return ``(permutations, P)`` mean overlaps of pairs of runs, words of all but the first permuted.

    Args:
        ids: ``(S, V, k)`` lists of every word.
        draws: how many permutations, their seed, and the progress.
        pairs: of runs; all when None. That of a pair does not depend on which others are asked for.
    """
    candidates = [candidates_of_all(run) for run in ids]
    return null_overlaps(ids, candidates, pairs, draws)  # type: ignore[arg-type]  # lists of every word


def agreement_of_all(ids: Int32) -> tuple[Int32, Float64]:
    """Return ``(V,)`` neighbors that all runs list, and the same as a share of those that any lists.

    NaN for a word that has no list in some run. Cost: one sort of all of a word's lists.
    """
    runs, words, k = ids.shape

    def agreement(rows: tuple[int, int]) -> tuple[Int32, Float64]:
        lists = ids[:, rows[0] : rows[1]]
        named = np.sort(lists.transpose(1, 0, 2).reshape(rows[1] - rows[0], runs * k), axis=1)
        first = np.ones(named.shape, bool)
        first[:, 1:] = named[:, 1:] != named[:, :-1]
        shared = (named[:, : runs * k - runs + 1] == named[:, runs - 1 :]) & (named[:, runs - 1 :] >= 0)
        common, every = shared.sum(axis=1), (first & (named >= 0)).sum(axis=1)
        joint = np.where((lists >= 0).any(axis=2).all(axis=0), common / np.maximum(every, 1), np.nan)
        return common.astype(np.int32), joint

    parts = threads.run(agreement, tiles(words, rows_per_tile(16 * runs * k)))
    return np.concatenate([one for one, _ in parts]), np.concatenate([joint for _, joint in parts])
