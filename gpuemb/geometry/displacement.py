"""How far each word points from where it did, once the tables are lined up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpuemb.core import threads
from gpuemb.core.arrays import Array, device_of, like, namespace_of
from gpuemb.core.checks import LARGEST_FOURTH_POWER, check_matrix, check_range, check_same_rows
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.embeddings.model import check_same_words, vectors_of, words_of
from gpuemb.kernels.gram import gram
from gpuemb.kernels.polar import polar


@dataclass(frozen=True, eq=False)
class Displacement:
    """One minus the aligned cosine of every word.

    Attributes:
        value: the mean over words; one minus it is the mean aligned cosine.
        per_word: ``(V,)`` float64 from 0 (as before) to 2 (opposite); NaN for a word without length.
        rotation: ``(d, e)`` float64, the orthogonal map that was applied to X.
        rank: numerical rank of the products of unit rows that the map is made of.
        zero_rows: words without length in either table; they count nowhere.
        words: the ``V`` words, where they are known.
        reason: why the value is NaN, or the map one of many; empty otherwise.
    """

    value: float
    per_word: Array
    rotation: Array
    rank: int
    zero_rows: int
    words: Sequence[str] | None
    reason: str

    def __float__(self) -> float:
        return self.value


def semantic_displacement(x: Any, y: Any) -> Displacement:
    """Return ``1 − cos(x_i Q, y_i)`` of every word, ``Q`` the best orthogonal map of rows of length 1.

    Taken as ``½‖u − v‖²`` of the two vectors' directions, so that words that hardly moved keep their digits.

    Args:
        x: an Embedding or a float array ``(V, d)``, the earlier table.
        y: the later one, ``(V, e)``; row ``i`` is the same word.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.

    Cost: ``V·(d + e)²`` flops and a second pass in tiles. Source: Hamilton (2016, ACL); Definitions §2.
    """
    words = words_of(x) if words_of(x) is not None else words_of(y)
    tables = [
        check_matrix("semantic_displacement", name, vectors_of(t), words) for name, t in (("X", x), ("Y", y))
    ]
    check_same_rows("semantic_displacement", *tables)
    check_same_words("semantic_displacement", [x, y], "XY")
    for name, table in zip("XY", tables, strict=True):
        check_range("semantic_displacement", name, table, LARGEST_FOURTH_POWER)
    device, dim = device_of(tables[0]), int(tables[0].shape[1])
    cross = gram.on(device)(tables, "unit", pairs=[(0, 1)]).products[:dim, dim:]
    factors = polar.on(device)(cross[None, ...])
    rotation, rank = like(factors.rotation[0], tables[0]), int(factors.rank[0])
    per_word = _displacements(tables[0], tables[1], rotation)
    xp = namespace_of(per_word)
    known = xp.isfinite(per_word)
    count = int(xp.sum(xp.astype(known, xp.int64)))
    total = float(xp.sum(xp.where(known, per_word, xp.zeros_like(per_word))))
    return Displacement(
        total / count if count else math.nan,
        per_word,
        rotation,
        rank,
        int(per_word.shape[0]) - count,
        words,
        _reason(count, rank, min(cross.shape)),
    )


def _reason(count: int, rank: int, full: int) -> str:
    if count == 0:
        return "no word has a length in both tables"
    return "" if rank == full else f"XᵀY has rank {rank} of {full}: other maps give other displacements"


@threads.single_threaded_blas()
def _displacements(x: Array, y: Array, rotation: Array) -> Array:
    xp = namespace_of(x, y)
    pieces = []
    for start, stop in tiles(x.shape[0], rows_per_tile(24 * (x.shape[1] + y.shape[1]))):
        left, right = (xp.astype(table[start:stop, :], xp.float64) for table in (x, y))
        directions, lengths = zip(_direction(left @ rotation), _direction(right), strict=True)
        half = xp.sum((directions[0] - directions[1]) ** 2, axis=1) / 2
        known = (lengths[0] > 0) & (lengths[1] > 0)
        pieces.append(xp.where(known, half, xp.full_like(half, math.nan)))
    return xp.concat(pieces)


def _direction(rows: Array) -> tuple[Array, Array]:
    """Rows of length 1, and the lengths they had; a row without length stays as it is."""
    xp = namespace_of(rows)
    lengths = xp.sqrt(xp.sum(rows**2, axis=1))
    return rows / xp.where(lengths > 0, lengths, xp.ones_like(lengths))[:, None], lengths
