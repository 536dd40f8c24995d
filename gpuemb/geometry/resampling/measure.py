"""Measures that can be resampled: functions of sums and of the terms of repeated words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, namespace_of
from gpuemb.geometry.grams.pair_sums import PairSums, Preparation


@dataclass(frozen=True, eq=False)
class OwnTerms:
    """Terms of words with themselves, summed with powers ``p = 1, 2, 3`` of their weights.

    A word drawn ``w`` times makes ``w²`` pairs of copies, ``w`` of them a copy with itself. A measure takes
    out of its sums what Definitions §5 says a duplicate must not add. κ and ℓ are squared lengths of the
    *prepared* rows; of a ``centered`` draw, around that draw's own mean.

    Attributes:
        counts: ``(3,)`` ``Σ w^p``.
        lengths: ``(3, 2)`` ``Σ w^p κ`` and ``Σ w^p ℓ``.
        products: ``(3, 2, 2)`` ``[[Σ w^p κ², Σ w^p κℓ], [Σ w^p κℓ, Σ w^p ℓ²]]``.
    """

    counts: Float64
    lengths: Float64
    products: Float64

    @classmethod
    def of_single_words(cls, x: Array, y: Array) -> Self:
        """Return the terms of words that occur once, from squared lengths ``(V,)`` of their rows."""
        xp = namespace_of(x, y)
        xx, xy, yy = (float(xp.sum(a * b)) for a, b in ((x, x), (x, y), (y, y)))
        lengths = [float(xp.sum(x)), float(xp.sum(y))]
        return cls(
            np.full(3, float(x.shape[0])), np.tile(lengths, (3, 1)), np.tile([[xx, xy], [xy, yy]], (3, 1, 1))
        )

    @property
    def copies(self) -> Float64:
        """``(2, 2)`` contribution of pairs of copies of one word to ``‖G_X‖²``, ``‖C‖²``, ``‖G_Y‖²``."""
        found: Float64 = self.products[1] - self.products[0]
        return found


ValueOfSums: TypeAlias = Callable[[PairSums, OwnTerms], float]


@dataclass(frozen=True)
class Measure:
    """A number about two tables that follows from their sums.

    Attributes:
        name: in progress reports.
        preparation: of the rows.
        value: the number, from the sums of a table in which a word may occur several times, and from the
            terms of its copies. A measure without pairs of words ignores the latter.
        best: its value for two tables that agree.
        higher_is_closer: whether larger values are nearer to that.
    """

    name: str
    preparation: Preparation
    value: ValueOfSums
    best: float = 1.0
    higher_is_closer: bool = True
