"""What tables are compared by: every measure of pairs and of words, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from gpuemb.core.arrays import Array, Float64, FloatMatrix, to_host
from gpuemb.core.progress import Progress
from gpuemb.geometry.consensus import consensus
from gpuemb.geometry.cross_grams import CrossGrams, cross_grams
from gpuemb.geometry.per_word import aligned_cosines, pip_per_word, second_order_cosine
from gpuemb.geometry.procrustes import procrustes
from gpuemb.geometry.rotations.polar_factors import polar_factors
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.overlap import NeighborOverlap, neighbor_overlap

EQUAL_ROWS = "the rows of one table are all equal"
EQUAL_COSINES = "all cosines of one table are equal"
ALL_ZERO = "one table is zero throughout"
NO_LENGTH = "no word has a length in both tables"
NO_NEIGHBORS = "no word has neighbors in both tables"
OTHER_DIMENSIONS = "the tables differ in dimensions"


class ComparedTables:
    """The tables, and what several measures share, made when the first asks."""

    def __init__(self, tables: list[FloatMatrix], k: int, progress: Progress) -> None:
        self.tables, self.k, self.progress = tables, k, progress
        self.pairs = list(combinations(range(len(self.tables)), 2))

    @cached_property
    def raw(self) -> CrossGrams:
        """Products of the rows as they are."""
        return cross_grams(self.tables)

    @cached_property
    def unit(self) -> CrossGrams:
        """Products of rows of length 1."""
        return cross_grams(self.tables, "unit")

    @cached_property
    def centered(self) -> CrossGrams:
        """Products of rows without their means."""
        return cross_grams(self.tables, "centered")

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
        """What the lists of nearest neighbors share."""
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
            rotation = polar_factors([self.unit.block(s, t)])[0].rotation
            same = x.shape[1] == y.shape[1]
            before.append(to_host(aligned_cosines(x, y)) if same else np.full(x.shape[0], np.nan))
            after.append(to_host(aligned_cosines(x, y, rotation)))
        return np.array(before), np.array(after)

    def each_pair(self, measure: Callable[[FloatMatrix, FloatMatrix], Array]) -> Float64:
        """``(V,)`` the mean over pairs of a measure of words."""
        found: Float64 = mean_of_pairs(
            [to_host(measure(self.tables[s], self.tables[t])) for s, t in self.pairs]
        )
        return found

    def square(self, per_word: Float64) -> Float64:
        """``(S, S)`` the means over words of ``(P, V)``."""
        table = np.eye(len(self.tables))
        for (s, t), values in zip(self.pairs, per_word, strict=True):
            table[s, t] = table[t, s] = mean_of_pairs(values)
        return table


@dataclass(frozen=True)
class PairKind:
    """A measure of pairs: how it is called, read and taken, and why a pair may have none."""

    title: str
    preparation: str
    higher_is_closer: bool
    take: Callable[[ComparedTables], Float64]
    missing: str = ""


PAIR_MEASURES: dict[str, PairKind] = {
    "direct_distance": PairKind(
        "Distance as they stand", "raw", False, lambda x: x.raw.direct(), OTHER_DIMENSIONS
    ),
    "procrustes_distance": PairKind(
        "Distance after the best rotation", "raw", False, lambda x: x.procrustes()
    ),
    "angular": PairKind(
        "Angle between shapes", "centered", False, lambda x: x.centered.angular(), EQUAL_ROWS
    ),
    "bures": PairKind("Bures distance", "centered", False, lambda x: x.centered.bures()),
    "unaligned_cosine": PairKind(
        "Mean cosine as they stand",
        "unit",
        True,
        lambda x: x.square(x.cosines[0]),
        f"{OTHER_DIMENSIONS}, or {NO_LENGTH}",
    ),
    "aligned_cosine": PairKind(
        "Mean cosine after the best rotation", "unit", True, lambda x: x.square(x.cosines[1]), NO_LENGTH
    ),
    "overlap": PairKind(
        "Overlap of the nearest neighbors", "unit", True, lambda x: x.square(x.lists.per_word), NO_NEIGHBORS
    ),
    "jaccard": PairKind(
        "Jaccard of the nearest neighbors", "unit", True, lambda x: x.square(x.lists.jaccard), NO_NEIGHBORS
    ),
    "rank_biased_overlap": PairKind(
        "Rank-biased overlap of the nearest neighbors",
        "unit",
        True,
        lambda x: x.square(x.lists.rank_biased),
        NO_NEIGHBORS,
    ),
    "average_overlap": PairKind(
        "Average overlap of the nearest neighbors",
        "unit",
        True,
        lambda x: x.square(x.lists.average_overlap),
        NO_NEIGHBORS,
    ),
    "rank_similarity": PairKind(
        "Rank similarity of the nearest neighbors",
        "unit",
        True,
        lambda x: x.square(x.lists.rank_similarity),
        NO_NEIGHBORS,
    ),
    "rsa": PairKind("RSA (Pearson, all word pairs)", "unit", True, lambda x: x.unit.rsa(), EQUAL_COSINES),
    "cka": PairKind("Linear CKA", "centered", True, lambda x: x.centered.cka(), EQUAL_ROWS),
    "cka_debiased": PairKind(
        "Linear CKA, debiased",
        "centered",
        True,
        lambda x: x.centered.cka(debiased=True),
        f"{EQUAL_ROWS}, or all equally far apart, or fewer than 4",
    ),
    "cca": PairKind("Mean canonical correlation", "centered", True, lambda x: x.centered.cca(), EQUAL_ROWS),
    "svcca": PairKind(
        "SVCCA (99 % of the variance)", "centered", True, lambda x: x.centered.svcca(), EQUAL_ROWS
    ),
    "pwcca": PairKind(
        "PWCCA, weighted by the first", "centered", True, lambda x: x.centered.pwcca(), EQUAL_ROWS
    ),
    "eigenspace_overlap": PairKind(
        "Eigenspace overlap",
        "raw",
        True,
        lambda x: x.raw.eigenspace_overlap(),
        ALL_ZERO,
    ),
    "eigenspace_instability": PairKind(
        "Eigenspace instability",
        "raw",
        False,
        lambda x: x.raw.eigenspace_instability(),
        ALL_ZERO,
    ),
    "pip_loss": PairKind("PIP loss", "raw", False, lambda x: x.raw.pip_loss()),
    "spectrum_distance": PairKind(
        "Distance of the spectra", "centered", False, lambda x: x.centered.spectrum_distance(), EQUAL_ROWS
    ),
}
DIRECTED = ("pwcca",)
LIST_MEASURES = ("overlap", "jaccard", "rank_biased_overlap", "average_overlap", "rank_similarity")
NEIGHBOR_MEASURES = (*LIST_MEASURES, "lowest_overlap", "neighbors_in_all", "joint_reliability")
WORD_MEASURES: dict[str, Callable[[ComparedTables], Any]] = {
    "overlap": lambda x: x.lists.stability,
    "lowest_overlap": lambda x: x.lists.lowest,
    "neighbors_in_all": lambda x: x.lists.in_all_runs,
    "joint_reliability": lambda x: x.lists.joint_reliability,
    "unaligned_cosine": lambda x: mean_of_pairs(x.cosines[0]),
    "aligned_cosine": lambda x: mean_of_pairs(x.cosines[1]),
    "second_order_cosine": lambda x: x.each_pair(second_order_cosine),
    "pip_per_word": lambda x: x.each_pair(pip_per_word),
    "spread": lambda x: to_host(consensus(x.tables).spread),
}
MEASURES = tuple(dict.fromkeys([*PAIR_MEASURES, *WORD_MEASURES]))


def mean_of_pairs(values: Any) -> Any:
    """Mean over the first axis of what is known; NaN where nothing is."""
    values = np.asarray(values)
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
