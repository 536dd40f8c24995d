"""The k rows of highest cosine, exactly.

    rows        (V, d)  float16, float32 or float64; finite
    queries     (Q, d)  the same type, or None: every row is a query, and excluded from its own list
    itself      (Q,)    int64: the query's own row, excluded from its list; −1: none; or None
    warm_start  (Q, m)  int32: rows that may be near, −1 padded, such as another run's lists; or None
    progress            reports the blocks done
    →           ids    (Q, k)  int32    best first, −1 padded
                scores (Q, k)  float64  their cosines, NaN padded

The score is defined bit for bit: products in float64 (fused multiply-add), sixteen partial sums by
column mod 16, added by halves (16 → 8 → 4 → 2 → 1); squared norms by the same sum;
``score = dot / (√κ_i · √κ_j)``. Higher scores first, equal scores smaller row first. A row of length 0 has
no cosine: it is in no list and its own list is empty. ``warm_start`` rows only raise the filter's first
thresholds: the answer does not depend on them. On a GPU ``rows`` and ``queries`` may both be on the host,
memory maps for instance, and larger than its memory. Source: Definitions §3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int32, Int64
from gpuemb.core.dispatch import kernel
from gpuemb.core.progress import SILENT, Progress

LANES = 16
VELTKAMP = 134_217_729.0  # 2^27 + 1 splits a float64 into two halves of 26 bits


@dataclass(frozen=True, eq=False)
class TopK:
    """The lists of the module's contract, and the number proved in each way.

    Attributes:
        ids: as in the contract.
        scores: as in the contract.
        certified: lists whose other candidates the bound of an int8 or float16 filter excludes.
        refined: lists whose other candidates the bound of a float32 filter excludes.
        recomputed: lists with every candidate scored in float64. Rows of length 0 are in none.
    """

    ids: Int32
    scores: Float64
    certified: int = 0
    refined: int = 0
    recomputed: int = 0


@kernel
def cosine_topk(
    rows: FloatMatrix,
    k: int,
    queries: FloatMatrix | None = None,
    itself: Int64 | None = None,
    warm_start: Int32 | None = None,
    progress: Progress = SILENT,
) -> TopK:
    """Find the ``k`` nearest rows of every query.

    Cost: ``2·Q·V·d`` flops.
    """
    if queries is None:
        queries, itself = rows, np.arange(len(rows))
    squared = _dots(rows, rows)
    ids, scores = np.full((len(queries), k), -1, np.int32), np.full((len(queries), k), np.nan)
    for q, query in enumerate(queries):
        length = math.sqrt(_dots(query[None, :], query)[0])
        candidates = np.flatnonzero(squared > 0)
        if itself is not None:
            candidates = candidates[candidates != itself[q]]
        if length == 0 or not len(candidates):
            continue
        cosines = _dots(rows[candidates], query) / (length * np.sqrt(squared[candidates]))
        best = np.lexsort((candidates, -cosines))[:k]
        ids[q, : len(best)], scores[q, : len(best)] = candidates[best], cosines[best]
    nonzero = int(np.sum(np.any(queries != 0, axis=1)))
    return TopK(ids, scores, recomputed=nonzero)


def _dots(rows: FloatMatrix, others: FloatMatrix) -> Float64:
    """The defined dot product of every row with one other, or with a row of its own in ``others``."""
    exact = rows.dtype.itemsize < 8  # products of narrower numbers are exact in float64
    pad = -rows.shape[1] % LANES
    left = np.pad(rows.astype(np.float64), ((0, 0), (0, pad)))
    right = np.pad(others.astype(np.float64), ((0, 0),) * (others.ndim - 1) + ((0, pad),))
    sums = np.zeros((len(rows), LANES))
    for start in range(0, left.shape[1], LANES):
        a, b = left[:, start : start + LANES], right[..., start : start + LANES]
        sums = sums + a * b if exact else _fused(a, np.broadcast_to(b, a.shape), sums)
    while sums.shape[1] > 1:
        half = sums.shape[1] // 2
        sums = sums[:, :half] + sums[:, half:]
    total: Float64 = sums[:, 0]
    return total


def _fused(a: Float64, b: Float64, c: Float64) -> Float64:
    """``a·b + c`` rounded once: Dekker's product without error, then a correctly rounded sum."""
    product = a * b
    a_high, b_high = (x * VELTKAMP - (x * VELTKAMP - x) for x in (a, b))
    a_low, b_low = a - a_high, b - b_high
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    rounded_once = np.vectorize(lambda *parts: math.fsum(parts), otypes=[np.float64])
    total: Float64 = rounded_once(product, error, c)
    return total
