"""Exact cosine neighbors on the CPU: a low-precision filter with a proof, float64 scores.

Plan      Few queries do not pay for a reordered copy of the table: cosine_search answers them. For others:
          1 reorder   drop rows of length 0, put similar rows side by side (row_order.py).
          2 filter    int8 products where the processor has them (int8.py), else float32 (float32.py).
          3 initial   thresholds from warm-start rows, if any (warm_start.py), then every block with itself:
                      the lists of its rows start near their final values.
          4 cross     pairs of blocks I < J, each once for both sides, near ones first: thresholds rise early,
                      as similar rows lie side by side. Tiles of a round share no block: no locks.
          5 rescore   candidates are buffered by row, scored by definition, and raise the row's threshold
                      (candidates.py). The buffers' rest is rescored at the end.
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
    add_candidates,
    buffer_length,
    empty_lists,
    rescore,
)
from gpuemb.kernels.cosine_topk.cpu.microtile import WIDE
from gpuemb.kernels.cosine_topk.cpu.packed_rows import PackedRows, padded
from gpuemb.kernels.cosine_topk.cpu.row_order import (
    OrderedRows,
    approximate_lengths,
    centers_of,
    nearest_centers,
    reorder,
)
from gpuemb.kernels.cosine_topk.cpu.warm_start import raise_thresholds
from gpuemb.kernels.cosine_topk.cpu.workspace import Workspace, new_workspace

BLOCK = 1024  # rows, a multiple of 32: at d = 300 300 kB of int8, which stay in L2; 512 … 2048 measure alike
BLOCKS_A_WORKER, TASKS_A_WORKER = 8, 4
PAIRS_A_TASK = 2048  # about: 0.2 s at d = 50, after which progress is reported

Filter = Callable[[Int64], None]  # works on pairs of blocks, (p, 2)


class Search(NamedTuple):
    """Queries, table and lists of a search.

    Attributes:
        queries: rows whose neighbors are searched.
        table: their candidates; the same object where every row is a query.
        lists: the neighbors found so far.
        dim: columns before padding.
        step: rows a block.
    """

    queries: OrderedRows
    table: OrderedRows
    lists: Lists
    dim: int
    step: int

    @property
    def symmetric(self) -> bool:
        """Whether every row is a query: each pair of blocks is then multiplied once for both sides."""
        return self.queries is self.table

    @property
    def k(self) -> int:
        """Length of the lists."""
        return int(self.lists.scores.shape[1])

    def workspace(self) -> Workspace:
        """Return the buffers of one worker."""
        return new_workspace(self.step)


def cosine_topk(
    rows: FloatMatrix,
    k: int,
    queries: FloatMatrix | None = None,
    itself: Int64 | None = None,
    warm_start: Int32 | None = None,
    progress: Progress = SILENT,
) -> TopK:
    """See :mod:`gpuemb.kernels.cosine_topk`."""
    table = _contiguous(rows)
    query_rows = table if queries is None else _contiguous(queries)
    itself = np.arange(len(table)) if queries is None else itself
    strategy = choose_strategy(table.shape[1], len(query_rows), k)
    plan(len(table), table.shape[1], k, len(query_rows), table.itemsize).require()
    if strategy == "search":
        excluded = np.full(len(query_rows), -1) if itself is None else itself
        return cosine_search.on(CPU)(table, None, k, query_rows, excluded)
    with threads.single_threaded_blas():
        search = _prepare(table, query_rows, itself, k)
        if warm_start is not None:
            raise_thresholds(warm_start, search.queries, search.table, len(table), search.lists)
        initial, cross = STRATEGIES[strategy](search)
        _run(search, initial, cross, progress)
    return _result(search, strategy)


def choose_strategy(dim: int, queries: int, k: int) -> str:
    """Choose the strategy: ``search`` for few queries, else ``int8`` where the processor has the products."""
    if queries <= FEW_QUERIES and k <= FEW_NEIGHBORS:
        return "search"
    return "int8" if by_int8(dim) else "float32"


def plan(words: int, dim: int, k: int, queries: int, itemsize: int = 4) -> MemoryPlan:
    """Bytes beside the table: its reordered copy, the filter's rows, candidate buffers, the lists."""
    others, strategy = 0 if queries == words else queries, choose_strategy(dim, queries, k)
    purpose = f"cosine_topk of {queries} among {words} rows, {dim} dimensions"
    if strategy == "search":
        return MemoryPlan(purpose, buffers_of(queries, k, dim))
    filter_bytes = 1 if strategy == "int8" else 4
    return MemoryPlan(
        purpose,
        {
            "reordered rows": (words + others) * (dim + 16) * itemsize,
            "the filter's rows": (words + others) * (dim + 4) * filter_bytes,
            "lengths, numbers, thresholds": (words + others) * 64,
            "candidates": queries * buffer_length(k) * 8,
            "lists": queries * k * 12,
            "buffers of the workers": threads.count() * sum(part.nbytes for part in new_workspace(BLOCK)),
        },
    )


def _contiguous(rows: FloatMatrix) -> FloatMatrix:
    """Native order; float16 is widened, exactly."""
    ready = np.ascontiguousarray(rows, np.float64 if rows.dtype.itemsize == 8 else np.float32).view(
        np.ndarray
    )
    ready.flags.writeable = False  # one compiled kernel for memory maps and for arrays
    return ready


