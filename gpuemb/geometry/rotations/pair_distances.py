"""Distances of all pairs of runs from their Grams, and again from differences where they cancel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, FloatMatrix, Int64, device_of, like, namespace_of, to_host
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.geometry.grams.digits import CANCELED, NEARLY_EQUAL, PROMISED
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.named_tables import check_same_dimensions
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.kernels.gram import gram
from gpuemb.kernels.polar import polar

Kind: TypeAlias = Literal["direct", "procrustes", "pip"]
KINDS: tuple[Kind, ...] = ("direct", "procrustes", "pip")
BATCH_BYTES = 1 << 26  # of products that are decomposed at once


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
    direct, turned, pip = (work.tables[kind] for kind in KINDS)
    return PairDistances(direct, turned, pip, work.recomputed, work.widened)


def distance_table(grams: Grams, kind: Kind) -> Float64:
    """Return ``(S, S)`` of one distance; NaN where it needs equal ``d`` and they are not."""
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
    turns = work.run()
    xp = namespace_of(grams.products)
    largest, smallest = (np.array([t.singular[place] for t in turns]) for place in (0, -1))
    return PairRotations(
        work.tables["procrustes"],
        np.array(work.pairs, np.int64).reshape(-1, 2),
        xp.stack([t.rotation for t in turns]) if turns else xp.zeros((0, dim, dim)),
        np.array([t.error for t in turns]),
        np.array([t.rank for t in turns], np.int64),
        np.divide(smallest, largest, out=np.zeros(len(turns)), where=largest > 0),
        work.recomputed,
        work.widened,
    )


@dataclass(frozen=True, eq=False)
class _Turn:
    """The polar factor of one pair's product, and a bound of the rotation's error."""

    rotation: Array
    singular: Float64
    rank: int
    error: float = math.inf


class _Pairs:
    """All pairs of runs, each by the cheapest road that is good enough."""

    def __init__(self, grams: Grams, kinds: tuple[Kind, ...]) -> None:
        self.grams, self.kinds = grams, kinds
        self.tables: dict[Kind, Float64] = {kind: np.zeros((grams.runs, grams.runs)) for kind in kinds}
        self.pairs = list(combinations(range(grams.runs), 2))
        self.recomputed = self.widened = 0

    def run(self) -> list[_Turn]:
        """Fill the tables; return the rotation of each pair where distances need it."""
        found = []
        for pair, turn in zip(self.pairs, self._turns(), strict=True):
            found.append(self._measure(pair, turn))
        return [turn for turn in found if turn is not None]

    def _turns(self) -> Iterator[_Turn | None]:
        """Polar factors of pairs of equal d, a batch at a time; None where no measure needs them."""
        dims = np.diff(self.grams.edges)
        step = max(1, BATCH_BYTES // (8 * int(dims.max()) ** 2))
        for start in range(0, len(self.pairs), step):
            batch = self.pairs[start : start + step]
            wanted = [p for p in batch if "procrustes" in self.kinds and dims[p[0]] == dims[p[1]]]
            turned: dict[tuple[int, int], _Turn] = {}
            for dim in sorted({int(dims[s]) for s, _ in wanted}):
                alike = [p for p in wanted if dims[p[0]] == dim]
                turned |= dict(zip(alike, _factored([self.grams.found(*p) for p in alike]), strict=True))
            yield from (turned.get(pair) for pair in batch)

    def _measure(self, pair: tuple[int, int], turn: _Turn | None) -> _Turn | None:
        s, t = pair
        turn, squares = self._squares(pair, self.grams, turn)
        if not self.grams.final and any(square.doubtful for square in squares.values()):
            runs = pair if 2 * self.widened < self.grams.runs else tuple(range(self.grams.runs))
            wide, places = self.grams.exact(runs)  # all at once where several pairs have asked
            first, second = (places[runs.index(run)] for run in pair)
            turn = None if turn is None else _factored([wide.found(first, second)])[0]
            turn, squares = self._squares((first, second), wide, turn)
            self.widened += 1
        values = {kind: square.value for kind, square in squares.items()}
        near = [kind for kind, square in squares.items() if square.near]
        if near:
            exact = _from_difference(self.grams.source_rows(), pair, self.grams.block(s, t))
            values |= {kind: exact[kind] for kind in near}
            self.recomputed += 1
        for kind, table in self.tables.items():
            table[s, t] = table[t, s] = math.sqrt(max(0.0, values[kind])) if kind in squares else math.nan
        return turn

    def _squares(
        self, pair: tuple[int, int], grams: Grams, turn: _Turn | None
    ) -> tuple[_Turn | None, dict[Kind, _Square]]:
        """The squared distances that exist, from the products as they were found."""
        s, t = pair
        cross, rough = grams.found(s, t), grams.images is not None
        lengths = float(grams.lengths[s]) + float(grams.lengths[t])
        probed = grams.probed(s, t) if rough else None
        squares: dict[Kind, _Square] = {}
        if "direct" in self.kinds and cross.shape[0] == cross.shape[1]:
            xp = namespace_of(cross)
            error = 2 * probed.trace(xp.eye(cross.shape[0], dtype=cross.dtype)) if probed else 0.0
            squares["direct"] = _Square(lengths - 2 * float(xp.linalg.trace(cross)), lengths, error)
        if turn is not None:
            smallest = float(turn.singular[-1])
            error = 2 * probed.nuclear(turn.rotation, smallest) if probed else 0.0
            squares["procrustes"] = _Square(lengths - 2 * float(turn.singular.sum()), lengths, error)
            change = probed.norm() if probed else CANCELED * lengths / 2
            turn = replace(turn, error=change / smallest if smallest > 0 else math.inf)
        if "pip" in self.kinds:
            error = grams.errors(s, t).pip() if rough else 0.0
            squares["pip"] = _squared_pip(grams.found_pair(s, t), error)
        return turn, squares


def _factored(crosses: list[Array]) -> list[_Turn]:
    stacked = namespace_of(*crosses).stack(crosses)
    factors = polar.on(device_of(stacked))(stacked)
    singular, rank = to_host(factors.singular), to_host(factors.rank)
    return [_Turn(like(factors.rotation[p], stacked), singular[p], int(rank[p])) for p in range(len(crosses))]


def _squared_pip(sums: PairSums, error: float) -> _Square:
    xp = namespace_of(sums.cross)
    scale = float(xp.sum(sums.gram_x**2)) + float(xp.sum(sums.gram_y**2))
    return _Square(scale - 2 * float(xp.sum(sums.cross**2)), scale, error)


def _from_difference(rows: Rows, pair: tuple[int, int], cross: Array) -> dict[Kind, float]:
    """All three squares without cancellation, from the Gram of ``[A, D]``, ``A = XQ``, ``D = Y − XQ``.

    PIP does not see the rotation, so ``YYᵀ − XXᵀ = ADᵀ + DAᵀ + DDᵀ``, whose squared norm is
    ``2 tr(G_A G_D) + 2 tr(HH) + 4 tr(H G_D) + ‖G_D‖²`` with ``H = AᵀD``. The narrower table is widened by
    columns of zeros, a block at a time: they change no inner product.
    """
    xp = namespace_of(cross)
    dim = max(cross.shape)
    rotation = _factored([_padded(_padded(cross, dim).T, dim).T])[0].rotation

    def sums(block: tuple[Array, Array]) -> tuple[Array, float]:
        left, right = (_padded(part, dim) for part in block)
        direct = float(xp.sum((left - right) ** 2))
        aligned = left @ rotation
        return gram.on(device_of(cross))([aligned, right - aligned], "raw").products, direct

    products, direct = None, 0.0
    for part, square in threads.stream(sums, rows.blocks(*pair)):
        products, direct = part if products is None else products + part, direct + square
    both = like(products, cross)
    gram_a, gram_d, h = both[:dim, :dim], both[dim:, dim:], both[:dim, dim:]
    pip = (
        2 * float(xp.sum(gram_a * gram_d))
        + 2 * float(xp.sum(h * xp.matrix_transpose(h)))
        + 4 * float(xp.sum(h * gram_d))
        + float(xp.sum(gram_d**2))
    )
    return {"direct": direct, "procrustes": float(xp.linalg.trace(gram_d)), "pip": pip}


def _padded(rows: Array, dim: int) -> Array:
    """Give rows columns of zeros up to ``dim``."""
    missing = dim - rows.shape[1]
    if missing == 0:
        return rows
    xp = namespace_of(rows)
    return xp.concat([rows, xp.zeros((rows.shape[0], missing), dtype=rows.dtype)], axis=1)
