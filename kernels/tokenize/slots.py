"""A hash table of spellings: key, number and length in sixteen bytes a slot.

The key of up to eight bytes is these bytes, so equal key and length say equal spelling; longer ones are
compared where they stand. No hash is trusted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.intrinsics import load_eight
from gpuemb.kernels.tokenize import Bytes, Whole

Words = NDArray[np.uint64]
FIRST_BITS = 14  # log₂ of a table's first slots; it doubles when half of them are taken
FACTOR, FINISH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
B32, LOW_HALF = np.uint64(32), np.uint64(0xFFFFFFFF)
EIGHT = 8
NOBODY, OTHER_KEY = -1, -2  # what stands in a slot, instead of a number


def empty_slots() -> Words:
    """A table without spellings; two words a slot."""
    return np.zeros(2 << FIRST_BITS, np.uint64)


@njit
def doubled(slots: Words) -> Words:
    """The same spellings in a table of twice the slots."""
    wider = np.zeros(2 * len(slots), np.uint64)
    for old in range(len(slots) // 2):
        held = slots[2 * old + 1]
        if held != 0:
            slot = first_slot(slots[2 * old], np.int64(held & LOW_HALF), wider)
            while wider[2 * slot + 1] != 0:
                slot = next_slot(slot, wider)
            wider[2 * slot], wider[2 * slot + 1] = slots[2 * old], held
    return wider


@njit_inline
def first_slot(key: np.uint64, length: Whole, slots: Words) -> Whole:
    """Where the search for a spelling begins."""
    mixed = (key + np.uint64(length)) * FACTOR
    mixed = (mixed ^ mixed >> B32) * FINISH
    return np.int64(mixed >> B32) & (len(slots) // 2 - 1)


@njit_inline
def next_slot(slot: Whole, slots: Words) -> Whole:
    """Where it goes on."""
    return (slot + 1) & (len(slots) // 2 - 1)


@njit_inline
def number_in(slots: Words, slot: Whole, key: np.uint64, length: Whole) -> Whole:
    """The number in a slot if its key and length are these, else NOBODY or OTHER_KEY."""
    held = slots[2 * slot + 1]
    if held == 0:
        return NOBODY
    if slots[2 * slot] == key and held & LOW_HALF == np.uint64(length):
        return np.int64(held >> B32) - 1
    return OTHER_KEY


@njit_inline
def occupy(slots: Words, slot: Whole, key: np.uint64, length: Whole, number: Whole) -> None:
    """Give a slot to a spelling."""
    slots[2 * slot], slots[2 * slot + 1] = key, np.uint64(number + 1) << B32 | np.uint64(length)


@njit_inline
def key_of(text: Bytes, at: Whole, length: Whole) -> np.uint64:
    """The bytes themselves where they are eight at most, else a hash of all."""
    key = _word(text, at, length)
    for place in range(EIGHT, length, EIGHT):
        key = (key ^ key >> B32) * FACTOR + _word(text, at + place, length - place)
    return key


@njit
def equal_bytes(text: Bytes, at: Whole, other: Bytes, start: Whole, length: Whole) -> bool:
    """Whether two spellings are one."""
    for place in range(0, length, EIGHT):
        if _word(text, at + place, length - place) != _word(other, start + place, length - place):
            return False
    return True


@njit_inline
def _word(text: Bytes, at: Whole, length: Whole) -> np.uint64:
    """Up to eight bytes, zeros behind them."""
    if at + EIGHT <= text.size:
        word = np.uint64(load_eight(text, at))
        return (
            word if length >= EIGHT else word & ((np.uint64(1) << np.uint64(EIGHT * length)) - np.uint64(1))
        )
    word = np.uint64(0)
    for place in range(min(length, EIGHT)):
        word |= np.uint64(text[at + place]) << np.uint64(EIGHT * place)
    return word
