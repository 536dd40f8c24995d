"""Semantic displacement: one minus the cosine of every word between aligned tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from gpuemb.core import threads
from gpuemb.core.arrays import Array, device_of, like, namespace_of
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.geometry.grams.named_tables import PAIR, NamedTables
from gpuemb.geometry.resampling.draws import uncertainty
from gpuemb.geometry.resampling.uncertainty import Draws, Resampling, Uncertainty, resampled
from gpuemb.geometry.rotations.from_sums import DISPLACEMENT
from gpuemb.geometry.rotations.polar_factors import polar_factors
from gpuemb.kernels.gram import gram


@dataclass(frozen=True, eq=False)
class Displacement(Uncertainty):
    """One minus the aligned cosine of every word; the uncertainty of their mean if requested.

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


@resampled
def semantic_displacement(x: Any, y: Any, **resampling: Unpack[Resampling]) -> Displacement:
    """Return ``1 − cos(x_i Q, y_i)`` of every word, ``Q`` the best orthogonal map of rows of length 1.

    Taken as ``½‖u − v‖²`` of the two vectors' directions, so that words that hardly moved keep their digits.

    Args:
        x: an Embedding or a float array ``(V, d)``, the earlier table.
        y: the later one, ``(V, e)``; row ``i`` is the same word.
        resampling: permutations, bootstrap, seed, confidence and progress, as ``Resampling`` says; of the
            mean; a word counts as often as it is drawn.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.
        ConfigError: draws where ``d > e``; a negative number of draws, or a confidence that is no share.

    Cost: ``V·(d + e)²`` flops and a second pass in tiles; ``2·V·d·e`` and an SVD a permutation,
    ``1.3·V·(d² + de + e²)`` and an SVD a resample. Source: Hamilton (2016, ACL); Definitions §2, §5.
    """
    draws = Draws.of("semantic_displacement", resampling)
    given = NamedTables.checked("semantic_displacement", [x, y], PAIR)
    tables = given.tables
    _check_draws(draws, *tables)
    dim = int(tables[0].shape[1])
    cross = gram.on(device_of(tables[0]))(tables, "unit", pairs=[(0, 1)]).products[:dim, dim:]
    factor = polar_factors([like(cross, tables[0])])[0]
    per_word = _displacements(tables[0], tables[1], factor.rotation)
    xp = namespace_of(per_word)
    known = xp.isfinite(per_word)
    count = int(xp.sum(xp.astype(known, xp.int64)))
    total = float(xp.sum(xp.where(known, per_word, xp.zeros_like(per_word))))
    found = Displacement(
        total / count if count else math.nan,
        per_word,
        factor.rotation,
        factor.rank,
        int(per_word.shape[0]) - count,
        given.words,
        _reason(count, factor.rank, min(cross.shape)),
    )
    return uncertainty(x, y, DISPLACEMENT, draws, known=found.value).onto(found) if draws else found


def _check_draws(draws: Draws, x: Array, y: Array) -> None:
    """The mean follows from sums only where the map keeps the length of every row of X."""
    if draws and x.shape[1] > y.shape[1]:
        raise ConfigError(
            f"semantic_displacement: permutations or bootstrap, but X has {x.shape[1]} dimensions and "
            f"Y {y.shape[1]}",
            needed="X may have no more dimensions than Y: what the map drops of a row is in no sum.",
            remedy="Exchange the tables, or ask for the uncertainty of procrustes(x, y).",
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
    """Rows of length 1, and the lengths they had; zero rows are unchanged."""
    xp = namespace_of(rows)
    lengths = xp.sqrt(xp.sum(rows**2, axis=1))
    return rows / xp.where(lengths > 0, lengths, xp.ones_like(lengths))[:, None], lengths
