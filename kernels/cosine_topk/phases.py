"""A search on a GPU in phases: a filter lets pairs wait, they are settled, the filter grows sharper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Array, FloatMatrix, Int64
from gpuemb.core.progress import SILENT, Progress
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.cosine_topk.halves import (
    NUMBERS,
    SOURCES,
    WARP,
    Halves,
    errors,
    exact_kernels,
    halve,
    launched,
)

FILTER_INSTANCES = ("products<true>", "products<false>", "passing")
SIDE, GROUP = 128, 16  # of cosine_topk_filter.cu
MOST_BLOCKS = 2**31 - 1  # of a launch


@dataclass(frozen=True)
class Search:
    """Who asks whom, and the lists as they grow; arrays over ``n`` are in the arranged order.

    Attributes:
        asked: the rows that ask.
        table: their candidates; the same object where every row asks.
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


Road = Callable[[Search, int, int], None]  # lets the pairs of the table's blocks first … last wait


def begin(rows: FloatMatrix, k: int, queries: FloatMatrix | None, itself: Int64 | None, room: int) -> Search:
    """Prepare both sides, with empty lists."""
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
        itself=xp.ascontiguousarray(itself, np.int32),
        ids=xp.full((count, k), -1, np.int32),
        scores=xp.full((count, k), np.nan),
        error=errors(asked, table),
        need=xp.full(n, -np.inf, np.float32),
        waiting=xp.empty((n, room), np.int32),
        **{name: xp.zeros(n, np.int32) for name in ("count", "found", "scored", "lost")},
        exact=exact,
        filter=cuda.load(Path(__file__).with_name("cosine_topk_filter.cu"), FILTER_INSTANCES),
    )


def run(search: Search, road: Road, progress: Progress = SILENT) -> None:
    """Filter and settle in phases; then settle the lost with every candidate."""
    if 0 in (len(search.asked.numbers), len(search.table.numbers)):
        return
    blocks = -(-len(search.table.numbers) // SIDE)
    slots = -(-len(search.asked.numbers) // SIDE)
    most = MOST_BLOCKS // (slots + GROUP)
    with progress.phase("neighbors", blocks) as task:
        for first, last in phases(blocks, search.room, search.ids.shape[1], most):
            road(search, first, last)
            settle(search, "waiting", search.waiting)
            if progress is not SILENT:  # a launch returns before its work is done
                cuda.cupy().cuda.get_current_stream().synchronize()
            task.advance(last - first)
    settle(search, "every", search.waiting)


def phases(blocks: int, room: int, k: int, most: int = MOST_BLOCKS) -> list[tuple[int, int]]:
    """Cut the table's blocks into phases: until lists are full no more than find room, then doubling.

    Args:
        blocks: of ``SIDE`` rows.
        room: candidates that can wait with a row.
        k: neighbors.
        most: blocks of a phase.
    """
    found, seen = [], 0
    unsure = -(-(k + 1) // SIDE)  # blocks that hold k candidates beside the row itself
    while seen < blocks:
        step = seen if seen >= unsure else min(unsure - seen, room // SIDE)
        found.append((seen, min(blocks, seen + min(step, most))))
        seen = found[-1][1]
    return found


def settle(search: Search, source: str, candidates: Array) -> None:
    """Score candidates by definition and merge them into the lists.

    Args:
        search: whose lists, counts and needs change.
        source: of ``SOURCES``: the rows that wait, likely ones, or every row for the lists that were lost.
        candidates: ``(n, room)`` positions or ``(Q, m)`` row numbers; not looked at for every row.
    """
    asked, table = search.asked, search.table
    n, dim, number = len(asked.numbers), table.rows.shape[1], NUMBERS[str(table.rows.dtype)]
    width = len(table.rows) if source == "every" else candidates.shape[1]
    arguments = (
        asked.rows,
        table.rows,
        asked.lengths,
        table.lengths,
        asked.numbers,
        table.numbers,
        search.itself,
        search.error,
        candidates,
        search.count,
        search.ids,
        search.scores,
        search.found,
        search.scored,
        search.lost,
        search.need,
        np.uint64(n),
        *map(np.int32, (dim, search.ids.shape[1], width)),
    )
    if n:
        kernel = search.exact.get_function(f"settle<{number}, {SOURCES[source]}>")
        kernel(*launched(n * WARP), arguments)


def answer(search: Search) -> TopK:
    """Return the lists, and how they were proved."""
    asking, columns = len(search.asked.numbers), len(search.table.numbers)
    candidates = columns - 1 if search.both else columns
    recomputed = int(((search.lost > 0) | (search.scored >= candidates)).sum())
    return TopK(search.ids, search.scores, certified=asking - recomputed, recomputed=recomputed)
