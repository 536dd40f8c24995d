"""How far apart two tables are as shapes: whatever a rotation cannot bring together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Unpack

import numpy as np

from gpuemb.core.arrays import Array, FloatMatrix, namespace_of
from gpuemb.core.doors import door
from gpuemb.core.memory import tiles
from gpuemb.geometry.grams.digits import NEARLY_EQUAL
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.grams.thin_qr import column_means
from gpuemb.geometry.measure import MeasureOfSums, PairTable
from gpuemb.geometry.measure.measured import measured
from gpuemb.geometry.measure.results import Similarity
from gpuemb.geometry.resampling.own_terms import OwnTerms
from gpuemb.geometry.rotations.from_rows import squared_gaps
from gpuemb.geometry.rotations.from_sums import nuclear_norm
from gpuemb.geometry.rotations.polar_factors import polar_factors
from gpuemb.kernels.gram import BLOCK_ROWS
from gpuemb.uncertainty.draws import Draws, Resampling
from gpuemb.uncertainty.intervals import ANGLE, DISTANCE


@door
def angular(x: Any, y: Any, **resampling: Unpack[Resampling]) -> Similarity:
    """Angle between two tables as shapes, in radians: ``arccos(‖C‖_* / (‖X‖ ‖Y‖))``, columns centered.

    A metric between 0 and π/2: rotation, reflection, scale and translation of either table change nothing.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        resampling: see :class:`gpuemb.Resampling`.

    Returns:
        The angle in ``.value``; taken from the difference of the rows (``.recomputed``) where the shapes are
        nearly equal; NaN with its reason where a table's rows are all equal.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.
        ConfigError: a negative number of draws, or a confidence that is no share.

    Cost: ``V·(d + d')²`` flops and one SVD; as many flops again and ``B`` SVDs for the interval.
    Source: Williams (2021); Definitions §2, §5.

    Example:
        >>> round(ge.angular(x, y).value, 3), round(ge.angular(x, 5 * x @ q + 1).value, 6)
        (0.093, 0.0)
    """
    return measured(ANGULAR, x, y, Draws("angular", **resampling))


@door
def bures(x: Any, y: Any, **resampling: Unpack[Resampling]) -> Similarity:
    """Bures distance, in the tables' own length unit: ``√(‖X‖² + ‖Y‖² − 2‖C‖_*)``, columns centered.

    The Procrustes distance of centered tables, of unequal dimensions too. A metric: rotation, reflection
    and translation of either table change nothing, scale does.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        resampling: see :class:`gpuemb.Resampling`.

    Returns:
        The distance in ``.value``, not squared; taken from the difference of the rows (``.recomputed``) where
        the shapes are nearly equal.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.
        ConfigError: a negative number of draws, or a confidence that is no share.

    Cost: ``V·(d + d')²`` flops and one SVD; as many flops again and ``B`` SVDs for the interval.
    Source: Harvey (2023); Definitions §2, §5.

    Example:
        >>> round(ge.bures(x, y).value, 2), round(ge.bures(x, x @ q + 1).value, 6)
        (1.84, 0.0)
    """
    return measured(BURES, x, y, Draws("bures", **resampling))


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapeMeasure(MeasureOfSums):
    """The Procrustes distance of centered tables, or of such tables of length 1 the angle."""

    def table(self, grams: Grams) -> PairTable:
        """Return the distance of every pair of centered runs.

        Cost: one SVD a pair, and one pass for each nearly equal pair.
        """
        pairs = list(combinations(range(grams.runs), 2))
        found = PairTable.of(np.zeros((grams.runs, grams.runs)), grams.moved)
        for s in range(grams.runs):
            empty = float(namespace_of(grams.products).linalg.trace(grams.block(s, s))) == 0
            found.values[s, s] = math.nan if empty and self.name == "angular" else 0.0
        factors = polar_factors([grams.block(s, t) for s, t in pairs])
        for (s, t), factor in zip(pairs, factors, strict=True):
            sums = grams.pair(s, t)
            squared, scale = squared_distance(sums, factor.nuclear, self.name)
            if squared < NEARLY_EQUAL * scale:
                tables = grams.source_rows().of((s, t)).tables()
                squared = _from_difference(tables, factor.rotation, _lengths(sums, self.name))
                found.recomputed[s, t] = found.recomputed[t, s] = True
            found.values[s, t] = found.values[t, s] = distance_of(squared, self.name)
        return found

    def value(self, sums: PairSums, own: OwnTerms | None = None) -> float:
        """Return the distance of two tables from their sums; NaN where it is lost in their rounding."""
        squared, scale = squared_distance(sums, nuclear_norm(sums), self.name)
        return distance_of(squared, self.name) if squared > NEARLY_EQUAL * scale else math.nan


def squared_distance(sums: PairSums, nuclear: float, measure: str) -> tuple[float, float]:
    """Return the squared Procrustes distance of centered tables and the size it was subtracted from.

    For the angle both tables have length 1; NaN where one has none.
    """
    xp = namespace_of(sums.cross)
    first, second = (float(xp.linalg.trace(gram)) for gram in (sums.gram_x, sums.gram_y))
    if measure == "bures":
        return first + second - 2 * nuclear, first + second
    if first == 0 or second == 0:
        return math.nan, 2.0
    return 2 - 2 * nuclear / math.sqrt(first * second), 2.0


def distance_of(squared: float, measure: str) -> float:
    """Return the distance, or the angle that has it as its chord."""
    if math.isnan(squared):
        return math.nan
    chord = math.sqrt(max(0.0, squared))
    return 2 * math.asin(min(1.0, chord / 2)) if measure == "angular" else chord


def _lengths(sums: PairSums, measure: str) -> tuple[float, float]:
    if measure == "bures":
        return 1.0, 1.0
    xp = namespace_of(sums.cross)
    first, second = (math.sqrt(float(xp.linalg.trace(gram))) for gram in (sums.gram_x, sums.gram_y))
    return first, second


def _from_difference(tables: list[FloatMatrix], rotation: Array, lengths: tuple[float, float]) -> float:
    """``‖XQ − Y‖²`` of centered tables divided by their lengths; the narrower is rotated into the wider."""
    xp = namespace_of(*tables)
    means = [column_means(table) for table in tables]

    def rows(start: int, stop: int) -> Iterator[Array]:
        for table, mean, length in zip(tables, means, lengths, strict=True):
            yield (xp.astype(table[start:stop, :], xp.float64) - mean) / length

    blocks = ((*rows(start, stop), None) for start, stop in tiles(tables[0].shape[0], BLOCK_ROWS))
    return squared_gaps(blocks, rotation, count=float(tables[0].shape[0]))


ANGULAR = ShapeMeasure(
    name="angular",
    title="Angle between shapes",
    meaning="Angle in radians that no rotation, scale or translation of the two tables can lessen.",
    preparation="centered",
    possible=ANGLE,
    missing="the rows of one table are all equal",
    higher_is_closer=False,
    precision="float64",
)
BURES = ShapeMeasure(
    name="bures",
    title="Bures distance",
    meaning="Length of the difference after the best rotation and translation.",
    preparation="centered",
    possible=DISTANCE,
    higher_is_closer=False,
    growth=0.5,
    precision="float64",
)
