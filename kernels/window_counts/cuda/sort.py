"""Radix sort on a GPU: launches ``window_counts_sort.cu``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core import cuda

THREADS = DIGITS = 256
WARP = 32
DIGIT_BITS = 8
TILE = 2048  # entries a step of a block
MOST_BLOCKS = 1024  # of a pass: seven a multiprocessor of an H200; a guess until measured
TABLE_BYTES = 8 * (DIGITS * MOST_BLOCKS + DIGITS)
SORT_INSTANCES = (
    "scan",
    *(f"tally<{key}>" for key in ("uint32_t", "uint64_t")),
    *(f"scatter<{key}, {key}>" for key in ("uint32_t", "uint64_t")),
)


def shares(size: int) -> tuple[int, int]:
    """Return the number of blocks, and the entries of each, whole tiles."""
    share = -(-size // (TILE * MOST_BLOCKS)) * TILE
    return -(-size // share), share


class Sorter:
    """The kernels, and their histogram of digits.

    Attributes:
        table: ``(1024 · 256,)`` uint64, a row a block.
        totals: ``(256,)`` uint64, of all blocks.
    """

    def __init__(self) -> None:
        xp = cuda.cupy()
        self._module = cuda.load(Path(__file__).parents[1] / "window_counts_sort.cu", SORT_INSTANCES)
        self.table, self.totals = (xp.empty(size, np.uint64) for size in (DIGITS * MOST_BLOCKS, DIGITS))

    def sort(self, keys: Sequence[Any], values: Sequence[Any], size: int, bits: int) -> int:
        """Sort ``keys[0][:size]``, and ``values[0]`` with them; return the index of the sorted pair.

        Args:
            keys: two arrays of the device, uint32 or uint64; the second is scratch.
            values: two more, as wide.
            size: entries.
            bits: of the largest key.

        Cost: for each eight bits three launches, two reads and a write of every entry.
        """
        if size == 0:
            return 0
        (blocks, share), side = shares(size), 0
        width = f"uint{8 * keys[0].dtype.itemsize}_t"
        names = f"tally<{width}>", "scan", f"scatter<{width}, {width}>"
        tally, scan, scatter = map(self._module.get_function, names)
        table, cut = self.table[: DIGITS * blocks], (np.uint64(size), np.uint64(share))
        for shift in range(0, bits, DIGIT_BITS):
            given, free = ([array[:size] for array in (keys[at], values[at])] for at in (side, 1 - side))
            tally((blocks,), (THREADS,), (given[0], table, *cut, np.int32(shift)))
            scan((DIGITS // WARP,), (WARP,), (table, self.totals, np.int32(blocks)))
            scatter((blocks,), (THREADS,), (*given, *free, table, self.totals, *cut, np.int32(shift)))
            side = 1 - side
        return side
