"""The float32 filter: BLAS tiles, for processors without int8 products and for few queries.

Plan      Unit rows in float32. BLAS multiplies two blocks; one walk over the tile counts, without a branch,
          the scores of 128 columns that reach the floor of their row or column, and looks closer only there.
Bound by  float32 products, V²·d flops of the symmetric half; the tile is read back from L2.
Bound     Rounding a unit row to float32 moves it by at most 2⁻²⁴, float32 BLAS adds at most d·2⁻²⁴:
          ε = (d + 8)·2⁻²⁴ covers both and the float64 score's own 2⁻⁵³ (d + 8).
Rejected  Numba's maximum of floats instead of a count: LLVM does not make it a vector.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk.arrange import CHUNK, Arranged
from gpuemb.kernels.cosine_topk.room import Scratch
from gpuemb.kernels.cosine_topk.survivors import note_best
from gpuemb.kernels.intrinsics import borrowed

WIDE, NARROW = 128, 16  # scores tested at once without a branch, and then again


def rounding(dim: int) -> float:
    """Return how far a float32 score of unit rows may be from the defined one."""
    return (dim + 8) * 2.0**-24


def unit_rows(arranged: Arranged, dim: int) -> Float32:
    """Rows of length 1 in float32, ``(n, d)``."""
    unit = np.empty((len(arranged.rows), dim), np.float32)
    threads.run(lambda part: _normalize(arranged, unit, *part), tiles(len(unit), CHUNK))
    return unit


@njit
def _normalize(arranged: Arranged, unit: Float32, first: int, last: int) -> None:
    for row in range(first, last):
        inverse = 1 / arranged.lengths[row]
        for column in range(unit.shape[1]):
            unit[row, column] = np.float64(arranged.rows[row, column]) * inverse


@njit
def seed_pairs(
    approximate: Float32, done: int, first: int, column: int, margin: float, k: int, room: Scratch
) -> tuple[int, int]:
    """Note the best of a tile for each of its rows, from row ``done``; return pairs noted and rows done."""
    room = borrowed(room)
    passed, (height, width) = 0, approximate.shape
    for row in range(done, height):
        if passed > room.rows.size - width - 1:
            return passed, row
        passed = note_best(first + row, approximate[row], column, margin, k, room, passed)
    return passed, height


@njit
def passing_pairs(
    approximate: Float32,
    done: int,
    first: int,
    column: int,
    margin: float,
    floors: Float64,
    room: Scratch,
    both: bool,
) -> tuple[int, int]:
    """Note what reaches a floor of its row, or of its column if ``both`` ask, from row ``done`` of a tile.

    Returns:
        pairs noted, and rows done.
    """
    room = borrowed(room)
    passed, (height, width) = 0, approximate.shape
    beside = room.floors[1, :width]
    if both:
        for place in range(width):
            beside[place] = floors[column + place] - 2 * margin  # one margin for float32's own rounding
    for row in range(done, height):
        if passed > room.rows.size - width - 1:
            return passed, row
        scores, own = approximate[row], np.float32(floors[first + row] - 2 * margin)
        for wide in range(0, width, WIDE):
            end = min(wide + WIDE, width)
            if not _any_reaches(scores, beside, wide, end, own):
                continue
            for narrow in range(wide, end, NARROW):
                stop = min(narrow + NARROW, end)
                if not _any_reaches(scores, beside, narrow, stop, own):
                    continue
                for place in range(narrow, stop):
                    room.rows[passed], room.columns[passed] = first + row, column + place
                    room.passed[passed] = scores[place]
                    passed += scores[place] >= min(beside[place], own)
    return passed, height


@njit_inline
def _any_reaches(scores: Float32, beside: Float32, start: int, stop: int, own: np.float32) -> bool:
    passing = np.int32(0)
    for place in range(start, stop):
        passing += np.int32(scores[place] >= min(beside[place], own))
    return bool(passing > 0)
