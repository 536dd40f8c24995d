"""Exact cosine neighbors on the CPU: a low-precision filter with a proof, float64 answers.

Plan      Few queries do not pay for arranging the table: cosine_search answers them. For others:
          1 arrange   rows without length leave, similar rows come to lie together (arrange.py).
          2 filter    int8 products where the processor has them (int8.py), else float32 (float32.py).
          3 seed      floors from likely rows, if any (likely.py), then every block against itself: its rows'
                      lists start near their final values.
          4 cross     pairs of blocks I < J, each once for both sides, near ones first: floors rise early, as
                      similar rows lie together. No two tiles of a round share a block: workers need no locks.
          5 settle    candidates wait in a buffer a row, are scored by definition, and raise the row's floor
                      (survivors.py). What still waits at the end is settled last.
          Nothing is dropped without proof, so the answer is exact for any block, order and number of threads.
Bound by  the filter's products: V²·d operations each of multiply and add over the symmetric half.
Weak case tables whose scores all lie within the bound of each other run at float64 speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, FloatMatrix, Int32, Int64
from gpuemb.core.device import CPU
from gpuemb.core.memory import MemoryPlan
from gpuemb.core.progress import SILENT, Progress, Task
from gpuemb.kernels.cosine_search import FEW_NEIGHBORS, FEW_QUERIES, buffers_of, by_int8, cosine_search
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.cosine_topk.cpu.candidates import (
    Error,
    Lists,
    buffer_length,
    empty_lists,
    offer_pairs,
    settle,
)
from gpuemb.kernels.cosine_topk.cpu.microtile import WIDE
from gpuemb.kernels.cosine_topk.cpu.packed_rows import Packed, padded
from gpuemb.kernels.cosine_topk.cpu.row_order import (
    Arranged,
    approximate_lengths,
    arrange,
    centers_of,
    nearest_centers,
)
from gpuemb.kernels.cosine_topk.cpu.warm_start import raise_floors
from gpuemb.kernels.cosine_topk.cpu.workspace import Scratch, scratch

BLOCK = 1024  # rows, a multiple of 32: at d = 300 300 kB of int8, which stay in L2; 512 … 2048 measure alike
BLOCKS_A_WORKER, TASKS_A_WORKER = 8, 4
PAIRS_A_TASK = 2048  # about: 0.2 s at d = 50, after which progress is told

Filter = Callable[[Int64], None]  # works on pairs of blocks, (p, 2)


class Search(NamedTuple):
    """Who asks whom.

    Attributes:
        asked: the rows that ask.
        table: their candidates; the same object where every row asks.
        lists: the answers.
        dim: columns before padding.
        step: rows a block.
    """

    asked: Arranged
    table: Arranged
    lists: Lists
    dim: int
    step: int

    @property
    def both(self) -> bool:
        """Whether columns ask too, so that each pair of blocks is met once."""
        return self.asked is self.table

    @property
    def k(self) -> int:
        """Neighbors a list holds."""
        return int(self.lists.scores.shape[1])

    def room(self) -> Scratch:
        """Room of one worker."""
        return scratch(self.step)


def cosine_topk(
    rows: FloatMatrix,
    k: int,
    queries: FloatMatrix | None = None,
    itself: Int64 | None = None,
    likely: Int32 | None = None,
    progress: Progress = SILENT,
) -> TopK:
    """See :mod:`gpuemb.kernels.cosine_topk`."""
    table = _contiguous(rows)
    asked = table if queries is None else _contiguous(queries)
    itself = np.arange(len(table)) if queries is None else itself
    road = choose_road(table.shape[1], len(asked), k)
    plan(len(table), table.shape[1], k, len(asked), table.itemsize).require()
    if road == "search":
        excluded = np.full(len(asked), -1) if itself is None else itself
        return cosine_search.on(CPU)(table, None, k, asked, excluded)
    with threads.single_threaded_blas():
        search = _arrange(table, asked, itself, k)
        if likely is not None:
            raise_floors(likely, search.asked, search.table, len(table), search.lists)
        seed, cross = ROADS[road](search)
        _run(search, seed, cross, progress)
    return _answer(search, road)


def choose_road(dim: int, queries: int, k: int) -> str:
    """Name the road: ``search`` for few queries, else ``int8`` where the processor has the products."""
    if queries <= FEW_QUERIES and k <= FEW_NEIGHBORS:
        return "search"
    return "int8" if by_int8(dim) else "float32"


def plan(words: int, dim: int, k: int, queries: int, itemsize: int = 4) -> MemoryPlan:
    """Bytes beside the table: its arranged copy, the filter's table, waiting candidates, the lists."""
    others, road = 0 if queries == words else queries, choose_road(dim, queries, k)
    purpose = f"cosine_topk of {queries} among {words} rows, {dim} dimensions"
    if road == "search":
        return MemoryPlan(purpose, buffers_of(queries, k, dim))
    filter_bytes = 1 if road == "int8" else 4
    return MemoryPlan(
        purpose,
        {
            "arranged rows": (words + others) * (dim + 16) * itemsize,
            "the filter's rows": (words + others) * (dim + 4) * filter_bytes,
            "what is kept a row": (words + others) * 64,
            "waiting candidates": queries * buffer_length(k) * 8,
            "lists": queries * k * 12,
            "room of the workers": threads.count() * sum(part.nbytes for part in scratch(BLOCK)),
        },
    )


