"""Linear regression over words, with held-out R² and a jackknife over blocks of words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.uncertainty.contrasts import Interval, Jackknifed, contrast
from gpuemb.uncertainty.draws import block_count, deal


@dataclass(frozen=True, eq=False)
class Regression:
    """``y`` on the standardized columns of ``x``, by least squares.

    Attributes:
        x: ``(V, m)`` standardized columns.
        y: ``(V,)``.
        blocks: of words, left out one at a time.
    """

    x: Float64
    y: Float64
    blocks: Sequence[Int64]

    @staticmethod
    def of(columns: Float64, y: Float64, seed: int = 0) -> Regression:
        """Standardize the columns, and deal the words to blocks.

        Args:
            columns: ``(V, m)``; a constant column has coefficient 0.
            y: ``(V,)``.
            seed: of the blocks.
        """
        spread = columns.std(axis=0)
        x = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        return Regression(x, y, deal(len(y), block_count(len(y)), seed))

    @cached_property
    def sums(self) -> tuple[Float64, Float64]:
        """Of each block, products of a constant and the columns ``(m + 1, m + 1)``, and with ``y``."""
        pieces = [(np.column_stack([np.ones(len(rows)), self.x[rows]]), self.y[rows]) for rows in self.blocks]
        return np.stack([x.T @ x for x, _ in pieces]), np.stack([x.T @ y for x, y in pieces])

    def coefficients(self, columns: Sequence[int]) -> tuple[Float64, Float64]:
        """Return ``(n + 1,)`` constant and coefficients of some columns, and ``(B, n + 1)`` without a block.

        Of columns that depend on each other the solution of least length is taken.
        """
        kept = [0, *(column + 1 for column in columns)]
        squares, products = self.sums
        squares, products = squares[:, kept][:, :, kept], products[:, kept]
        whole, right = squares.sum(axis=0), products.sum(axis=0)
        left_out = [_solved(whole - one, right - other) for one, other in zip(squares, products, strict=True)]
        return _solved(whole, right), np.stack(left_out)

    def effects(self, columns: Sequence[int]) -> list[tuple[Interval, float]]:
        """Return each coefficient with its interval over words and p-value, Student's t."""
        from scipy.special import stdtr

        values, left_out = self.coefficients(columns)
        found = []
        for place in range(1, len(values)):
            one = Jackknifed(float(values[place]), left_out[:, place])
            error = math.sqrt(one.variance) if one.variance > 0 else math.nan
            p_value = float(2 * stdtr(one.freedom, -abs(one.value) / error)) if error > 0 else math.nan
            found.append((contrast([1.0], [one]), p_value))
        return found

    def held_out(self, columns: Sequence[int]) -> Jackknifed:
        """Return R² of words that the fit has not seen: of each block by the fit without it.

        ``1 − Σ (y − ŷ)² / Σ (y − ȳ)²``, ``ȳ`` the mean without the block too; below 0 where the fit is worse
        than that mean. Its interval leaves out one block of residuals at a time.
        """
        errors, sizes = np.empty(len(self.blocks)), np.empty(len(self.blocks))
        total, fitted = float(self.y.sum()), self.predicted(columns)
        for place, rows in enumerate(self.blocks):
            mean = (total - self.y[rows].sum()) / (len(self.y) - len(rows))
            errors[place] = ((self.y[rows] - fitted[rows]) ** 2).sum()
            sizes[place] = ((self.y[rows] - mean) ** 2).sum()
        if not sizes.sum() > 0:
            return Jackknifed(math.nan, np.full(len(self.blocks), np.nan))
        without = 1 - (errors.sum() - errors) / (sizes.sum() - sizes)
        return Jackknifed(float(1 - errors.sum() / sizes.sum()), without)

    def predicted(self, columns: Sequence[int]) -> Float64:
        """Return ``(V,)`` what the fit without a word's block says of it."""
        _, left_out = self.coefficients(columns)
        found, chosen = np.empty(len(self.y)), np.array(columns, np.int64)
        for place, rows in enumerate(self.blocks):
            found[rows] = left_out[place, 0] + self.x[np.ix_(rows, chosen)] @ left_out[place, 1:]
        return found


def _solved(squares: Float64, products: Float64) -> Float64:
    found: Float64 = np.linalg.lstsq(squares, products, rcond=None)[0].astype(np.float64)
    return found
