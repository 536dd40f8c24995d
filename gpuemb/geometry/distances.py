"""Distances of all pairs of runs from their Grams, and again from differences where they cancel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, FloatMatrix, device_of, like, namespace_of
from gpuemb.core.checks import check_matrix
from gpuemb.core.memory import tiles
from gpuemb.embeddings.model import vectors_of, words_of
from gpuemb.geometry.crossgrams import CrossGrams, PairSums, cross_grams
from gpuemb.kernels.gram import BLOCK_ROWS, gram
from gpuemb.kernels.polar import polar

# A squared distance taken from float64 Grams is off by at most about 64·eps of the squared norms. Where
# that is more than 1e-6 of the distance itself, the pair is recomputed from its difference (Definitions §2).
NEARLY_EQUAL = 64 * 2.0**-52 / 1e-6


@dataclass(frozen=True, eq=False)
class PairDistances:
    """Distances between runs, ``(S, S)`` each, in the tables' own length unit.

    Attributes:
        direct: ``‖X − Y‖``, NaN where dimensions differ.
        procrustes: ``‖XQ − Y‖`` after the best orthogonal map.
        pip: ``‖XXᵀ − YYᵀ‖``, squared length units.
        recomputed: pairs so nearly equal that all three were taken from their difference.
    """

    direct: Float64
    procrustes: Float64
    pip: Float64
    recomputed: int


def pip_loss(x: Any, y: Any) -> float:
    """Pairwise inner product loss ``‖XXᵀ − YYᵀ‖`` (rows as they are), with no ``V×V`` matrix.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.

    Cost: ``V·(d + d')²`` flops. Source: Yin and Shen (2018); Definitions §4.
    """
    first = check_matrix("pip_loss", "X", vectors_of(x), words_of(x))
    second = check_matrix("pip_loss", "Y", vectors_of(y), words_of(y))
    dim = max(first.shape[1], second.shape[1])  # columns of zeros change no inner product
    tables = [_widened(first, dim), _widened(second, dim)]
    return float(pair_distances(tables, cross_grams(tables)).pip[0, 1])


def _widened(table: FloatMatrix, dim: int) -> FloatMatrix:
    missing = dim - table.shape[1]
    if missing == 0:
        return table
    xp = namespace_of(table)
    return xp.concat([table, xp.zeros((table.shape[0], missing), dtype=table.dtype)], axis=1)


def pair_distances(tables: list[FloatMatrix], grams: CrossGrams) -> PairDistances:
    """Return direct, Procrustes and PIP distances of all pairs of runs of equal ``d``.

    Args:
        tables: the ``S`` tables; read again only for pairs that are nearly equal.
        grams: their raw cross-Grams.

    Cost: one SVD a pair; one more pass for each nearly equal pair.
    """
    runs = grams.runs
    direct, rotated, pip = (np.zeros((runs, runs)) for _ in range(3))
    pairs = list(combinations(range(runs), 2))
    recomputed = 0
    if not pairs:
        return PairDistances(direct, rotated, pip, recomputed)
    xp = namespace_of(grams.products)
    crosses = xp.stack([grams.block(s, t) for s, t in pairs])
    factors = polar.on(device_of(crosses))(crosses)
    for p, (s, t) in enumerate(pairs):
        sums = grams.pair(s, t)
        squared, scales = _from_grams(sums, float(factors.singular[p].sum()))
        if any(value < NEARLY_EQUAL * scale for value, scale in zip(squared, scales, strict=True)):
            squared = _from_difference(tables[s], tables[t], like(factors.rotation[p], crosses))
            recomputed += 1
        for table, value in zip((direct, rotated, pip), squared, strict=True):
            table[s, t] = table[t, s] = math.sqrt(max(0.0, value))
    return PairDistances(direct, rotated, pip, recomputed)


def _from_grams(sums: PairSums, nuclear: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Squared direct, Procrustes and PIP distance, and the sizes they were subtracted from."""
    xp = namespace_of(sums.cross)
    lengths = float(xp.linalg.trace(sums.gram_x)) + float(xp.linalg.trace(sums.gram_y))
    direct = lengths - 2 * float(xp.linalg.trace(sums.cross))
    pip, pip_scale = _squared_pip(sums)
    return (direct, lengths - 2 * nuclear, pip), (lengths, lengths, pip_scale)


def _squared_pip(sums: PairSums) -> tuple[float, float]:
    xp = namespace_of(sums.cross)
    scale = float(xp.sum(sums.gram_x**2)) + float(xp.sum(sums.gram_y**2))
    return scale - 2 * float(xp.sum(sums.cross**2)), scale


@threads.single_threaded_blas()
def _from_difference(x: FloatMatrix, y: FloatMatrix, rotation: Array) -> tuple[float, ...]:
    """The same three without cancellation, from the Gram of ``[A, D]``, ``A = XQ``, ``D = Y − XQ``.

    PIP does not see the rotation, so ``YYᵀ − XXᵀ = ADᵀ + DAᵀ + DDᵀ``, whose squared norm is
    ``2 tr(G_A G_D) + 2 tr(HH) + 4 tr(H G_D) + ‖G_D‖²`` with ``H = AᵀD``.
    """
    xp = namespace_of(x, y)
    dim = x.shape[1]
    products, direct = None, 0.0
    for start, stop in tiles(x.shape[0], BLOCK_ROWS):
        left, right = (xp.astype(table[start:stop, :], xp.float64) for table in (x, y))
        direct += float(xp.sum((left - right) ** 2))
        aligned = left @ rotation
        block = gram.on(device_of(x))([aligned, right - aligned], "raw").products
        products = block if products is None else products + block
    both = like(products, x)
    gram_a, gram_d, h = both[:dim, :dim], both[dim:, dim:], both[:dim, dim:]
    pip = (
        2 * float(xp.sum(gram_a * gram_d))
        + 2 * float(xp.sum(h * xp.matrix_transpose(h)))
        + 4 * float(xp.sum(h * gram_d))
        + float(xp.sum(gram_d**2))
    )
    return direct, float(xp.linalg.trace(gram_d)), pip
