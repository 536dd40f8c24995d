"""The distinct spellings of many texts, numbered in the order of first sight."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.intrinsics import load_eight, prefetch, store_eight
from gpuemb.kernels.tokenize import Bytes
from gpuemb.kernels.tokenize.hash_table import (
    BATCH,
    BEGIN,
    BITS,
    COUNT,
    EIGHT,
    FIELDS,
    NEWLINE,
    SPELLINGS,
    Kept,
    Words,
    fill_slots,
    number_tokens,
)

T = TypeVar("T", Bytes, Words)
FIRST_BITS = 15  # log₂ of a table's first slots; they double when half of them are taken
ANY_LENGTH = 1 << 62
AHEAD = 8  # spellings between asking for a line of memory and reading it
NOT_COUNTED = np.uint64(0)


class Spellings:
    """Distinct spellings of many texts; a spelling's number never changes."""

    def __init__(self) -> None:
        self.kept = Kept(
            np.zeros(1 << FIRST_BITS, np.uint64),
            _entries(1 << FIRST_BITS),
            np.empty(1 << FIRST_BITS + 3, np.uint8),
            np.empty(3 * BATCH, np.uint64),
            np.array([0, FIRST_BITS], np.int64),
        )

    def __len__(self) -> int:
        return int(self.kept.reached[SPELLINGS])

    @property
    def counts(self) -> Int64:
        """``(U,)`` how often each was met: a view, which is gone when more are numbered."""
        return self.kept.entries[COUNT : FIELDS * len(self) : FIELDS].view(np.int64)

    @property
    def starts(self) -> Int64:
        """``(U + 1,)`` where each begins in :meth:`joined`."""
        return self.kept.entries[BEGIN : FIELDS * (len(self) + 1) : FIELDS].astype(np.int64)

    def number(self, text: Bytes, places: Int64) -> Int32:
        """Return the numbers of tokens, without counting them.

        Args:
            text: where they stand; no token has a zero byte.
            places: ``(2·n,)`` where each begins and ends, in turn; a byte at least.

        Cost: one look into a hash table each, and one copy of what is new.
        """
        text, done = read_only(text), 0
        numbers = np.empty(len(places) // 2, np.int32)
        while True:
            span = done, len(numbers)
            done = int(number_tokens(text, places, span, self.kept, ANY_LENGTH, NOT_COUNTED, numbers, 0))
            if done == len(numbers):
                return numbers
            self.widen(int(places[2 * done + 1] - places[2 * done]))

    def widen(self, length: int) -> None:
        """Make room for one more spelling of so many bytes, and for many others."""
        slots, entries, spelled, keys, reached = self.kept
        count, used = len(self), len(self.joined())
        if 2 * count >= len(slots):
            reached[BITS] += 1
            slots = np.zeros(2 * len(slots), np.uint64)
            entries = _with_room(entries, FIELDS * (count + 1), _entries(len(slots)))
            self.kept = Kept(slots, entries, spelled, keys, reached)
            fill_slots(self.kept)
        if used + length >= len(spelled):
            spelled = _with_room(spelled, used, np.empty(2 * len(spelled) + length, np.uint8))
            self.kept = Kept(slots, entries, spelled, keys, reached)

    def joined(self) -> Bytes:
        """All spellings in the order of their numbers, a newline after each; a view, as ``counts`` is."""
        used = self.kept.entries[FIELDS * len(self) + BEGIN]
        return self.kept.spelled[: int(used)]


def places_of(joined: Bytes) -> Int64:
    """Where spellings with a newline after each begin and end, in turn."""
    places = np.zeros(2 * int(np.count_nonzero(joined == NEWLINE)), np.int64)
    places[1::2] = np.flatnonzero(joined == NEWLINE)
    places[2::2] = places[1:-1:2] + 1
    return places


def read_only(text: Bytes) -> Bytes:
    """One kind of array for memory maps and for buffers: a kernel is compiled once."""
    view = np.ascontiguousarray(text).view()
    view.flags.writeable = False
    return view


def _entries(slots: int) -> Words:
    """Room for as many spellings as such a table takes, and where the first begins."""
    entries = np.empty(FIELDS * (slots // 2 + 1), np.uint64)
    entries[BEGIN] = 0
    return entries


def _with_room(array: T, used: int, wider: T) -> T:
    wider[:used] = array[:used]
    return wider


def arranged(joined: Bytes, starts: Int64, rows: Int64) -> Bytes:
    """Some of the spellings in the order asked for, a newline after each.

    Args:
        joined: all of them.
        starts: ``(U + 1,)`` where each begins.
        rows: numbers of those that are wanted.
    """
    places = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(starts[rows + 1] - starts[rows], out=places[1:])
    found = np.empty(places[-1], np.uint8)
    parts = threads.ranges(len(rows), threads.count())
    threads.run(lambda part: _arrange(joined, starts, rows, places, found, *part), parts)
    return found


@njit
def _arrange(
    joined: Bytes, starts: Int64, rows: Int64, places: Int64, found: Bytes, first: int, last: int
) -> None:
    whole = places[last]
    for one in range(first, last):
        if one + 2 * AHEAD < last:
            prefetch(int(starts.ctypes.data + EIGHT * rows[one + 2 * AHEAD]))
            prefetch(int(joined.ctypes.data + starts[rows[one + AHEAD]]))
        at, place, end = starts[rows[one]], places[one], places[one + 1]
        while place < end:
            if place + EIGHT <= whole and at + EIGHT <= joined.size:  # beyond the end: the next word's place
                store_eight(found, place, load_eight(joined, at))
                at, place = at + EIGHT, place + EIGHT
            else:
                found[place] = joined[at]
                at, place = at + 1, place + 1


@njit
def renumbered(ids: Int32, numbers: Int32, ends: Int64, found: Int32, stops: Int64) -> int:
    """Give tokens other numbers and leave out those that have none; return how many are left.

    Args:
        ids: of the tokens.
        numbers: of each id the new one, or −1.
        ends: tokens before the end of each document.
        found: the new numbers; it may be ``ids`` itself.
        stops: tokens that are left before the end of each document; it may be ``ends`` itself.
    """
    one, kept = 0, 0
    for document in range(len(ends) + 1):
        end = ends[document] if document < len(ends) else len(ids)
        while one < end:
            number = numbers[ids[one]]
            found[kept] = number  # overwritten by the next if it is none
            kept += number >= 0
            one += 1
        if document < len(ends):
            stops[document] = kept
    return kept
