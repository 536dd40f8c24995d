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
from gpuemb.core.jit import njit
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk.arrange import CHUNK, Arranged
from gpuemb.kernels.cosine_topk.survivors import Lists, Scratch, offer, offer_row
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
def seed_block(
    approximate: Float32,
    first: int,
    column: int,
    margin: float,
    asked: Arranged,
    table: Arranged,
    lists: Lists,
    room: Scratch,
) -> None:
    """Start the lists of rows ``first …`` with the best of the table's rows ``column …``."""
    asked, table, lists, room = borrowed(asked), borrowed(table), borrowed(lists), borrowed(room)
    for row in range(len(approximate)):
        offer_row(first + row, approximate[row], column, margin, asked, table, lists, room)


@njit
def cross_block(
    approximate: Float32,
    first: int,
    column: int,
    margin: float,
    asked: Arranged,
    table: Arranged,
    lists: Lists,
    room: Scratch,
    both: bool,
) -> None:
    """Offer what survives of a tile to its rows' lists, and to its columns' if ``both`` ask."""
    asked, table, lists, room = borrowed(asked), borrowed(table), borrowed(lists), borrowed(room)
    height, width = approximate.shape
    floors = room.floors[1, :width]
    if both:
        _set_floors(floors, lists.floor[column : column + width], margin)
    for row in range(height):
        scores = approximate[row]
        own = np.float32(lists.floor[first + row] - 2 * margin)
        for wide in range(0, width, WIDE):
            end = min(wide + WIDE, width)
            if not _any_reaches(scores[wide:end], floors[wide:end], own):
                continue
            for narrow in range(wide, end, NARROW):
                stop = min(narrow + NARROW, end)
                if not _any_reaches(scores[narrow:stop], floors[narrow:stop], own):
                    continue
                for place in range(narrow, stop):
                    bound = scores[place] + margin
                    if bound >= lists.floor[first + row] and offer(
                        first + row, column + place, bound, asked, table, lists, room
                    ):
                        own = np.float32(lists.floor[first + row] - 2 * margin)
                    if (
                        both
                        and bound >= lists.floor[column + place]
                        and offer(column + place, first + row, bound, table, asked, lists, room)
                    ):
                        floors[place] = lists.floor[column + place] - 2 * margin


@njit
def _set_floors(floors: Float32, exact: Float64, margin: float) -> None:
    for place in range(floors.size):
        floors[place] = exact[place] - 2 * margin


@njit
def _any_reaches(scores: Float32, floors: Float32, own: np.float32) -> bool:
    passing = np.int32(0)
    for place in range(scores.size):
        passing += np.int32(scores[place] >= min(floors[place], own))
    return bool(passing > 0)
