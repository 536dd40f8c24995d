"""What copies of words add to the sums of a resample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Self, TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, namespace_of
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import PairSums, squared_norm


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
    def of_centered(cls, raw: Grams) -> Self:
        """Return the terms of centered words that are there once, from raw products of two tables.

        The lengths of centered rows are expanded: exact where the means are small beside the spread.
        """
        xp, words = namespace_of(raw.products), raw.rows
        means = raw.means()
        squares = [float(xp.sum(mean**2)) for mean in means]
        traces = [float(xp.linalg.trace(raw.found(s, s))) for s in range(2)]
        lengths = [trace - words * square for trace, square in zip(traces, squares, strict=True)]
        products = np.empty((2, 2))
        for i, j in product(range(2), repeat=2):
            weighted = (raw.weighted[j, :][raw.columns(i)], raw.weighted[i, :][raw.columns(j)])
            across = 2 * float(xp.sum(means[i] * weighted[0]) + xp.sum(means[j] * weighted[1]))
            joint = 4 * float(xp.sum(means[i] * xp.sum(raw.found(i, j) * means[j], axis=1)))
            spread = squares[i] * traces[j] + squares[j] * traces[i] - 3 * words * squares[i] * squares[j]
            products[i, j] = float(raw.norms[i, j]) - across + joint + spread
        return cls(np.full(3, float(words)), np.tile(lengths, (3, 1)), np.tile(products, (3, 1, 1)))


ValueOfSums: TypeAlias = Callable[[PairSums, OwnTerms | None], float]


def without_copies(sums: PairSums, own: OwnTerms | None) -> tuple[float, float, float]:
    """Return ``‖G_X‖²``, ``‖C‖²`` and ``‖G_Y‖²`` less what pairs of two copies of one word add."""
    x, cross, y = (squared_norm(product) for product in (sums.gram_x, sums.cross, sums.gram_y))
    if own is None:
        return x, cross, y
    copies = own.products[1] - own.products[0]
    return x - float(copies[0, 0]), cross - float(copies[0, 1]), y - float(copies[1, 1])
