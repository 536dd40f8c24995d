"""Distances of all pairs of runs from their Grams, or from differences of rows where those cancel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, FloatMatrix, Int64, namespace_of
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.geometry.grams.digits import CANCELED, NEARLY_EQUAL, PROMISED
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.named_tables import check_same_dimensions
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.geometry.rotations.from_rows import KINDS, Kind, squares_of_difference
from gpuemb.geometry.rotations.from_sums import squared_distance
from gpuemb.geometry.rotations.polar_factors import PolarFactor, polar_factors

Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True, eq=False)
class PairDistances:
    """Distances between runs, ``(S, S)`` each, in the tables' own length unit.

    Attributes:
        direct: ``‖X − Y‖``, NaN where dimensions differ.
        procrustes: ``‖XQ − Y‖`` after the best orthogonal map, NaN where dimensions differ.
        pip: ``‖XXᵀ − YYᵀ‖``, squared length units.
        recomputed: pairs so nearly equal that a distance was taken from their difference.
        widened: pairs whose float32 products were not enough, and were taken again in float64.
    """

    direct: Float64
    procrustes: Float64
    pip: Float64
    recomputed: int
    widened: int = 0


@dataclass(frozen=True, eq=False)
class PairRotations:
    """The best orthogonal map between every two runs of equal ``d``.

    Attributes:
        distance: ``(S, S)`` ``‖XQ − Y‖``, in the tables' own length unit.
        pairs: ``(P, 2)`` runs ``s < t``, in the order of ``itertools.combinations``.
        rotation: ``(P, d, d)`` of run ``s`` onto run ``t``; that of ``t`` onto ``s`` is its transpose.
        rotation_error: ``(P,)`` bound of ``‖δQ‖``: ``‖ΔC‖/σ_min``, infinite where the rank is short.
        rank: ``(P,)`` singular values of ``XᵀY`` above rounding; below ``d`` the rotation is one of many.
        conditioning: ``(P,)`` ``σ_min/σ_max``; 0 for tables of zeros.
        recomputed, widened: as :class:`PairDistances`.
    """

    distance: Float64
    pairs: Int64
    rotation: Array
    rotation_error: Float64
    rank: Int64
    conditioning: Float64
    recomputed: int
    widened: int


@dataclass(frozen=True)
class _Square:
    """The square of a distance, what it was subtracted from, and a bound of its error by float32."""

    value: float
    scale: float
    error: float = 0.0

    @property
    def near(self) -> bool:
        """Whether float64 Grams have too few digits for it."""
        return self.value < NEARLY_EQUAL * self.scale

    @property
    def doubtful(self) -> bool:
        """Whether float32 products do."""
        return not self.error <= PROMISED * self.value


def pair_distances(tables: list[FloatMatrix], grams: Grams) -> PairDistances:
    """Return direct, Procrustes and PIP distances of all pairs of runs of equal ``d``.

    Args:
        tables: the ``S`` tables; read again only for pairs whose digits cancel.
        grams: their raw cross-Grams.

    Cost: one SVD a pair; one more pass for each nearly equal pair.
    """
    work = _Pairs(replace(grams, source=Rows((list(tables),))), KINDS)
    work.run()
    direct, aligned, pip = (work.tables[kind] for kind in KINDS)
    return PairDistances(direct, aligned, pip, work.recomputed, work.widened)


def distance_table(grams: Grams, kind: Kind) -> Float64:
    """Return ``(S, S)`` of one distance; NaN where it needs equal ``d``."""
    return distances_of(grams, kind)[0]


def distances_of(grams: Grams, kind: Kind) -> tuple[Float64, int]:
    """Return the table of one distance, and how many pairs were taken from their difference."""
    work = _Pairs(grams, (kind,))
    work.run()
    return work.tables[kind], work.recomputed


def pair_rotations(grams: Grams) -> PairRotations:
    """Return the best orthogonal maps of all pairs of runs.

    Raises:
        ShapeError: two runs differ in dimensions.
        MemoryBudgetError: the maps of all pairs do not fit.

    Cost: one SVD of ``d × d`` a pair. Source: Schönemann (1966); Definitions §2.
    """
    work = _Pairs(grams, ("procrustes",))
    tables = grams.source_rows().pieces[0]
    check_same_dimensions("procrustes", tables, [f"run {s}" for s in range(grams.runs)])
    dim = int(grams.edges[1])
    maps = buffer((2 * len(work.pairs), dim, dim), np.float64)
    MemoryPlan(f"rotations of {len(work.pairs)} pairs", {"rotations": maps}).require()
    factors = work.run()
    xp = namespace_of(grams.products)
    largest, smallest = (np.array([float(f.singular[place]) for f in factors]) for place in (0, -1))
    return PairRotations(
        work.tables["procrustes"],
        np.array(work.pairs, np.int64).reshape(-1, 2),
        xp.stack([f.rotation for f in factors]) if factors else xp.zeros((0, dim, dim)),
        np.array(work.rotation_errors),
        np.array([f.rank for f in factors], np.int64),
        np.divide(smallest, largest, out=np.zeros(len(factors)), where=largest > 0),
        work.recomputed,
        work.widened,
    )


class _Pairs:
    """All pairs of runs, each by the cheapest strategy that is accurate enough."""

    def __init__(self, grams: Grams, kinds: tuple[Kind, ...]) -> None:
        self.grams, self.kinds = grams, kinds
        self.tables: dict[Kind, Float64] = {kind: np.zeros((grams.runs, grams.runs)) for kind in kinds}
        self.pairs = list(combinations(range(grams.runs), 2))
        self.rotation_errors: list[float] = []
        self.recomputed = self.widened = 0

    def run(self) -> list[PolarFactor]:
        """Fill the tables; return the rotation of each pair where distances need it."""
        dims = np.diff(self.grams.edges)
        alike = [p for p in self.pairs if "procrustes" in self.kinds and dims[p[0]] == dims[p[1]]]
        factors = dict(zip(alike, polar_factors([self.grams.found(*p) for p in alike]), strict=True))
        found = [self._measure(pair, factors.get(pair)) for pair in self.pairs]
        return [factor for factor in found if factor is not None]

    def _measure(self, pair: Pair, factor: PolarFactor | None) -> PolarFactor | None:
        grams, (s, t) = self.grams, pair
        squares = self._squares(grams, (s, t), factor)
        if not grams.final and any(square.doubtful for square in squares.values()):
            runs = pair if 2 * self.widened < grams.runs else tuple(range(grams.runs))
            grams, places = grams.in_float64(runs)  # all at once after several pairs
            s, t = (places[runs.index(run)] for run in pair)
            factor = None if factor is None else polar_factors([grams.found(s, t)])[0]
            squares = self._squares(grams, (s, t), factor)
            self.widened += 1
        if factor is not None:
            self.rotation_errors.append(_rotation_error(grams, (s, t), factor))
        values = {kind: square.value for kind, square in squares.items()}
        near = [kind for kind, square in squares.items() if square.near]
        if near:
            exact = squares_of_difference(self.grams.source_rows(), pair, self.grams.block(*pair))
            values |= {kind: exact[kind] for kind in near}
            self.recomputed += 1
        for kind, table in self.tables.items():
            value = math.sqrt(max(0.0, values[kind])) if kind in squares else math.nan
            table[pair] = table[pair[::-1]] = value
        return factor

    def _squares(self, grams: Grams, pair: Pair, factor: PolarFactor | None) -> dict[Kind, _Square]:
        """The squared distances that exist, from the products as they were found."""
        cross = grams.found(*pair)
        first, second = (float(grams.lengths[run]) for run in pair)
        lengths = first + second
        probed = None if grams.images is None else grams.probed(*pair)
        squares: dict[Kind, _Square] = {}
        if "direct" in self.kinds and cross.shape[0] == cross.shape[1]:
            xp = namespace_of(cross)
            error = 2 * probed.trace(xp.eye(cross.shape[0], dtype=cross.dtype)) if probed else 0.0
            squares["direct"] = _Square(lengths - 2 * float(xp.linalg.trace(cross)), lengths, error)
        if factor is not None:
            error = 2 * probed.nuclear(factor.rotation, float(factor.singular[-1])) if probed else 0.0
            squared, size = squared_distance(first, second, factor.nuclear)
            squares["procrustes"] = _Square(squared, size, error)
        if "pip" in self.kinds:
            error = grams.errors(*pair).pip() if probed else 0.0
            squares["pip"] = _squared_pip(grams.found_pair(*pair), error)
        return squares


def _rotation_error(grams: Grams, pair: Pair, factor: PolarFactor) -> float:
    """Bound of ``‖δQ‖``: ``‖ΔC‖/σ_min``, ``ΔC`` the error of float32 products, or of float64 ones."""
    lengths = float(grams.lengths[pair[0]]) + float(grams.lengths[pair[1]])
    change = CANCELED * lengths / 2 if grams.images is None else grams.probed(*pair).norm()
    smallest = float(factor.singular[-1])
    return change / smallest if smallest > 0 else math.inf


def _squared_pip(sums: PairSums, error: float) -> _Square:
    xp = namespace_of(sums.cross)
    scale = float(xp.sum(sums.gram_x**2)) + float(xp.sum(sums.gram_y**2))
    return _Square(scale - 2 * float(xp.sum(sums.cross**2)), scale, error)
