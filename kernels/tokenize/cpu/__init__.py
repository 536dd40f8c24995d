"""Tokens on the CPU: sixty-four bytes of ASCII at a time, one worker a text.

Plan      1 classify  sixty-four bytes are compared with ranges in one register; a bit a byte says member,
                      inner or newline. Token borders are where members begin and end: no branch depends on
                      a byte, and borders are written sixteen at a time, needed or not.
          2 number    the slots of five hundred tokens are prefetched, then their entries, before the first
                      lookup. A key is sixteen bytes, a string's key and count are half a cache line: a token
                      of up to sixteen bytes is identified by two comparisons (hash_table.py).
          Sixty-four bytes that are not all ASCII, or hold a zero, go character by character: decoded,
          checked, and looked up in ``members`` and ``marks``.
Bound by  instructions, and cache misses of rare words.
Memory    2 bytes a byte of text for ids at most, touched when used; 48 to 96 bytes a distinct string
          and its own, some of it not yet touched.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit, njit_inline, njit_inner
from gpuemb.kernels.intrinsics import borrowed, bytes_between, popcount, trailing_zeros
from gpuemb.kernels.tokenize import LONGEST, NONE, NOT_UTF8, TOO_LONG, ZERO_BYTE, Bytes, FoundTokens, Whole
from gpuemb.kernels.tokenize.cpu.characters import (
    BEYOND,
    END,
    INNER,
    MEMBER,
    NEWLINE,
    NEWLINE_BYTE,
    Rule,
    rule_of,
    token_end,
    width,
)
from gpuemb.kernels.tokenize.hash_table import HashTable, number_tokens
from gpuemb.kernels.tokenize.string_table import StringTable, read_only

AT, TOKENS, LINES, LINE_START, BORDERS, NUMBERED, PROBLEM = range(7)  # of ``state``
B0, B1, B63 = (np.uint64(bits) for bits in (0, 1, 63))
ONCE = B1  # a token's share of its string's count
BLOCK = 64
AT_ONCE = 16  # borders written at a time, whether or not there are so many
PENDING = 2048  # borders pending numbering
ASCII = 0x7F
TAB, RETURN, SPACE = b"\t\r "


class Work(NamedTuple):
    """Arrays of a scan.

    Attributes:
        text: as in the module's contract.
        members, marks, inner, kinds: the rule.
        alone: ``(r, 2)`` first and last of ranges of ASCII members.
        between: ``(r, 2)`` of ASCII inner characters.
        ids, ends, blank: the result.
        places: begin and end of the pending tokens, in turn; the last may be open.
        state: place, tokens, lines, the line's first byte, borders in ``places``, pending tokens already
            numbered, problem.
    """

    text: Bytes
    members: Bytes
    marks: Bytes
    inner: Int32
    kinds: Bytes
    alone: Int64
    between: Int64
    ids: Int32
    ends: Int64
    blank: NDArray[np.bool_]
    places: Int64
    state: Int64


def tokenize(text: Bytes, members: Bytes, marks: Bytes, inner: Int32, strings: StringTable) -> FoundTokens:
    """See :mod:`gpuemb.kernels.tokenize`."""
    text, rule = read_only(text), rule_of(members, marks, inner)
    ids = np.empty(text.size // 2 + 1, np.int32)
    ends, blank = np.empty(text.size, np.int64), np.empty(text.size, np.bool_)
    work = Work(
        text,
        *rule,
        _ranges(rule.kinds == MEMBER),
        _ranges(rule.kinds == INNER),
        ids,
        ends,
        blank,
        np.empty(PENDING + BLOCK + AT_ONCE, np.int64),
        np.zeros(PROBLEM + 1, np.int64),
    )
    while not _scan(work, strings.table):
        strings.grow(LONGEST)
    at, tokens, lines, *_, problem = work.state.tolist()
    del work
    ids.resize(tokens, refcheck=False)  # frees the untouched rest, copies nothing
    ends.resize(lines, refcheck=False)
    blank.resize(lines, refcheck=False)
    return FoundTokens(ids, ends, blank, problem, at)


def _ranges(chosen: NDArray[np.bool_]) -> Int64:
    """ASCII characters as ranges ``(r, 2)``: the first and the last of each."""
    borders = np.flatnonzero(np.diff(chosen[: ASCII + 1].astype(np.int8), prepend=0, append=0))
    ranges: Int64 = borders.reshape(-1, 2).astype(np.int64) - np.array([0, 1])
    return ranges


@njit
def _scan(work: Work, table: HashTable) -> bool:
    """Continue from ``state``; return False where ``table`` is full."""
    work = borrowed(work)
    state, places = work.state, work.places
    while True:
        pending = state[BORDERS] // 2
        span = state[NUMBERED], pending
        longest = np.int64(LONGEST)  # a literal would be a type of its own, and compile it once more
        done = number_tokens(work.text, places, span, table, longest, ONCE, work.ids, state[TOKENS])
        if done < pending:
            state[NUMBERED] = done
            if places[2 * done + 1] - places[2 * done] <= LONGEST:
                return False
            state[PROBLEM], state[AT] = TOO_LONG, places[2 * done]
            return True
        places[0] = places[2 * pending]
        state[TOKENS] += pending
        state[BORDERS], state[NUMBERED] = state[BORDERS] % 2, 0
        if state[AT] >= work.text.size or state[PROBLEM] != NONE:
            return True
        _find_borders(work)


@njit_inner
def _find_borders(work: Work) -> None:
    """Find the borders of some more tokens."""
    work = borrowed(work)
    state, size = work.state, work.text.size
    while state[BORDERS] < PENDING and state[AT] < size and state[PROBLEM] == NONE:
        at, open_token = state[AT], state[BORDERS] % 2
        belongs, newlines, clean = B0, B0, False
        if at + BLOCK < size:
            belongs, newlines, clean = _classify(work, at, open_token == 1)
        if clean:
            _add_block(work, at, belongs, newlines)
            continue
        if open_token:  # from its first character
            state[BORDERS] -= 1
            _add_characters(work, work.places[state[BORDERS]], min(at + BLOCK, size))
        else:
            _add_characters(work, at, min(at + BLOCK, size))


@njit_inline
def _classify(work: Work, at: Whole, inside: bool) -> tuple[np.uint64, np.uint64, bool]:
    """Return a bit a byte of a block, the first lowest: part of a token, end of a line.

    The third result is whether these suffice: where every byte is ASCII and none is zero.
    """
    clean = bytes_between(work.text, at, 1, ASCII) == ~B0
    newlines = bytes_between(work.text, at, NEWLINE_BYTE, NEWLINE_BYTE)
    belongs, between = B0, B0
    for one in range(len(work.alone)):
        belongs |= bytes_between(work.text, at, work.alone[one, 0], work.alone[one, 1])
    for one in range(len(work.between)):
        between |= bytes_between(work.text, at, work.between[one, 0], work.between[one, 1])
    if between != B0:
        after = work.kinds[work.text[at + BLOCK]]
        clean &= after != BEYOND
        before = belongs << B1 | np.uint64(inside)
        belongs |= between & before & (belongs >> B1 | np.uint64(after == MEMBER) << B63)
    return belongs, newlines, clean


@njit_inline
def _add_block(work: Work, at: Whole, belongs: np.uint64, newlines: np.uint64) -> None:
    """Add the borders of a block's tokens, and its ends of lines."""
    state, places = work.state, work.places
    first = state[BORDERS]
    borders = belongs ^ (belongs << B1 | np.uint64(first % 2))
    left, place, last = borders, first, first + np.int64(popcount(borders))
    while True:
        for _ in range(AT_ONCE):
            places[place] = at + np.int64(trailing_zeros(left))
            left &= left - B1
            place += 1
        if place >= last:
            break
    while newlines != B0:
        bit = newlines & (~newlines + B1)
        before = borders & (bit | bit - B1)
        tokens = state[TOKENS] + (first + np.int64(popcount(before))) // 2
        _end_line(work, at + np.int64(trailing_zeros(bit)), tokens)
        newlines ^= bit
    state[BORDERS], state[AT] = last, at + BLOCK


