"""Sums of one pair of tables, from which measures follow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gpuemb.core.arrays import Array, like, namespace_of
from gpuemb.geometry.grams.digits import NEARLY_EQUAL
from gpuemb.kernels.gram import GramSums

Preparation: TypeAlias = Literal["raw", "unit", "centered"]


@dataclass(frozen=True, eq=False)
class PairSums:
    """Sums of one pair of tables, float64; ``X`` and ``Y`` are prepared rows.

    Attributes:
        rows: ``V``.
        gram_x: ``(d, d)`` XᵀX.
        gram_y: ``(e, e)`` YᵀY.
        cross: ``(d, e)`` XᵀY.
        sum_x: ``(d,)`` column sums of X.
        sum_y: ``(e,)`` column sums of Y.
    """

    rows: int
    gram_x: Array
    gram_y: Array
    cross: Array
    sum_x: Array
    sum_y: Array


def in_library(sums: GramSums, x: Array) -> GramSums:
    """Return the sums in the library of ``x``."""
    return GramSums(*(like(array, x) for array in sums.fields))


def squared_norm(product: Array) -> float:
    """Return ``‖P‖²``."""
    return float(namespace_of(product).sum(product**2))


def root_or_nan(squared: float, scale: float) -> float:
    """Return the root of a difference of sums of size ``scale``; NaN within their rounding."""
    return math.sqrt(squared) if squared > NEARLY_EQUAL * scale else math.nan
