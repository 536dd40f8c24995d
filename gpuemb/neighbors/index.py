"""A table that is prepared once and asked often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int32, Int64, device_of, native, to_host
from gpuemb.core.checks import LARGEST_SQUARE, check_matrix, check_range
from gpuemb.core.memory import MemoryPlan, rows_per_tile, tiles
from gpuemb.embeddings.model import vectors_of, words_of
from gpuemb.kernels.cosine_scores import cosine_scores, panels_of
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.neighbors.exact import Neighbors, asked_of, nearest_neighbors, neighbors_of

SCANNED = 50_000  # multiply-adds a row of the table, Q·d, up to which scoring all pairs beats a filter
GROUP = 64  # scores of which only the largest is looked at first


class CosineIndex:
    """Every row's cosine with a few queries at a time, exactly, from a table laid out once.

    Args:
        table: an Embedding, or a ``(V, d)`` float16, float32 or float64 array, which must not change while
            the index is asked.

    Raises:
        ShapeError, DTypeError, NonFiniteError: the table is not a finite float matrix.
        DeviceError: the table is on a GPU, for which there is no kernel yet.
        MemoryBudgetError: a copy of the table does not fit.

    Cost: one copy of the table.
    """

    def __init__(self, table: Any) -> None:
        where = "CosineIndex"
        self._table = table
        self._source = check_matrix(where, "the table", vectors_of(table), words_of(table))
        check_range(where, "the table", self._source, LARGEST_SQUARE)
        self._score = cosine_scores.on(device_of(self._source))
        self._rows: FloatMatrix = native(self._source)
        width = max(4, self._rows.dtype.itemsize)
        MemoryPlan(where, {"copy of the table": self._rows.size * width}).require()
        self._panels = panels_of(self._rows)
        self._zeros = np.flatnonzero(~self._rows.any(axis=1))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def words(self) -> Sequence[str] | None:
        """The table's words, when it has them."""
        return words_of(self._table)

    def search(self, queries: Any, k: int = 10) -> Neighbors:
        """Find the ``k`` rows of highest cosine of each query.

        Args:
            queries: words or row numbers, which exclude themselves from their answer; or vectors, a
                ``(Q, d)`` array or another Embedding of the table's dtype, which exclude nothing; None
                asks for every row.
            k: neighbors a query.

        Returns:
            What :func:`nearest_neighbors` returns, bit for bit.

        Raises:
            ConfigError, VocabularyError, ShapeError, DTypeError, NonFiniteError: as
                :func:`nearest_neighbors`.

        Cost: ``2·Q·V·d`` flops in float64 for few queries; many (Q·d above 50,000) are filtered first.
        """
        asked, itself = asked_of("CosineIndex.search", self._table, self._source, queries, k)
        if asked is None or asked.shape[0] * asked.shape[1] > SCANNED:
            return nearest_neighbors(self._table, k, queries=queries)
        excluded = np.full(len(asked), -1) if itself is None else to_host(itself)
        return neighbors_of(
            self._scan(native(asked), excluded, k), self._table, self._source, len(self._zeros)
        )

    def _scan(self, asked: FloatMatrix, excluded: Int64, k: int) -> TopK:
        """Score all pairs, some queries at a time."""
        ids, best = np.full((len(asked), k), -1, np.int32), np.full((len(asked), k), np.nan)
        for start, stop in tiles(len(asked), rows_per_tile(8 * len(self))):
            scores = self._score(asked[start:stop], self._panels, np.empty((stop - start, len(self))))
            scores[:, self._zeros] = -np.inf
            named = np.flatnonzero(excluded[start:stop] >= 0)
            scores[named, excluded[start:stop][named]] = -np.inf

            def select(query: int, first: int = start, scores: Float64 = scores) -> None:
                found = _highest(scores[query], k)
                ids[first + query, : len(found)] = found
                best[first + query, : len(found)] = scores[query, found]

            threads.run(select, np.flatnonzero(asked[start:stop].any(axis=1)).tolist())
        return TopK(ids, best)


def _highest(scores: Float64, k: int) -> Int32:
    """The places of the k highest scores, best first, equal ones by place; −∞ is no score.

    The k-th highest of the groups' maxima is at most the k-th highest score: what is lower is not looked at.
    """
    groups = len(scores) // GROUP
    least = -np.inf
    if groups >= k:
        maxima = scores[: groups * GROUP].reshape(groups, GROUP).max(axis=1)
        least = np.partition(maxima, groups - k)[groups - k]
    places = np.flatnonzero((scores >= least) & (scores > -np.inf))
    order = np.argsort(-scores[places], kind="stable")[:k]
    return places[order].astype(np.int32)
