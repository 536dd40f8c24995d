"""Positions of each word in a corpus, with the sizes of its windows there: a counting sort.

Plan      The tokens are cut into one range a worker. Each counts its words: the counts give the place of its
          first position in every word's group; then all workers write at once. Words below ``first`` are
          counted but not placed: all of them write to one place behind the others, so that nothing branches.
Bound by  one write at a random place a token.
Memory    6 bytes a token, 14 where documents repeat; 8·V a worker.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.intrinsics import borrowed
from gpuemb.kernels.window_counts import Side

Number = TypeVar("Number", np.int32, np.int64)
APART = 64  # cells between the dummy places of two workers: they share no cache line
RIGHT_SHIFT, LEFT_MASK = 8, 255  # a reach is left + 256·right: windows end long before 255


class Documents(NamedTuple):
    """The corpus.

    Attributes:
        ids, starts: as in the module's contract.
        repeats: how often each document counts; one cell, 1, where every document counts once.
    """

    ids: Int32
    starts: Int64
    repeats: Int64


class TokenRange(NamedTuple):
    """Tokens ``low:high``, part of the documents ``first:last``."""

    first: int
    last: int
    low: int
    high: int


class WordPositions(NamedTuple):
    """Positions of each word, in the order of the corpus; documents that count 0 times are left out.

    Attributes:
        bounds: ``(V + 1,)`` word ``i`` has places ``bounds[i]:bounds[i + 1]``, less those of words that are
            not placed, of what follows.
        positions: token positions.
        reach: tokens of its window there: left, and right times 256.
        times: how often its document counts; one cell, 1, where every document counts once.
    """

    bounds: Int64
    positions: Int32
    reach: NDArray[np.uint16]
    times: Int64


class _PositionWork(NamedTuple):
    ids: Int32
    starts: Int64
    repeats: Int64
    cursor: Int64
    positions: Int32
    reach: NDArray[np.uint16]
    times: Int64


def sides_of(weights: Int64, side: Side) -> tuple[int, int]:
    """Largest number of tokens in a window to the left and to the right."""
    window = len(weights) - 1
    return (0 if side == "right" else window), (0 if side == "left" else window)


def read_only(array: NDArray[Number]) -> NDArray[Number]:
    """View an array so that one compiled kernel serves memory maps and arrays."""
    viewed = np.asarray(array).view()
    viewed.flags.writeable = False
    return viewed


def documents_of(ids: Int32, starts: Int64, repeats: Int64 | None) -> Documents:
    """Return the corpus as the compiled kernels take it."""
    every = np.ones(1, np.int64) if repeats is None else np.ascontiguousarray(repeats, np.int64)
    return Documents(read_only(ids), read_only(starts), every)


def token_ranges(starts: Int64, parts: int) -> list[TokenRange]:
    """Cut the tokens into nearly equal ranges, regardless of documents."""
    found = []
    for low, high in threads.ranges(int(starts[-1]), parts):
        first = int(np.searchsorted(starts, low, side="right")) - 1
        found.append(TokenRange(first, int(np.searchsorted(starts, high)), low, high))
    return found


def positions_by_word(corpus: Documents, words: int, first: int, left: int, right: int) -> WordPositions:
    """Group the positions of words from ``first``; windows hold at most ``left`` and ``right`` tokens."""
    parts = token_ranges(corpus.starts, threads.count())

    counts = np.zeros((len(parts), words), np.int64)

    def count(part: int) -> None:
        _count_words(*corpus, counts[part], *parts[part])

    threads.run(count, range(len(parts)))
    bounds = np.zeros(words + 1, np.int64)
    np.cumsum(counts.sum(axis=0), out=bounds[1:])
    cursors = bounds[:-1] - bounds[first] + np.cumsum(counts, axis=0) - counts
    size = int(bounds[-1] - bounds[first])
    cursors[:, :first] = size + APART * np.arange(len(parts))[:, None]
    capacity = size + APART * len(parts)
    resampled = len(corpus.repeats) != 1
    positions, reach = np.empty(capacity, np.int32), np.empty(capacity, np.uint16)
    times = np.empty(capacity, np.int64) if resampled else corpus.repeats

    def write(part: int) -> None:
        work = _PositionWork(*corpus, cursors[part], positions, reach, times)
        _write_positions(work, *parts[part], first, left, right)

    threads.run(write, range(len(parts)))
    return WordPositions(bounds, positions[:size], reach[:size], times[:size] if resampled else times)


@njit
def _count_words(
    ids: Int32, starts: Int64, repeats: Int64, counts: Int64, first: int, last: int, low: int, high: int
) -> None:
    for document in range(first, last):
        if repeats[document if repeats.size > 1 else 0] != 0:
            for position in range(max(low, starts[document]), min(high, starts[document + 1])):
                counts[np.uint32(ids[position])] += 1


@njit
def _write_positions(
    work: _PositionWork, first: int, last: int, low: int, high: int, placed: int, left: int, right: int
) -> None:
    work = borrowed(work)
    ids, starts, repeats, cursor = work.ids, work.starts, work.repeats, work.cursor
    for document in range(first, last):
        begin, end = starts[document], starts[document + 1]
        times = repeats[document if repeats.size > 1 else 0]
        if times == 0:
            continue
        for position in range(max(low, begin), min(high, end)):
            word = np.uint32(ids[position])
            place = np.uint64(cursor[word])
            cursor[word] += word >= placed
            work.positions[place] = position
            before, after = min(position - begin, left), min(end - 1 - position, right)
            work.reach[place] = before | after << RIGHT_SHIFT
            if work.times.size > 1:
                work.times[place] = times
