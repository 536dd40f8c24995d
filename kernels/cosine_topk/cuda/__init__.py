"""Exact cosine neighbors on a GPU: a float16 filter with a proof, float64 scores.

Plan      1 to_float16  drop rows of length 0; unit rows in float16, in random order (float16_rows.py).
          2 filter      a round buffers the pairs that can be among a row's k best (cosine_topk_filter.cu).
          3 rescore     a warp a row scores its candidates by definition and raises the row's threshold.
          Rounds double: after m rows of the table, about k of the next m become candidates, for any data.
          Rows whose buffer overflowed are rescored at the end with every row of the table (rounds.py).
          Nothing is dropped without proof (cosine_topk.cu): the answer is exact for any capacity and order.
Host      Tables of the host, memory maps too, stream to the GPU. Where they fit, they stay; else their
          float16 rows do, and the rows that a tile of lists must score are gathered from the host
          (rescore.py). The same rows are scored, so the answer is the same. When memory runs out, half as
          many rows are resident.
Bound by  the filter's products. Nothing here has run on a GPU yet.
Weak case rows with more than ``capacity`` candidates within the bound of their k-th run at float64 speed, and
          those of a table that does not fit are read again from the host for each tile of such lists.
Limits    at most 65,536 dimensions; sm_80 and later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import FloatMatrix, Int32, Int64, device_of, wide
from gpuemb.core.cuda.cublas import row_products
from gpuemb.core.cuda.host_streaming import copied
from gpuemb.core.device import CPU, Device, budget
from gpuemb.core.errors import ShapeError
from gpuemb.core.memory import tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.kernels.cosine_topk import TopK
from gpuemb.kernels.cosine_topk.cuda.float16_rows import EXACT_INSTANCES, WARP, rows_at_once
from gpuemb.kernels.cosine_topk.cuda.memory_plan import (
    TILE_CELLS,
    Sizes,
    buffer_capacity,
    fitting_capacity,
    fitting_host,
)
from gpuemb.kernels.cosine_topk.cuda.rescore import rescore_candidates
from gpuemb.kernels.cosine_topk.cuda.rounds import Filter, run
from gpuemb.kernels.cosine_topk.cuda.state import (
    FILTER_INSTANCES,
    GROUP,
    SIDE,
    SearchState,
    initial_state,
    result_of,
)

INSTANCES = {"cosine_topk": EXACT_INSTANCES, "cosine_topk_filter": FILTER_INSTANCES}
THREADS = 256  # of cosine_topk_filter.cu
LARGEST_DIM = 65_536  # the float32 sums of more columns would be known to less than 1/64
TILE_COLUMNS = 4096  # of a cuBLAS tile

STRATEGY = "fused"  # a name of STRATEGIES; until they are raced on a GPU, the one that stores no scores


def cosine_topk(
    rows: FloatMatrix,
    k: int,
    queries: FloatMatrix | None = None,
    itself: Int64 | None = None,
    warm_start: Int32 | None = None,
    progress: Progress = SILENT,
) -> TopK:
    """See :mod:`gpuemb.kernels.cosine_topk`; ``rows`` and ``queries`` on the GPU, or both on the host.

    Raises:
        ShapeError: more than ``LARGEST_DIM`` dimensions.
        MemoryBudgetError: the search does not fit the GPU; of a host's tables, not even the float16 rows.
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

    def search(tables: Sequence[FloatMatrix | None], capacity: int, resident: int = 0) -> TopK:
        begun = initial_state(tables[0], k, tables[1], itself, capacity, resident)
        if warm_start is not None:
            for start, stop in tiles(warm_start.shape[1], capacity):
                near = xp.ascontiguousarray(xp.asarray(warm_start[:, start:stop]), np.int32)
                rescore_candidates(begun, "warm_start", near)
        run(begun, STRATEGIES[STRATEGY], progress)
        return result_of(begun)

    sizes = Sizes(words, dim, k, None if queries is None else count, rows.dtype.itemsize)
    free = budget(Device("cuda", int(xp.cuda.Device().id)))
    if device_of(rows) != CPU:
        capacity = fitting_capacity(sizes, free, buffer_capacity(words, k))
        return cuda.retry_smaller(sizes.purpose, partial(search, (rows, queries)), capacity, multiple=SIDE)
    capacity, resident = fitting_host(sizes, free, buffer_capacity(words, k))

    def from_the_host(resident: int) -> TopK:
        if resident < sizes.rows:
            return search((rows, queries), capacity, resident)
        return search([None if table is None else _on_gpu(table) for table in (rows, queries)], capacity)

    return cuda.retry_smaller(sizes.purpose, from_the_host, resident, multiple=capacity + 1)


def _on_gpu(table: FloatMatrix) -> FloatMatrix:
    return copied(table, wide(table), rows_at_once(table.shape[1], table.dtype.itemsize))


def _fused(state: SearchState, first: int, last: int) -> None:
    """Multiply and compare in one kernel; each pair of blocks once where every row is a query."""
    rows, columns = len(state.queries.numbers), len(state.table.numbers)
    slots = -(-rows // SIDE)
    slots = slots // 2 + 1 if state.symmetric else slots
    arguments = (
        state.queries.half,
        state.table.half,
        state.threshold,
        state.candidates,
        state.count,
        *map(np.uint64, (rows, columns)),
        *map(np.int32, (state.table.half.shape[1] // 8, state.capacity)),
        *map(np.uint32, (first, last - first)),
    )
    grid = -(-slots // GROUP) * GROUP * (last - first)
    kernel = state.filter.get_function(f"products<{'true' if state.symmetric else 'false'}>")
    kernel((grid,), (THREADS,), arguments)


def _by_cublas(state: SearchState, first: int, last: int) -> None:
    """Multiply tiles that stay in the L2 cache, each read once by the filter."""
    xp = cuda.cupy()
    left, right = (side.half.view(np.float16) for side in (state.queries, state.table))
    memory, passing = xp.empty(TILE_CELLS, np.float32), state.filter.get_function("passing")
    for start, stop in tiles(min(last * SIDE, len(right)) - first * SIDE, TILE_COLUMNS):
        columns = slice(first * SIDE + start, first * SIDE + stop)
        width = stop - start
        for top, bottom in tiles(len(left), TILE_CELLS // width):
            tile = memory[: (bottom - top) * width].reshape(bottom - top, width)
            row_products("fp16", left[top:bottom], right[columns], tile)
            corner = map(np.uint64, (top, columns.start))
            shape = *map(np.uint32, tile.shape), np.int32(state.capacity)
            arguments = tile, state.threshold, state.candidates, state.count, *corner, *shape
            passing((-(-(bottom - top) * WARP // THREADS),), (THREADS,), arguments)


STRATEGIES: Mapping[str, Filter] = {"fused": _fused, "cublas": _by_cublas}
