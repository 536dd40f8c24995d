"""Cosine search on a GPU: launches ``cosine_search.cu`` for scores by definition, then for the best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Float64, FloatMatrix, Int32, Int64, device_of, wide
from gpuemb.core.cuda.host_streaming import rows_per_block, uploaded
from gpuemb.core.device import CPU
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.kernels.cosine_search import Prepared
from gpuemb.kernels.cosine_topk import TopK

SOURCE = Path(__file__).with_name("cosine_search.cu")
THREADS, HALF_WARP = 256, 16
QUERIES, ROWS = 8, 4  # of a half-warp
SEGMENT = 2048  # scores sorted by a block
LARGEST_K = SEGMENT // 2  # of a block's lists; for more, all scores are sorted
MOST_QUERIES = 32_768  # at once: a grid has 65 535 blocks that way
WORDS = {"float32": "float", "float64": "double"}
INSTANCES = (
    *(f"{name}<{word}>" for word in WORDS.values() for name in ("widen_queries", "score_rows")),
    "best",
)


def cosine_search(
    rows: FloatMatrix, prepared: Prepared | None, k: int, queries: FloatMatrix, itself: Int64
) -> TopK:
    """See :mod:`gpuemb.kernels.cosine_search`; rows of the host, float16 too, are streamed in blocks.

    Raises:
        MemoryBudgetError: not even a few rows of the host fit.
    """
    if device_of(rows) != CPU:
        return _found([(0, cuda.cupy().ascontiguousarray(rows))], k, queries, itself)
    purpose = f"cosine_search of {len(queries)} among {len(rows)} rows"
    step = rows_per_block(rows.shape, wide(rows))
    return cuda.retry_smaller(purpose, lambda some: _found(_blocks(rows, some), k, queries, itself), step)


def _blocks(rows: FloatMatrix, step: int) -> Iterator[tuple[int, FloatMatrix]]:
    for first, block in uploaded(rows, step):
        yield first, cuda.cupy().ascontiguousarray(block, wide(rows))


def _found(blocks: Iterable[tuple[int, FloatMatrix]], k: int, queries: FloatMatrix, itself: Int64) -> TopK:
    """Search blocks of the table one after another, each with its first row."""
    cupy = cuda.cupy()
    queries = cupy.ascontiguousarray(cupy.asarray(queries), wide(queries))
    excluded = cupy.ascontiguousarray(cupy.asarray(itself), np.int64)
    ids, scores = cupy.full((len(queries), k), -1, np.int32), cupy.full((len(queries), k), -np.inf)
    nonzero = 0
    for first, table in blocks:
        search, nonzero = _Search(cupy, table, queries), 0
        step = min(MOST_QUERIES, rows_per_tile(8 * len(table), multiple=QUERIES))
        for start, stop in tiles(len(queries), step):
            part = slice(start, stop)
            found, lengths = search.scores(queries[part], excluded[part] - first)
            numbers, best = leading(search.best, k, found)
            if first:  # merge with the lists so far
                numbers = cupy.concatenate([ids[part], numbers + np.int32(first)], axis=1)
                numbers, best = leading(
                    search.best, k, cupy.concatenate([scores[part], best], axis=1), numbers
                )
            ids[part], scores[part] = numbers, best
            nonzero += int((lengths > 0).sum())
    known = scores > -np.inf
    return TopK(cupy.where(known, ids, np.int32(-1)), cupy.where(known, scores, np.nan), recomputed=nonzero)


class _Search:
    """The kernels of the dtypes, and the table, or a block of it."""

    def __init__(self, cupy: Any, table: FloatMatrix, queries: FloatMatrix) -> None:
        row, query = (WORDS[array.dtype.name] for array in (table, queries))
        names = (f"widen_queries<{query}>", f"score_rows<{row}>", "best")
        module = cuda.load(SOURCE, names)
        self._widen, self._score, self.best = (module.get_function(name) for name in names)
        self._cupy, self._table = cupy, table

    def scores(self, queries: FloatMatrix, excluded: Int64) -> tuple[Float64, Float64]:
        """Score every row with every query, −∞ for excluded rows; return the queries' lengths too."""
        (rows, dim), groups = self._table.shape, -(-len(queries) // QUERIES)
        slots, count, width = groups * QUERIES, np.int32(len(queries)), np.int32(dim)
        wide, lengths = self._cupy.empty((slots, dim), np.float64), self._cupy.empty(slots, np.float64)
        to_widen = (queries, wide, lengths, count, np.int32(slots), width)
        self._widen((-(-slots * HALF_WARP // THREADS),), (THREADS,), to_widen)
        found = self._cupy.empty((len(queries), rows), np.float64)
        blocks = -(-rows // (ROWS * THREADS // HALF_WARP))
        arguments = (self._table, wide, lengths, excluded, found, np.uint64(rows), count, width)
        self._score((blocks, groups), (THREADS,), arguments)
        return found, lengths


def loaded_best() -> Any:
    """Return the kernel that :func:`leading` launches."""
    return cuda.load(SOURCE, ("best",)).get_function("best")


def leading(best: Any, k: int, scores: Float64, ids: Int32 | None = None) -> tuple[Int32, Float64]:
    """Return the ids and scores of the k best of every line: higher scores first, equal ones by id.

    Args:
        best: of :func:`loaded_best`, or the same kernel of another module.
        k: how many.
        scores: ``(Q, n)``; −∞ for what is no candidate.
        ids: ``(Q, n)`` rows of the scores; None: their places.
    """
    return _best(best, k, scores, ids) if k <= LARGEST_K else _sorted(k, scores, ids)


def _best(best: Any, k: int, scores: Float64, ids: Int32 | None) -> tuple[Int32, Float64]:
    """Reduce every segment to its k best, until one segment is left."""
    cupy, numbered = cuda.cupy(), ids is None
    ids = cupy.empty((len(scores), 1), np.int32) if ids is None else ids
    while numbered or scores.shape[1] > k:
        segments = -(-scores.shape[1] // SEGMENT)
        shape = len(scores), segments * k
        kept, kept_ids = cupy.empty(shape, np.float64), cupy.empty(shape, np.int32)
        sizes = np.uint64(scores.shape[1]), np.int32(k), np.int32(numbered)
        best((segments, len(scores)), (THREADS,), (scores, ids, kept, kept_ids, *sizes))
        scores, ids, numbered = kept, kept_ids, False
    return ids, scores


def _sorted(k: int, scores: Float64, ids: Int32 | None) -> tuple[Int32, Float64]:
    """Sort all scores, a query at a time: higher ones first, equal ones by row."""
    cupy, some = cuda.cupy(), min(k, scores.shape[1])
    found, best = cupy.zeros((len(scores), k), np.int32), cupy.full((len(scores), k), -np.inf)
    places = cupy.arange(scores.shape[1], dtype=np.int32)
    for query, one in enumerate(scores):
        rows = places if ids is None else ids[query]
        order = cupy.lexsort(cupy.stack([rows.astype(np.float64), -one]))[:some]
        found[query, :some], best[query, :some] = rows[order], one[order]
    return found, best
