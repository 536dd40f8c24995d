"""Sums of one pair of tables, from which measures follow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gpuemb.core.arrays import Array, namespace_of
from gpuemb.geometry.grams.digits import CANCELED, NEARLY_EQUAL, PROMISED

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


@dataclass(frozen=True)
class Square:
    """The square of a distance.

    Attributes:
        value: a difference of sums.
        size: what it was subtracted from.
        error: bound of its error where the products are float32.
    """

    value: float
    size: float
    error: float = 0.0

    @property
    def near(self) -> bool:
        """Whether float64 sums have too few digits for it."""
        return self.value < NEARLY_EQUAL * self.size

    @property
    def doubtful(self) -> bool:
        """Whether float32 products have."""
        return not self.error <= PROMISED * self.value

    @property
    def root(self) -> float:
        """The distance; NaN where it is lost in the rounding of the sums."""
        return math.sqrt(self.value) if self.value > NEARLY_EQUAL * self.size else math.nan


def squared_norm(product: Array) -> float:
    """Return ``‖P‖²``."""
    return float(namespace_of(product).sum(product**2))


def varies(variance: float, square: float, subtracted: float) -> bool:
    """Whether a variance stands out of the rounding of the sums it came from."""
    return variance > CANCELED * (abs(square) + subtracted)
