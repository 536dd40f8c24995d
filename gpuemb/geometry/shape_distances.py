"""Distances between tables as shapes: what remains after the best rotation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any, Literal, Unpack

import numpy as np

from gpuemb.core.arrays import Array, Float64, FloatMatrix, namespace_of
from gpuemb.core.memory import tiles
from gpuemb.geometry.grams.build import pair_grams
from gpuemb.geometry.grams.digits import NEARLY_EQUAL
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.thin_qr import column_means
from gpuemb.geometry.resampling.draws import uncertainty
from gpuemb.geometry.resampling.uncertainty import Draws, Resampling, resampled
from gpuemb.geometry.results import Similarity
from gpuemb.geometry.rotations.from_rows import squared_gaps
from gpuemb.geometry.rotations.from_sums import (
    ANGULAR,
    BURES,
    angle_of_chord,
    squared_chord,
    squared_distance,
)
from gpuemb.geometry.rotations.polar_factors import polar_factors
from gpuemb.kernels.gram import BLOCK_ROWS

ShapeDistance = Literal["angular", "bures"]


@resampled
def angular(x: Any, y: Any, **resampling: Unpack[Resampling]) -> Similarity:
    """Angle between two tables as shapes, in radians: ``arccos(‖C‖_* / (‖X‖ ‖Y‖))``, columns centered.

    A metric between 0 and π/2: rotation, reflection, scale and translation of either table change nothing.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        resampling: permutations, bootstrap, seed, confidence and progress, as ``Resampling`` says; a word
            counts as often as it is drawn.

    Returns:
        The angle in ``.value``; taken from the difference of the rows (``.recomputed``) where the shapes are
        nearly equal; NaN with its reason where a table's rows are all equal.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.
        ConfigError: a negative number of draws, or a confidence that is no share.

    Cost: ``V·(d + d')²`` flops and one SVD, and one a draw. Source: Williams (2021); Definitions §2, §5.
    """
    draws = Draws.of("angular", resampling)
    found = _between(x, y, "angular")
    return uncertainty(x, y, ANGULAR, draws, known=found.value).onto(found) if draws else found


@resampled
def bures(x: Any, y: Any, **resampling: Unpack[Resampling]) -> Similarity:
    """Bures distance, in the tables' own length unit: ``√(‖X‖² + ‖Y‖² − 2‖C‖_*)``, columns centered.

    The Procrustes distance of centered tables, of unequal dimensions too. A metric: rotation, reflection
    and translation of either table change nothing, scale does.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        resampling: permutations, bootstrap, seed, confidence and progress, as ``Resampling`` says; a word
            counts as often as it is drawn.

    Returns:
        The distance in ``.value``, not squared; taken from the difference of the rows (``.recomputed``) where
        the shapes are nearly equal.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.
        ConfigError: a negative number of draws, or a confidence that is no share.

    Cost: ``V·(d + d')²`` flops and one SVD, and one a draw. Source: Harvey (2023); Definitions §2, §5.
    """
    draws = Draws.of("bures", resampling)
    found = _between(x, y, "bures")
    return uncertainty(x, y, BURES, draws, known=found.value).onto(found) if draws else found


def _between(x: Any, y: Any, measure: ShapeDistance) -> Similarity:
    grams = pair_grams(measure, [x, y], "centered", "float64")
    values, recomputed = shape_table(grams, measure)
    value = float(values[0, 1])
    reason = "the rows of one table are all equal" if math.isnan(value) else ""
    return Similarity(value, measure, "centered", grams.zeros, reason, grams.moved or recomputed > 0)


def shape_table(grams: Grams, measure: ShapeDistance) -> tuple[Float64, int]:
    """Return ``(S, S)`` distances of centered runs, and how many were taken from the rows.

    Cost: one SVD a pair, and one pass for each nearly equal pair.
    """
    pairs, recomputed = list(combinations(range(grams.runs), 2)), 0
    xp, (wide, _) = namespace_of(grams.products), grams.in_float64(tuple(range(grams.runs)))
    lengths = [float(xp.linalg.trace(wide.found(s, s))) for s in range(grams.runs)]
    empty = [length == 0 and measure == "angular" for length in lengths]
    values = np.diag(np.where(empty, math.nan, 0.0))
    square = squared_chord if measure == "angular" else squared_distance
    for (s, t), factor in zip(pairs, polar_factors([wide.found(s, t) for s, t in pairs]), strict=True):
        squared, size = square(lengths[s], lengths[t], factor.nuclear)
        if squared < NEARLY_EQUAL * size:
            tables = grams.source_rows().of((s, t)).tables()
            units = [math.sqrt(lengths[run]) if measure == "angular" else 1.0 for run in (s, t)]
            squared, recomputed = _from_difference(tables, factor.rotation, units), recomputed + 1
        distance = math.nan if math.isnan(squared) else math.sqrt(max(0.0, squared))
        values[s, t] = values[t, s] = angle_of_chord(distance) if measure == "angular" else distance
    return values, recomputed


def _from_difference(tables: list[FloatMatrix], rotation: Array, lengths: list[float]) -> float:
    """``‖XQ − Y‖²`` of centered tables divided by their lengths; the narrower is rotated into the wider."""
    xp = namespace_of(*tables)
    means = [column_means(table) for table in tables]

    def rows(start: int, stop: int) -> Iterator[Array]:
        for table, mean, length in zip(tables, means, lengths, strict=True):
            yield (xp.astype(table[start:stop, :], xp.float64) - mean) / length

    blocks = ((*rows(start, stop), None) for start, stop in tiles(tables[0].shape[0], BLOCK_ROWS))
    return squared_gaps(blocks, rotation, count=float(tables[0].shape[0]))