def _prepare(table: FloatMatrix, query_rows: FloatMatrix, itself: Int64 | None, k: int) -> Search:
    step = _step(len(query_rows))
    lengths = approximate_lengths(table)
    centers = centers_of(table, lengths, step if query_rows is table else BLOCK)
    ordered = reorder(table, _order(table, lengths, centers), itself if query_rows is table else None)
    queries = ordered
    if query_rows is not table:
        lengths = approximate_lengths(query_rows)
        queries = reorder(query_rows, _order(query_rows, lengths, centers), itself)
    lists = empty_lists(len(query_rows), k, len(queries.rows), padded(len(queries.rows)))
    return Search(queries, ordered, lists, table.shape[1], step)


def _step(queries: int) -> int:
    """Rows a block: BLOCK, or less so that every worker has some blocks of a small search."""
    even = -(-queries // (BLOCKS_A_WORKER * threads.count()))
    return max(WIDE, min(BLOCK, padded(even)))


def _order(rows: FloatMatrix, lengths: Float64, centers: Float32) -> Int64:
    """Rows of length above 0, grouped by center."""
    present = np.flatnonzero(lengths > 0)
    nearest = nearest_centers(rows, lengths, centers)[present].astype(np.int16)
    order: Int64 = present[np.argsort(nearest, kind="stable")]
    return order


def _run(search: Search, initial: Filter, cross: Filter, progress: Progress) -> None:
    """Run both filters and rescore what is buffered; progress counts pairs of blocks."""
    rows = _blocks(search.queries, search.step)
    columns = _blocks(search.table, search.step)
    total = rows * (rows + 1) // 2 if search.symmetric else rows * columns
    with progress.phase(f"neighbors of {len(search.lists.ids):,} rows", total) as task:
        if total:
            starts = np.stack([np.arange(rows), np.arange(rows) * columns // rows], axis=1)
            _spread(initial, starts, task)
            for pairs in _rounds(rows) if search.symmetric else [_all_pairs(starts, columns)]:
                _spread(cross, pairs, task)
    parts = threads.ranges(len(search.queries.rows), TASKS_A_WORKER * threads.count())
    lists = search.lists
    threads.run(lambda part: rescore(search.queries, search.table, lists, search.workspace(), *part), parts)


def _blocks(side: OrderedRows, step: int) -> int:
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
    """Distribute pairs over the workers, those of one block of rows to one; report progress."""
    firsts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    ends = [*firsts[1:], len(pairs)]
    parts = max(TASKS_A_WORKER * threads.count(), len(pairs) // PAIRS_A_TASK)

    def share(part: tuple[int, int]) -> int:
        mine = pairs[firsts[part[0]] : ends[part[1] - 1]]
        work(mine)
        return len(mine)

    for done in threads.stream(share, threads.ranges(len(firsts), parts)):
        task.advance(done)


def _int8_filters(search: Search) -> tuple[Filter, Filter]:
    from gpuemb.kernels.cosine_topk.cpu.int8 import SLACK, quantize

    table = quantize(search.table, search.dim)
    queries = table if search.symmetric else quantize(search.queries, search.dim)
    return _filters(search, queries, table, SLACK)


def _float32_filters(search: Search) -> tuple[Filter, Filter]:
    from gpuemb.kernels.cosine_topk.cpu.float32 import rounding, unit_rows

    table = unit_rows(search.table, search.dim)
    queries = table if search.symmetric else unit_rows(search.queries, search.dim)
    return _filters(search, queries, table, rounding(search.dim))


def _filters(search: Search, queries: PackedRows, table: PackedRows, slack: float) -> tuple[Filter, Filter]:
    """Return the initial and the cross filter; ``slack`` is added to the error bounds of the packed rows."""
    from gpuemb.kernels.cosine_topk.cpu.filter import initial_pairs, passing_pairs

    query_error, error = (Error(side.residual, side.length) for side in (queries, table))
    k, step, thresholds = search.k, search.step, search.lists.threshold
    rows, columns = len(search.queries.rows), len(search.table.rows)

    def add(passed: int, work: Workspace, *, symmetric: bool) -> None:
        sides = search.queries, query_error, search.table, error
        add_candidates(passed, *sides, slack, search.lists, work, symmetric)

    def initial(pairs: Int64) -> None:
        work = search.workspace()
        for first, column in (pairs * step).tolist():
            done, last = first, min(first + step, rows)
            while done < last:
                passed, done = initial_pairs(
                    done, last, column, min(column + step, columns), queries, table, slack, k, work
                )
                add(passed, work, symmetric=False)

    def cross(pairs: Int64) -> None:
        work, pair, offset = search.workspace(), 0, 0
        while pair < len(pairs):
            passed, pair, offset = passing_pairs(
                pairs, pair, offset, step, queries, table, slack, thresholds, work, search.symmetric
            )
            add(passed, work, symmetric=search.symmetric)

    return initial, cross


STRATEGIES: Mapping[str, Callable[[Search], tuple[Filter, Filter]]] = {
    "int8": _int8_filters,
    "float32": _float32_filters,
}


def _result(search: Search, strategy: str) -> TopK:
    """The lists, and how they were proved."""
    lists, queries = search.lists, search.queries
    candidates = len(search.table.rows) - (queries.excluded >= 0)
    recomputed = int(np.sum(lists.scored >= candidates))
    proved = len(queries.rows) - recomputed
    by_int8 = strategy == "int8"
    return TopK(lists.ids, lists.scores, proved if by_int8 else 0, 0 if by_int8 else proved, recomputed)
