"""Means, variances and covariance of all cosines of two tables, from sums of rows of length 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, device_of, namespace_of
from gpuemb.core.device import require
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.geometry.grams.digits import FLOAT32_SPREAD, NEARLY_EQUAL
from gpuemb.geometry.grams.pair_sums import PairSums, squared_norm, varies
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.geometry.resampling.own_terms import OwnTerms

Two: TypeAlias = tuple[float, float]
Centers: TypeAlias = tuple[Array, Array]

FLAT = 1e-9  # where one less the mean cosine is below, cosines are taken as equal (Definitions §4)
NARROW = 0.5  # one less the mean cosine: below, the mean may hide the variance
FLOAT32_LOST = FLOAT32_SPREAD**2  # of a square: with less variance, float32 has lost it to the mean


@dataclass(frozen=True)
class CosineMoments:
    """Moments of the cosines of all pairs of different words, in X and in Y.

    Attributes:
        gaps: one less the mean cosine.
        variances: of the cosines.
        sizes: what the variances were subtracted from.
        covariance: of the cosines in X with those in Y.
    """

    gaps: Two
    variances: Two
    sizes: Two
    covariance: float

    @property
    def vary(self) -> bool:
        """Whether the cosines of both tables vary by more than rounding, and are not all nearly 1."""
        pairs = zip(self.gaps, self.variances, self.sizes, strict=True)
        return all(gap >= FLAT and varies(variance, size, 0.0) for gap, variance, size in pairs)

    def hidden(self, share: float = NEARLY_EQUAL) -> bool:
        """Whether the mean of a table leaves less than a share of a square to its variance."""
        pairs = zip(self.gaps, self.variances, self.sizes, strict=True)
        return any(gap < NARROW and variance < share * size for gap, variance, size in pairs)

    @property
    def correlation(self) -> float:
        """Pearson's correlation; NaN where one table does not vary."""
        if not self.vary:
            return math.nan
        return self.covariance / math.sqrt(self.variances[0] * self.variances[1])


def cosine_moments(
    sums: PairSums, own: OwnTerms | None = None, centers: Centers | None = None
) -> CosineMoments | None:
    """Return the moments of all cosines; None without two words.

    With rows ``x_i = c + e_i`` of length 1, a cosine less ``‖c‖²`` is ``c·e_i + c·e_j + e_i·e_j``: its sums
    over all pairs follow from ``EᵀE``, ``EᵀF`` and the sums of the e, and keep their digits where the e are
    small. Words with themselves, and copies of words, are taken out.

    Args:
        sums: of rows of length 1; less ``centers`` where those are given.
        own: what copies of a word add; None where no word has a copy.
        centers: ``c`` of X and of Y; None for 0.
    """
    alone = sums.rows if own is None else float(own.counts[1])  # Σw²: pairs of a word with its copies
    pairs = sums.rows**2 - alone
    if pairs <= 0:
        return None
    if centers is None:
        totals, selves = (squared_norm(sums.sum_x), squared_norm(sums.sum_y)), (1.0, 1.0)
        xx, yy, xy = (squared_norm(product) for product in (sums.gram_x, sums.gram_y, sums.cross))
    else:
        totals, selves, (xx, yy, xy) = _around(sums, *centers)
    means = [(total - alone * one) / pairs for total, one in zip(totals, selves, strict=True)]
    squares = [(xx - alone * selves[0] ** 2) / pairs, (yy - alone * selves[1] ** 2) / pairs]
    return CosineMoments(
        (selves[0] - means[0], selves[1] - means[1]),
        (squares[0] - means[0] ** 2, squares[1] - means[1] ** 2),
        (abs(squares[0]) + alone * selves[0] ** 2 / pairs, abs(squares[1]) + alone * selves[1] ** 2 / pairs),
        (xy - alone * selves[0] * selves[1]) / pairs - means[0] * means[1],
    )


def _around(sums: PairSums, c: Array, d: Array) -> tuple[Two, Two, tuple[float, float, float]]:
    """Sums over all pairs of cosines less ``‖c‖²``, those of words with themselves, and of products."""
    xp = namespace_of(sums.cross)

    def product(gram: Array, first: tuple[Array, Array], second: tuple[Array, Array]) -> float:
        (a, s), (b, t) = first, second
        mixed = sums.rows * (a @ gram @ b) + (a @ s) * (b @ t) + a @ gram @ t + s @ gram @ b
        return float(2 * mixed + xp.sum(gram**2))

    x, y = (c, sums.sum_x), (d, sums.sum_y)
    totals = [float(2 * sums.rows * (a @ s) + s @ s) for a, s in (x, y)]
    grams = (sums.gram_x, sums.gram_y)
    selves = [
        float(2 * (a @ s) + xp.linalg.trace(gram)) / sums.rows
        for (a, s), gram in zip((x, y), grams, strict=True)
    ]
    return (
        (totals[0], totals[1]),
        (selves[0], selves[1]),
        (product(sums.gram_x, x, x), product(sums.gram_y, y, y), product(sums.cross, x, y)),
    )


def directions_around_means(rows: Rows) -> tuple[Rows, Centers]:
    """Return the directions of two tables' rows less their means, in float64, and the means.

    Args:
        rows: of two tables, ``unit``; words without length in either are left out.

    Raises:
        MemoryBudgetError: copies of both do not fit.

    Cost: one pass; ``16·V·(d + e)`` bytes while it runs.
    """
    columns = sum(int(table.shape[1]) for table in rows.pieces[0])
    plan = MemoryPlan("rsa around the means", {"directions": 2 * buffer((rows.count, columns), np.float64)})
    require(plan, device_of(rows.pieces[0][0]))
    xp = namespace_of(*rows.pieces[0])
    both = [xp.concat(list(parts), axis=0) for parts in zip(*rows.blocks(0, 1), strict=True)]
    means = [xp.mean(table, axis=0) for table in both]
    moved = [table - mean for table, mean in zip(both, means, strict=True)]
    return Rows((moved,)), (means[0], means[1])
