"""What copies of words add to the sums of a resample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, namespace_of
from gpuemb.geometry.grams.pair_sums import PairSums


@dataclass(frozen=True, eq=False)
class OwnTerms:
    """What words contribute by meeting themselves, summed with powers ``p = 1, 2, 3`` of their weights.

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
        """Return the terms of words that stand there once, from squared lengths ``(V,)`` of their rows."""
        xp = namespace_of(x, y)
        xx, xy, yy = (float(xp.sum(a * b)) for a, b in ((x, x), (x, y), (y, y)))
        lengths = [float(xp.sum(x)), float(xp.sum(y))]
        return cls(
            np.full(3, float(x.shape[0])), np.tile(lengths, (3, 1)), np.tile([[xx, xy], [xy, yy]], (3, 1, 1))
        )

    @classmethod
    def of_centered(cls, raw: PairSums) -> Self:
        """Return the terms of centered words that stand there once, from the sums of raw rows.

        The lengths of centered rows are expanded: exact where the means are small beside the spread.
        """
        xp, words = namespace_of(raw.cross), raw.rows
        means = (raw.sum_x / words, raw.sum_y / words)
        sides = (0, raw.gram_x, raw.weighted_x), (1, raw.gram_y, raw.weighted_y)
        squares = [float(xp.sum(mean**2)) for mean in means]
        lengths = [float(xp.linalg.trace(gram)) - words * squares[s] for s, gram, _ in sides]
        grams = ((raw.gram_x, raw.cross), (xp.matrix_transpose(raw.cross), raw.gram_y))
        products = np.empty((2, 2))
        for i, _, weighted_i in sides:
            for j, gram_j, weighted_j in sides:
                across = 2 * float(xp.sum(means[i] * weighted_i[j, :]) + xp.sum(means[j] * weighted_j[i, :]))
                joint = 4 * float(xp.sum(means[i] * xp.sum(grams[i][j] * means[j], axis=1)))
                traces = squares[i] * float(xp.linalg.trace(gram_j))
                traces += squares[j] * float(xp.linalg.trace(sides[i][1]))
                rest = 3 * words * squares[i] * squares[j]
                products[i, j] = float(raw.norms[i, j]) - across + joint + traces - rest
        return cls(np.full(3, float(words)), np.tile(lengths, (3, 1)), np.tile(products, (3, 1, 1)))

    @property
    def copies(self) -> Float64:
        """``(2, 2)`` what pairs of two copies of one word add to ``‖G_X‖²``, ``‖C‖²``, ``‖G_Y‖²``."""
        found: Float64 = self.products[1] - self.products[0]
        return found


ValueOfSums: TypeAlias = Callable[[PairSums, OwnTerms | None], float]
