"""A table that is prepared once and asked often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuemb.core.arrays import FloatMatrix, device_of, library_of, native
from gpuemb.core.device import CPU, require
from gpuemb.core.memory import MemoryPlan, rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.embeddings.model import words_of
from gpuemb.kernels.cosine_search import FEW_NEIGHBORS, FEW_QUERIES, cosine_search, filter_of
from gpuemb.neighbors.exact import Neighbors, asked_of, checked_rows, nearest_neighbors, neighbors_of


class CosineIndex:
    """Exact nearest neighbors of some queries at a time, from a table that is prepared once.

    Args:
        table: an Embedding, or a ``(V, d)`` float16, float32 or float64 array, which must not change while
            the index is asked.

    Raises:
        ShapeError, DTypeError, NonFiniteError: the table is not a finite float matrix.
        MemoryBudgetError: a float32 copy of the table does not fit.

    Cost: one pass over the table, and on the CPU ``4·V·d`` bytes.
    """

    def __init__(self, table: Any) -> None:
        where = "CosineIndex"
        self._table = table
        self._source = checked_rows(where, table)
        device, rows = device_of(self._source), native(self._source)
        self._search = cosine_search.on(device)
        widened = 4 * rows.size if rows.dtype.itemsize == 2 else 0
        unit = 4 * rows.size if device == CPU else 0
        require(MemoryPlan(where, {"rows of length 1": unit, "float16 widened": widened}), device)
        self._rows: FloatMatrix = _wide(rows)
        self._unit = filter_of(self._rows)
        self._zeros = _zero_rows(self._rows)

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
        none = library_of(self._rows).full(asked.shape[0], -1)
        excluded = none if itself is None else native(itself)
        found = self._search(self._rows, self._unit, k, _wide(native(asked)), excluded)
        return neighbors_of(found, self._table, self._source, self._zeros)


def _wide(rows: FloatMatrix) -> FloatMatrix:
    """Rows in native order, float16 widened, exactly."""
    wide = np.float64 if rows.dtype.itemsize == 8 else np.float32
    return library_of(rows).ascontiguousarray(rows, wide)


def _zero_rows(rows: FloatMatrix) -> int:
    """How many rows are all zero, told from the bits: CuPy takes small float32 for zero."""
    bits = rows.view(f"uint{8 * rows.dtype.itemsize}")
    parts = tiles(len(bits), rows_per_tile(bits[:1].nbytes))
    return sum(int((~((bits[a:b] << 1) != 0).any(axis=1)).sum()) for a, b in parts)  # all but the sign
