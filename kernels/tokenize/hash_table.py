"""Open-addressing hash table of strings, as compiled code: eight bytes a slot, thirty-two an entry.

A slot holds half of a hash and the number of an entry; the entry holds the key: the bytes of the string,
sixteen at most, zeros behind them. So equal keys are equal strings, for no string holds a zero. Longer
strings have hashes for a key, marked by a byte that UTF-8 never has, and are compared byte by byte. No
hash is trusted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit, njit_inline, njit_inner
from gpuemb.kernels.intrinsics import borrowed, load_eight, prefetch
from gpuemb.kernels.tokenize import Bytes, Whole

Words = NDArray[np.uint64]
LOW, HIGH, COUNT, BEGIN, FIELDS = range(5)  # of an entry
STRINGS, BITS = range(2)  # of ``state``
BATCH = 512  # tokens whose slots are prefetched before the first lookup
FACTOR, FINISH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
B8, B32, LOW_HALF, ALL = (np.uint64(bits) for bits in (8, 32, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF))
LONG = np.uint64(0xFF << 56)
EIGHT = 8
SLOT_BYTES, ENTRY_BYTES = 8, 32
NEWLINE = ord("\n")


class HashTable(NamedTuple):
    """Arrays of the table.

    Attributes:
        slots: ``(2^bits,)`` half of a hash, then number + 1; 0 where free.
        entries: ``(4·e,)`` of each string the key's two words, its count, and its first byte in
            ``strings``; the entry behind the last has the first byte of the next.
        strings: ``(b,)`` the strings, a newline after each.
        keys: ``(3·BATCH,)`` of the current tokens: the key's two words, and their hash.
        state: number of strings; log₂ of the slots.
    """

    slots: Words
    entries: Words
    strings: Bytes
    keys: Words
    state: Int64


@njit
def number_tokens(
    text: Bytes,
    places: Int64,
    span: tuple[Whole, Whole],
    table: HashTable,
    longest: Whole,
    weight: np.uint64,
    ids: Int32,
    before: Whole,
) -> Whole:
    """Look up the numbers of tokens; new strings get new numbers.

    Args:
        text: of the tokens.
        places: begin and end of each, in turn.
        span: the first of the tokens, and the next after the last.
        table: the strings so far.
        longest: most bytes of a token.
        weight: added to the count of each token's string.
        ids: the numbers are written to ``ids[before + i]``.
        before: see there.

    Returns:
        The first token without a number: the next after the last, one that is too long, or a new string
        beyond the capacity of ``table``.
    """
    table, (text, places, ids) = borrowed(table), borrowed((text, places, ids))
    keys, slots, entries, mask = table.keys, table.slots, table.entries, len(table.slots) - 1
    rest, address, held_at = np.uint64(64 - table.state[BITS]), slots.ctypes.data, entries.ctypes.data
    for first in range(span[0], span[1], BATCH):
        last = min(first + BATCH, span[1])
        stop: Whole = last
        for one in range(first, last):
            at, length = places[2 * one], places[2 * one + 1] - places[2 * one]
            if length > longest:
                stop = one
                break
            low, high = _key(text, at, length)
            mixed = (low ^ high * FINISH) * FACTOR
            mixed = (mixed ^ mixed >> B32) * FINISH
            key = 3 * (one - first)
            keys[key], keys[key + 1], keys[key + 2] = low, high, mixed
            prefetch(int(address + SLOT_BYTES * np.int64(mixed >> rest)))
        for one in range(first, stop):  # prefetch the likely entry too: saves a tenth and more of the time
            held = slots[np.int64(keys[3 * (one - first) + 2] >> rest)]
            prefetch(int(held_at + ENTRY_BYTES * (np.int64(held & LOW_HALF) - 1)))
        for one in range(first, stop):
            key = 3 * (one - first)
            low, high, mixed = keys[key], keys[key + 1], keys[key + 2]
            slot = np.int64(mixed >> rest)
            while True:
                held = slots[slot]
                number: Whole = np.int64(held & LOW_HALF) - 1
                if held == 0:
                    number = _add(text, places[2 * one], places[2 * one + 1], table, low, high)
                    if number < 0:
                        return one
                    slots[slot] = mixed << B32 | np.uint64(number + 1)
                    break
                if held >> B32 == mixed & LOW_HALF:
                    entry = FIELDS * number
                    if entries[entry + LOW] == low and entries[entry + HIGH] == high:  # noqa: SIM102  rare last
                        if high < LONG or _equal(text, places[2 * one], places[2 * one + 1], table, number):
                            break
                slot = (slot + 1) & mask
            entries[FIELDS * number + COUNT] += weight
            ids[before + one] = number
        if stop < last:
            return stop
    return span[1]


@njit
def fill_slots(table: HashTable) -> None:
    """Insert every string into empty slots."""
    table = borrowed(table)
    rest, mask = np.uint64(64 - table.state[BITS]), len(table.slots) - 1
    for number in range(table.state[STRINGS]):
        low, high = table.entries[FIELDS * number + LOW], table.entries[FIELDS * number + HIGH]
        mixed = (low ^ high * FINISH) * FACTOR
        mixed = (mixed ^ mixed >> B32) * FINISH
        slot = np.int64(mixed >> rest)
        while table.slots[slot] != 0:
            slot = (slot + 1) & mask
        table.slots[slot] = mixed << B32 | np.uint64(number + 1)


@njit_inner
def _add(text: Bytes, at: Whole, end: Whole, table: HashTable, low: np.uint64, high: np.uint64) -> Whole:
    """Add a string, return its number; −1 beyond the capacity."""
    number: Whole = table.state[STRINGS]
    entry = FIELDS * number
    begin = np.int64(table.entries[entry + BEGIN])
    if 2 * number >= len(table.slots) or begin + end - at >= len(table.strings):
        return -1
    for place in range(end - at):
        table.strings[begin + place] = text[at + place]
    table.strings[begin + end - at] = NEWLINE
    table.entries[entry + LOW], table.entries[entry + HIGH], table.entries[entry + COUNT] = low, high, 0
    table.entries[entry + FIELDS + BEGIN] = begin + end - at + 1
    table.state[STRINGS] = number + 1
    return number


@njit_inner
def _equal(text: Bytes, at: Whole, end: Whole, table: HashTable, number: Whole) -> bool:
    """Whether a token of more than sixteen bytes equals the string of this number."""
    begin = np.int64(table.entries[FIELDS * number + BEGIN])
    if np.int64(table.entries[FIELDS * number + FIELDS + BEGIN]) - begin != end - at + 1:
        return False
    for step in range(0, end - at, EIGHT):
        place = min(step, end - at - EIGHT)
        if load_eight(table.strings, begin + place) != load_eight(text, at + place):
            return False
    return True


@njit_inline
def _key(text: Bytes, at: Whole, length: Whole) -> tuple[np.uint64, np.uint64]:
    """Key of a string: two words, unique up to sixteen bytes."""
    if length <= 2 * EIGHT and at + 2 * EIGHT <= text.size:
        low, high = np.uint64(load_eight(text, at)), np.uint64(load_eight(text, at + EIGHT))
        return low & _lowest(min(length, EIGHT)), high & _lowest(max(length - EIGHT, 0))
    return _other_key(text, at, length)


@njit_inline
def _lowest(count: Whole) -> np.uint64:
    """Mask of the lowest bytes; in two steps, as a shift by sixty-four is undefined."""
    half = np.uint64(EIGHT // 2 * count)
    return ~(ALL << half << half)


@njit_inner
def _other_key(text: Bytes, at: Whole, length: Whole) -> tuple[np.uint64, np.uint64]:
    """The same for long strings, and at the end of the text."""
    low, high = np.uint64(0), np.uint64(0)
    if length <= 2 * EIGHT:
        for place in range(length):
            byte = np.uint64(text[at + place]) << np.uint64(EIGHT * (place % EIGHT))
            if place < EIGHT:
                low |= byte
            else:
                high |= byte
        return low, high
    for place in range(0, length, EIGHT):
        low = (low ^ low >> B32 ^ load_eight(text, at + min(place, length - EIGHT))) * FACTOR
        high = (high ^ low >> B32) * FINISH
    return low, high >> B8 | LONG
