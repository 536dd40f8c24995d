"""Sums of a pair of tables under permutations and resamples of their words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int64, device_of, native
from gpuemb.core.errors import DeviceError
from gpuemb.core.memory import MemoryPlan, buffer, tiles
from gpuemb.core.random import stream
from gpuemb.geometry.grams.digits import ROUNDING
from gpuemb.geometry.grams.pair_sums import PairSums, Preparation
from gpuemb.geometry.resampling.own_terms import OwnTerms

# Rows of one product: 1,024 gathered rows of two tables stay in L2, and the products run as fast as whole
# ones (V = 20k, d = 100: 10.9 ms a resample on two threads, against 15.9 with 8,192 rows).
DRAW_ROWS = 1024
LARGEST_POWER = 3


@dataclass(frozen=True, eq=False)
class PreparedPair:
    """Two tables ready to be summed under any weights; ``κ`` and 1 stand behind the columns of each.

    Attributes:
        preparation: of the rows.
        left: ``(V, d + 2)`` float64 rows ``[x_i, κ_i, 1]``, κ of the raw rows if centered.
        right: ``(V, e + 2)`` the same of Y.
        means: ``(d,)`` and ``(e,)`` column means that were taken from X and Y, zeros unless centered.
        lengths: ``(V, 2)`` squared lengths of the prepared rows.
        zeros: rows without length in either table; ``unit`` leaves them out.
    """

    preparation: Preparation
    left: Float64
    right: Float64
    means: tuple[Float64, Float64]
    lengths: Float64
    zeros: int

    @property
    def words(self) -> int:
        """Rows that take part."""
        return len(self.left)

    def resampled(self, weights: Int64) -> tuple[PairSums, OwnTerms]:
        """Return the sums of the table in which word ``i`` stands ``weights[i]`` times.

        Cost: ``2·V'·(d² + de + e²)`` flops, ``V'`` the words that are drawn at all.
        """
        drawn = np.nonzero(weights)[0]
        width, other = self.left.shape[1], self.right.shape[1]
        gram_x, gram_y, cross = np.zeros((width, width)), np.zeros((other, other)), np.zeros((width, other))
        for start, stop in tiles(len(drawn), DRAW_ROWS):
            rows = drawn[start:stop]
            left, right = (np.take(table, rows, axis=0) for table in (self.left, self.right))
            often = weights[rows].astype(np.float64)[:, None]
            heavy = (left * often).T
            gram_x += heavy @ left
            cross += heavy @ right
            gram_y += (right * often).T @ right
        sums = self._sums(gram_x, gram_y, cross)
        return sums, self._own(weights, gram_x[-1, :-2] / sums.rows, gram_y[-1, :-2] / sums.rows)

    def permuted(self, order: Int64, base: PairSums, own: OwnTerms) -> tuple[PairSums, OwnTerms]:
        """Return the sums that pair row ``i`` of X with row ``order[i]`` of Y; those of Y alone stay.

        Cost: ``2·V·d·e`` flops.
        """
        cross = np.zeros((self.left.shape[1], self.right.shape[1]))
        for start, stop in tiles(self.words, DRAW_ROWS):
            cross += self.left[start:stop].T @ np.take(self.right, order[start:stop], axis=0)
        paired = float(self.lengths[:, 0] @ np.take(self.lengths[:, 1], order))
        norms, products = base.norms.copy(), own.products.copy()
        norms[0, 1] = norms[1, 0] = cross[-2, -2]
        products[:, 0, 1] = products[:, 1, 0] = paired
        x, y = self._weighted_across(cross)
        centered = self._centered(cross, base.rows) * np.outer(*self._varying(base))
        return (
            replace(
                base,
                cross=centered,
                norms=norms,
                weighted_x=np.stack([base.weighted_x[0], x]),
                weighted_y=np.stack([y, base.weighted_y[1]]),
            ),
            replace(own, products=products),
        )

    def _sums(self, gram_x: Float64, gram_y: Float64, cross: Float64) -> PairSums:
        rows = round(float(gram_x[-1, -1]))
        x, y = self._weighted_across(cross)
        keep = self.preparation != "centered"
        sums = PairSums(
            rows,
            self._centered(gram_x, rows),
            self._centered(gram_y, rows),
            self._centered(cross, rows),
            gram_x[-1, :-2] * keep,
            gram_y[-1, :-2] * keep,
            np.array([[gram_x[-2, -2], cross[-2, -2]], [cross[-2, -2], gram_y[-2, -2]]]),
            np.stack([gram_x[-2, :-2] + self.means[0] * gram_x[-2, -1], x]),
            np.stack([y, gram_y[-2, :-2] + self.means[1] * gram_y[-2, -1]]),
            self.zeros,
        )
        if keep:
            return sums
        vary = [
            np.diagonal(part) > ROUNDING * np.diagonal(whole)[:-2]
            for part, whole in ((sums.gram_x, gram_x), (sums.gram_y, gram_y))
        ]
        return replace(
            sums,
            gram_x=sums.gram_x * np.outer(vary[0], vary[0]),
            gram_y=sums.gram_y * np.outer(vary[1], vary[1]),
            cross=sums.cross * np.outer(*vary),
        )

    def _centered(self, products: Float64, rows: int) -> Float64:
        """Subtract the draw's own column means from a product of centered rows."""
        found: Float64 = products[:-2, :-2]
        if self.preparation == "centered":
            found = found - np.outer(products[:-2, -1], products[-1, :-2]) / rows
        return found

    def _weighted_across(self, cross: Float64) -> tuple[Float64, Float64]:
        """``Σ ℓ_i x_i`` and ``Σ κ_i y_i``."""
        x: Float64 = cross[:-2, -2] + self.means[0] * cross[-1, -2]
        y: Float64 = cross[-2, :-2] + self.means[1] * cross[-2, -1]
        return x, y

    @staticmethod
    def _varying(base: PairSums) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        return np.diagonal(base.gram_x) != 0, np.diagonal(base.gram_y) != 0

    def _own(self, weights: Int64, mean_x: Float64, mean_y: Float64) -> OwnTerms:
        lengths = self.lengths
        if self.preparation == "centered":
            moved = [
                own - 2 * (table[:, :-2] @ mean) + mean @ mean
                for own, table, mean in zip(lengths.T, (self.left, self.right), (mean_x, mean_y), strict=True)
            ]
            lengths = np.stack(moved, axis=1)
        powers = weights.astype(np.float64) ** np.arange(1, LARGEST_POWER + 1)[:, None]
        pairs = np.stack([lengths[:, 0] ** 2, lengths[:, 0] * lengths[:, 1], lengths[:, 1] ** 2], axis=1)
        # Power by power: equal weights give equal bits, and copies that add exactly 0.
        products = np.stack([power @ pairs for power in powers])[:, [0, 1, 1, 2]]
        measured = np.stack([power @ lengths for power in powers])
        return OwnTerms(powers.sum(axis=1), measured, products.reshape(LARGEST_POWER, 2, 2))


