"""Exact cosine neighbors on a GPU: a float16 filter with a proof, float64 answers.

Plan      1 halve    rows without length leave, the rest become float16 unit rows in random order (halves.py).
          2 filter   a phase lets pairs wait that can be among a row's k best (cosine_topk_filter.cu).
          3 settle   a warp a row scores what waits by definition and raises what the next phase must reach.
          Phases double: a row that has met m candidates lets about k of the next m wait, whatever the data.
          A row whose room was full is settled at the end with every candidate (phases.py).
          Nothing is dropped without proof (cosine_topk.cu), so the answer is exact for any room and order.
Host      Tables of the host, memory maps too, stream to the GPU. Where they fit, they stay; else their halves
          do, and the rows that a tile of lists must score are gathered from the host (settling.py). The
          same rows are scored, so the answer is the same. Memory that runs out halves what is held.
Bound by  the filter's products. Nothing here has run on a GPU yet.
Weak case rows with more than ``room`` candidates within the bound of their k-th run at float64 speed, and
          those of a table that does not fit are read again from the host for each tile of such lists.
Limits    at most 65,536 dimensions; sm_80 and later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import FloatMatrix, Int32, Int64, device_of, wide
from gpuemb.core.cublas import row_products
from gpuemb.core.device import CPU, Device, budget
from gpuemb.core.errors import ShapeError
from gpuemb.core.memory import tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.upload import copied
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.cosine_topk.cuda.float16_rows import EXACT_INSTANCES, WARP, rows_at_once
from gpuemb.kernels.cosine_topk.cuda.memory_plan import TILE_CELLS, Sizes, fitting_host, fitting_room, rooms
from gpuemb.kernels.cosine_topk.cuda.rescore import settle
from gpuemb.kernels.cosine_topk.cuda.rounds import Road, run
from gpuemb.kernels.cosine_topk.cuda.state import FILTER_INSTANCES, GROUP, SIDE, Search, answer, begin

INSTANCES = {"cosine_topk": EXACT_INSTANCES, "cosine_topk_filter": FILTER_INSTANCES}
THREADS = 256  # of cosine_topk_filter.cu
LARGEST_DIM = 65_536  # the float32 sums of more columns would be known to less than 1/64
TILE_COLUMNS = 4096  # of a cuBLAS tile

ROAD = "fused"  # a name of ROADS; until a GPU has raced them, the one that stores no scores


def cosine_topk(
    rows: FloatMatrix,
    k: int,
    queries: FloatMatrix | None = None,
    itself: Int64 | None = None,
    likely: Int32 | None = None,
    progress: Progress = SILENT,
) -> TopK:
    """See :mod:`gpuemb.kernels.cosine_topk`; ``rows`` and ``queries`` lie on the GPU, or both on the host.

    Raises:
        ShapeError: more than ``LARGEST_DIM`` dimensions.
        MemoryBudgetError: the search does not fit the GPU; of tables of the host, not even their halves.
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

    def search(tables: Sequence[FloatMatrix | None], room: int, held: int = 0) -> TopK:
        begun = begin(tables[0], k, tables[1], itself, room, held)
        if likely is not None:
            for start, stop in tiles(likely.shape[1], room):
                settle(begun, "likely", xp.ascontiguousarray(xp.asarray(likely[:, start:stop]), np.int32))
        run(begun, ROADS[ROAD], progress)
        return answer(begun)

    sizes = Sizes(words, dim, k, None if queries is None else count, rows.dtype.itemsize)
    free = budget(Device("cuda", int(xp.cuda.Device().id)))
    if device_of(rows) != CPU:
        room = fitting_room(sizes, free, rooms(words, k))
        return cuda.retry_smaller(sizes.purpose, partial(search, (rows, queries)), room, multiple=SIDE)
    room, held = fitting_host(sizes, free, rooms(words, k))

    def from_the_host(held: int) -> TopK:
        if held < sizes.rows:
            return search((rows, queries), room, held)
        return search([None if table is None else _here(table) for table in (rows, queries)], room)

    return cuda.retry_smaller(sizes.purpose, from_the_host, held, multiple=room + 1)


def _here(table: FloatMatrix) -> FloatMatrix:
    return copied(table, wide(table), rows_at_once(table.shape[1], table.dtype.itemsize))


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
