"""Ranges of words that are counted at once, and where their cells go."""

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


class Result:
    """Columns and values of the rows so far, in room for all that there can be.

    Room costs nothing before it is written. It is asked for at once because NumPy gets large arrays in large
    pages, which the system hands out in a tenth of the time. What is left over behind the cells is given
    back; what is left over before them is never written.

    Args:
        before: the most cells that :meth:`put_before` will ask for.
        cells: the most that :meth:`put_behind` will ask for.
    """

    def __init__(self, before: int, cells: int) -> None:
        self._most = available_host_bytes() // CELL_BYTES
        room = before + min(cells, self._most)
        self.indices, self.data = np.empty(room, np.int32), np.empty(room, np.int64)
        self.first = self.filled = before

    def put_behind(self, cells: int) -> int:
        """Make room for cells of the next rows; return where it begins.

        Raises:
            MemoryBudgetError: no more memory is free.
        """
        self._require(cells)
        self.filled += cells
        return self.filled - cells

    def put(self, place: int, indices: Int32, data: Int64) -> None:
        """Write cells into their room."""
        rows = slice(place, place + len(indices))
        self.indices[rows], self.data[rows] = indices, data

    def put_before(self, cells: int) -> int:
        """Make room for cells of rows before the first; return where it begins.

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

    def finished(self) -> tuple[Int32, Int64]:
        """Give back the room behind the cells; return columns and values."""
        for array in (self.indices, self.data):
            array.resize(self.filled, refcheck=False)  # nobody else has seen them
        return self.indices[self.first :], self.data[self.first :]
