"""State of a search on a GPU: both sides, the lists found so far, the candidate buffers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Array, FloatMatrix, Int64
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.cosine_topk.cuda.float16_rows import Float16Rows, errors, exact_kernels, to_float16

FILTER_INSTANCES = ("products<true>", "products<false>", "passing")
SIDE, GROUP = 128, 16  # of cosine_topk_filter.cu


@dataclass(frozen=True, eq=False)
class SearchState:
    """Both sides, lists and buffers; arrays over ``n`` are in the random order of the queries.

    Attributes:
        queries: rows whose neighbors are searched.
        table: their candidates; the same object where every row is a query.
        resident: largest number of the host's rows on the GPU at once; 0: both tables are there.
        itself: ``(Q,)`` int32, the excluded row, or −1.
        ids: ``(Q, k)`` int32, −1 padded.
        scores: ``(Q, k)`` float64, NaN padded.
        error: ``(n,)`` float64, of :func:`errors`.
        threshold: ``(n,)`` float32, least float16 score of a candidate.
        candidates: ``(n, capacity)`` int32, positions in the table's random order.
        count: ``(n,)`` int32, number of candidates; more than ``capacity``: the buffer overflowed.
        found: ``(n,)`` int32, entries of each list.
        scored: ``(n,)`` int32, candidates scored after the filter.
        overflowed: ``(n,)`` int32, 1 for rows that must be recomputed.
        exact: the module of ``cosine_topk.cu``.
        filter: the module of ``cosine_topk_filter.cu``.
    """

    queries: Float16Rows
    table: Float16Rows
    resident: int
    itself: Array
    ids: Array
    scores: Array
    error: Array
    threshold: Array
    candidates: Array
    count: Array
    found: Array
    scored: Array
    overflowed: Array
    exact: Any
    filter: Any

    @property
    def symmetric(self) -> bool:
        """Whether every row is a query: each pair of blocks is then multiplied once for both sides."""
        return self.queries is self.table

    @property
    def capacity(self) -> int:
        """Capacity of a row's candidate buffer."""
        return int(self.candidates.shape[1])


def initial_state(
    rows: FloatMatrix,
    k: int,
    queries: FloatMatrix | None,
    itself: Int64 | None,
    capacity: int,
    resident: int = 0,
) -> SearchState:
    """Prepare both sides, with empty lists; ``resident`` as in :class:`SearchState`."""
    xp = cuda.cupy()
    exact = exact_kernels()
    table = to_float16(rows, exact)
    side = table if queries is None else to_float16(queries, exact)
    count, n = len(side.rows), len(side.numbers)
    if queries is None:
        itself = xp.arange(count, dtype=np.int32)
    elif itself is None:
        itself = xp.full(count, -1, np.int32)
    return SearchState(
        queries=side,
        table=table,
        resident=resident,
        itself=xp.ascontiguousarray(xp.asarray(itself), np.int32),
        ids=xp.full((count, k), -1, np.int32),
        scores=xp.full((count, k), np.nan),
        error=errors(side, table),
        threshold=xp.full(n, -np.inf, np.float32),
        candidates=xp.empty((n, capacity), np.int32),
        **{name: xp.zeros(n, np.int32) for name in ("count", "found", "scored", "overflowed")},
        exact=exact,
        filter=cuda.load(Path(__file__).parents[1] / "cosine_topk_filter.cu", FILTER_INSTANCES),
    )


def result_of(state: SearchState) -> TopK:
    """Return the lists, and how they were proved."""
    queries, columns = len(state.queries.numbers), len(state.table.numbers)
    candidates = columns - 1 if state.symmetric else columns
    recomputed = int(((state.overflowed > 0) | (state.scored >= candidates)).sum())
    return TopK(state.ids, state.scores, certified=queries - recomputed, recomputed=recomputed)
