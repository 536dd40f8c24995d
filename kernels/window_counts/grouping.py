"""Where each word stands in a corpus, and how far its windows reach there.

Plan      Documents are cut into one stretch a worker. Each counts its words, which says where in every
          word's group its own positions begin; then all stretches write at once.
Bound by  one write at a random place a token.
Memory    6 bytes a token, 14 where documents repeat; 8·V a worker.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.intrinsics import borrowed
from gpuemb.kernels.window_counts import Side

Number = TypeVar("Number", np.int32, np.int64)
RIGHT_SHIFT, LEFT_MASK = 8, 255  # a reach is left + 256·right: windows end long before 255


class Grouped(NamedTuple):
    """Positions of each word, in the order of the corpus; documents that count 0 times are left out.

    Attributes:
        bounds: ``(V + 1,)`` word ``i`` has places ``bounds[i]:bounds[i + 1]`` of what follows.
        positions: token positions.
        reach: how many tokens its window holds there: left, and right times 256.
        times: how often its document counts; one cell, 1, where every document counts once.
    """

    bounds: Int64
    positions: Int32
    reach: NDArray[np.uint16]
    times: Int64


class _Writing(NamedTuple):
    ids: Int32
    starts: Int64
    repeats: Int64
    cursor: Int64
    positions: Int32
    reach: NDArray[np.uint16]
    times: Int64


def sides_of(weights: Int64, side: Side) -> tuple[int, int]:
    """The most tokens that a window holds to the left and to the right."""
    window = len(weights) - 1
    return (0 if side == "right" else window), (0 if side == "left" else window)


def read_only(array: NDArray[Number]) -> NDArray[Number]:
    """View an array so that one compiled kernel serves memory maps and arrays."""
    viewed = np.asarray(array).view()
    viewed.flags.writeable = False
    return viewed


def group(ids: Int32, starts: Int64, repeats: Int64 | None, words: int, left: int, right: int) -> Grouped:
    """Group the positions of a corpus by word; windows hold at most ``left`` and ``right`` tokens a side."""
    every = np.ones(1, np.int64) if repeats is None else np.ascontiguousarray(repeats, np.int64)
    stretches = _stretches(starts)

    def count(part: tuple[int, int]) -> Int64:
        return _count_words(ids, starts, every, *part, words)

    counts = np.array(threads.run(count, stretches), np.int64).reshape(-1, words)
    bounds = np.zeros(words + 1, np.int64)
    np.cumsum(counts.sum(axis=0), out=bounds[1:])
    cursors = bounds[:-1] + np.cumsum(counts, axis=0) - counts
    size = int(bounds[-1])
    times = every if repeats is None else np.empty(size, np.int64)
    grouped = Grouped(bounds, np.empty(size, np.int32), np.empty(size, np.uint16), times)

    def write(part: int) -> None:
        work = _Writing(ids, starts, every, cursors[part], grouped.positions, grouped.reach, times)
        _write_positions(work, *stretches[part], left, right)

    threads.run(write, range(len(stretches)))
    return grouped


def _stretches(starts: Int64) -> list[tuple[int, int]]:
    """Cut the documents into one stretch a worker, of nearly equally many tokens."""
    shares = threads.ranges(int(starts[-1]), threads.count())
    cuts = np.searchsorted(starts, [0, *(last for _, last in shares)])
    cuts[0], cuts[-1] = 0, len(starts) - 1
    return list(pairwise(cuts.tolist())) if shares else []


@njit
def _count_words(ids: Int32, starts: Int64, repeats: Int64, first: int, last: int, words: int) -> Int64:
    counts: Int64 = np.zeros(words, np.int64)
    for document in range(first, last):
        if repeats[document if repeats.size > 1 else 0] != 0:
            for position in range(starts[document], starts[document + 1]):
                counts[ids[position]] += 1
    return counts


@njit
def _write_positions(work: _Writing, first: int, last: int, left: int, right: int) -> None:
    work = borrowed(work)
    ids, starts, repeats, cursor = work.ids, work.starts, work.repeats, work.cursor
    for document in range(first, last):
        low, high = starts[document], starts[document + 1]
        times = repeats[document if repeats.size > 1 else 0]
        if times == 0:
            continue
        for position in range(low, high):
            place = cursor[ids[position]]
            cursor[ids[position]] = place + 1
            work.positions[place] = position
            before, after = min(position - low, left), min(high - 1 - position, right)
            work.reach[place] = before | after << RIGHT_SHIFT
            if work.times.size == work.positions.size:
                work.times[place] = times
