"""The definitions of Definitions §1 on dense tables, with fractions where counts are exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64
from gpuemb.corpus.tokens import Tokens


def weight(distance: int, window: int, weighting: str) -> Fraction:
    """What a pair at this distance counts."""
    return {
        "harmonic": Fraction(1, distance),
        "linear": Fraction(window - distance + 1, window),
        "flat": Fraction(1),
    }[weighting]


def counted(
    tokens: Tokens, window: int, weighting: str, side: str = "both", repeats: Sequence[int] | None = None
) -> NDArray[np.object_]:
    """``X_ij``, position by position, as exact fractions."""
    words = len(tokens.vocabulary)
    table = np.full((words, words), Fraction(0), object)
    for document, (first, last) in enumerate(pairwise(tokens.starts.tolist())):
        times = 1 if repeats is None else int(repeats[document])
        for center in range(first, last):
            for other in range(max(first, center - window), min(last, center + window + 1)):
                wanted = {"both": other != center, "left": other < center, "right": other > center}[side]
                if wanted:
                    pair = tokens.ids[center], tokens.ids[other]
                    table[pair] += times * weight(abs(other - center), window, weighting)
    return table


def pmi(table: Float64, smoothing: float) -> Float64:
    """``log(P(i,j) / (P(i) P(j)))`` of a dense table; −∞ for pairs that never co-occur."""
    words, total = table.sum(axis=1), table.sum()
    contexts = table.sum(axis=0) ** smoothing
    contexts = contexts / (contexts.sum() or 1.0)
    result = np.full_like(table, -math.inf)
    for i, j in zip(*np.nonzero(table), strict=True):
        result[i, j] = math.log((table[i, j] / total) / (words[i] / total * contexts[j]))
    return result


def ppmi(table: Float64, shift: float, smoothing: float) -> Float64:
    """``max(0, PMI − log shift)`` of a dense table of counts, context probabilities smoothed."""
    shifted: Float64 = np.maximum(0.0, pmi(table, smoothing) - math.log(shift))
    return shifted


def entropy(shares: Sequence[float]) -> float:
    """``−Σ p log p`` in nats; ``0 log 0`` is 0."""
    return -math.fsum(p * math.log(p) for p in shares if p > 0)
