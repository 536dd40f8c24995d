"""The best rotation of one table onto another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gpuemb.core import threads
from gpuemb.core.arrays import Array, device_of, like, namespace_of
from gpuemb.core.errors import ShapeError
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.embeddings.model import vectors_of
from gpuemb.geometry.crossgrams import cross_grams
from gpuemb.geometry.distances import pair_distances
from gpuemb.kernels.polar import polar


@dataclass(frozen=True, eq=False)
class Alignment:
    """The orthogonal map that brings X nearest to Y.

    Attributes:
        rotation: ``(d, d)`` float64, orthogonal; a reflection is allowed.
        distance: ``‖XQ − Y‖``, in the tables' own length unit.
        relative_distance: the same divided by ``‖Y‖``.
        singular_values: ``(d,)`` of XᵀY, descending.
        rank: singular values above rounding; below ``d`` the rotation is one of many.
        recomputed: whether the distance was taken from the difference, X and Y being nearly equal.
    """

    rotation: Array
    distance: float
    relative_distance: float
    singular_values: Array
    rank: int
    recomputed: bool

    @property
    def value(self) -> float:
        """The distance."""
        return self.distance

    def __float__(self) -> float:
        return self.distance

    @property
    def unique(self) -> bool:
        """Whether no other rotation is as good."""
        return self.rank == int(self.rotation.shape[0])

    @threads.single_threaded_blas()
    def transform(self, x: Any) -> Array:
        """Return ``x`` rotated, in the dtype of ``x``."""
        rows = vectors_of(x)
        xp = namespace_of(rows)
        return xp.astype(xp.astype(rows, xp.float64) @ self.rotation, rows.dtype)


def procrustes(x: Any, y: Any) -> Alignment:
    """Find ``Q`` orthogonal that minimizes ``‖XQ − Y‖`` (rows as they are).

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: the same for the target; row ``i`` is the same word.

    Raises:
        ShapeError: the tables differ in words or dimensions.
        DTypeError, NonFiniteError: as the tables require.

    Cost: ``3·V·d²`` flops and one SVD of ``d × d``. Source: Schönemann (1966); Definitions §2.
    """
    tables = [vectors_of(x), vectors_of(y)]
    grams = cross_grams([x, y])
    check_same_dimensions("procrustes", tables)
    cross = grams.block(0, 1)
    factors = polar.on(device_of(cross))(cross[None, ...])
    found = pair_distances(tables, grams)
    xp = namespace_of(cross)
    length = math.sqrt(float(xp.sum(xp.linalg.diagonal(grams.block(1, 1)))))
    distance = float(found.procrustes[0, 1])
    return Alignment(
        like(factors.rotation[0], cross),
        distance,
        distance / length if length > 0 else math.nan,
        like(factors.singular[0], cross),
        int(factors.rank[0]),
        found.recomputed > 0,
    )


@threads.single_threaded_blas()
def aligned_cosines(x: Array, y: Array, rotation: Array | None = None) -> Array:
    """Return ``(V,)`` float64 ``cos(x_i Q, y_i)``; NaN for a row without length; ``Q = 1`` when None.

    Cost: ``2·V·d²`` flops, one pass in tiles. Source: Hamilton (2016, ACL); Definitions §2.
    """
    xp = namespace_of(x, y)
    pieces = []
    for start, stop in tiles(x.shape[0], rows_per_tile(24 * x.shape[1])):
        left, right = (xp.astype(t[start:stop, :], xp.float64) for t in (x, y))
        if rotation is not None:
            left = left @ rotation
        lengths = xp.sqrt(xp.sum(left**2, axis=1)) * xp.sqrt(xp.sum(right**2, axis=1))
        known = lengths > 0
        cosine = xp.sum(left * right, axis=1) / xp.where(known, lengths, xp.ones_like(lengths))
        pieces.append(xp.where(known, cosine, xp.full_like(cosine, math.nan)))
    return xp.concat(pieces)


def check_same_dimensions(where: str, tables: list[Array]) -> None:
    """An orthogonal map needs equal d.

    Raises:
        ShapeError: it is not; says how to cut.
    """
    first = tables[0]
    for table in tables[1:]:
        if table.shape[1] != first.shape[1]:
            least = min(table.shape[1], first.shape[1])
            raise ShapeError(
                f"{where}: X has {first.shape[1]} dimensions but Y has {table.shape[1]}",
                needed=f"An orthogonal map needs the same last axis; here X is "
                f"{tuple(first.shape)}, Y is {tuple(table.shape)}.",
                remedy=f"Cut both with embedding.truncate({least}), or compare with cka(X, Y), "
                "which needs no common size.",
            )
