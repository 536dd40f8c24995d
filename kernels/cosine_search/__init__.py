"""The k rows of highest cosine with a few queries, exactly, from a table that was prepared once.

rows     (V, d)  float32 or float64; finite
unit     (V, d)  float32: what ``filter_of`` makes of them; None: made where it is needed
queries  (Q, d)  float32 or float64
itself   (Q,)    int64: the row that a query is, left out of its answer; −1: none
→        ids (Q, k), scores (Q, k): those of :mod:`gpuemb.kernels.cosine_topk`, bit for bit
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, FloatMatrix, Int64, device_of
from gpuemb.core.dispatch import kernel
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk import TopK, cosine_topk

CHUNK = 4096  # rows that are held in float64 at once


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


def filter_of(rows: FloatMatrix) -> Float32 | None:
    """Return what a search of these rows needs beside them: nothing on a GPU, which reads rows as fast."""
    return unit_rows(rows) if device_of(rows).kind == "cpu" else None


@kernel
def cosine_search(
    rows: FloatMatrix, unit: Float32 | None, k: int, queries: FloatMatrix, itself: Int64
) -> TopK:
    """Find the ``k`` nearest rows of every query.

    Cost: ``2·Q·V·d`` flops in float32, and ``unit`` is read once for every 256 queries; on a GPU in float64,
    and ``rows`` once for every 8.
    """
    return cosine_topk.reference(rows, k, queries, itself)
