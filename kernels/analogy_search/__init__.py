"""The k best answers of analogy questions "a is to b as c is to which word?", exactly.

    rows         (V, d)  float16, float32 or float64; finite: the candidates
    words        (U, d)  the same type: the distinct words of the questions
    questions    (Q, 3)  int64: places of a, b and c among the words
    groups       (V,)    int64: group of each candidate; one of a question's own three groups is no answer
    word_groups  (U,)    int64: group of each word
    method               ``3CosAdd``, ``3CosMul`` or ``PairDirection``
    →            ids    (Q, k)  int32    best first, −1 padded
                 scores (Q, k)  float64  by the method, NaN padded

With the cosines of Definitions §3, bit for bit those of :mod:`gpuemb.kernels.cosine_topk`, the score of w is

    3CosAdd        ``(cos(w,b) − cos(w,a)) + cos(w,c)``, |b − a + c| times the cosine of w and b − a + c
    3CosMul        ``((1 + cos(w,b))/2 · (1 + cos(w,c))/2) / ((1 + cos(w,a))/2 + 10⁻⁶)``
    PairDirection  ``((cos(w,b) − cos(w,a)) − (cos(c,b) − cos(c,a))) / (√(2 − 2cos(w,c))·√(2 − 2cos(a,b)))``,
                   the cosine of w − c and b − a of unit rows; none where either has a squared length up to
                   2⁻⁴⁰

in float64, in this order. Higher scores first, equal scores smaller row first. A row of length 0 is no
answer, and a question with such a word has none. Source: Mikolov (2013); Levy and Goldberg (2014);
Definitions §3.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int64
from gpuemb.core.dispatch import kernel
from gpuemb.kernels.cosine_scores import cosine_scores, panels_of
from gpuemb.kernels.cosine_topk import TopK

Method: TypeAlias = Literal["3CosAdd", "3CosMul", "PairDirection"]
METHODS: tuple[Method, ...] = ("3CosAdd", "3CosMul", "PairDirection")
EPSILON = 1e-6  # keeps 3CosMul finite (Levy & Goldberg's own would be 0.001; word2vec's followers use this)
SHORTEST = 2.0**-40  # squared length of a difference that still has a direction: cosines are right to 2⁻⁵⁰


@kernel
def analogy_search(
    rows: FloatMatrix,
    words: FloatMatrix,
    questions: Int64,
    groups: Int64,
    word_groups: Int64,
    k: int,
    method: Method,
) -> TopK:
    """Find the ``k`` best answers of every question.

    Cost: ``2·U·V·d`` flops in float32, and 2 to 3 more for every question and candidate.
    """
    near, among = (
        cosine_scores.reference(words, panels_of(others), np.empty((len(words), len(others))))
        for others in (rows, words)
    )
    ids, scores = np.full((len(questions), k), -1, np.int32), np.full((len(questions), k), np.nan)
    for q, (a, b, c) in enumerate(questions):
        found = _scores(near, among, a, b, c, method)
        own = np.isin(groups, word_groups[[a, b, c]])
        candidates = np.flatnonzero(~own & np.isfinite(found))
        best = candidates[np.lexsort((candidates, -found[candidates]))[:k]]
        ids[q, : len(best)], scores[q, : len(best)] = best, found[best]
    return TopK(ids, scores, recomputed=len(questions))


def _scores(near: Float64, among: Float64, a: int, b: int, c: int, method: Method) -> Float64:
    """Score of every candidate; NaN where there is none."""
    missing = np.isnan(among[[a, b, c], [a, b, c]]).any()
    if method == "3CosAdd":
        scores = (near[b] - near[a]) + near[c]
    elif method == "3CosMul":
        scores = ((1 + near[b]) / 2 * ((1 + near[c]) / 2)) / ((1 + near[a]) / 2 + EPSILON)
    else:
        along = (near[b] - near[a]) - (among[c, b] - among[c, a])
        squared, own = 2 - 2 * near[c], 2 - 2 * among[a, b]
        with np.errstate(invalid="ignore", divide="ignore"):  # of differences without a direction
            scores = along / (np.sqrt(squared) * np.sqrt(own))
        scores = np.where((squared > SHORTEST) & (own > SHORTEST), scores, np.nan)
    return np.where(missing, np.nan, scores)
