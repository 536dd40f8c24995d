"""Distances of all pairs of runs from their Grams, or from differences of rows where those cancel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, Int64, device_of, like, namespace_of
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.results import result
from gpuemb.embeddings.named_tables import check_same_dimensions
from gpuemb.geometry.grams.digits import CANCELED
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import PairSums, Square
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.geometry.measure import PairTable, SumsMeasure
from gpuemb.geometry.resampling.own_terms import OwnTerms, without_copies
from gpuemb.geometry.rotations.polar_factors import PolarFactor, polar_factors
from gpuemb.kernels.gram import gram
from gpuemb.uncertainty.intervals import DISTANCE

Kind: TypeAlias = Literal["direct", "procrustes", "pip"]


def squares_of_difference(rows: Rows, pair: tuple[int, int], cross: Array) -> dict[Kind, float]:
    """Return all three squares without cancellation, from the Gram of ``[A, D]``, ``A = XQ``, ``D = Y − XQ``.

    Rotation leaves PIP as it is, so ``YYᵀ − XXᵀ = ADᵀ + DAᵀ + DDᵀ``, whose squared norm is
    ``2 tr(G_A G_D) + 2 tr(HH) + 4 tr(H G_D) + ‖G_D‖²`` with ``H = AᵀD``. Of two tables of unequal
    dimensions X is the narrower one, and there is no direct distance.
    """
    if cross.shape[0] > cross.shape[1]:
        pair, cross = (pair[1], pair[0]), namespace_of(cross).matrix_transpose(cross)
    xp, dim = namespace_of(cross), int(cross.shape[1])
    rotation, square = polar_factors([cross])[0].rotation, cross.shape[0] == dim

    def sums(block: tuple[Array, Array]) -> tuple[Array, float]:
        left, right = block
        aligned = left @ rotation
        direct = float(xp.sum((left - right) ** 2)) if square else 0.0
        return gram.on(device_of(cross))([aligned, right - aligned], "raw").products, direct

    products, direct = None, 0.0
    for part, gap in threads.stream(sums, rows.blocks(*pair)):
        products, direct = part if products is None else products + part, direct + gap
    both = like(products, cross)
    gram_a, gram_d, h = both[:dim, :dim], both[dim:, dim:], both[:dim, dim:]
    pip = (
        2 * float(xp.sum(gram_a * gram_d))
        + 2 * float(xp.sum(h * xp.matrix_transpose(h)))
        + 4 * float(xp.sum(h * gram_d))
        + float(xp.sum(gram_d**2))
    )
    return {"direct": direct, "procrustes": float(xp.linalg.trace(gram_d)), "pip": pip}


Pair: TypeAlias = tuple[int, int]


@result
class PairRotations:
    """The best orthogonal map between every two runs of equal ``d``.

    Attributes:
        distance: ``(S, S)`` ``‖XQ − Y‖``, in the tables' own length unit.
        pairs: ``(P, 2)`` runs ``s < t``, in the order of ``itertools.combinations``.
        rotation: ``(P, d, d)`` of run ``s`` onto run ``t``; that of ``t`` onto ``s`` is its transpose.
        rotation_error: ``(P,)`` bound of ``‖δQ‖``: ``‖ΔC‖/σ_min``, infinite where the rank is short.
        rank: ``(P,)`` singular values of ``XᵀY`` above rounding; below ``d`` the rotation is one of many.
        conditioning: ``(P,)`` ``σ_min/σ_max``; 0 for tables of zeros.
        recomputed: pairs so nearly equal that a distance was taken from their difference.
        widened: pairs whose float32 products were not enough, and were taken again in float64.
    """

    distance: Float64
    pairs: Int64
    rotation: Array
    rotation_error: Float64
    rank: Int64
    conditioning: Float64
    recomputed: int
    widened: int


@dataclass(frozen=True, kw_only=True, eq=False)
class DistanceMeasure(SumsMeasure):
    """A distance that is a difference of sums, taken from the rows where it cancels.

    Attributes:
        kind: which.
    """

    kind: Kind

    def pair_table(self, grams: Grams) -> PairTable:
        """Return the distance of every pair of runs; see :meth:`Measure.table`.

        Cost: one SVD a pair for Procrustes; one more pass for each nearly equal pair.
        """
        work = _Pairs(grams, self.kind)
        work.run()
        return PairTable(work.values, work.near)


def pair_rotations(grams: Grams) -> PairRotations:
    """Return the best orthogonal maps of all pairs of runs.

    Raises:
        ShapeError: two runs differ in dimensions.
        MemoryBudgetError: the maps of all pairs do not fit.

    Cost: one SVD of ``d × d`` a pair. Source: Schönemann (1966); Definitions §2.
    """
    work = _Pairs(grams, "procrustes")
    tables = grams.source_rows().pieces[0]
    check_same_dimensions("procrustes", tables, [f"run {s}" for s in range(grams.runs)])
    dim = int(grams.edges[1])
    maps = buffer((2 * len(work.pairs), dim, dim), np.float64)
    MemoryPlan(f"rotations of {len(work.pairs)} pairs", {"rotations": maps}).require()
    factors = work.run()
    xp = namespace_of(grams.products)
    largest, smallest = (np.array([float(f.singular[place]) for f in factors]) for place in (0, -1))
    return PairRotations(
        work.values,
        np.array(work.pairs, np.int64).reshape(-1, 2),
        xp.stack([f.rotation for f in factors]) if factors else xp.zeros((0, dim, dim)),
        np.array(work.rotation_errors),
        np.array([f.rank for f in factors], np.int64),
        np.divide(smallest, largest, out=np.zeros(len(factors)), where=largest > 0),
        int(work.near.sum()) // 2,
        work.widened,
    )


class _Pairs:
    """One distance of all pairs of runs, each by the cheapest strategy that is accurate enough."""

    def __init__(self, grams: Grams, kind: Kind) -> None:
        self.grams, self.kind = grams, kind
        self.values = np.zeros((grams.runs, grams.runs))
        self.near = np.zeros((grams.runs, grams.runs), bool)
        self.pairs = list(combinations(range(grams.runs), 2))
        self.rotation_errors: list[float] = []
        self.widened = 0

    def run(self) -> list[PolarFactor]:
        """Fill the table; return the rotation of each pair where the distance needs it."""
        wanted = self.pairs if self.kind == "procrustes" else []
        factors = dict(zip(wanted, polar_factors([self.grams.found(*p) for p in wanted]), strict=True))
        found = [self._measure(pair, factors.get(pair)) for pair in self.pairs]
        return [factor for factor in found if factor is not None]

    def _measure(self, pair: Pair, factor: PolarFactor | None) -> PolarFactor | None:
        grams, (s, t) = self.grams, pair
        square = self._square(grams, (s, t), factor)
        if not grams.final and square is not None and square.doubtful:
            runs = pair if 2 * self.widened < grams.runs else tuple(range(grams.runs))
            grams, places = grams.in_float64(runs)  # all at once where several pairs have asked
            s, t = (places[runs.index(run)] for run in pair)
            factor = None if factor is None else polar_factors([grams.found(s, t)])[0]
            square = self._square(grams, (s, t), factor)
            self.widened += 1
        if factor is not None:
            self.rotation_errors.append(_rotation_error(grams, (s, t), factor))
        value = math.nan if square is None else square.value
        if square is not None and square.near:
            value = squares_of_difference(self.grams.source_rows(), pair, self.grams.block(*pair))[self.kind]
            self.near[pair] = self.near[pair[::-1]] = True
        self.values[pair] = self.values[pair[::-1]] = math.sqrt(max(value, 0.0))
        return factor

    def _square(self, grams: Grams, pair: Pair, factor: PolarFactor | None) -> Square | None:
        """The squared distance from the products as they were found; None where it does not exist."""
        cross = grams.found(*pair)
        lengths = float(grams.lengths[pair[0]]) + float(grams.lengths[pair[1]])
        probed = None if grams.images is None else grams.probed(*pair)
        if self.kind == "pip":
            return squared_pip(grams.found_pair(*pair), error=grams.errors(*pair).pip() if probed else 0.0)
        if factor is not None:
            error = 2 * probed.nuclear(factor.rotation, float(factor.singular[-1])) if probed else 0.0
            return Square(lengths - 2 * factor.nuclear, lengths, error)
        if cross.shape[0] != cross.shape[1]:
            return None
        xp = namespace_of(cross)
        error = 2 * probed.trace(xp.eye(cross.shape[0], dtype=cross.dtype)) if probed else 0.0
        return Square(lengths - 2 * float(xp.linalg.trace(cross)), lengths, error)


def _rotation_error(grams: Grams, pair: Pair, factor: PolarFactor) -> float:
    """Bound of ``‖δQ‖``: ``‖ΔC‖/σ_min``, ``ΔC`` the error of float32 products, or of float64 ones."""
    lengths = float(grams.lengths[pair[0]]) + float(grams.lengths[pair[1]])
    change = CANCELED * lengths / 2 if grams.images is None else grams.probed(*pair).norm()
    smallest = float(factor.singular[-1])
    return change / smallest if smallest > 0 else math.inf


def squared_pip(sums: PairSums, own: OwnTerms | None = None, error: float = 0.0) -> Square:
    """Return the squared PIP loss from the sums of raw rows; two copies of a word are no pair."""
    parts = without_copies(sums, own)
    return Square(parts[0] + parts[2] - 2 * parts[1], parts[0] + parts[2], error)


def direct_of_sums(sums: PairSums, own: OwnTerms | None) -> float:
    """Return ``‖X − Y‖`` from the sums of rows; NaN where it is lost in their rounding, or d differs."""
    if sums.cross.shape[0] != sums.cross.shape[1]:
        return math.nan
    trace = namespace_of(sums.cross).linalg.trace
    scale = float(trace(sums.gram_x)) + float(trace(sums.gram_y))
    return Square(scale - 2 * float(trace(sums.cross)), scale).root


DIRECT_DISTANCE = DistanceMeasure(
    name="direct_distance",
    title="Direct distance",
    meaning="Length of the difference of the two tables as they stand, without any rotation.",
    preparation="raw",
    possible=DISTANCE,
    missing="the tables differ in dimensions",
    higher_is_closer=False,
    growth=0.5,
    kind="direct",
    of_sums=direct_of_sums,
)
