"""Ranges of words counted by one worker, and the arrays of their cells."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.errors import MemoryBudgetError
from gpuemb.core.memory import available_host_bytes, readable
from gpuemb.kernels.window_counts import CELL_BYTES


def cut_ranges(bounds: Int64, words: int, reach: int, most: int, first: int = 0) -> list[tuple[int, int]]:
    """Cut the words from ``first`` so that no range can touch more than ``most`` cells (a single may)."""
    touched = np.cumsum(np.minimum(np.diff(bounds) * reach, words))
    cuts = [first]
    while first < words:
        reached = touched[first - 1] if first else 0
        first = max(first + 1, int(np.searchsorted(touched, reached + most, side="right")))
        cuts.append(min(first, words))
    return list(pairwise(cuts))


def most_cells(bounds: Int64, words: int, reach: int, part: tuple[int, int]) -> int:
    """Cells that a range may touch."""
    return int(np.minimum(np.diff(bounds[part[0] : part[1] + 1]) * reach, words).sum())


class CellArrays:
    """Columns and values of the counted rows, with capacity for the largest possible result.

    Memory costs nothing before it is written. It is allocated at once because NumPy gets large arrays in
    large pages, which the system provides in a tenth of the time. The rest behind the cells is freed; the
    rest before them is never written.

    Args:
        before: total of :meth:`reserve_before`, at most.
        cells: total of :meth:`reserve_after`, at most.
    """

    def __init__(self, before: int, cells: int) -> None:
        self._most = available_host_bytes() // CELL_BYTES
        capacity = before + min(cells, self._most)
        self.indices, self.data = np.empty(capacity, np.int32), np.empty(capacity, np.int64)
        self.first = self.filled = before

    def reserve_after(self, cells: int) -> int:
        """Reserve cells for the next rows; return the first.

        Raises:
            MemoryBudgetError: no more memory is free.
        """
        self._require(cells)
        self.filled += cells
        return self.filled - cells

    def write(self, place: int, indices: Int32, data: Int64) -> None:
        """Write reserved cells."""
        rows = slice(place, place + len(indices))
        self.indices[rows], self.data[rows] = indices, data

    def reserve_before(self, cells: int) -> int:
        """Reserve cells for rows before the first; return the first.

        Raises:
            MemoryBudgetError: no more memory is free.
        """
        self._require(cells)
        self.first -= cells
        return self.first

    def _require(self, cells: int) -> None:
        if self.filled - self.first + cells > self._most:
            raise MemoryBudgetError(
                f"window_counts: over {readable(CELL_BYTES * self._most)} of counts",
                needed="No more memory is free.",
                remedy="count_cooccurrences(…, memory='2GB') uses the disk; a larger min_count counts less.",
            )

    def trimmed(self) -> tuple[Int32, Int64]:
        """Free the memory behind the cells; return columns and values."""
        for array in (self.indices, self.data):
            array.resize(self.filled, refcheck=False)  # no other reference exists
        return self.indices[self.first :], self.data[self.first :]
