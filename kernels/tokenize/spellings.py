"""The distinct spellings of many texts, numbered in the order of first sight."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.intrinsics import borrowed, prefetch
from gpuemb.kernels.tokenize import Bytes
from gpuemb.kernels.tokenize.slots import (
    EIGHT,
    FIRST_BITS,
    NOBODY,
    OTHER_KEY,
    Words,
    doubled,
    empty_slots,
    equal_bytes,
    first_slot,
    key_of,
    next_slot,
    number_in,
    occupy,
)

T = TypeVar("T", Bytes, Int64)
NEWLINE = ord("\n")
SLOT_BYTES = 16
AHEAD = 8  # spellings between asking for a slot and looking into it


class _Kept(NamedTuple):
    """``spelled`` (b,) the spellings, a newline after each; ``starts`` (u + 1,) where each begins."""

    slots: Words
    spelled: Bytes
    starts: Int64


class Spellings:
    """Distinct spellings of many texts; a spelling's number never changes."""

    def __init__(self) -> None:
        self._kept = _Kept(
            empty_slots(), np.empty(1 << FIRST_BITS, np.uint8), np.zeros(1 << FIRST_BITS, np.int64)
        )
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def number(self, text: Bytes, starts: Int64, lengths: Int64) -> Int32:
        """Return the number of each spelling ``text[starts[i]:starts[i] + lengths[i]]``, of a byte at least.

        Cost: one look into a hash table each, and one copy of what is new.
        """
        text = np.ascontiguousarray(text).view()
        text.flags.writeable = False  # one compiled kernel for memory maps and for buffers
        count, new = self._count + len(starts), int(lengths.sum()) + len(lengths)
        slots, spelled, begins = self._kept
        while 4 * count > len(slots):
            slots = doubled(slots)
        used = int(begins[self._count])
        spelled = _with_room(spelled, used, used + new)
        begins = _with_room(begins, self._count + 1, count + 1)
        self._kept = _Kept(slots, spelled, begins)
        numbers = np.empty(len(starts), np.int32)
        self._count = _number_all(text, starts, lengths, self._kept, self._count, numbers)
        return numbers

    def joined(self) -> bytes:
        """All spellings in the order of their numbers, a newline after each."""
        used = int(self._kept.starts[self._count])
        return self._kept.spelled[:used].tobytes()


def places_of(joined: Bytes) -> tuple[Int64, Int64]:
    """Where spellings with a newline after each begin, and how long they are."""
    stops = np.flatnonzero(joined == NEWLINE)
    starts = np.concatenate([[0], stops[:-1] + 1]) if len(stops) else stops
    return starts.astype(np.int64), (stops - starts).astype(np.int64)


@njit
def arranged(joined: Bytes, starts: Int64, lengths: Int64) -> Bytes:
    """Some of the spellings in the order asked for, a newline after each."""
    found, used = np.empty(lengths.sum() + len(lengths), np.uint8), 0
    for one in range(len(starts)):
        for place in range(starts[one], starts[one] + lengths[one] + 1):
            found[used] = joined[place]
            used += 1
    return found


def _with_room(array: T, used: int, needed: int) -> T:
    """The same numbers in an array that is at least so long; it grows by half or more."""
    if needed <= len(array):
        return array
    wider = np.empty(max(needed, len(array) * 3 // 2), array.dtype)
    wider[:used] = array[:used]
    return wider


@njit
def _number_all(text: Bytes, starts: Int64, lengths: Int64, kept: _Kept, count: int, numbers: Int32) -> int:
    """Fill ``numbers``; return how many spellings there are now."""
    kept = borrowed(kept)
    slots = kept.slots.ctypes.data
    for one in range(len(starts)):
        at, length = starts[one], lengths[one]
        if one + AHEAD < len(starts):
            next_at, next_length = starts[one + AHEAD], lengths[one + AHEAD]
            asked = first_slot(key_of(text, next_at, next_length), next_length, kept.slots)
            prefetch(int(slots + SLOT_BYTES * asked))
        key = key_of(text, at, length)
        slot = first_slot(key, length, kept.slots)
        while True:
            number = number_in(kept.slots, slot, key, length)
            if number == NOBODY:
                number = count
                occupy(kept.slots, slot, key, length, number)
                begin = kept.starts[number]
                kept.spelled[begin : begin + length] = text[at : at + length]
                kept.spelled[begin + length] = NEWLINE
                kept.starts[number + 1] = begin + length + 1
                count += 1
                break
            if number != OTHER_KEY and (
                length <= EIGHT or equal_bytes(text, at, kept.spelled, kept.starts[number], length)
            ):
                break
            slot = next_slot(slot, kept.slots)
        numbers[one] = number
    return count
