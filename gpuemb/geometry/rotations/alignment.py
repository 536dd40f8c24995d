"""Alignments of tables: the map, its distance, and its use on other rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, Int64, namespace_of
from gpuemb.core.checks import check_matrix
from gpuemb.core.errors import ShapeError
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.core.results import result
from gpuemb.embeddings.model import vectors_of, words_of
from gpuemb.uncertainty.results import Uncertainty


@result
class Alignment(Uncertainty):
    """The map ``x ↦ s (x − x̄) Q + ȳ`` of X nearest to Y; its distance's uncertainty if requested.

    Attributes:
        rotation: ``(d, e)`` float64 Q, the orthogonal or semi-orthogonal matrix of largest ``tr(QᵀXᵀY)``.
        scale: s; 1 unless requested.
        means: ``(d,)`` and ``(e,)`` float64 x̄ and ȳ, or ``None`` where tables were not centered.
        distance: ``‖sXQ − Y‖`` of the (centered, weighted) rows, in the tables' own length unit. Where
            X has more dimensions, Y counts as padded with zeros: what Q drops of X is in the distance.
        relative_distance: the same divided by ``‖Y‖``.
        singular_values: ``(min(d, e),)`` of XᵀY, descending.
        rank: singular values above rounding.
        reason: why the map is one of many, or a number does not exist; empty where it is unique.
        recomputed: whether the distance was taken from the difference, X and Y being nearly equal.
    """

    rotation: Array
    scale: float
    means: tuple[Array, Array] | None
    distance: float
    relative_distance: float
    singular_values: Array
    rank: int
    reason: str
    recomputed: bool

    @property
    def value(self) -> float:
        """The distance."""
        return self.distance

    def __float__(self) -> float:
        return self.distance

    @property
    def unique(self) -> bool:
        """Whether the map is unique; ``reason`` otherwise."""
        return not self.reason

    @property
    def smallest_to_largest(self) -> float:
        """``σ_min/σ_max``: how well the rotation is determined; NaN where XᵀY is zero."""
        largest = float(self.singular_values[0])
        return float(self.singular_values[-1]) / largest if largest > 0 else math.nan

    @property
    def orthonormal(self) -> Literal["rows and columns", "rows", "columns"]:
        """Which of Q are orthonormal: ``rows`` (d < e) keep lengths, ``columns`` (d > e) drop d − e axes."""
        rows, columns = self.rotation.shape
        return "rows and columns" if rows == columns else "rows" if rows < columns else "columns"

    @threads.single_threaded_blas()
    def transform(self, x: Any) -> Array:
        """Map rows ``(n, d)`` into the space of Y: subtract the mean of X, scale, rotate, add the mean of Y.

        Returns:
            ``(n, e)`` in the dtype of ``x``.

        Raises:
            ShapeError: ``x`` has other dimensions than X had.
            DTypeError, NonFiniteError: as a table requires.

        Cost: ``2·n·d·e`` flops, one pass in tiles.
        """
        rows = check_matrix("transform", "x", vectors_of(x), words_of(x))
        needed, given = int(self.rotation.shape[0]), int(rows.shape[1])
        if given != needed:
            raise ShapeError(
                f"transform: x has {given} dimensions but the map was found for {needed}",
                needed=f"Rows of {needed} numbers are needed, as in X.",
                remedy="Bring rows of the table that was aligned, or of one trained with it.",
            )
        xp = namespace_of(rows)
        step = rows_per_tile(8 * sum(self.rotation.shape))
        return xp.concat([self._moved(rows[a:b, :]) for a, b in tiles(rows.shape[0], step)])

    def _moved(self, rows: Array) -> Array:
        xp = namespace_of(rows)
        moved = xp.astype(rows, xp.float64)
        if self.means is not None:
            moved = moved - self.means[0]
        moved = self.scale * (moved @ self.rotation)
        if self.means is not None:
            moved = moved + self.means[1]
        return xp.astype(moved, rows.dtype)


@result
class Alignments:
    """The alignments of several pairs of tables, in their order; ``alignments[p]`` is one.

    Attributes:
        pairs: the ``P`` alignments.
    """

    pairs: tuple[Alignment, ...]

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Alignment]:
        return iter(self.pairs)

    def __getitem__(self, pair: int) -> Alignment:
        return self.pairs[pair]

    @property
    def rotation(self) -> Any:
        """``(P, d, e)``; a tuple of ``P`` matrices where their shapes differ."""
        every = tuple(pair.rotation for pair in self.pairs)
        alike = len({tuple(rotation.shape) for rotation in every}) == 1
        return namespace_of(every[0]).stack(every) if alike else every

    @property
    def distance(self) -> Float64:
        """``(P,)`` distances."""
        return np.array([pair.distance for pair in self.pairs])

    @property
    def relative_distance(self) -> Float64:
        """``(P,)`` distances over ``‖Y‖``."""
        return np.array([pair.relative_distance for pair in self.pairs])

    @property
    def scale(self) -> Float64:
        """``(P,)`` scales."""
        return np.array([pair.scale for pair in self.pairs])

    @property
    def rank(self) -> Int64:
        """``(P,)`` ranks."""
        return np.array([pair.rank for pair in self.pairs], np.int64)

    @property
    def unique(self) -> NDArray[np.bool_]:
        """``(P,)`` whether the map is unique."""
        return np.array([pair.unique for pair in self.pairs], np.bool_)

    @property
    def recomputed(self) -> int:
        """How many distances were taken from the difference."""
        return sum(pair.recomputed for pair in self.pairs)
