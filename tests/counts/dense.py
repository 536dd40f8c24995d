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


def ppmi(table: Float64, shift: float, smoothing: float) -> Float64:
    """``max(0, PMI − log shift)`` of a dense table of counts, context probabilities smoothed."""
    words, total = table.sum(axis=1), table.sum()
    contexts = table.sum(axis=0) ** smoothing
    contexts = contexts / contexts.sum()
    result = np.zeros_like(table)
    for i, j in zip(*np.nonzero(table), strict=True):
        pmi = math.log((table[i, j] / total) / (words[i] / total * contexts[j]))
        result[i, j] = max(0.0, pmi - math.log(shift))
    return result