@njit_inner
def _add_characters(work: Work, at: Whole, last: Whole) -> None:
    """Find the tokens that begin before ``last``, of any characters."""
    work = borrowed(work)
    text, kinds, state = work.text, work.kinds, work.state
    rule = Rule(work.members, work.marks, work.inner, kinds)
    while at < last:
        kind = kinds[text[at]]
        if kind in (MEMBER, BEYOND):
            stop = token_end(text, rule, at)
            if stop < 0:
                at, state[PROBLEM] = -1 - stop, NOT_UTF8
                break
            if stop == at:  # a character beyond ASCII that is no member
                at += width(text[at])
                continue
            borders = state[BORDERS]
            work.places[borders], work.places[borders + 1] = at, stop
            state[BORDERS] = borders + 2
            at = stop
            continue
        if kind == NEWLINE:
            _end_line(work, at, state[TOKENS] + state[BORDERS] // 2)
        elif kind == END:
            state[PROBLEM] = ZERO_BYTE
            break
        at += 1
    state[AT] = at


@njit_inline
def _end_line(work: Work, at: Whole, tokens: Whole) -> None:
    state = work.state
    line, place = state[LINES], state[LINE_START]
    blank = tokens == (work.ends[line - 1] if line else 0)
    while blank and place < at:
        byte = work.text[place]
        blank = byte == SPACE or TAB <= byte <= RETURN
        place += 1
    work.ends[line], work.blank[line] = tokens, blank
    state[LINES], state[LINE_START] = line + 1, at + 1
