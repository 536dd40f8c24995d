"""Sums of a pair of tables under permutations and resamples of their words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int64, device_of, native
from gpuemb.core.errors import DeviceError
from gpuemb.core.memory import MemoryPlan, buffer, tiles
from gpuemb.geometry.grams.digits import ROUNDING
from gpuemb.geometry.grams.pair_sums import PairSums, Preparation
from gpuemb.geometry.resampling.own_terms import OwnTerms

# Rows of one product: 1,024 gathered rows of two tables stay in L2, and the products run as fast as whole
# ones (V = 20k, d = 100: 10.9 ms a resample on two threads, against 15.9 with 8,192 rows).
DRAW_ROWS = 1024
LARGEST_POWER = 3
BORDER = 2  # columns of ones behind each table; one would do, but the width decides how BLAS rounds


@dataclass(frozen=True, eq=False)
class PreparedPair:
    """Two tables ready to be summed under any weights, with columns of ones behind their own.

    Attributes:
        preparation: of the rows.
        left: ``(V, d + 2)`` float64 rows ``[x_i, 1, 1]``.
        right: ``(V, e + 2)`` the same of Y.
        lengths: ``(V, 2)`` squared lengths of the prepared rows.
    """

    preparation: Preparation
    left: Float64
    right: Float64
    lengths: Float64

    @property
    def words(self) -> int:
        """Rows that take part."""
        return len(self.left)

    def resampled(self, weights: Int64) -> tuple[PairSums, OwnTerms]:
        """Return the sums of the table in which word ``i`` occurs ``weights[i]`` times.

        Cost: ``2·V'·(d² + de + e²)`` flops, ``V'`` the words in the draw.
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
        products = own.products.copy()
        products[:, 0, 1] = products[:, 1, 0] = self.lengths[:, 0] @ np.take(self.lengths[:, 1], order)
        vary = [np.diagonal(gram) != 0 for gram in (base.gram_x, base.gram_y)]
        centered = self._centered(cross, base.rows) * np.outer(*vary)
        return replace(base, cross=centered), replace(own, products=products)

    def _sums(self, gram_x: Float64, gram_y: Float64, cross: Float64) -> PairSums:
        rows = round(float(gram_x[-1, -1]))
        x, y, both = (self._centered(products, rows) for products in (gram_x, gram_y, cross))
        sum_x, sum_y = gram_x[-1, :-2], gram_y[-1, :-2]
        if self.preparation != "centered":
            return PairSums(rows, x, y, both, sum_x, sum_y)
        vary = [
            np.diagonal(part) > ROUNDING * np.diagonal(whole)[:-2]
            for part, whole in ((x, gram_x), (y, gram_y))
        ]
        x, y = (product * np.outer(columns, columns) for product, columns in zip((x, y), vary, strict=True))
        return PairSums(rows, x, y, both * np.outer(*vary), sum_x * 0.0, sum_y * 0.0)

    def _centered(self, products: Float64, rows: int) -> Float64:
        """Subtract the draw's own column means from a product of centered rows."""
        found: Float64 = products[:-2, :-2]
        if self.preparation == "centered":
            found = found - np.outer(products[:-2, -1], products[-1, :-2]) / rows
        return found

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
    words, columns = len(tables[0]), sum(table.shape[1] + BORDER for table in tables)
    blocks = 2 * threads.count() * buffer((2, DRAW_ROWS, columns), np.float64)
    sizes = {"rows in float64": 2 * buffer((words, columns), np.float64), "blocks of the workers": blocks}
    MemoryPlan(f"{where}: permutations or bootstrap", sizes).require()
    if preparation == "unit":
        length = np.all([(table != 0).any(axis=1) for table in tables], axis=0)
        tables = [table[length] for table in tables]
    (left, own_x), (right, own_y) = (_prepared(table, preparation) for table in tables)
    return PreparedPair(preparation, left, right, np.stack([own_x, own_y], axis=1))


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


def _prepared(table: FloatMatrix, preparation: Preparation) -> tuple[Float64, Float64]:
    """Return ``[x_i, 1, 1]`` and the squared lengths of prepared rows."""
    words, dim = table.shape
    rows = np.ones((words, dim + BORDER))
    body = rows[:, :dim]
    body[:] = table
    if preparation == "unit":
        body /= np.sqrt(np.einsum("ij,ij->i", body, body))[:, None]
    if preparation == "centered":
        whole = np.einsum("ij,ij->j", body, body)
        body -= body.mean(axis=0)
        body[:, np.einsum("ij,ij->j", body, body) <= ROUNDING * whole] = 0.0
    return rows, np.einsum("ij,ij->i", body, body)
