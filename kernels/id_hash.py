"""Open-addressing hash table that numbers the distinct neighbor ids of one word by their slot."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit, njit_inner

EMPTY = -1  # key of a free slot


@njit
def slot_bits(entries: int) -> int:
    """Return log₂ of a table's slots: at least twice as many as ``entries``."""
    bits = 4
    while 1 << bits < 2 * entries:
        bits += 1
    return bits


@njit_inner
def insert_lists(
    ids: Int32, word: int, shift: np.uint64, keys: Int32, run_counts: Int32, slots: Int32, lengths: Int64
) -> int:
    """Insert the ids of a word's lists, count the runs of each; return the number of distinct ids."""
    last, distinct = len(keys) - 1, 0
    for run in range(len(ids)):
        length = 0
        for rank in range(ids.shape[2]):
            one = ids[run, word, rank]
            if one >= 0:
                # Fibonacci hashing: the upper bits of the product with 2^64 over the golden ratio
                slot = np.int64((np.uint64(one) * np.uint64(0x9E3779B97F4A7C15)) >> shift)
                while keys[slot] != one and keys[slot] != EMPTY:
                    slot = (slot + 1) & last
                distinct += keys[slot] == EMPTY
                keys[slot] = one
                run_counts[slot] += 1
                slots[run, length] = slot
                length += 1
        lengths[run] = length
    return distinct
