"""Measures of two tables with one number for each word."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from gpuemb.core import threads
from gpuemb.core.arrays import Array, FloatMatrix, namespace_of
from gpuemb.core.doors import door
from gpuemb.core.memory import rows_per_tile
from gpuemb.geometry.grams.build import pair_grams
from gpuemb.geometry.grams.digits import NEARLY_EQUAL
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.thin_qr import over_tiles, triangles

T = TypeVar("T")


@door
def pip_per_word(x: Any, y: Any) -> Array:
    """Return ``(V,)`` float64 ``‖(XXᵀ − YYᵀ)_i‖``: how far each word's inner products differ.

    Their squares add up to the squared :func:`pip_loss`. Rotation and the order of words change nothing,
    scale and translation do. Where a word's number has too few digits left of its squares, all are taken
    from the triangle of the thin QR of ``[X Y]``, right to about ``eps·σ_1·‖x_i‖``.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.

    Cost: ``V·(d + d')²`` flops and one more pass of twice as many.
    Source: Yin and Shen (2018); Definitions §4.

    Example:
        >>> each = ge.pip_per_word(x, y)
        >>> each.shape, bool(np.isclose(np.sum(each**2), ge.pip_loss(x, y).value ** 2))
        ((50,), True)
    """
    return pip_of_words(pair_grams("pip_per_word", [x, y], "raw", "float64"), 0, 1)


def pip_of_words(grams: Grams, s: int, t: int) -> Array:
    """Return :func:`pip_per_word` of two runs from their raw products and rows."""
    cross, tables = grams.block(s, t), grams.source_rows().of((s, t)).tables()
    xp = namespace_of(*tables)
    size = _forms(grams, s) + _forms(grams, t)
    mixed = xp.concat(list(of_rows(lambda left, right: xp.sum((left @ cross) * right, axis=1), tables)))
    squared = size - 2 * mixed
    if bool(xp.any((squared < NEARLY_EQUAL * size) & (size > 0))):
        return _pip_from_triangle(tables)
    return xp.sqrt(xp.where(squared > 0, squared, xp.zeros_like(squared)))


def _forms(grams: Grams, s: int) -> Array:
    """``(V,)`` ``x_i G x_i`` of a run's rows, as they are or of length 1, and its products; taken once."""
    table, gram, unit = (
        grams.source_rows().of((s,)).tables()[0],
        grams.block(s, s),
        grams.preparation == "unit",
    )
    xp = namespace_of(table)

    def forms(place: tuple[int, int]) -> Array:
        rows = xp.astype(table[place[0] : place[1], :], xp.float64)
        rows = unit_rows(rows)[0] if unit else rows
        return xp.sum((rows @ gram) * rows, axis=1)

    step = rows_per_tile(24 * table.shape[1])
    return grams.remembered("forms", s, lambda: xp.concat(list(over_tiles(forms, table, step))))


def _pip_from_triangle(tables: list[FloatMatrix]) -> Array:
    """``‖R_x x_i − R_y y_i‖``, R the triangle of ``[X Y]``: no square is subtracted."""
    xp = namespace_of(*tables)
    first, second = (xp.matrix_transpose(part) for part in triangles(tables, centered=False))

    def gap(left: Array, right: Array) -> Array:
        return xp.sqrt(xp.sum((left @ first - right @ second) ** 2, axis=1))

    return xp.concat(list(of_rows(gap, tables)))


@door
def second_order_cosine(x: Any, y: Any) -> Array:
    """Return ``(V,)`` float64: each word's cosines to the whole vocabulary in X, compared with those in Y.

    The cosine of row ``i`` of the two ``V×V`` cosine matrices, the word itself included; between −1 and 1.
    Rotation, reflection and the length of any row change nothing. NaN for a word that has no length in
    either table; such words are compared with none.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.

    Cost: ``V·(d + d')²`` flops and one more pass of twice as many.
    Source: Eger and Mehler (2016); Definitions §4.

    Example:
        >>> each = ge.second_order_cosine(x, y)
        >>> each.shape, round(float(each.min()), 2) > 0.9
        ((50,), True)
    """
    return second_order_of_words(pair_grams("second_order_cosine", [x, y], "unit", "float64"), 0, 1)


def second_order_of_words(grams: Grams, s: int, t: int) -> Array:
    """Return :func:`second_order_cosine` of two runs from the products of unit rows, and the rows."""
    own = grams.of_pair(s, t)
    x, y = (s, t) if own is grams else (0, 1)
    cross, tables = own.block(x, y), own.source_rows().of((x, y)).tables()
    xp = namespace_of(*tables)

    def products(left: Array, right: Array) -> Array:
        left, known = unit_rows(left)
        right, other = unit_rows(right)
        return xp.where(known & other, xp.sum((left @ cross) * right, axis=1), xp.nan)

    mixed, size = xp.concat(list(of_rows(products, tables))), _forms(own, x) * _forms(own, y)
    known = xp.isfinite(mixed)
    cosine = mixed / xp.sqrt(xp.where(known, size, xp.ones_like(size)))
    return xp.where(known, xp.clip(cosine, -1.0, 1.0), xp.full_like(cosine, math.nan))


@threads.single_threaded_blas()
def aligned_cosines(x: Array, y: Array, rotation: Array | None = None) -> Array:
    """Return ``(V,)`` float64 ``cos(x_i Q, y_i)``; NaN for a row without length; ``Q = 1`` when None.

    The narrower table is padded with zeros, so that no rotation shortens a row: the same in both orders.

    Cost: ``2·V·d²`` flops, one pass in tiles. Source: Hamilton (2016, ACL); Definitions §2.
    """
    xp = namespace_of(x, y)
    if rotation is not None and x.shape[1] > y.shape[1]:
        x, y, rotation = y, x, xp.matrix_transpose(rotation)

    def cosines(left: Array, right: Array) -> Array:
        left = left if rotation is None else left @ rotation
        lengths = xp.sqrt(xp.sum(left**2, axis=1)) * xp.sqrt(xp.sum(right**2, axis=1))
        known = lengths > 0
        cosine = xp.sum(left * right, axis=1) / xp.where(known, lengths, xp.ones_like(lengths))
        return xp.where(known, xp.clip(cosine, -1.0, 1.0), xp.full_like(cosine, math.nan))

    return xp.concat(list(of_rows(cosines, [x, y])))


def unit_rows(rows: Array) -> tuple[Array, Array]:
    """Return rows of length 1, zero rows unchanged, and which rows have a length."""
    xp = namespace_of(rows)
    lengths = xp.sqrt(xp.sum(rows**2, axis=1))
    known = lengths > 0
    return rows / xp.where(known, lengths, xp.ones_like(lengths))[:, None], known


def of_rows(function: Callable[[Array, Array], T], tables: list[FloatMatrix]) -> Iterator[T]:
    """``function`` of both tables' rows, widened, a tile after the other."""
    xp = namespace_of(*tables)

    def widened(rows: tuple[int, int]) -> T:
        left, right = (xp.astype(table[rows[0] : rows[1], :], xp.float64) for table in tables)
        return function(left, right)

    step = rows_per_tile(24 * (tables[0].shape[1] + tables[1].shape[1]))
    return over_tiles(widened, tables[0], step)
