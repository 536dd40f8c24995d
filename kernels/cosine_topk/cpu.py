"""Exact cosine neighbors on the CPU: a low-precision filter with a proof, float64 answers.

Plan      1 arrange   rows without length leave, similar rows come to lie together (arrange.py).
          2 filter    int8 products where the processor has them (int8.py), else float32 (float32.py).
          3 seed      every block against itself: its rows' lists start near their final values.
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
from gpuemb.core.memory import MemoryPlan
from gpuemb.core.progress import SILENT, Progress
from gpuemb.kernels import vnni
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.cosine_topk.arrange import (
    Arranged,
    approximate_lengths,
    arrange,
    centers_of,
    nearest_centers,
)
from gpuemb.kernels.cosine_topk.microtile import WIDE
from gpuemb.kernels.cosine_topk.packed import Packed, padded
from gpuemb.kernels.cosine_topk.room import Scratch, scratch
from gpuemb.kernels.cosine_topk.survivors import (
    Error,
    Lists,
    buffer_length,
    empty_lists,
    offer_pairs,
    settle,
)

BLOCK = 1024  # rows, a multiple of 32: at d = 300 300 kB of int8, which stay in L2; 512 … 2048 measure alike
FEW_QUERIES = 256  # fewer do not pay for ordering and quantizing 400,000 rows
LARGEST_INT8_DIM = 65_536  # 255·127·d stays inside int32
BLOCKS_A_WORKER, TASKS_A_WORKER = 8, 4

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
    road = choose_road(table.shape[1], len(asked))
    plan(len(table), table.shape[1], k, len(asked), table.itemsize).require()
    with threads.single_threaded_blas():
        search = _arrange(table, asked, np.arange(len(table)) if queries is None else itself, k)
        seed, cross = ROADS[road](search)
        _run(search, seed, cross)
    return _answer(search, road)


def choose_road(dim: int, queries: int) -> str:
    """Name the filter: ``int8`` where the processor has the products and the queries repay quantizing."""
    usable = not vnni.missing() and dim <= LARGEST_INT8_DIM and queries >= FEW_QUERIES
    return "int8" if usable else "float32"


def plan(words: int, dim: int, k: int, queries: int, itemsize: int = 4) -> MemoryPlan:
    """Bytes beside the table: its arranged copy, the filter's table, waiting candidates, the lists."""
    others = 0 if queries == words else queries
    filter_bytes = 1 if choose_road(dim, queries) == "int8" else 4
    return MemoryPlan(
        f"cosine_topk of {queries} among {words} rows, {dim} dimensions",
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
    return np.ascontiguousarray(rows, np.float64 if rows.dtype.itemsize == 8 else np.float32)


def _arrange(table: FloatMatrix, asked: FloatMatrix, itself: Int64 | None, k: int) -> Search:
    step = _step(len(asked))
    lengths = approximate_lengths(table)
    few = len(asked) < FEW_QUERIES  # ordering the table would cost more than it saves
    centers = centers_of(table, lengths, len(table) if few else step if asked is table else BLOCK)
    arranged = arrange(table, _order(table, lengths, centers), itself if asked is table else None)
    asking = arranged
    if asked is not table:
        lengths = approximate_lengths(asked)
        asking = arrange(asked, _order(asked, lengths, centers), itself)
    lists = empty_lists(len(asked), k, len(asking.rows), padded(len(asking.rows)))
    return Search(asking, arranged, lists, table.shape[1], step)


def _step(queries: int) -> int:
    """Rows a block: BLOCK, or less so that every worker has some blocks of a small search.

    A few queries are one block, and the table's blocks stay large.
    """
    if queries < FEW_QUERIES:
        return BLOCK
    even = -(-queries // (BLOCKS_A_WORKER * threads.count()))
    return max(WIDE, min(BLOCK, padded(even)))


def _order(rows: FloatMatrix, lengths: Float64, centers: Float32) -> Int64:
    """Rows with a length, those of one center together."""
    present = np.flatnonzero(lengths > 0)
    nearest = nearest_centers(rows, lengths, centers)[present].astype(np.int16)
    order: Int64 = present[np.argsort(nearest, kind="stable")]
    return order


def _run(search: Search, seed: Filter, cross: Filter) -> None:
    """Seed, cross and settle, on our workers."""
    rows = _blocks(search.asked, search.step)
    columns = _blocks(search.table, search.step)
    if rows and columns:
        starts = np.stack([np.arange(rows), np.arange(rows) * columns // rows], axis=1)
        _spread(seed, starts)
        for pairs in _rounds(rows) if search.both else [_all_pairs(starts, columns)]:
            _spread(cross, pairs)
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


def _spread(work: Filter, pairs: Int64) -> None:
    """Give pairs to the workers; pairs with the same block of rows stay together."""
    firsts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    ends = [*firsts[1:], len(pairs)]
    parts = threads.ranges(len(firsts), TASKS_A_WORKER * threads.count())
    threads.run(lambda part: work(pairs[firsts[part[0]] : ends[part[1] - 1]]), parts)


def _int8_road(search: Search) -> tuple[Filter, Filter]:
    from gpuemb.kernels.cosine_topk.int8 import SLACK, quantize

    table = quantize(search.table, search.dim)
    asked = table if search.both else quantize(search.asked, search.dim)
    return _filtering(search, asked, table, SLACK)


def _float32_road(search: Search) -> tuple[Filter, Filter]:
    from gpuemb.kernels.cosine_topk.float32 import rounding, unit_rows

    table = unit_rows(search.table, search.dim)
    asked = table if search.both else unit_rows(search.asked, search.dim)
    return _filtering(search, asked, table, rounding(search.dim))


def _filtering(search: Search, asked: Packed, table: Packed, slack: float) -> tuple[Filter, Filter]:
    """Seed and cross with the filter's rows, whose scores may be ``slack`` farther off than they say."""
    from gpuemb.kernels.cosine_topk.filter import passing_pairs, seed_pairs

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
