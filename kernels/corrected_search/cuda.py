"""Corrected search on a GPU: cosines by ``cosine_scores``, corrected, then chosen as in ``cosine_search``.

Plan      A tile of queries at a time: every cosine by definition in float64, 2c − (r_q + r_y), and the k best
          of each line. Nothing is filtered, so nothing needs a proof. Rows of the host are uploaded once.
Bound by  float64 products.
Limits    csls alone: erfc, of mutual proximity, has other bits on a GPU.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Float64, FloatMatrix, Int64, device_of, wide
from gpuemb.core.cuda.host_streaming import copied
from gpuemb.core.device import CPU, Device, budget
from gpuemb.core.errors import DeviceError
from gpuemb.core.memory import TILE_BYTES, buffer, largest_tile, rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.kernels.corrected_search import Method
from gpuemb.kernels.cosine_scores import panels_of
from gpuemb.kernels.cosine_scores.cuda import cosine_scores
from gpuemb.kernels.cosine_search.cuda import leading, loaded_best
from gpuemb.kernels.cosine_topk import TopK


def corrected_search(
    rows: FloatMatrix,
    queries: FloatMatrix,
    itself: Int64,
    of_rows: Float64,
    of_queries: Float64,
    k: int,
    method: Method,
    progress: Progress = SILENT,
) -> TopK:
    """See :mod:`gpuemb.kernels.corrected_search`; rows and queries on the GPU, or both on the host.

    Raises:
        DeviceError: another method than csls.
        MemoryBudgetError: the rows and a few lines of cosines do not fit.
    """
    if method != "csls":
        raise DeviceError(
            f"corrected_search: {method} on a GPU",
            needed="csls has the same bits on every device; erfc has not.",
            remedy="Copy the table to the host first.",
        )
    cupy = cuda.cupy()
    here = Device("cuda", int(cupy.cuda.Device().id))
    ids, scores = (cupy.empty((len(queries), k), kind) for kind in (np.int32, np.float64))
    if not len(queries):
        return TopK(ids, scores)
    of_row, of_query = (cupy.asarray(each)[:, 0] for each in (of_rows, of_queries))
    excluded, step = cupy.asarray(itself), _step(rows, len(queries), k, here)
    panels, select, count = panels_of(rows, here), loaded_best(), 0
    with progress.phase(f"{method} of {len(queries):,} rows", len(queries)) as task:
        for start, stop in tiles(len(queries), step):
            some = queries[start:stop]
            some = copied(some, wide(some)) if device_of(some) == CPU else some
            found = cosine_scores(some, panels, cupy.empty((stop - start, len(rows)), np.float64))
            found *= 2
            found -= of_query[start:stop, None] + of_row[None, :]
            own = cupy.flatnonzero(excluded[start:stop] >= 0)
            found[own, excluded[start:stop][own]] = np.nan
            found = cupy.where(cupy.isnan(found), -np.inf, found)
            near, best = leading(select, k, found)
            known = best > -np.inf
            count += int(known[:, 0].sum())
            ids[start:stop] = cupy.where(known, near, np.int32(-1))
            scores[start:stop] = cupy.where(known, best, np.nan)
            task.advance(stop - start)
    return TopK(ids, scores, recomputed=count)


def _step(rows: FloatMatrix, queries: int, k: int, device: Device) -> int:
    """Queries of a tile."""
    fixed = {"panels of the rows": buffer(rows.shape, wide(rows)), "lists": 12 * k * queries}
    line = {"cosines and their sums": 5 * 8 * len(rows), "queries": 8 * rows.shape[1]}
    purpose = f"corrected_search of {queries} among {len(rows)} rows"
    fitting = largest_tile(purpose, budget(device), queries, fixed=fixed, per_row=line)
    return min(fitting, rows_per_tile(8 * len(rows), TILE_BYTES))
