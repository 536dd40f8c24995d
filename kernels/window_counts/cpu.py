"""Co-occurrence counts on the CPU: one dense integer row a worker, no pair is ever written down.

Plan      Positions are grouped by word. A worker takes a range of words; for each it walks the windows
          around its positions, adds into one dense row of int64 and appends the touched cells, sorted.
Bound by  the adds into the dense row: 8·V bytes, which stay in L2 up to about V = 100 000.
Memory    4·T for the positions, 8·V a worker, and the result; ranges are cut so that the unsorted cells of
          one range stay below ``RANGE_CELLS``.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.window_counts import CountedRows, Side

RANGE_CELLS = 1 << 22  # 48 MB of cells a range: many ranges a worker, small beside the result


def window_counts(
    ids: Int32,
    starts: Int64,
    repeats: Int64 | None,
    words: int,
    weights: Int64,
    side: Side = "both",
) -> CountedRows:
    """See :mod:`gpuemb.kernels.window_counts`."""
    bounds, positions = _positions_by_word(ids, words)
    lows, highs, times = _document_of_positions(starts, repeats)
    left, right = side in ("both", "left"), side in ("both", "right")

    def count(part: tuple[int, int]) -> CountedRows:
        return CountedRows(
            *_count_rows(
                ids, bounds, positions, lows, highs, times, part[0], part[1], words, weights, left, right
            )
        )

    parts = threads.run(count, _ranges(bounds, words, len(weights) - 1))
    sizes = [np.diff(part.indptr) for part in parts]
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
    return CountedRows(
        indptr,
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.data for part in parts]),
    )


def _ranges(bounds: Int64, words: int, window: int) -> list[tuple[int, int]]:
    """Cut the words so that no range can touch more than RANGE_CELLS cells (a single word may)."""
    touched = np.cumsum(np.minimum(np.diff(bounds) * 2 * window, words))
    cuts, first = [0], 0
    while first < words:
        reached = touched[first - 1] if first else 0
        first = max(first + 1, int(np.searchsorted(touched, reached + RANGE_CELLS, side="right")))
        cuts.append(min(first, words))
    return list(pairwise(cuts))


def _document_of_positions(starts: Int64, repeats: Int64 | None) -> tuple[Int32, Int32, Int64]:
    """Where the document of each token begins and ends, and how often it counts."""
    lengths = np.diff(starts)
    lows = np.repeat(starts[:-1].astype(np.int32), lengths)
    highs = np.repeat(starts[1:].astype(np.int32), lengths)
    once = np.ones(1, np.int64) if repeats is None else np.repeat(repeats.astype(np.int64), lengths)
    return lows, highs, once


@njit
def _positions_by_word(ids: Int32, words: int) -> tuple[Int64, Int32]:
    bounds = np.zeros(words + 1, np.int64)
    for position in range(ids.size):
        bounds[ids[position] + 1] += 1
    for word in range(words):
        bounds[word + 1] += bounds[word]
    cursor = bounds[:-1].copy()
    positions = np.empty(ids.size, np.int32)
    for position in range(ids.size):
        word = ids[position]
        positions[cursor[word]] = position
        cursor[word] += 1
    return bounds, positions


@njit
def _count_rows(
    ids: Int32,
    bounds: Int64,
    positions: Int32,
    lows: Int32,
    highs: Int32,
    times: Int64,
    first: int,
    last: int,
    words: int,
    weights: Int64,
    left: bool,
    right: bool,
) -> tuple[Int64, Int32, Int64]:
    window = weights.size - 1
    row = np.zeros(words, np.int64)
    touched = np.empty(words, np.int32)
    capacity = 0
    for word in range(first, last):
        capacity += min((bounds[word + 1] - bounds[word]) * 2 * window, words)
    indptr = np.zeros(last - first + 1, np.int64)
    indices = np.empty(capacity, np.int32)
    data = np.empty(capacity, np.int64)
    filled = 0
    for word in range(first, last):
        cells = 0
        for at in range(bounds[word], bounds[word + 1]):
            center = positions[at]
            repeat = times[0] if times.size == 1 else times[center]
            if repeat == 0:
                continue
            low = max(lows[center], center - window) if left else center
            high = min(highs[center], center + window + 1) if right else center + 1
            for other in range(low, high):
                weight = weights[abs(other - center)] * repeat
                context = ids[other]
                if row[context] == 0 and weight != 0:
                    touched[cells] = context
                    cells += 1
                row[context] += weight
        found = np.sort(touched[:cells])
        for cell in range(cells):
            indices[filled] = found[cell]
            data[filled] = row[found[cell]]
            row[found[cell]] = 0
            filled += 1
        indptr[word - first + 1] = filled
    return indptr, indices[:filled].copy(), data[:filled].copy()
