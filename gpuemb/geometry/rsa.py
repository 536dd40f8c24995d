"""Representational similarity: do two tables agree on which pairs of words are alike?"""

from __future__ import annotations

import math
from typing import Any

from gpuemb.core.arrays import namespace_of
from gpuemb.geometry.crossgrams import PairSums, pair_sums
from gpuemb.geometry.similarity import Similarity


def rsa(x: Any, y: Any) -> Similarity:
    """Pearson correlation of all ``V(V−1)/2`` cosines of ``x`` with those of ``y``, exactly.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.

    Returns:
        The correlation in ``.value``; NaN with its reason where all cosines of a table are equal.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.

    Cost: ``V·(d + d')²`` flops; no ``V×V`` matrix. Source: Kriegeskorte (2008); Definitions §4.
    """
    sums = pair_sums(x, y, "unit")
    value = pearson_rsa(sums)
    reason = "all cosines of one table are equal" if math.isnan(value) else ""
    return Similarity(value, "rsa", "unit", sums.zeros, reason)


def pearson_rsa(sums: PairSums) -> float:
    """Return the correlation from the sums of unit rows."""
    xp = namespace_of(sums.cross)
    words = sums.rows
    pairs = words * (words - 1)
    if pairs <= 0:
        return math.nan
    mean_a = (float(xp.sum(sums.sum_x**2)) - words) / pairs
    mean_b = (float(xp.sum(sums.sum_y**2)) - words) / pairs
    square_a = (float(xp.sum(sums.gram_x**2)) - words) / pairs
    square_b = (float(xp.sum(sums.gram_y**2)) - words) / pairs
    product = (float(xp.sum(sums.cross**2)) - words) / pairs
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    if not _exists(variance_a, square_a, words) or not _exists(variance_b, square_b, words):
        return math.nan
    return (product - mean_a * mean_b) / math.sqrt(variance_a * variance_b)


def _exists(variance: float, square: float, words: int) -> bool:
    """Whether a variance stands out of the rounding of the sums it came from."""
    rounding = 64 * 2.0**-52 * (abs(square) + 1.0 / max(1, words - 1))
    return variance > rounding
