"""COO buffer of the counts on a GPU: entries that kernels append, merged when full, and their CSR rows.

An entry is the number of a cell, ``row · V + column``, and a part of its sum. Two lists alternate: the
entries of one are sorted and added up into the other. Launches ``window_counts_merge.cu``.
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
ENTRY_BYTES = 38  # number and sum, in two lists, and columns of half a list in transfer
ADDED = 8  # part of the list filled from the host at once: seven times its bytes are temporary


def row_blocks(ends: Int64, most: int) -> Iterator[tuple[int, int]]:
    """Cut the rows that end at ``ends[1:]`` into parts of at most ``most`` cells, or of a single row."""
    first = 0
    while first < len(ends) - 1:
        last = int(np.searchsorted(ends, ends[first] + most, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


class COOBuffer:
    """Entries appended so far.

    Attributes:
        keys, sums: ``(2, capacity)`` uint64, two lists.
        side: the list in use.
        filled: ``(1,)`` uint64, its length on the device.
        capacity: of each list; at least twice the words.
        most: upper bound of its length, known on the host.
    """

    def __init__(self, words: int, capacity: int, sorter: Sorter) -> None:
        xp = cuda.cupy()
        self.capacity, self._words = capacity, words
        self.keys, self.sums = xp.empty((2, capacity), np.uint64), xp.empty((2, capacity), np.uint64)
        self.filled, self.side, self.most = xp.zeros(1, np.uint64), 0, 0
        self._sorter = sorter
        self._module = cuda.load(Path(__file__).parents[1] / "window_counts_merge.cu", MERGE_INSTANCES)

    @property
    def end(self) -> tuple[Any, Any, Any]:
        """The arrays to append to: numbers, sums, length."""
        return self.keys[self.side], self.sums[self.side], self.filled

    def fits(self, more: int) -> bool:
        """Whether so many more entries fit, after a merge if needed."""
        if self.most + more > self.capacity:
            self.most = int(self.filled[0])
        if self.most + more > self.capacity:
            self.merge()
        return self.most + more <= self.capacity

    def clear(self) -> None:
        """Remove all entries."""
        self.most = 0
        self.filled[:] = 0

    def merge(self) -> None:
        """Sort the entries, and add those of equal cells."""
        size = self.most = int(self.filled[0])
        if size == 0:
            return
        keys, sums = self._both(self.keys), self._both(self.sums)
        at = self._sorter.sort(keys, sums, size, (self._words**2 - 1).bit_length())
        blocks, share = shares(size)
        begun, cut = cuda.cupy().empty(blocks, np.uint64), (np.uint64(size), np.uint64(share))
        given, free = ((keys[side][:size], sums[side][:size]) for side in (at, 1 - at))
        self._launch("heads", blocks, given[0], begun, *cut)
        self._launch("add_equal", blocks, *given, *free, begun, self.filled, *cut)
        self.side ^= 1 - at
        self.most = int(self.filled[0])

    def rows(self, word_of_rank: Any, *, mirrored: bool, on_host: bool) -> CountedRows:
        """Return the cells as rows of words, on the host or on the device, and remove them.

        Args:
            word_of_rank: ``(V,)`` int32; cells are numbered in ranks.
            mirrored: each cell has an image in its column's row, and a diagonal one counts double.
            on_host: whether the rows are returned on the host.
        """
        xp = cuda.cupy()
        self.merge()
        indptr = xp.zeros(self._words + 1, np.int64)
        indptr[1:] = xp.cumsum(self._row_sizes(word_of_rank, mirrored=mirrored).astype(np.int64))
        ends = to_host(indptr)
        library, size = (np if on_host else xp), int(ends[-1])
        found = CountedRows(
            ends if on_host else indptr, library.empty(size, np.int32), library.empty(size, np.int64)
        )
        for first, last in row_blocks(ends, self.capacity // 2):
            cells = slice(int(ends[first]), int(ends[last]))
            keys, sums = self._unfolded(
                word_of_rank, first, last, cells.stop - cells.start, mirrored=mirrored
            )
            for out, made in (found.indices, (keys % self._width).astype(np.int32)), (found.data, sums):
                out[cells] = to_host(made) if on_host else made
        self.clear()
        return found

    def added(self, one: CountedRows, other: CountedRows, *, on_host: bool) -> CountedRows:
        """Add two matrices of the host, some rows at a time; the buffer must be empty."""
        xp = cuda.cupy()
        library, sizes = (np if on_host else xp), [np.zeros(1, np.int64)]
        columns: list[Any] = []
        values: list[Any] = []
        most = max(2 * self._words, self.capacity // ADDED)
        for first, last in row_blocks(one.indptr + other.indptr, most):
            for run in (one, other):
                self._append_rows(run, first, last)
            self.merge()
            keys, sums = (both[self.side][: self.most] for both in (self.keys, self.sums))
            rows = (keys // self._width).astype(np.int64)
            sizes.append(to_host(xp.bincount(rows, minlength=last - first)))
            made = (keys % self._width).astype(np.int32), sums.view(np.int64)
            for parts, part in zip((columns, values), made, strict=True):
                parts.append(to_host(part) if on_host else xp.array(part))
            self.clear()
        indptr = np.cumsum(np.concatenate(sizes))
        return CountedRows(library.asarray(indptr), library.concatenate(columns), library.concatenate(values))

    def _append_rows(self, run: CountedRows, first: int, last: int) -> None:
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
        """The ``size`` cells of some rows: numbers from the first row on, in order, and sums."""
        half = self.capacity // 2
        free = self.keys[1 - self.side], self.sums[1 - self.side]
        keys, sums = ((array[:half], array[half:]) for array in free)
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
