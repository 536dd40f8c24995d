"""How far each word points from where it did, once the tables are lined up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack

from gpuemb.core import threads
from gpuemb.core.arrays import Array, namespace_of
from gpuemb.core.doors import door
from gpuemb.core.results import result
from gpuemb.embeddings.named_tables import PAIR, NamedTables
from gpuemb.geometry.grams.build import summed
from gpuemb.geometry.grams.digits import NEARLY_EQUAL
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.measure import SumsMeasure
from gpuemb.geometry.measure.measured import uncertainty
from gpuemb.geometry.per_word import of_rows, unit_rows
from gpuemb.geometry.resampling.own_terms import OwnTerms
from gpuemb.geometry.rotations.polar_factors import nuclear_norm, polar_factors
from gpuemb.uncertainty.draws import Draws, Resampling
from gpuemb.uncertainty.intervals import Range
from gpuemb.uncertainty.results import Uncertainty


@result
class Displacement(Uncertainty):
    """One minus the aligned cosine of every word; the uncertainty of their mean where that was asked for.

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


@door
def semantic_displacement(x: Any, y: Any, **resampling: Unpack[Resampling]) -> Displacement:
    """Return ``1 − cos(x_i Q, y_i)`` of every word, ``Q`` the best orthogonal map of rows of length 1.

    Taken as ``½‖u − v‖²`` of the two vectors' directions, so that words that hardly moved keep their digits.
    The narrower table is padded with zeros: what a map would drop of the wider one is not normalized away.

    Args:
        x: an Embedding or a float array ``(V, d)``, the earlier table.
        y: the later one, ``(V, e)``; row ``i`` is the same word.
        resampling: see :class:`gpuemb.Resampling`; of the mean.

    Raises:
        GpuembError: as :func:`rsa`, of the tables and the resampling.

    Cost: ``V·(d + e)²`` flops and a second pass in tiles; as many again and ``B`` SVDs for the interval.
    Source: Hamilton (2016, ACL); Definitions §2, §5.

    Example:
        >>> moved = x @ q
        >>> moved[7] = -moved[7]  # one word turns around
        >>> found = ge.semantic_displacement(x, moved)
        >>> int(found.per_word.argmax()), round(float(found.per_word.max()), 1)
        (7, 2.0)
    """
    draws = Draws("semantic_displacement", **resampling)
    given = NamedTables.of(draws.where, [x, y], PAIR)
    grams = summed(Grams, given, "unit", "float64")
    first, second = given.tables
    factor = polar_factors([grams.block(0, 1)])[0]
    per_word = displacements(first, second, factor.rotation)
    xp = namespace_of(per_word)
    known = xp.isfinite(per_word)
    count = int(xp.sum(xp.astype(known, xp.int64)))
    total = float(xp.sum(xp.where(known, per_word, xp.zeros_like(per_word))))
    value = total / count if count else math.nan
    reason = _reason(count, factor.rank, min(factor.rotation.shape))
    words = int(per_word.shape[0])
    found = Displacement(value, per_word, factor.rotation, factor.rank, words - count, given.words, reason)
    return uncertainty(DISPLACEMENT, given, grams.source_rows(), draws, value).onto(found)


def _reason(count: int, rank: int, full: int) -> str:
    if count == 0:
        return "no word has a length in both tables"
    return "" if rank == full else f"XᵀY has rank {rank} of {full}: other maps give other displacements"


@threads.single_threaded_blas()
def displacements(x: Array, y: Array, rotation: Array) -> Array:
    """Return ``(V,)`` one minus the cosine of ``x_i Q`` and ``y_i``, or of ``x_i`` and ``y_i Qᵀ``."""
    xp = namespace_of(x, y)
    if x.shape[1] > y.shape[1]:
        x, y, rotation = y, x, xp.matrix_transpose(rotation)

    def halves(left: Array, right: Array) -> Array:
        first, known = unit_rows(left @ rotation)
        second, other = unit_rows(right)
        half = xp.sum((first - second) ** 2, axis=1) / 2
        return xp.where(known & other, half, xp.full_like(half, math.nan))

    return xp.concat(list(of_rows(halves, [x, y])))


def displacement_of_sums(sums: PairSums, own: OwnTerms | None) -> float:
    """Return one minus the mean aligned cosine ``‖C‖_*/V`` of unit rows; NaN where it is lost in rounding."""
    if sums.rows == 0:
        return math.nan
    mean = nuclear_norm(sums) / sums.rows
    return 1 - mean if 1 - mean > NEARLY_EQUAL else math.nan


DISPLACEMENT = SumsMeasure(
    name="semantic_displacement",
    title="Semantic displacement",
    meaning="One minus the mean cosine of a word’s two vectors after the best rotation.",
    preparation="unit",
    possible=Range(0.0, 2.0),
    missing="no word has a length in both tables",
    higher_is_closer=False,
    precision="float64",
    of_sums=displacement_of_sums,
)
