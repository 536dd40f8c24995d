"""The k rows of highest cosine corrected for hubs, with each query, exactly.

    rows        (V, d)  float16, float32 or float64; finite
    queries     (Q, d)  the same type
    itself      (Q,)    int64: the query's own row, excluded from its list; −1: none
    of_rows     (V, 2)  float64: csls: r, mean cosine with the nearest, and nothing; mutual proximity: mean
                        and standard deviation of the row's cosines, 0 where they are all equal
    of_queries  (Q, 2)  the same of each query
    method              ``csls`` or ``mutual_proximity``
    progress            reports the queries done
    →           ids    (Q, k)  int32    best first, −1 padded
                scores (Q, k)  float64  by the method, NaN padded

With c the cosine of Definitions §3, bit for bit that of :mod:`gpuemb.kernels.cosine_topk`, the score of query
q and row y is

    csls              ``2c − (r_q + r_y)``
    mutual_proximity  ``−((a + b) − a·b)`` with ``a = erfc((c − m_q)/s_q·√½)/2``, ``b`` the same of y, and
                      erfc(0)/2 where s = 0: mutual proximity less 1, exact where that is nearly 0

in float64, in this order; erfc is the C library's. Higher scores first, equal scores smaller row first. A row
of length 0, and one whose correction is NaN, is in no list, and its own is empty.
Source: Conneau (2018); Schnitzer (2012), independent Gaussian form; Definitions §3.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int64
from gpuemb.core.dispatch import kernel
from gpuemb.core.progress import SILENT, Progress
from gpuemb.kernels.cosine_scores import cosine_scores, panels_of
from gpuemb.kernels.cosine_topk import TopK

Method: TypeAlias = Literal["csls", "mutual_proximity"]
METHODS: tuple[Method, ...] = ("csls", "mutual_proximity")
SQRT_HALF = math.sqrt(0.5)


@kernel
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
    """Find the ``k`` rows of highest corrected score of every query.

    Cost: ``2·Q·V·d`` flops in float32, and 4 more a pair; on a GPU in float64, and a selection among V.
    """
    cosines = cosine_scores.reference(queries, panels_of(rows), np.empty((len(queries), len(rows))))
    ids, scores = np.full((len(queries), k), -1, np.int32), np.full((len(queries), k), np.nan)
    for q, line in enumerate(cosines):
        found = _scores(line, of_rows, of_queries[q], method)
        candidates = np.flatnonzero(~np.isnan(found) & (np.arange(len(rows)) != itself[q]))
        best = candidates[np.lexsort((candidates, -found[candidates]))[:k]]
        ids[q, : len(best)], scores[q, : len(best)] = best, found[best]
    return TopK(ids, scores, recomputed=int(np.any(queries != 0, axis=1).sum()))


def _scores(cosines: Float64, of_rows: Float64, of_query: Float64, method: Method) -> Float64:
    """Score of every row; NaN where there is none."""
    if method == "csls":
        scores: Float64 = 2 * cosines - (of_query[0] + of_rows[:, 0])
        return scores
    a, b = (_tails(cosines, each) for each in (np.broadcast_to(of_query, of_rows.shape), of_rows))
    return -((a + b) - a * b)


def _tails(cosines: Float64, of: Float64) -> Float64:
    """Chance that a normal variable of these means and deviations is above each cosine."""
    with np.errstate(divide="ignore", invalid="ignore"):  # where all cosines are equal
        z = np.where(of[:, 1] == 0, np.where(np.isnan(cosines), np.nan, 0.0), (cosines - of[:, 0]) / of[:, 1])
    tails: Float64 = 0.5 * np.array([math.erfc(each) for each in (z * SQRT_HALF).tolist()])
    return tails
