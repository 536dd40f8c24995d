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
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import PairSums, Square
from gpuemb.geometry.grams.thin_qr import column_means
from gpuemb.geometry.measure import MeasureOfSums, PairTable
from gpuemb.geometry.measure.measured import Similarity, measured
from gpuemb.geometry.resampling.own_terms import OwnTerms
from gpuemb.geometry.rotations.polar_factors import nuclear_norm, polar_factors, squared_procrustes
from gpuemb.geometry.rotations.weighted_pair import squared_gaps
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
        GpuembError: as :func:`rsa`, of the tables and the resampling.

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
        GpuembError: as :func:`rsa`, of the tables and the resampling.

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

    def pair_table(self, grams: Grams) -> PairTable:
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
            square = self._square(sums, factor.nuclear)
            squared = square.value
            if square.near:
                tables = grams.source_rows().of((s, t)).tables()
                squared = _from_difference(tables, factor.rotation, self._lengths(sums))
                found.recomputed[s, t] = found.recomputed[t, s] = True
            found.values[s, t] = found.values[t, s] = self._distance(math.sqrt(max(squared, 0.0)))
        return found

    def value(self, sums: PairSums, own: OwnTerms | None = None) -> float:
        """Return the distance of two tables from their sums; NaN where it is lost in their rounding."""
        return self._distance(self._square(sums, nuclear_norm(sums)).root)

    def _square(self, sums: PairSums, nuclear: float) -> Square:
        """The squared Procrustes distance of centered tables, each of length 1 for the angle."""
        if self.name == "bures":
            return squared_procrustes(*_squares(sums), nuclear)
        x, y = _squares(sums)
        return squared_procrustes(1.0, 1.0, nuclear / math.sqrt(x * y) if x * y > 0 else math.nan)

    def _lengths(self, sums: PairSums) -> tuple[float, float]:
        x, y = (1.0, 1.0) if self.name == "bures" else _squares(sums)
        return math.sqrt(x), math.sqrt(y)

    def _distance(self, chord: float) -> float:
        """The distance, or the angle that has it as its chord."""
        return 2 * math.asin(min(chord / 2, 1.0)) if self.name == "angular" else chord


def _squares(sums: PairSums) -> tuple[float, float]:
    trace = namespace_of(sums.cross).linalg.trace
    return float(trace(sums.gram_x)), float(trace(sums.gram_y))


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
