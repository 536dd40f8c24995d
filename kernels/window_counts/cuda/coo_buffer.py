"""Cells of the counts on a GPU: a list that kernels append to, merged when it is full, and its rows.

A cell is a number, ``row · V + column``, and a part of its sum. Two lists take turns: what is in one is
sorted and added up into the other. Launches ``window_counts_merge.cu``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Int64, to_host
from gpuemb.kernels.window_counts import CountedRows
from gpuemb.kernels.window_counts.cuda.sort import THREADS, Sorter, shares

MERGE_INSTANCES = ("heads", "add_equal", "row_sizes", "unfold")
LISTED_BYTES = 38  # of a place: number and sum, in two lists, and columns of a half of one on their way out
ADDED = 8  # a part of the list that is filled from home at once: seven times its cells are made of it


def row_blocks(ends: Int64, most: int) -> Iterator[tuple[int, int]]:
    """Cut the rows that end at ``ends[1:]``: no part has more than ``most`` cells, but a row alone may."""
    first = 0
    while first < len(ends) - 1:
        last = int(np.searchsorted(ends, ends[first] + most, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


class Cells:
    """Cells so far.

    Attributes:
        keys, sums: ``(2, room)`` uint64, two lists.
        side: which of them is in use.
        filled: ``(1,)`` uint64, its length, where kernels append.
        room: of each list; at least twice the words.
        most: what its length cannot exceed, known without asking the device.
    """

    def __init__(self, words: int, room: int, sorter: Sorter) -> None:
        xp = cuda.cupy()
        self.room, self._words = room, words
        self.keys, self.sums = xp.empty((2, room), np.uint64), xp.empty((2, room), np.uint64)
        self.filled, self.side, self.most = xp.zeros(1, np.uint64), 0, 0
        self._sorter = sorter
        self._module = cuda.load(Path(__file__).parents[1] / "window_counts_merge.cu", MERGE_INSTANCES)

    @property
    def end(self) -> tuple[Any, Any, Any]:
        """Where kernels append: numbers, sums, length."""
        return self.keys[self.side], self.sums[self.side], self.filled

    def makes_room(self, more: int) -> bool:
        """Whether so many more cells fit, if need be after equal ones have become one."""
        if self.most + more > self.room:
            self.most = int(self.filled[0])
        if self.most + more > self.room:
            self.merge()
        return self.most + more <= self.room

    def clear(self) -> None:
        """Forget the cells."""
        self.most = 0
        self.filled[:] = 0

    def merge(self) -> None:
        """Sort the cells, and make one of equal ones."""
        size = self.most = int(self.filled[0])
        if size == 0:
            return
        keys, sums = self._both(self.keys), self._both(self.sums)
        at = self._sorter.sort(keys, sums, size, (self._words**2 - 1).bit_length())
        blocks, share = shares(size)
        begun, cut = cuda.cupy().empty(blocks, np.uint64), (np.uint64(size), np.uint64(share))
        given, room = ((keys[turn][:size], sums[turn][:size]) for turn in (at, 1 - at))
        self._launch("heads", blocks, given[0], begun, *cut)
        self._launch("add_equal", blocks, *given, *room, begun, self.filled, *cut)
        self.side ^= 1 - at
        self.most = int(self.filled[0])

    def rows(self, word_of_rank: Any, *, mirrored: bool, home: bool) -> CountedRows:
        """Give the cells as rows of words, at ``home`` or on the device, and forget them.

        Args:
            word_of_rank: ``(V,)`` int32; cells are numbered in ranks.
            mirrored: each has an image in its column's row, and a diagonal one counts double.
            home: where the rows are wanted.
        """
        xp = cuda.cupy()
        self.merge()
        indptr = xp.zeros(self._words + 1, np.int64)
        indptr[1:] = xp.cumsum(self._row_sizes(word_of_rank, mirrored=mirrored).astype(np.int64))
        ends = to_host(indptr)
        library, size = (np if home else xp), int(ends[-1])
        found = CountedRows(
            ends if home else indptr, library.empty(size, np.int32), library.empty(size, np.int64)
        )
        for first, last in row_blocks(ends, self.room // 2):
            cells = slice(int(ends[first]), int(ends[last]))
            keys, sums = self._unfolded(
                word_of_rank, first, last, cells.stop - cells.start, mirrored=mirrored
            )
            for out, made in (found.indices, (keys % self._width).astype(np.int32)), (found.data, sums):
                out[cells] = to_host(made) if home else made
        self.clear()
        return found

    def added(self, one: CountedRows, other: CountedRows, *, home: bool) -> CountedRows:
        """Add two that wait at home, some rows at a time; nothing else may be in the list."""
        xp = cuda.cupy()
        library, sizes = (np if home else xp), [np.zeros(1, np.int64)]
        columns: list[Any] = []
        values: list[Any] = []
        most = max(2 * self._words, self.room // ADDED)
        for first, last in row_blocks(one.indptr + other.indptr, most):
            for run in (one, other):
                self._take(run, first, last)
            self.merge()
            keys, sums = (both[self.side][: self.most] for both in (self.keys, self.sums))
            rows = (keys // self._width).astype(np.int64)
            sizes.append(to_host(xp.bincount(rows, minlength=last - first)))
            made = (keys % self._width).astype(np.int32), sums.view(np.int64)
            for parts, part in zip((columns, values), made, strict=True):
                parts.append(to_host(part) if home else xp.array(part))
            self.clear()
        indptr = np.cumsum(np.concatenate(sizes))
        return CountedRows(library.asarray(indptr), library.concatenate(columns), library.concatenate(values))

    def _take(self, run: CountedRows, first: int, last: int) -> None:
        """Append some rows, numbered from the first on."""
        xp = cuda.cupy()
        low, high = (int(run.indptr[at]) for at in (first, last))
        ends = xp.asarray(run.indptr[first + 1 : last + 1] - low)
        rows = xp.searchsorted(ends, xp.arange(high - low), side="right").astype(np.uint64)
        place = slice(self.most, self.most + high - low)
        columns = xp.asarray(run.indices[low:high]).astype(np.uint64)
        self.keys[self.side, place] = rows * self._width + columns
        self.sums[self.side, place] = xp.asarray(run.data[low:high]).view(np.uint64)
        self.most = place.stop
        self.filled[:] = self.most

    def _row_sizes(self, word_of_rank: Any, *, mirrored: bool) -> Any:
        sizes, count = cuda.cupy().zeros(self._words, np.uint64), np.uint64(self.most)
        if self.most:
            given = self.keys[self.side][: self.most], word_of_rank, sizes, count
            self._launch("row_sizes", -(-self.most // THREADS), *given, self._width, np.int32(mirrored))
        return sizes

    def _unfolded(
        self, word_of_rank: Any, first: int, last: int, size: int, *, mirrored: bool
    ) -> tuple[Any, Any]:
        """The cells of some rows, which have so many: numbers from the first row on, in order, and sums."""
        half = self.room // 2
        keys, sums = (
            (room[:half], room[half:]) for room in (self.keys[1 - self.side], self.sums[1 - self.side])
        )
        self.filled[:] = 0
        if size:
            given = (both[self.side][: self.most] for both in (self.keys, self.sums))
            cut = map(np.uint64, (self.most, self._words, first, last))
            out = keys[0], sums[0], self.filled, *cut, np.int32(mirrored)
            self._launch("unfold", -(-self.most // THREADS), *given, word_of_rank, *out)
        at = self._sorter.sort(keys, sums, size, ((last - first) * self._words - 1).bit_length())
        return keys[at][:size], sums[at][:size].view(np.int64)

    @property
    def _width(self) -> np.uint64:
        return np.uint64(self._words)

    def _both(self, lists: Any) -> Sequence[Any]:
        return lists[self.side], lists[1 - self.side]

    def _launch(self, name: str, blocks: int, *arguments: Any) -> None:
        self._module.get_function(name)((blocks,), (THREADS,), arguments)
