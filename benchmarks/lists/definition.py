"""Neighbor lists by definition: every pair scored in plain loops, sorted whole; and scores in fractions.

Nothing of the package computes here. Products of float16 and float32 are exact in float64; those of float64
are added by the C library's ``fma``. :func:`exact_score` is the same sum in exact rational arithmetic,
rounded where the definition rounds (Definitions §3).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import math
from fractions import Fraction

import numba
import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int32, Int64

LANES = 16

_fma = ctypes.CDLL(ctypes.util.find_library("m")).fma
_fma.restype, _fma.argtypes = ctypes.c_double, [ctypes.c_double] * 3


@numba.njit(nogil=True)
def _added(sums: Float64) -> float:
    half = LANES // 2
    while half:
        for lane in range(half):
            sums[lane] = sums[lane] + sums[lane + half]
        half //= 2
    return float(sums[0])


@numba.njit(nogil=True)
def _narrow_dot(x: Float64, y: Float64, sums: Float64) -> float:
    sums[:] = 0.0
    for start in range(0, len(x), LANES):
        for lane in range(min(LANES, len(x) - start)):
            sums[lane] += x[start + lane] * y[start + lane]
    return _added(sums)


@numba.njit(nogil=True)
def _wide_dot(x: Float64, y: Float64, sums: Float64) -> float:
    sums[:] = 0.0
    for start in range(0, len(x), LANES):
        for lane in range(min(LANES, len(x) - start)):
            sums[lane] = _fma(x[start + lane], y[start + lane], sums[lane])
    return _added(sums)


@numba.njit(nogil=True)
def _scores(rows: Float64, queries: Float64, wide: bool, scores: Float64) -> None:
    sums = np.zeros(LANES)
    lengths = np.empty(len(rows))
    for row in range(len(rows)):
        x = rows[row]
        lengths[row] = math.sqrt(_wide_dot(x, x, sums) if wide else _narrow_dot(x, x, sums))
    for q in range(len(queries)):
        x = queries[q]
        length = math.sqrt(_wide_dot(x, x, sums) if wide else _narrow_dot(x, x, sums))
        for row in range(len(rows)):
            if length == 0.0 or lengths[row] == 0.0:
                scores[q, row] = -np.inf
                continue
            y = rows[row]
            dot = _wide_dot(x, y, sums) if wide else _narrow_dot(x, y, sums)
            scores[q, row] = dot / (length * lengths[row])


def defined_lists(
    rows: FloatMatrix, k: int, queries: FloatMatrix, itself: Int64 | None
) -> tuple[Int32, Float64]:
    """Return ``(Q, k)`` ids and scores by definition; ``itself`` is left out of its own list."""
    wide = rows.dtype.itemsize == 8
    left, right = (np.ascontiguousarray(x, np.float64) for x in (rows, queries))
    scores = np.empty((len(right), len(left)))
    _scores(left, right, wide, scores)
    if itself is not None:
        scores[np.arange(len(right)), itself] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    ids, found = np.full((len(right), k), -1, np.int32), np.full((len(right), k), np.nan)
    listed = best > -np.inf
    ids[:, : order.shape[1]] = np.where(listed, order, -1)
    found[:, : order.shape[1]] = np.where(listed, best, np.nan)
    return ids, found


def exact_score(x: FloatMatrix, y: FloatMatrix) -> float:
    """Return the defined score of two rows of length above 0, each rounding made from exact fractions."""
    lengths = [math.sqrt(_exact_dot(row, row)) for row in (x, y)]
    return float(Fraction(_exact_dot(x, y)) / Fraction(float(Fraction(lengths[0]) * Fraction(lengths[1]))))


def _exact_dot(x: FloatMatrix, y: FloatMatrix) -> float:
    sums = [0.0] * LANES
    for column, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        lane = column % LANES
        sums[lane] = float(Fraction(a) * Fraction(b) + Fraction(sums[lane]))
    while len(sums) > 1:
        half = len(sums) // 2
        sums = [float(Fraction(sums[i]) + Fraction(sums[i + half])) for i in range(half)]
    return sums[0]