def prepare_pair(where: str, x: FloatMatrix, y: FloatMatrix, preparation: Preparation) -> PreparedPair:
    """Widen and prepare both tables once, for any number of draws.

    Args:
        where: the function that was called, for messages.
        x: a float array ``(V, d)`` that a measure has checked.
        y: another, ``(V, d')``; row ``i`` is the same word.
        preparation: of the rows.

    Raises:
        DeviceError: a table is not on the CPU.
        MemoryBudgetError: both do not fit in float64.
    """
    tables = [on_cpu(where, table) for table in (x, y)]
    words, columns = len(tables[0]), sum(table.shape[1] + 2 for table in tables)
    blocks = 2 * threads.count() * buffer((2, DRAW_ROWS, columns), np.float64)
    sizes = {"rows in float64": 2 * buffer((words, columns), np.float64), "blocks of the workers": blocks}
    MemoryPlan(f"{where}: permutations or bootstrap", sizes).require()
    length = np.all([(table != 0).any(axis=1) for table in tables], axis=0)
    if preparation == "unit":
        tables = [table[length] for table in tables]
    (left, mean_x, own_x), (right, mean_y, own_y) = (_prepared(table, preparation) for table in tables)
    zeros = int(words - length.sum())
    return PreparedPair(preparation, left, right, (mean_x, mean_y), np.stack([own_x, own_y], axis=1), zeros)


def on_cpu(where: str, table: FloatMatrix) -> FloatMatrix:
    """Return a table as a NumPy array.

    Raises:
        DeviceError: it is not on the CPU, where draws are made.
    """
    if device_of(table).kind != "cpu":
        raise DeviceError(
            f"{where}: permutations or bootstrap of a table on {device_of(table)} were asked for",
            needed="Draws are made on the CPU.",
            remedy="Copy the tables first: cupy.asnumpy(x); the measure itself runs where they are.",
        )
    return native(table)


def _prepared(table: FloatMatrix, preparation: Preparation) -> tuple[Float64, Float64, Float64]:
    """Return ``[x_i, κ_i, 1]``, the means that were taken out, and squared lengths of what is left."""
    words, dim = table.shape
    rows = np.ones((words, dim + 2))
    body = rows[:, :dim]
    body[:] = table
    squares = np.einsum("ij,ij->i", body, body)
    mean = np.zeros(dim)
    if preparation == "unit":
        body /= np.sqrt(squares)[:, None]
        squares = np.einsum("ij,ij->i", body, body)
    rows[:, dim] = squares
    if preparation == "centered":
        mean = body.mean(axis=0)
        whole = np.einsum("ij,ij->j", body, body)
        body -= mean
        body[:, np.einsum("ij,ij->j", body, body) <= ROUNDING * whole] = 0.0
        squares = np.einsum("ij,ij->i", body, body)
    return rows, mean, squares


def weights_of(draw: int, words: int, seed: int) -> Int64:
    """How often each word is in resample ``draw``: V words drawn with replacement."""
    chosen = stream(seed, "bootstrap", "words", draw).integers(0, words, words)
    return np.bincount(chosen, minlength=words)


def order_of(draw: int, words: int, seed: int) -> Int64:
    """The row of Y that is paired with each row of X in permutation ``draw``."""
    return stream(seed, "permutation", "words", draw).permutation(words)
