"""Co-occurrence counts on the CPU: one dense integer row a worker, no list of pairs.

Plan      Positions of all but the most frequent words are grouped by word. A worker takes a range of words;
          for each it goes through the windows around its positions and adds into one dense row of int64. The
          column of each cell that was 0 is noted. The noted columns set bits, and reading the bits upwards
          gives them in order: nothing is sorted, and no branch depends on the content of a window. Windows
          ahead are prefetched. The place of a range is known when those before it are counted; a worker
          copies it there before it counts another, so that all workers touch the result's new pages. Pairs of
          frequent words need no windows around them: see ``frequent_pairs.py``. One side of a window has no
          mirror: there the windows of all words are read.
Bound by  fetching windows from memory and the branch at the end of each; then the pages of the result.
Memory    6·T for positions, 13·V and a range for three ranges a worker, 2 MB of table a worker, the result.
Rejected  One side of each pair, mirrored, for all words: mirroring rare words costs what it saves.
          Sorting the noted columns: four times as long as all the rest.
          Windows of a fixed length, weight 0 outside the document: no branch to predict, a third more cells.
          Signed indexes: Numba tests each for counting from the end; that took a third of the time.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.intrinsics import borrowed, prefetch, trailing_zeros
from gpuemb.kernels.window_counts import FREQUENT, RANGE_CELLS, CountedRows, Side
from gpuemb.kernels.window_counts.cpu.frequent_pairs import count_frequent, write_frequent_rows
from gpuemb.kernels.window_counts.cpu.row_ranges import CellArrays, cut_ranges, most_cells
from gpuemb.kernels.window_counts.cpu.word_positions import (
    LEFT_MASK,
    RIGHT_SHIFT,
    WordPositions,
    documents_of,
    positions_by_word,
    sides_of,
)

T = TypeVar("T")
AHEAD = 24  # windows between the current and the prefetched one
OWN_CELL = -(2**63)  # start of a word's own cell: a window's center adds 0 there, and is not noted
WORD, SUMMARY = np.uint64(6), np.uint64(12)  # a uint64 marks 64 cells, one above it 64 of those
LOW = np.uint64(63)
ONE = np.uint64(1)


class _Work(NamedTuple):
    """Arrays that counting a range reads and writes.

    Attributes:
        ids: as in the module's contract.
        weights: of a window's tokens, from the left; the center's is 0.
        bounds, positions, reach, times: as in ``WordPositions``.
        row: ``(V,)`` the counts of one word.
        touched: ``(V + 1,)`` columns in the order of their first touch.
        marks, summary: a bit a touched column, a bit a uint64 of marks.
        ends: end of each row of the range.
        indices, data: the cells of the range.
    """

    ids: Int32
    weights: Int64
    bounds: Int64
    positions: Int32
    reach: NDArray[np.uint16]
    times: Int64
    row: Int64
    touched: Int32
    marks: NDArray[np.uint64]
    summary: NDArray[np.uint64]
    ends: Int64
    indices: Int32
    data: Int64


def window_counts(
    ids: Int32,
    starts: Int64,
    repeats: Int64 | None,
    words: int,
    weights: Int64,
    side: Side = "both",
) -> CountedRows:
    """See :mod:`gpuemb.kernels.window_counts`."""
    left, right = sides_of(weights, side)
    frequent = min(words, FREQUENT) if side == "both" else 0
    corpus = documents_of(ids, starts, repeats)
    grouped = positions_by_word(corpus, words, frequent, left, right)
    cells = CellArrays(
        most_cells(grouped.bounds, words, left + right, (0, frequent)),
        most_cells(grouped.bounds, words, left + right, (frequent, words)),
    )
    window = np.concatenate([weights[:0:-1], weights])
    ends = _count_rarer(corpus.ids, grouped, window, left + right, frequent, cells)
    if frequent:
        begins = write_frequent_rows(count_frequent(corpus, frequent, weights), ends, cells)
        ends = np.concatenate([begins, ends])
    return CountedRows(ends - ends[0], *cells.trimmed())


def _count_rarer(
    ids: Int32, grouped: WordPositions, weights: Int64, reach: int, frequent: int, cells: CellArrays
) -> Int64:
    """Write the rows of words from ``frequent`` on; return the begin of the first, and the end of each."""
    words = len(grouped.bounds) - 1
    ranges = cut_ranges(grouped.bounds, words, reach, RANGE_CELLS, frequent)
    most = max((most_cells(grouped.bounds, words, reach, part) for part in ranges), default=0)
    longest = max((last - first for first, last in ranges), default=0)
    free: deque[_Work] = deque()
    placed: deque[tuple[_Work, int, int]] = deque()

    def prepared() -> _Work:
        return _Work(
            ids,
            weights,
            *grouped,
            row=np.zeros(words, np.int64),
            touched=np.empty(words + 1, np.int32),
            marks=np.zeros((words >> 6) + 1, np.uint64),
            summary=np.zeros((words >> 12) + 1, np.uint64),
            ends=np.empty(longest, np.int64),
            indices=np.empty(most, np.int32),
            data=np.empty(most, np.int64),
        )

    def move(_: object = None) -> None:
        while (done := _taken(placed)) is not None:
            work, place, filled = done
            cells.write(place, work.indices[:filled], work.data[:filled])
            free.append(work)

    def count(part: tuple[int, int]) -> tuple[_Work, int, int]:
        move()
        work = _taken(free) or prepared()
        return work, part[1] - part[0], _count_range(work, *part, int(grouped.bounds[frequent]))

    ends = [np.array([cells.filled])]
    for work, rows, filled in threads.stream(count, ranges):
        ends.append(work.ends[:rows] + cells.filled)
        placed.append((work, cells.reserve_after(filled), filled))
    threads.run(move, range(threads.count()))
    return np.concatenate(ends)


def _taken(queue: deque[T]) -> T | None:
    """Pop the first of a queue shared by several workers, if any."""
    try:
        return queue.popleft()
    except IndexError:
        return None


@njit
def _count_range(work: _Work, first: int, last: int, skipped: int) -> int:
    work = borrowed(work)
    ids, row, touched, weights = work.ids, work.row, work.touched, work.weights
    address, final, window = ids.ctypes.data, work.positions.size - 1, weights.size >> 1
    filled = 0
    for word in range(first, last):
        cells = 0
        row[word] = OWN_CELL
        for at in range(work.bounds[word] - skipped, work.bounds[word + 1] - skipped):
            soon = np.int64(work.positions[min(at + AHEAD, final)])
            prefetch(address + 4 * int(soon - window))
            prefetch(address + 4 * int(soon))
            prefetch(address + 4 * int(soon + window))
            center = np.int64(work.positions[at])
            reach = np.int64(work.reach[at])
            times = work.times[at if work.times.size > 1 else 0]
            shift = window - center
            for place in range(center - (reach & LEFT_MASK), center + (reach >> RIGHT_SHIFT) + 1):
                context = np.uint32(ids[np.uint64(place)])
                before = row[context]
                touched[np.uint64(cells)] = context
                cells += before == 0
                row[context] = before + times * weights[np.uint64(place + shift)]
        row[word] -= OWN_CELL
        touched[np.uint64(cells)] = word
        cells += row[word] != 0
        filled = _extract_row(work, cells, filled)
        work.ends[word - first] = filled
    return filled


@njit_inline
def _extract_row(work: _Work, cells: int, filled: int) -> int:
    """Move the touched cells out of the dense row, columns ascending."""
    row, touched, marks, summary = work.row, work.touched, work.marks, work.summary
    for cell in range(cells):
        column = np.uint64(touched[cell])
        marks[column >> WORD] |= ONE << (column & LOW)
        summary[column >> SUMMARY] |= ONE << (column >> WORD & LOW)
    for block in range(summary.size):
        inside = summary[block]
        summary[block] = 0
        while inside != 0:
            group = np.uint64(block) << WORD | trailing_zeros(inside)
            inside &= inside - ONE
            bits = marks[group]
            marks[group] = 0
            while bits != 0:
                column = group << WORD | trailing_zeros(bits)
                bits &= bits - ONE
                work.indices[np.uint64(filled)] = column
                work.data[np.uint64(filled)] = row[column]
                row[column] = 0
                filled += 1
    return filled
