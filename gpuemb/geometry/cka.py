"""Centered kernel alignment: are the two tables' similarity structures proportional?"""

from __future__ import annotations

import math
from typing import Any

from gpuemb.core.arrays import namespace_of
from gpuemb.geometry.crossgrams import PairSums, pair_sums
from gpuemb.geometry.similarity import Similarity


def cka(x: Any, y: Any) -> Similarity:
    """Linear CKA ``‖C‖² / (‖G_X‖ ‖G_Y‖)`` of centered columns, between 0 and 1.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.

    Returns:
        The alignment in ``.value``; NaN with its reason where a table's rows are all equal.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.

    Cost: ``V·(d + d')²`` flops. Source: Kornblith (2019); Definitions §4.
    """
    sums = pair_sums(x, y, "centered")
    value = linear_cka(sums)
    reason = "the rows of one table are all equal" if math.isnan(value) else ""
    return Similarity(value, "cka", "centered", sums.zeros, reason)


def linear_cka(sums: PairSums) -> float:
    """Return linear CKA from the sums of centered columns."""
    xp = namespace_of(sums.cross)
    scale = math.sqrt(float(xp.sum(sums.gram_x**2)) * float(xp.sum(sums.gram_y**2)))
    return float(xp.sum(sums.cross**2)) / scale if scale > 0 else math.nan