def _contiguous(rows: FloatMatrix) -> FloatMatrix:
    """Native order; float16 is widened, exactly."""
    ready = np.ascontiguousarray(rows, np.float64 if rows.dtype.itemsize == 8 else np.float32).view(
        np.ndarray
    )
    ready.flags.writeable = False  # one compiled kernel for memory maps and for arrays
    return ready


def _arrange(table: FloatMatrix, asked: FloatMatrix, itself: Int64 | None, k: int) -> Search:
    step = _step(len(asked))
    lengths = approximate_lengths(table)
    centers = centers_of(table, lengths, step if asked is table else BLOCK)
    arranged = arrange(table, _order(table, lengths, centers), itself if asked is table else None)
    asking = arranged
    if asked is not table:
        lengths = approximate_lengths(asked)
        asking = arrange(asked, _order(asked, lengths, centers), itself)
    lists = empty_lists(len(asked), k, len(asking.rows), padded(len(asking.rows)))
    return Search(asking, arranged, lists, table.shape[1], step)


def _step(queries: int) -> int:
    """Rows a block: BLOCK, or less so that every worker has some blocks of a small search."""
    even = -(-queries // (BLOCKS_A_WORKER * threads.count()))
    return max(WIDE, min(BLOCK, padded(even)))


def _order(rows: FloatMatrix, lengths: Float64, centers: Float32) -> Int64:
    """Rows with a length, those of one center together."""
    present = np.flatnonzero(lengths > 0)
    nearest = nearest_centers(rows, lengths, centers)[present].astype(np.int16)
    order: Int64 = present[np.argsort(nearest, kind="stable")]
    return order


def _run(search: Search, seed: Filter, cross: Filter, progress: Progress) -> None:
    """Seed, cross and settle, on our workers; told in pairs of blocks."""
    rows = _blocks(search.asked, search.step)
    columns = _blocks(search.table, search.step)
    total = rows * (rows + 1) // 2 if search.both else rows * columns
    with progress.phase(f"neighbors of {len(search.lists.ids):,} rows", total) as task:
        if total:
            starts = np.stack([np.arange(rows), np.arange(rows) * columns // rows], axis=1)
            _spread(seed, starts, task)
            for pairs in _rounds(rows) if search.both else [_all_pairs(starts, columns)]:
                _spread(cross, pairs, task)
    parts = threads.ranges(len(search.asked.rows), TASKS_A_WORKER * threads.count())
    threads.run(lambda part: settle(search.asked, search.table, search.lists, search.room(), *part), parts)


def _blocks(side: Arranged, step: int) -> int:
    return -(-len(side.rows) // step)


def _rounds(blocks: int) -> Iterator[Int64]:
    """Pairs I < J of blocks, each once, near ones first; the pairs of a round have no block in common."""
    for distance in range(1, blocks):
        rows = np.arange(blocks - distance)
        for turn in range(2):
            some = rows[rows // distance % 2 == turn]
            yield np.stack([some, some + distance], axis=1)


def _all_pairs(starts: Int64, columns: int) -> Int64:
    """Every block of rows with every block of columns but its first, row by row."""
    rows = np.repeat(starts[:, 0], columns)
    pairs = np.stack([rows, np.tile(np.arange(columns), len(starts))], axis=1)
    others: Int64 = pairs[pairs[:, 1] != starts[rows, 1]]
    return others


def _spread(work: Filter, pairs: Int64, task: Task) -> None:
    """Give pairs to the workers, and tell; pairs with the same block of rows stay together."""
    firsts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    ends = [*firsts[1:], len(pairs)]
    parts = max(TASKS_A_WORKER * threads.count(), len(pairs) // PAIRS_A_TASK)

    def share(part: tuple[int, int]) -> int:
        mine = pairs[firsts[part[0]] : ends[part[1] - 1]]
        work(mine)
        return len(mine)

    for done in threads.stream(share, threads.ranges(len(firsts), parts)):
        task.advance(done)


def _int8_road(search: Search) -> tuple[Filter, Filter]:
    from gpuemb.kernels.cosine_topk.cpu.int8 import SLACK, quantize

    table = quantize(search.table, search.dim)
    asked = table if search.both else quantize(search.asked, search.dim)
    return _filtering(search, asked, table, SLACK)


def _float32_road(search: Search) -> tuple[Filter, Filter]:
    from gpuemb.kernels.cosine_topk.cpu.float32 import rounding, unit_rows

    table = unit_rows(search.table, search.dim)
    asked = table if search.both else unit_rows(search.asked, search.dim)
    return _filtering(search, asked, table, rounding(search.dim))


def _filtering(search: Search, asked: Packed, table: Packed, slack: float) -> tuple[Filter, Filter]:
    """Seed and cross with the filter's rows, whose scores may be ``slack`` farther off than they say."""
    from gpuemb.kernels.cosine_topk.cpu.filter import passing_pairs, seed_pairs

    mine, theirs = (Error(side.residual, side.length) for side in (asked, table))
    k, step, rows, columns = search.k, search.step, len(search.asked.rows), len(search.table.rows)

    def offer(passed: int, room: Scratch, *, both: bool) -> None:
        offer_pairs(passed, search.asked, mine, search.table, theirs, slack, search.lists, room, both)

    def seed(pairs: Int64) -> None:
        room = search.room()
        for first, column in (pairs * step).tolist():
            done, last = first, min(first + step, rows)
            while done < last:
                passed, done = seed_pairs(
                    done, last, column, min(column + step, columns), asked, table, slack, k, room
                )
                offer(passed, room, both=False)

    def cross(pairs: Int64) -> None:
        room, pair, offset = search.room(), 0, 0
        while pair < len(pairs):
            passed, pair, offset = passing_pairs(
                pairs, pair, offset, step, asked, table, slack, search.lists.floor, room, search.both
            )
            offer(passed, room, both=search.both)

    return seed, cross


ROADS: Mapping[str, Callable[[Search], tuple[Filter, Filter]]] = {
    "int8": _int8_road,
    "float32": _float32_road,
}


def _answer(search: Search, road: str) -> TopK:
    """The lists, and how they were proved."""
    lists, asked = search.lists, search.asked
    candidates = len(search.table.rows) - (asked.excluded >= 0)
    recomputed = int(np.sum(lists.scored >= candidates))
    proved = len(asked.rows) - recomputed
    by_int8 = road == "int8"
    return TopK(lists.ids, lists.scores, proved if by_int8 else 0, 0 if by_int8 else proved, recomputed)
