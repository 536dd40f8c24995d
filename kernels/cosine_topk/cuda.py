"""Exact cosine neighbors on a GPU: a float16 filter with a proof, float64 answers.

Plan      1 halve    rows without length leave, the rest become float16 unit rows in random order (halves.py).
          2 filter   a phase lets pairs wait that can be among a row's k best (cosine_topk_filter.cu).
          3 settle   a warp a row scores what waits by definition and raises what the next phase must reach.
          Phases double: a row that has met m candidates lets about k of the next m wait, whatever the data.
          A row whose room was full is settled at the end with every candidate (phases.py).
          Nothing is dropped without proof (cosine_topk.cu), so the answer is exact for any room and order.
Bound by  the filter's products. Nothing here has run on a GPU yet.
Weak case rows with more than ``room`` candidates within the bound of their k-th run at float64 speed.
Limits    at most 65,536 dimensions; sm_80 and later.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import FloatMatrix, Int32, Int64
from gpuemb.core.cublas import row_products
from gpuemb.core.device import Device, budget
from gpuemb.core.errors import ShapeError
from gpuemb.core.memory import MemoryPlan, buffer, largest_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.cosine_topk.halves import COLUMNS, EXACT_INSTANCES, WARP
from gpuemb.kernels.cosine_topk.phases import (
    FILTER_INSTANCES,
    GROUP,
    SIDE,
    Road,
    Search,
    answer,
    begin,
    run,
    settle,
)

INSTANCES = {"cosine_topk": EXACT_INSTANCES, "cosine_topk_filter": FILTER_INSTANCES}
THREADS = 256  # of cosine_topk_filter.cu
LARGEST_DIM = 65_536  # the float32 sums of more columns would be known to less than 1/64
ROOMS = 4  # times k candidates may wait with a row, two blocks at least; until a GPU has measured it, a guess
TILE_COLUMNS, TILE_CELLS = 4096, 8 << 20  # of a cuBLAS tile: 32 MB stay in the L2 cache of sm_80 and later

ROAD = "fused"  # a name of ROADS; until a GPU has raced them, the one that stores no scores


def cosine_topk(
    rows: FloatMatrix,
    k: int,
    queries: FloatMatrix | None = None,
    itself: Int64 | None = None,
    likely: Int32 | None = None,
    progress: Progress = SILENT,
) -> TopK:
    """See :mod:`gpuemb.kernels.cosine_topk`.

    Raises:
        ShapeError: more than ``LARGEST_DIM`` dimensions.
        MemoryBudgetError: the search does not fit the GPU.
    """
    xp = cuda.cupy()
    words, dim = rows.shape
    count = words if queries is None else len(queries)
    if dim > LARGEST_DIM:
        raise ShapeError(
            f"cosine_topk: {dim} dimensions on a GPU",
            needed=f"At most {LARGEST_DIM}: the bound of its float16 filter holds no longer.",
            remedy="Use device='cpu', or truncate the vectors.",
        )
    if 0 in (words, count):
        return TopK(xp.full((count, k), -1, np.int32), xp.full((count, k), np.nan))

    def attempt(room: int) -> TopK:
        search = begin(rows, k, queries, itself, room)
        if likely is not None and likely.shape[1]:
            settle(search, "likely", xp.ascontiguousarray(likely, np.int32))
        run(search, ROADS[ROAD], progress)
        return answer(search)

    purpose = f"cosine_topk of {count} among {words} rows"
    fixed = plan(words, dim, k, count, 0, rows.dtype.itemsize).buffers
    waiting = {"waiting candidates": 4 * count}
    free = budget(Device("cuda", int(xp.cuda.Device().id)))
    room = largest_tile(purpose, free, rooms(words, k), fixed=fixed, per_row=waiting, multiple=SIDE)
    return cuda.retry_smaller(purpose, attempt, room, multiple=SIDE)


def rooms(words: int, k: int) -> int:
    """How many candidates may wait with a row."""
    return SIDE * min(-(-words // SIDE), max(2, -(-ROOMS * k // SIDE)))


def plan(words: int, dim: int, k: int, queries: int, room: int, itemsize: int = 4) -> MemoryPlan:
    """Bytes on the GPU beside the table, with ``room`` candidates waiting a row."""
    rows = words + (0 if queries == words else queries)
    return MemoryPlan(
        f"cosine_topk of {queries} among {words} rows, {dim} dimensions",
        {
            "widened rows": rows * dim * 4 if itemsize == 2 else 0,
            "float16 rows": buffer((rows, -(-dim // COLUMNS) * COLUMNS), np.float16),
            "what is kept a row": rows * 64,
            "waiting candidates": queries * room * 4,
            "lists": queries * k * 12,
            "a tile of scores": TILE_CELLS * 4,
        },
    )


def _fused(search: Search, first: int, last: int) -> None:
    """Multiply and compare in one kernel; each pair of blocks once where every row asks."""
    rows, columns = len(search.asked.numbers), len(search.table.numbers)
    slots = -(-rows // SIDE)
    slots = slots // 2 + 1 if search.both else slots
    arguments = (
        search.asked.half,
        search.table.half,
        search.need,
        search.waiting,
        search.count,
        *map(np.uint64, (rows, columns)),
        *map(np.int32, (search.table.half.shape[1] // 8, search.room)),
        *map(np.uint32, (first, last - first)),
    )
    grid = -(-slots // GROUP) * GROUP * (last - first)
    kernel = search.filter.get_function(f"products<{'true' if search.both else 'false'}>")
    kernel((grid,), (THREADS,), arguments)


def _by_cublas(search: Search, first: int, last: int) -> None:
    """Multiply tiles that stay in the L2 cache, each read once by the filter."""
    xp = cuda.cupy()
    left, right = (side.half.view(np.float16) for side in (search.asked, search.table))
    memory, passing = xp.empty(TILE_CELLS, np.float32), search.filter.get_function("passing")
    for start, stop in tiles(min(last * SIDE, len(right)) - first * SIDE, TILE_COLUMNS):
        columns = slice(first * SIDE + start, first * SIDE + stop)
        width = stop - start
        for top, bottom in tiles(len(left), TILE_CELLS // width):
            tile = memory[: (bottom - top) * width].reshape(bottom - top, width)
            row_products("fp16", left[top:bottom], right[columns], tile)
            places = *map(np.uint64, (top, columns.start)), *map(np.uint32, tile.shape), np.int32(search.room)
            arguments = tile, search.need, search.waiting, search.count, *places
            passing((-(-(bottom - top) * WARP // THREADS),), (THREADS,), arguments)


ROADS: Mapping[str, Road] = {"fused": _fused, "cublas": _by_cublas}
