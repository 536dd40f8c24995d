"""A hash table of spellings: eight bytes a slot, thirty-two a spelling.

A slot holds half of a hash and a number; the number leads to the key: the bytes, sixteen at most, zeros
behind them. So equal keys say equal spellings, for no spelling holds a zero. Longer ones have hashes for a
key, told by a byte that UTF-8 never has, and are compared where they stand. No hash is trusted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.intrinsics import borrowed, load_eight, prefetch
from gpuemb.kernels.tokenize import Bytes, Whole

Words = NDArray[np.uint64]
LOW, HIGH, COUNT, BEGIN, FIELDS = range(5)  # of an entry
SPELLINGS, BITS = range(2)  # of ``reached``
BATCH = 512  # tokens whose slots are asked for before the first is looked into
FACTOR, FINISH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
B8, B32, LOW_HALF, ALL = (np.uint64(bits) for bits in (8, 32, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF))
LONG = np.uint64(0xFF << 56)
EIGHT = 8
SLOT_BYTES, ENTRY_BYTES = 8, 32
NEWLINE = ord("\n")


class Kept(NamedTuple):
    """The spellings met so far.

    Attributes:
        slots: ``(2^bits,)`` half of a hash, then number + 1; 0 where nobody is.
        entries: ``(4·e,)`` of each spelling the key's two words, how often it was met, and its first byte
            in ``spelled``; the entry behind the last says where the next begins.
        spelled: ``(b,)`` the spellings, a newline after each.
        keys: ``(3·BATCH,)`` of the tokens at hand: the key's two words, and their hash.
        reached: how many spellings there are; log₂ of the slots.
    """

    slots: Words
    entries: Words
    spelled: Bytes
    keys: Words
    reached: Int64


@njit
def number_tokens(
    text: Bytes,
    places: Int64,
    span: tuple[Whole, Whole],
    kept: Kept,
    longest: Whole,
    weight: np.uint64,
    ids: Int32,
    before: Whole,
) -> Whole:
    """Give tokens the numbers of their spellings, new ones to new spellings.

    Args:
        text: where the tokens stand.
        places: where each begins and ends, in turn.
        span: the first of the tokens, and the next after the last.
        kept: the spellings.
        longest: most bytes of a token.
        weight: added to each token's spelling's count.
        ids: the numbers go to ``ids[before + i]``.
        before: see there.

    Returns:
        The first token without a number: the next after the last, one that is too long, or one with a new
        spelling for which ``kept`` has no room.
    """
    kept, (text, places, ids) = borrowed(kept), borrowed((text, places, ids))
    keys, slots, entries, mask = kept.keys, kept.slots, kept.entries, len(kept.slots) - 1
    rest, address, held_at = np.uint64(64 - kept.reached[BITS]), slots.ctypes.data, entries.ctypes.data
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
        for one in range(first, stop):  # then for the entry that is likely: a tenth and more of all time
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
                    number = _add(text, places[2 * one], places[2 * one + 1], kept, low, high)
                    if number < 0:
                        return one
                    slots[slot] = mixed << B32 | np.uint64(number + 1)
                    break
                if held >> B32 == mixed & LOW_HALF:
                    entry = FIELDS * number
                    if entries[entry + LOW] == low and entries[entry + HIGH] == high:  # noqa: SIM102  rare last
                        if high < LONG or _equal(text, places[2 * one], places[2 * one + 1], kept, number):
                            break
                slot = (slot + 1) & mask
            entries[FIELDS * number + COUNT] += weight
            ids[before + one] = number
        if stop < last:
            return stop
    return span[1]


@njit
def fill_slots(kept: Kept) -> None:
    """Give every spelling a slot; the slots are empty."""
    kept = borrowed(kept)
    rest, mask = np.uint64(64 - kept.reached[BITS]), len(kept.slots) - 1
    for number in range(kept.reached[SPELLINGS]):
        low, high = kept.entries[FIELDS * number + LOW], kept.entries[FIELDS * number + HIGH]
        mixed = (low ^ high * FINISH) * FACTOR
        mixed = (mixed ^ mixed >> B32) * FINISH
        slot = np.int64(mixed >> rest)
        while kept.slots[slot] != 0:
            slot = (slot + 1) & mask
        kept.slots[slot] = mixed << B32 | np.uint64(number + 1)


@njit
def _add(text: Bytes, at: Whole, end: Whole, kept: Kept, low: np.uint64, high: np.uint64) -> Whole:
    """The number of a new spelling; −1 if there is no room for it."""
    number: Whole = kept.reached[SPELLINGS]
    entry = FIELDS * number
    begin = np.int64(kept.entries[entry + BEGIN])
    if 2 * number >= len(kept.slots) or begin + end - at >= len(kept.spelled):
        return -1
    for place in range(end - at):
        kept.spelled[begin + place] = text[at + place]
    kept.spelled[begin + end - at] = NEWLINE
    kept.entries[entry + LOW], kept.entries[entry + HIGH], kept.entries[entry + COUNT] = low, high, 0
    kept.entries[entry + FIELDS + BEGIN] = begin + end - at + 1
    kept.reached[SPELLINGS] = number + 1
    return number


@njit
def _equal(text: Bytes, at: Whole, end: Whole, kept: Kept, number: Whole) -> bool:
    """Whether a token of more than sixteen bytes has the spelling of this number."""
    begin = np.int64(kept.entries[FIELDS * number + BEGIN])
    if np.int64(kept.entries[FIELDS * number + FIELDS + BEGIN]) - begin != end - at + 1:
        return False
    for step in range(0, end - at, EIGHT):
        place = min(step, end - at - EIGHT)
        if load_eight(kept.spelled, begin + place) != load_eight(text, at + place):
            return False
    return True


@njit_inline
def _key(text: Bytes, at: Whole, length: Whole) -> tuple[np.uint64, np.uint64]:
    """Two words that say which spelling it is; of one above sixteen bytes, which it may be."""
    if length <= 2 * EIGHT and at + 2 * EIGHT <= text.size:
        low, high = np.uint64(load_eight(text, at)), np.uint64(load_eight(text, at + EIGHT))
        return low & _lowest(min(length, EIGHT)), high & _lowest(max(length - EIGHT, 0))
    return _other_key(text, at, length)


@njit_inline
def _lowest(count: Whole) -> np.uint64:
    """A word with the bits of its lowest bytes; in two steps, for no shift is by all sixty-four."""
    half = np.uint64(EIGHT // 2 * count)
    return ~(ALL << half << half)


@njit
def _other_key(text: Bytes, at: Whole, length: Whole) -> tuple[np.uint64, np.uint64]:
    """The same for what is long, or stands at the end of the text."""
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
