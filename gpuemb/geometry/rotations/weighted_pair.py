"""Rows of two tables, weighted and centered, a block at a time."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from gpuemb.core import threads
from gpuemb.core.arrays import Array, FloatMatrix, as_numbers, device_of, like, namespace_of
from gpuemb.core.checks import LARGEST_FOURTH_POWER
from gpuemb.core.errors import ConfigError, DTypeError, NonFiniteError, ShapeError
from gpuemb.core.memory import tiles
from gpuemb.embeddings.named_tables import PAIR, NamedTables
from gpuemb.geometry.grams.digits import ROUNDING
from gpuemb.kernels.gram import BLOCK_ROWS, gram

Block: TypeAlias = tuple[Array, Array, Array | None]


@threads.single_threaded_blas()
def squared_gaps(
    blocks: Iterable[Block], rotation: Array, scale: float = 1.0, count: float | None = None
) -> float:
    """Return ``Σ w_i ‖s x_i Q − y_i‖²``; one pass.

    Where X is the wider table that is ``Σ w_i ‖s x_i − y_i Qᵀ‖²``: what Q drops of X counts.

    Args:
        blocks: rows of both tables times the roots of their weights, and those roots ``(n, 1)``, if any.
        rotation: ``(d, e)`` Q.
        scale: s.
        count: ``Σ w_i`` if means were subtracted: the rounding of the means is taken off the sum.
    """
    xp = namespace_of(rotation)
    wide = rotation.shape[0] > rotation.shape[1]
    squared = 0.0
    rest: Array = 0.0
    for left, right, roots in blocks:
        if wide:
            gap = scale * left - right @ xp.matrix_transpose(rotation)
        else:
            gap = scale * (left @ rotation) - right
        squared += float(xp.sum(gap**2))
        if count is not None:
            rest = rest + xp.sum(gap if roots is None else gap * roots, axis=0)
    return squared if count is None else squared - float(xp.sum(rest**2)) / count


@dataclass(frozen=True, eq=False)
class PairProducts:
    """The products that an alignment follows from.

    Attributes:
        cross: ``(d, e)`` float64, XᵀY.
        squared_x: ``‖X‖²``.
        squared_y: ``‖Y‖²``.
    """

    cross: Array
    squared_x: float
    squared_y: float


@dataclass(frozen=True, eq=False)
class PairedRows:
    """Two tables of the same words, with weights and means of their rows.

    Attributes:
        x: ``(V, d)`` as it was given.
        y: ``(V, e)`` as it was given.
        weights: ``(V,)`` float64 how often each word counts; ``None``: once.
        means: ``(d,)`` and ``(e,)`` float64 weighted column means to subtract, if any.
    """

    x: FloatMatrix
    y: FloatMatrix
    weights: Array | None
    means: tuple[Array, Array] | None

    def products(self) -> PairProducts:
        """Sum the products of the rows; one pass."""
        if self.weights is None and self.means is None:
            cross, lengths = self._multiplied([self.x, self.y])
            return PairProducts(cross, float(lengths[0]), float(lengths[1]))
        xp, dim = namespace_of(self.x, self.y), self.x.shape[1]
        cross, squares = functools.reduce(
            lambda so_far, block: (so_far[0] + block[0], so_far[1] + block[1]),
            (
                (self._multiplied(both)[0], xp.concat([xp.sum(rows**2, axis=0) for rows in both]))
                for both, _ in self._blocks()
            ),
        )
        if self.means is not None:
            varies = self._varies(squares)
            squares = squares * varies
            cross = cross * varies[:dim, None] * varies[None, dim:]
        return PairProducts(cross, float(xp.sum(squares[:dim])), float(xp.sum(squares[dim:])))

    def _multiplied(self, both: list[Array]) -> tuple[Array, Array]:
        """``XᵀY`` and both squared lengths; a copy, as the Gram of ``[X, Y]`` is four times as large."""
        dim = both[0].shape[1]
        found = gram.on(device_of(both[0]))(both, "raw", pairs=[(0, 1)])
        products = like(found.products, both[0])
        return namespace_of(products).asarray(products[:dim, dim:], copy=True), found.lengths

    def _varies(self, squares: Array) -> Array:
        """1 for columns that vary by more than the rounding of their mean; 0 for constant ones."""
        xp = namespace_of(squares)
        rounding = ROUNDING * xp.concat(self.means)
        return xp.astype(squares > self._counted() * rounding**2, xp.float64)

    def squared_gap(self, rotation: Array, scale: float) -> float:
        """Return ``Σ w_i ‖s x_i Q − y_i‖²`` from the rows themselves; one pass."""
        blocks = ((*both, roots) for both, roots in self._blocks())
        return squared_gaps(blocks, rotation, scale, None if self.means is None else self._counted())

    def _blocks(self) -> Iterator[tuple[list[Array], Array | None]]:
        """Yield the rows of both tables, times the roots of their weights, and those roots ``(n, 1)``."""
        xp = namespace_of(self.x, self.y)
        for start, stop in tiles(self.x.shape[0], BLOCK_ROWS):
            both = [xp.astype(table[start:stop, :], xp.float64) for table in (self.x, self.y)]
            roots = None
            if self.means is not None:
                both = [rows - mean for rows, mean in zip(both, self.means, strict=True)]
            if self.weights is not None:
                roots = xp.sqrt(self.weights[start:stop])[:, None]
                both = [rows * roots for rows in both]
            yield both, roots

    def _counted(self) -> float:
        if self.weights is None:
            return float(self.x.shape[0])
        return float(namespace_of(self.weights).sum(self.weights))


def pair_rows(where: str, x: Any, y: Any, *, weights: Any = None, center: bool = False) -> PairedRows:
    """Check two tables and their weights, and find the means to subtract.

    Raises:
        ShapeError: other numbers of words, or of weights.
        DTypeError, NonFiniteError: a table or the weights hold no finite numbers.
        ConfigError: a weight is negative, or all are zero.
    """
    first, second = NamedTables.checked(where, [x, y], PAIR).tables
    checked = None if weights is None else check_weights(where, weights, first)
    pair = PairedRows(first, second, checked, None)
    if not center:
        return pair
    total = pair._counted()
    return PairedRows(first, second, checked, (_mean(first, checked, total), _mean(second, checked, total)))


def _mean(table: FloatMatrix, weights: Array | None, total: float) -> Array:
    xp = namespace_of(table)

    def added(start: int, stop: int) -> Array:
        rows = xp.astype(table[start:stop, :], xp.float64)
        return xp.sum(rows if weights is None else rows * weights[start:stop, None], axis=0)

    return functools.reduce(operator.add, (added(*cut) for cut in tiles(table.shape[0], BLOCK_ROWS))) / total


def check_weights(where: str, weights: Any, table: FloatMatrix) -> Array:
    """Return ``(V,)`` float64 weights in the library of the table, if each word has a valid one.

    Raises:
        ShapeError: not one for each row.
        DTypeError: no real numbers.
        NonFiniteError: NaN, infinity, or numbers whose products with squared lengths leave float64.
        ConfigError: a weight is negative, or all are zero.
    """
    xp = namespace_of(table)
    given = weights if hasattr(weights, "__dlpack__") else as_numbers(weights, where)
    library = namespace_of(given)
    if tuple(given.shape) != (table.shape[0],):
        raise ShapeError(
            f"{where}: weights has shape {tuple(given.shape)} but there are {table.shape[0]} words",
            needed="Every word needs one weight.",
            remedy="Give one number for each row, for example the words' counts.",
        )
    if not library.isdtype(given.dtype, ("bool", "integral", "real floating")):
        raise DTypeError(
            f"{where}: weights holds {given.dtype}",
            needed="Real numbers are needed.",
            remedy="Give how often each word is to count.",
        )
    wide = library.astype(given, library.float64)
    largest, most = float(library.max(library.abs(wide))), LARGEST_FOURTH_POWER
    for wrong, error, what, needed in (
        (~library.isfinite(wide), NonFiniteError, "no finite number", "Every weight must be finite."),
        (wide < 0, ConfigError, "negative", "A word counts never (0) or some times."),
        (wide > most, NonFiniteError, "too large", f"Up to {most:.0e}, sums stay finite."),
        (wide * 0 == largest, ConfigError, "zero, as all others are", "At least one word must count."),
        (
            wide * 0 + largest < 1 / most,
            NonFiniteError,
            "too small",
            f"The largest is {1 / most:.0e} or more.",
        ),
    ):
        if bool(library.any(wrong)):
            row = int(library.argmax(library.astype(wrong, library.int8)))
            raise error(
                f"{where}: weights[{row}] is {what}: {float(wide[row])}",
                needed=needed,
                remedy="Give how often each word counts, 0 for none; leave weights out to count each once.",
            )
    return wide if library is xp else xp.asarray(wide)
