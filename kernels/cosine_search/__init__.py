"""The k rows of highest cosine with a few queries, exactly, from a table that may have been prepared.

rows     (V, d)  float32 or float64; finite; rows of the host, float16 too, may be streamed to a GPU
prepared         result of ``filter_of``: unit rows ``(V, d)`` float32, or the same as bytes; None: unit rows
                 are computed in parts, for every search
queries  (Q, d)  float32 or float64
itself   (Q,)    int64: the query's own row, excluded from its list; −1: none
→        ids (Q, k), scores (Q, k): those of :mod:`gpuemb.kernels.cosine_topk`, bit for bit
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, FloatMatrix, Int64, device_of
from gpuemb.core.dispatch import kernel
from gpuemb.core.memory import buffer, tiles
from gpuemb.kernels.cosine_topk import TopK, cosine_topk

if TYPE_CHECKING:
    from gpuemb.kernels.cosine_search.cpu.int8 import Quantized

Prepared: TypeAlias = "Float32 | Quantized"

CHUNK = 4096  # rows held in float64 at once
TILE = 1 << 19  # scores: 2 MB are read back from L2
UNITS = 1 << 17  # numbers scaled at once: 0.5 MB are read back from L2
TASKS_A_WORKER = 2
LARGEST_INT8_DIM = 65_536  # 255·127·d stays inside int32
FEW_QUERIES, FEW_NEIGHBORS = 512, 300  # beyond, the reordering of cosine_topk pays, for 20,000 … 400,000 rows


def unit_rows(rows: FloatMatrix) -> Float32:
    """Scale rows to length 1 and round them to float32: each moves by at most 2⁻²⁴; zero rows stay.

    Cost: one pass over the table.
    """
    unit = np.empty(rows.shape, np.float32)

    def scale(part: tuple[int, int]) -> None:
        some = rows[slice(*part)].astype(np.float64)
        lengths = np.sqrt(np.einsum("vd,vd->v", some, some))
        unit[slice(*part)] = some / np.where(lengths > 0, lengths, 1)[:, None]

    threads.run(scale, tiles(len(rows), CHUNK))
    return unit


def by_int8(dim: int) -> bool:
    """Whether the CPU has int8 products for a filter of bytes."""
    from gpuemb.kernels import vnni

    return not vnni.missing() and dim <= LARGEST_INT8_DIM


def filter_of(rows: FloatMatrix) -> Prepared | None:
    """Prepare a table for searches; None on a GPU, which reads the rows as fast."""
    if device_of(rows).kind != "cpu":
        return None
    if not by_int8(rows.shape[1]):
        return unit_rows(rows)
    from gpuemb.kernels.cosine_search.cpu.int8 import quantized

    return quantized(rows)


def filter_bytes(words: int, dim: int) -> int:
    """Bytes of :func:`filter_of` on the CPU."""
    return buffer((words, dim + 28), np.int8) if by_int8(dim) else buffer((words, dim), np.float32)


def buffers_of(queries: int, k: int, dim: int) -> dict[str, int]:
    """Bytes of a search beside its arrays."""
    parts = TASKS_A_WORKER * threads.count()
    tile = buffer((TILE,), np.float32) + buffer((max(UNITS, dim),), np.float32)
    return {"lists": 2 * parts * queries * k * 12, "tiles": threads.count() * tile}


@kernel
def cosine_search(
    rows: FloatMatrix, prepared: Prepared | None, k: int, queries: FloatMatrix, itself: Int64
) -> TopK:
    """Find the ``k`` nearest rows of every query.

    Cost: ``2·Q·V·d`` operations in int8 or float32, and ``prepared``, or ``rows``, is read once for every 256
    queries; on a GPU in float64, and ``rows`` once for every 8.
    """
    return cosine_topk.reference(rows, k, queries, itself)
