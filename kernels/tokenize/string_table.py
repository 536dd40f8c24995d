"""String table: distinct tokens of many texts, numbered in the order of first occurrence."""

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
    STRINGS,
    HashTable,
    Words,
    fill_slots,
    number_tokens,
)

T = TypeVar("T", Bytes, Words)
FIRST_BITS = 15  # log₂ of the initial slots; they double when half of them are taken
ANY_LENGTH = 1 << 62
AHEAD = 8  # strings between prefetching a cache line and reading it
NOT_COUNTED = np.uint64(0)


class StringTable:
    """Distinct strings of many texts; a string's number never changes."""

    def __init__(self) -> None:
        self.table = HashTable(
            np.zeros(1 << FIRST_BITS, np.uint64),
            _entries(1 << FIRST_BITS),
            np.empty(1 << FIRST_BITS + 3, np.uint8),
            np.empty(3 * BATCH, np.uint64),
            np.array([0, FIRST_BITS], np.int64),
        )

    def __len__(self) -> int:
        return int(self.table.state[STRINGS])

    @property
    def counts(self) -> Int64:
        """``(U,)`` count of each: a view, invalid after more are numbered."""
        return self.table.entries[COUNT : FIELDS * len(self) : FIELDS].view(np.int64)

    @property
    def starts(self) -> Int64:
        """``(U + 1,)`` begin of each in :meth:`joined`."""
        return self.table.entries[BEGIN : FIELDS * (len(self) + 1) : FIELDS].astype(np.int64)

    def number(self, text: Bytes, places: Int64) -> Int32:
        """Return the numbers of tokens, without counting them.

        Args:
            text: of the tokens; none has a zero byte.
            places: ``(2·n,)`` begin and end of each, in turn; a byte at least.

        Cost: one lookup each, and one copy of new strings.
        """
        text, done = read_only(text), 0
        numbers = np.empty(len(places) // 2, np.int32)
        while True:
            span = done, len(numbers)
            done = int(number_tokens(text, places, span, self.table, ANY_LENGTH, NOT_COUNTED, numbers, 0))
            if done == len(numbers):
                return numbers
            self.grow(int(places[2 * done + 1] - places[2 * done]))

    def grow(self, length: int) -> None:
        """Grow the table for one more string of so many bytes, and many others."""
        slots, entries, strings, keys, state = self.table
        count, used = len(self), len(self.joined())
        if 2 * count >= len(slots):
            state[BITS] += 1
            slots = np.zeros(2 * len(slots), np.uint64)
            entries = _grown(entries, FIELDS * (count + 1), _entries(len(slots)))
            self.table = HashTable(slots, entries, strings, keys, state)
            fill_slots(self.table)
        if used + length >= len(strings):
            strings = _grown(strings, used, np.empty(2 * len(strings) + length, np.uint8))
            self.table = HashTable(slots, entries, strings, keys, state)

    def joined(self) -> Bytes:
        """All strings in the order of their numbers, a newline after each; a view like ``counts``."""
        used = self.table.entries[FIELDS * len(self) + BEGIN]
        return self.table.strings[: int(used)]


def places_of(joined: Bytes) -> Int64:
    """Begin and end of strings with a newline after each, in turn."""
    places = np.zeros(2 * int(np.count_nonzero(joined == NEWLINE)), np.int64)
    places[1::2] = np.flatnonzero(joined == NEWLINE)
    places[2::2] = places[1:-1:2] + 1
    return places


def read_only(text: Bytes) -> Bytes:
    """View memory maps and buffers as one kind of array: a kernel is compiled once."""
    view = np.ascontiguousarray(text).view()
    view.flags.writeable = False
    return view


def _entries(slots: int) -> Words:
    """Allocate the entries for so many slots, with the begin of the first string."""
    entries = np.empty(FIELDS * (slots // 2 + 1), np.uint64)
    entries[BEGIN] = 0
    return entries


def _grown(array: T, used: int, wider: T) -> T:
    wider[:used] = array[:used]
    return wider


def selected(joined: Bytes, starts: Int64, rows: Int64) -> Bytes:
    """Copy some strings in a given order, a newline after each.

    Args:
        joined: all strings.
        starts: ``(U + 1,)`` begin of each.
        rows: numbers of the chosen strings.
    """
    places = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(starts[rows + 1] - starts[rows], out=places[1:])
    found = np.empty(places[-1], np.uint8)
    parts = threads.ranges(len(rows), threads.count())
    threads.run(lambda part: _copy_selected(joined, starts, rows, places, found, *part), parts)
    return found


@njit
def _copy_selected(
    joined: Bytes, starts: Int64, rows: Int64, places: Int64, found: Bytes, first: int, last: int
) -> None:
    whole = places[last]
    for one in range(first, last):
        if one + 2 * AHEAD < last:
            prefetch(int(starts.ctypes.data + EIGHT * rows[one + 2 * AHEAD]))
            prefetch(int(joined.ctypes.data + starts[rows[one + AHEAD]]))
        at, place, end = starts[rows[one]], places[one], places[one + 1]
        while place < end:
            if (
                place + EIGHT <= whole and at + EIGHT <= joined.size
            ):  # beyond the end: overwritten by the next
                store_eight(found, place, load_eight(joined, at))
                at, place = at + EIGHT, place + EIGHT
            else:
                found[place] = joined[at]
                at, place = at + 1, place + 1


@njit
def renumbered(ids: Int32, numbers: Int32, ends: Int64, found: Int32, stops: Int64) -> int:
    """Renumber tokens and drop those without a number; return how many are left.

    Args:
        ids: of the tokens.
        numbers: new number of each id, or −1.
        ends: tokens before the end of each document.
        found: the new numbers; it may be ``ids`` itself.
        stops: tokens left before the end of each document; it may be ``ends`` itself.
    """
    one, table = 0, 0
    for document in range(len(ends) + 1):
        end = ends[document] if document < len(ends) else len(ids)
        while one < end:
            number = numbers[ids[one]]
            found[table] = number  # overwritten by the next if it is none
            table += number >= 0
            one += 1
        if document < len(ends):
            stops[document] = table
    return table
