"""How far each word differs between each two runs: what several questions are answered from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int32, Int64
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.stability.compared_tables import ComparedTables
from gpuemb.stability.config import digest_of
from gpuemb.stability.folder import WORK_FOLDER
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.stability.statistics import LEAST_RUNS, mean_of_known, means_of_known
from gpuemb.stability.store import Arrays, Store
from gpuemb.uncertainty.contrasts import Jackknifed
from gpuemb.uncertainty.draws import block_count, deal

VARIANCE, LOST = "variance", "neighbors lost"
MEANINGS = {
    VARIANCE: "half the squared distance of a word’s two unit vectors after the best rotation of one run onto"
    " the other: one minus their cosine",
    LOST: "share of a word’s nearest neighbors that the other run does not list",
}
EQUAL = 1e-12  # a variance below it is rounding: the runs are equal


@dataclass(frozen=True, eq=False)
class PairsOfRuns:
    """A number for each compared pair of runs and each word.

    Attributes:
        pairs: the ``P`` pairs.
        values: ``(P, V)``; NaN for a word that one of the runs lacks.
        halves: whether pairs are the two halves of a split: then a split is left out, not a run.
    """

    pairs: Sequence[tuple[int, int]]
    values: Float64
    halves: bool = False

    @cached_property
    def of_words(self) -> Float64:
        """``(V,)`` means over the pairs."""
        return means_of_known(self.values)

    def over_runs(self) -> Jackknifed:
        """Return the mean over words and pairs, and that without each run; NaN with fewer than three."""
        means = np.array([mean_of_known(row) for row in self.values])
        without = self._without()
        left_out = [mean_of_known(means[kept]) if len(without) >= LEAST_RUNS else np.nan for kept in without]
        return Jackknifed(mean_of_known(means), np.array(left_out))

    def over_words(self) -> Jackknifed:
        """Return the same, and that without each block of words."""
        known = self.of_words[np.isfinite(self.of_words)]
        blocks = deal(len(known), block_count(len(known)), 0)
        left_out = [mean_of_known(np.delete(known, block)) for block in blocks]
        return Jackknifed(mean_of_known(known), np.array(left_out))

    def of_words_without_runs(self) -> Float64:
        """``(n, V)`` means over the pairs without each run."""
        return np.stack([means_of_known(self.values[kept]) for kept in self._without()])

    def _without(self) -> list[Any]:
        first, second = np.transpose(self.pairs)
        units = np.unique(first if self.halves else [first, second])
        return [(first != unit) & (second != unit) for unit in units]


class Evidence:
    """What is computed of the runs of a finished study, kept as units of work in its folder.

    Args:
        result: the study.
    """

    def __init__(self, result: StudyResult) -> None:
        self.result = result
        self.store = Store(result.folder / WORK_FOLDER)

    def of(self, measure: str, model: ModelResult, rows: Int64 | None = None) -> PairsOfRuns:
        """Return a measure of every pair of runs of a model.

        Args:
            measure: ``VARIANCE`` or ``LOST``.
            model: of the study.
            rows: words that are compared, and among which neighbors are sought; None for all.
        """
        pairs = [pair for group in model.config.compared for pair in combinations(group, 2)]
        chosen = "all" if rows is None else digest_of(rows.tolist())
        k = model.neighbor_ids.shape[2] if measure == LOST else 0
        digest = digest_of(list(model.keys), measure, k, chosen, pairs)

        def compute() -> Arrays:
            groups = model.config.compared
            parts = [self._values(measure, model, list(group), rows) for group in groups]
            return {"values": np.concatenate(parts).astype(np.float32)}

        kept = self.store.unit("evidence", digest, compute)["values"]
        return PairsOfRuns(pairs, np.asarray(kept, np.float64), model.config.vary == "halves")

    def common_rows(self, models: Sequence[ModelResult]) -> Int64:
        """Return the rows of the words that have a vector in every run of all models."""
        having = [np.any(np.asarray(table) != 0, axis=1) for one in models for table in one.stack.tables()]
        return np.flatnonzero(np.logical_and.reduce(having))

    def _values(self, measure: str, model: ModelResult, runs: list[int], rows: Int64 | None) -> Float64:
        if measure == LOST:
            return self._lost(model, runs, rows)
        tables = [np.asarray(model.stack.tables()[run]) for run in runs]
        words = model.stack.index_to_key
        if rows is not None:
            tables, words = [table[rows] for table in tables], [words[row] for row in rows.tolist()]
        return variances(tables, words)

    def _lost(self, model: ModelResult, runs: list[int], rows: Int64 | None) -> Float64:
        ids = model.neighbor_ids[runs] if rows is None else self._lists(model, runs, rows)
        return 1 - np.asarray(neighbor_overlap(np.ascontiguousarray(ids)).per_word)

    def _lists(self, model: ModelResult, runs: list[int], rows: Int64) -> Int32:
        k = min(model.neighbor_ids.shape[2], len(rows) - 1)
        found: list[Arrays] = []
        for run in runs:

            def compute(run: int = run) -> Arrays:
                table = np.ascontiguousarray(np.asarray(model.stack.tables()[run])[rows])
                return {
                    "ids": nearest_neighbors(table, k, warm_start=found[-1]["ids"] if found else None).ids
                }

            found.append(self.store.unit("neighbors", digest_of(model.keys[run], k, rows.tolist()), compute))
        return np.stack([one["ids"] for one in found])


def variances(tables: Sequence[FloatMatrix], words: Sequence[str]) -> Float64:
    """Return ``(P, V)`` one minus the cosine of each word's two vectors after the best rotation.

    Args:
        tables: ``S`` tables ``(V, d)`` over the same words.
        words: their names, for messages.

    Cost: one pass ``V·(S·d)²``, and ``2·V·d²`` flops a pair.
    """
    names = [str(run) for run in range(len(tables))]
    compared = ComparedTables(NamedTables("study", names, list(tables), words), 1)
    return np.stack([1 - np.asarray(compared.aligned_cosines_of(*pair)) for pair in compared.pairs])
