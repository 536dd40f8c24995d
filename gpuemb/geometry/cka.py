"""Centered kernel alignment: are the two tables' similarity structures proportional?"""

from __future__ import annotations

import math
from typing import Any

from gpuemb.core.arrays import namespace_of
from gpuemb.core.progress import SILENT, Progress
from gpuemb.geometry.crossgrams import PairSums, pair_sums
from gpuemb.geometry.resampling import Measure, OwnTerms, uncertainty
from gpuemb.geometry.similarity import Similarity
from gpuemb.geometry.uncertainty import Draws


def cka(
    x: Any,
    y: Any,
    *,
    permutations: int = 0,
    bootstrap: int = 0,
    seed: int = 0,
    confidence: float = 0.95,
    progress: Progress = SILENT,
) -> Similarity:
    """Linear CKA ``‖C‖² / (‖G_X‖ ‖G_Y‖)`` of centered columns, between 0 and 1.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        permutations: of the words of one table, for ``p_value``, ``chance_adjusted`` and ``gated``.
        bootstrap: resamples of the words, for ``interval``; copies of a word make no pair.
        seed: of both; the same draws for every measure and any number of threads.
        confidence: of the interval.
        progress: told of every draw.

    Returns:
        The alignment in ``.value``; NaN with its reason where a table's rows are all equal.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        ConfigError: a negative number of draws, or a confidence that is no share.

    Cost: ``V·(d + d')²`` flops; ``2·V·d·d'`` a permutation, ``1.3·V·(d² + dd' + d'²)`` a resample. Source:
    Kornblith (2019); Definitions §4, §5.
    """
    draws = Draws("cka", permutations, bootstrap, seed, confidence)
    sums = pair_sums(x, y, "centered")
    value = linear_cka(sums)
    reason = "the rows of one table are all equal" if math.isnan(value) else ""
    found = Similarity(value, "cka", "centered", sums.zeros, reason)
    return uncertainty(x, y, CKA, draws, progress).onto(found) if draws else found


def linear_cka(sums: PairSums, own: OwnTerms | None = None) -> float:
    """Return linear CKA from the sums of centered columns; two copies of a word are no pair."""
    xp = namespace_of(sums.cross)
    parts = [float(xp.sum(product**2)) for product in (sums.gram_x, sums.cross, sums.gram_y)]
    if own is not None:
        copies = own.copies
        pairs = zip(parts, (copies[0, 0], copies[0, 1], copies[1, 1]), strict=True)
        parts = [whole - float(copied) for whole, copied in pairs]
    scale = math.sqrt(max(0.0, parts[0]) * max(0.0, parts[2]))
    return parts[1] / scale if scale > 0 else math.nan


CKA = Measure("CKA", "centered", linear_cka)
