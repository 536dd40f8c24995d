"""A table that grows in place."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float32, Int64
from gpuemb.core.memory import MemoryPlan, buffer, rows_per_tile, tiles

STEP = 16  # where the estimate was short the table grows by 1/16


class GrowableTable:
    """Rows of ``dim`` float32 numbers, appended.

    Memory is reserved for the expected rows at once; the system provides pages only when they are written.
    Where the estimate was wrong the memory is resized (on Linux its pages are remapped, not copied).

    Args:
        purpose: its name in memory errors.
        dim: numbers in a row.
        most: upper bound of the rows, None if unknown.
    """

    def __init__(self, purpose: str, dim: int, most: int | None) -> None:
        self._purpose, self._dim, self._most = purpose, dim, most
        self._rows = 0
        self._table = np.empty((0, dim), np.float32)

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: Float32, expected: int) -> None:
        """Append rows; ``expected`` is an estimate of the final number.

        Raises:
            MemoryBudgetError: the rows do not fit the memory.
        """
        stop = self._rows + len(rows)
        if stop > len(self._table):
            wanted = max(expected, len(self._table) * (STEP + 1) // STEP)
            self._reserve(max(stop, wanted if self._most is None else min(wanted, self._most)))
        self._table[self._rows : stop] = rows
        self._rows = stop

    def take(self, kept: Int64 | None = None) -> Float32:
        """Return all rows, or ``kept`` in ascending order, without a copy; the table is used up."""
        if kept is not None:
            for start, stop in tiles(len(kept), rows_per_tile(4 * self._dim, 1 << 20)):
                self._table[start:stop] = self._table[kept[start:stop]]
            self._rows = len(kept)
        self._table.resize((self._rows, self._dim), refcheck=False)
        return self._table

    def _reserve(self, rows: int) -> None:
        more = buffer((rows - len(self._table), self._dim), np.float32)
        MemoryPlan(self._purpose, {"vectors": more}).require()
        if len(self._table):
            self._table.resize((rows, self._dim), refcheck=False)
        else:
            self._table = np.empty((rows, self._dim), np.float32)
