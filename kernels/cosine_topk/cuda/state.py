"""A search on a GPU as it goes: who asks whom, the lists as they grow, and what waits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Array, FloatMatrix, Int64
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.cosine_topk.cuda.float16_rows import Halves, errors, exact_kernels, halve

FILTER_INSTANCES = ("products<true>", "products<false>", "passing")
SIDE, GROUP = 128, 16  # of cosine_topk_filter.cu


@dataclass(frozen=True)
class Search:
    """Who asks whom, and the lists as they grow; arrays over ``n`` are in the arranged order.

    Attributes:
        asked: the rows that ask.
        table: their candidates; the same object where every row asks.
        held: how many rows of the host's tables may be on the GPU at once; 0: both tables are there.
        itself: ``(Q,)`` int32, the row that is no candidate, or −1.
        ids: ``(Q, k)`` int32, −1 padded.
        scores: ``(Q, k)`` float64, NaN padded.
        error: ``(n,)`` float64, of :func:`errors`.
        need: ``(n,)`` float32, what a float16 score must reach.
        waiting: ``(n, room)`` int32, positions in the arranged table.
        count: ``(n,)`` int32, how many wait; more than ``room``: the row is lost.
        found: ``(n,)`` int32, entries of each list.
        scored: ``(n,)`` int32, candidates scored after the filter.
        lost: ``(n,)`` int32, 1 for rows that must be recomputed.
        exact: the module of ``cosine_topk.cu``.
        filter: the module of ``cosine_topk_filter.cu``.
    """

    asked: Halves
    table: Halves
    held: int
    itself: Array
    ids: Array
    scores: Array
    error: Array
    need: Array
    waiting: Array
    count: Array
    found: Array
    scored: Array
    lost: Array
    exact: Any
    filter: Any

    @property
    def both(self) -> bool:
        """Whether columns ask too, so that each pair of blocks is met once."""
        return self.asked is self.table

    @property
    def room(self) -> int:
        """Candidates that can wait with a row."""
        return int(self.waiting.shape[1])


def begin(
    rows: FloatMatrix,
    k: int,
    queries: FloatMatrix | None,
    itself: Int64 | None,
    room: int,
    held: int = 0,
) -> Search:
    """Prepare both sides, with empty lists; ``held`` is that of tables of the host (:class:`Search`)."""
    xp = cuda.cupy()
    exact = exact_kernels()
    table = halve(rows, exact)
    asked = table if queries is None else halve(queries, exact)
    count, n = len(asked.rows), len(asked.numbers)
    if queries is None:
        itself = xp.arange(count, dtype=np.int32)
    elif itself is None:
        itself = xp.full(count, -1, np.int32)
    return Search(
        asked=asked,
        table=table,
        held=held,
        itself=xp.ascontiguousarray(xp.asarray(itself), np.int32),
        ids=xp.full((count, k), -1, np.int32),
        scores=xp.full((count, k), np.nan),
        error=errors(asked, table),
        need=xp.full(n, -np.inf, np.float32),
        waiting=xp.empty((n, room), np.int32),
        **{name: xp.zeros(n, np.int32) for name in ("count", "found", "scored", "lost")},
        exact=exact,
        filter=cuda.load(Path(__file__).parents[1] / "cosine_topk_filter.cu", FILTER_INSTANCES),
    )


def answer(search: Search) -> TopK:
    """Return the lists, and how they were proved."""
    asking, columns = len(search.asked.numbers), len(search.table.numbers)
    candidates = columns - 1 if search.both else columns
    recomputed = int(((search.lost > 0) | (search.scored >= candidates)).sum())
    return TopK(search.ids, search.scores, certified=asking - recomputed, recomputed=recomputed)
