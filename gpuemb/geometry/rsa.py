"""Representational similarity: do two tables agree on which pairs of words are alike?"""

from __future__ import annotations

import math
from typing import Any

from gpuemb.core.arrays import namespace_of
from gpuemb.core.progress import SILENT, Progress
from gpuemb.geometry.crossgrams import PairSums, pair_sums
from gpuemb.geometry.resampling import Measure, OwnTerms, uncertainty
from gpuemb.geometry.similarity import Similarity
from gpuemb.geometry.uncertainty import Draws


def rsa(
    x: Any,
    y: Any,
    *,
    permutations: int = 0,
    bootstrap: int = 0,
    seed: int = 0,
    confidence: float = 0.95,
    progress: Progress = SILENT,
) -> Similarity:
    """Pearson correlation of all ``V(V−1)/2`` cosines of ``x`` with those of ``y``, exactly.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        permutations: of the words of one table, for ``p_value``, ``chance_adjusted`` and ``gated``.
        bootstrap: resamples of the words, for ``interval``; copies of a word make no pair.
        seed: of both; the same draws for every measure and any number of threads.
        confidence: of the interval.
        progress: told of every draw.

    Returns:
        The correlation in ``.value``; NaN with its reason where all cosines of a table are equal.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        ConfigError: a negative number of draws, or a confidence that is no share.

    Cost: ``V·(d + d')²`` flops; no ``V×V`` matrix. Source: Kriegeskorte (2008); Definitions §4.
    """
    draws = Draws("rsa", permutations, bootstrap, seed, confidence)
    sums = pair_sums(x, y, "unit")
    value = pearson_rsa(sums)
    reason = "all cosines of one table are equal" if math.isnan(value) else ""
    found = Similarity(value, "rsa", "unit", sums.zeros, reason)
    return uncertainty(x, y, RSA, draws, progress).onto(found) if draws else found


def pearson_rsa(sums: PairSums, own: OwnTerms | None = None) -> float:
    """Return the correlation from the sums of unit rows; two copies of a word are no pair."""
    xp = namespace_of(sums.cross)
    words = sums.rows
    alone = words if own is None else float(own.counts[1])  # Σw²: what a word's copies, all of length 1, add
    pairs = words * words - alone
    if pairs <= 0:
        return math.nan
    mean_a = (float(xp.sum(sums.sum_x**2)) - alone) / pairs
    mean_b = (float(xp.sum(sums.sum_y**2)) - alone) / pairs
    square_a = (float(xp.sum(sums.gram_x**2)) - alone) / pairs
    square_b = (float(xp.sum(sums.gram_y**2)) - alone) / pairs
    product = (float(xp.sum(sums.cross**2)) - alone) / pairs
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    if not _exists(variance_a, square_a, alone / pairs) or not _exists(variance_b, square_b, alone / pairs):
        return math.nan
    return (product - mean_a * mean_b) / math.sqrt(variance_a * variance_b)


def _exists(variance: float, square: float, subtracted: float) -> bool:
    """Whether a variance stands out of the rounding of the sums it came from."""
    rounding = 64 * 2.0**-52 * (abs(square) + subtracted)
    return variance > rounding


RSA = Measure("RSA", "unit", pearson_rsa)
