"""Exact cosine neighbors on the CPU: a float32 filter with a proof, float64 answers.

Plan      Unit rows in float32. A worker takes a tile of queries; BLAS multiplies it with column tiles; a
          pair whose float32 score lies more than ε below the query's k-th exact score so far is dropped,
          any other is scored by definition and offered to the query's sorted list. Nothing is dropped
          without proof, so the answer is exact for any tile and any number of threads.
Bound     Rounding a unit row to float32 moves it by at most 2⁻²⁴, float32 BLAS adds at most d·2⁻²⁴:
          ε = (d + 8)·2⁻²⁴ covers both and the float64 score's own 2⁻⁵³ (d + 8).
Bound by  float32 matrix products, 2·Q·V·d flops; about k·ln(V/k) pairs a query are scored in float64.
Weak case tables whose scores all lie within ε of each other run at float64 speed.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, FloatMatrix, Int32, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk import LANES, TopK
from gpuemb.kernels.intrinsics import fused_multiply_add

QUERY_TILE, COLUMN_TILE = 256, 2048  # a float32 tile of scores is 2 MB: it is read back from L2
FILTER_GROUP = 128  # scores tested at once without a branch


def cosine_topk(
    rows: FloatMatrix, k: int, queries: FloatMatrix | None = None, itself: Int64 | None = None
) -> TopK:
    """See :mod:`gpuemb.kernels.cosine_topk`."""
    table, lengths, unit = _prepare(rows)
    if queries is None:
        itself, asked, asked_lengths, asked_unit = np.arange(len(table)), table, lengths, unit
    else:
        asked, asked_lengths, asked_unit = _prepare(queries)
    excluded = np.full(len(asked), -1, np.int64) if itself is None else np.asarray(itself, np.int64)
    ids = np.full((len(asked), k), -1, np.int32)
    scores = np.full((len(asked), k), np.nan)
    epsilon = (table.shape[1] + 8) * 2.0**-24

    def search(part: tuple[int, int]) -> None:
        start, stop = part
        best = np.full((stop - start, k), -np.inf)
        found = np.zeros(stop - start, np.int64)
        for first, last in tiles(len(table), COLUMN_TILE):
            approximate = asked_unit[start:stop] @ unit[first:last].T
            _offer_survivors(
                approximate,
                epsilon,
                first,
                table,
                lengths,
                asked[start:stop],
                asked_lengths[start:stop],
                excluded[start:stop],
                best,
                ids[start:stop],
                found,
            )
        scores[start:stop] = np.where(ids[start:stop] >= 0, best, np.nan)

    threads.run(search, tiles(len(asked), QUERY_TILE))
    return TopK(ids, scores)


def _prepare(rows: FloatMatrix) -> tuple[FloatMatrix, Float64, Float32]:
    """Return contiguous rows (float16 widened, exactly), their lengths, and unit rows in float32."""
    table = np.ascontiguousarray(rows, np.float64 if rows.dtype.itemsize == 8 else np.float32)
    lengths = np.empty(len(table))
    unit = np.empty(table.shape, np.float32)
    threads.run(lambda part: _normalize(table, lengths, unit, *part), tiles(len(table), 4096))
    return table, lengths, unit


@njit_inline
def _dot(x: FloatMatrix, y: FloatMatrix) -> float:
    """The defined dot product: sixteen partial sums, added by halves."""
    sums = np.zeros(LANES)
    whole = x.size // LANES * LANES
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            sums[lane] = fused_multiply_add(
                np.float64(x[start + lane]), np.float64(y[start + lane]), sums[lane]
            )
    for column in range(whole, x.size):
        lane = column - whole
        sums[lane] = fused_multiply_add(np.float64(x[column]), np.float64(y[column]), sums[lane])
    half = LANES // 2
    while half > 0:
        for lane in range(half):
            sums[lane] += sums[lane + half]
        half //= 2
    return float(sums[0])


@njit
def _normalize(table: FloatMatrix, lengths: Float64, unit: Float32, first: int, last: int) -> None:
    for row in range(first, last):
        lengths[row] = np.sqrt(_dot(table[row], table[row]))
        for column in range(table.shape[1]):
            value = np.float64(table[row, column])
            unit[row, column] = value / lengths[row] if lengths[row] > 0 else 0.0


@njit
def _offer_survivors(
    approximate: Float32,
    epsilon: float,
    first: int,
    table: FloatMatrix,
    lengths: Float64,
    asked: FloatMatrix,
    asked_lengths: Float64,
    excluded: Int64,
    best: Float64,
    ids: Int32,
    found: Int64,
) -> None:
    k, columns = best.shape[1], approximate.shape[1]
    for query in range(approximate.shape[0]):
        if asked_lengths[query] == 0:
            continue
        row = approximate[query]
        threshold = np.float32(best[query, k - 1] - epsilon)
        for start in range(0, columns, FILTER_GROUP):
            stop = min(start + FILTER_GROUP, columns)
            passing = 0
            for column in range(start, stop):
                passing += row[column] >= threshold
            if passing == 0:
                continue
            for column in range(start, stop):
                candidate = first + column
                if row[column] < threshold or candidate == excluded[query] or lengths[candidate] == 0:
                    continue
                score = _dot(asked[query], table[candidate]) / (asked_lengths[query] * lengths[candidate])
                if found[query] < k or score > best[query, k - 1]:
                    _insert(best[query], ids[query], found[query], score, candidate)
                    found[query] = min(found[query] + 1, k)
                    threshold = np.float32(best[query, k - 1] - epsilon)


@njit
def _insert(best: Float64, ids: Int32, found: int, score: float, candidate: int) -> None:
    """Insert behind all scores that are not smaller: candidates come in row order, so ties stay in it."""
    position = min(found, best.size - 1)
    while position > 0 and best[position - 1] < score:
        best[position] = best[position - 1]
        ids[position] = ids[position - 1]
        position -= 1
    best[position] = score
    ids[position] = candidate
