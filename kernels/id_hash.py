"""A small hash table that finds each id of a word's lists one slot."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit

EMPTY = -1  # a slot that no id has


@njit
def slot_bits(entries: int) -> int:
    """Return log₂ of a table's slots: at least twice as many as ``entries``."""
    bits = 4
    while 1 << bits < 2 * entries:
        bits += 1
    return bits


@njit
def hold(
    ids: Int32, word: int, shift: np.uint64, keys: Int32, holders: Int32, slots: Int32, lengths: Int64
) -> int:
    """Find every id its slot, and count the runs that hold it; return how many ids there are."""
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
                holders[slot] += 1
                slots[run, length] = slot
                length += 1
        lengths[run] = length
    return distinct
