"""A table that is prepared once and asked often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuemb.core.arrays import FloatMatrix, device_of, native, to_host
from gpuemb.core.memory import MemoryPlan
from gpuemb.core.progress import SILENT, Progress
from gpuemb.embeddings.model import words_of
from gpuemb.kernels.cosine_search import FEW_NEIGHBORS, FEW_QUERIES, cosine_search, unit_rows
from gpuemb.neighbors.exact import Neighbors, asked_of, checked_rows, nearest_neighbors, neighbors_of


class CosineIndex:
    """Exact nearest neighbors of some queries at a time, from a table that is prepared once.

    Args:
        table: an Embedding, or a ``(V, d)`` float16, float32 or float64 array, which must not change while
            the index is asked.

    Raises:
        ShapeError, DTypeError, NonFiniteError: the table is not a finite float matrix.
        DeviceError: the table is on a GPU, for which there is no kernel yet.
        MemoryBudgetError: a float32 copy of the table does not fit.

    Cost: one pass over the table, ``4·V·d`` bytes.
    """

    def __init__(self, table: Any) -> None:
        where = "CosineIndex"
        self._table = table
        self._source = checked_rows(where, table)
        self._search = cosine_search.on(device_of(self._source))
        rows = native(self._source)
        widened = 4 * rows.size if rows.dtype.itemsize == 2 else 0
        MemoryPlan(where, {"rows of length 1": 4 * rows.size, "float16 widened": widened}).require()
        self._rows: FloatMatrix = _wide(rows)
        self._unit = unit_rows(self._rows)
        self._zeros = int(np.sum(~rows.any(axis=1)))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def words(self) -> Sequence[str] | None:
        """The table's words, when it has them."""
        return words_of(self._table)

    def search(self, queries: Any, k: int = 10, *, progress: Progress = SILENT) -> Neighbors:
        """Find the ``k`` rows of highest cosine of each query.

        Args:
            queries: words or row numbers, which exclude themselves from their answer; or vectors, a
                ``(Q, d)`` array or another Embedding of the table's dtype, which exclude nothing; None
                asks for every row.
            k: neighbors a query.
            progress: told of the parts of the work that are done, where queries are many.

        Returns:
            What :func:`nearest_neighbors` returns, bit for bit.

        Raises:
            ConfigError, VocabularyError, ShapeError, DTypeError, NonFiniteError: as
                :func:`nearest_neighbors`.

        Cost: ``2·Q·V·d`` flops; more than 512 queries or 300 neighbors go to :func:`nearest_neighbors`.
        """
        asked, itself = asked_of("CosineIndex.search", self._table, self._source, queries, k)
        if asked is None or asked.shape[0] > FEW_QUERIES or k > FEW_NEIGHBORS:
            return nearest_neighbors(self._table, k, queries=queries, progress=progress)
        excluded = np.full(asked.shape[0], -1) if itself is None else to_host(itself)
        found = self._search(self._rows, self._unit, k, _wide(native(asked)), excluded)
        return neighbors_of(found, self._table, self._source, self._zeros)


def _wide(rows: FloatMatrix) -> FloatMatrix:
    """Rows in native order, float16 widened, exactly."""
    return np.ascontiguousarray(rows, np.float64 if rows.dtype.itemsize == 8 else np.float32)
