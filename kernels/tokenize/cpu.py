"""Tokens on the CPU: sixty-four bytes of ASCII at a time, one worker a text.

Plan      1 classify  eight bytes are compared with ranges in one register; a bit a byte says member, inner
                      or newline. Token borders are where members begin and end: no branch looks at a byte.
          2 number    a token's key is its first eight bytes where it has no more, else a hash of all; a slot
                      holds key, length and number in 16 bytes, so a short word is one comparison in one
                      cache line. Only tokens above eight bytes are compared with where they first stood.
          Sixty-four bytes that are not all ASCII, or hold a zero, go character by character: decoded,
          checked, and looked up in ``members``.
Bound by  cache misses of rare words in the table, and one unpredicted branch a token.
Memory    2 bytes a byte of text for ids at most, touched as they come; 64 bytes a distinct spelling.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.intrinsics import borrowed, load_eight, trailing_zeros
from gpuemb.kernels.tokenize import LONGEST, NONE, NOT_UTF8, TOO_LONG, ZERO_BYTE, Bytes, FoundTokens, Whole
from gpuemb.kernels.tokenize.characters import (
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

AT, TOKENS, LINES, LINE_START, DISTINCT, PROBLEM = range(6)  # how far a scan has come
B0, B1, B7, B56, B63 = (np.uint64(bits) for bits in (0, 1, 7, 56, 63))
BLOCK = 64
EACH = np.uint64(0x0101010101010101)
TOP_BITS, ALL_BUT_TOP, NEWLINES = (EACH * np.uint64(byte) for byte in (0x80, 0x7F, 0x0A))
GATHER = np.uint64(0x0102040810204080)  # brings eight lowest bits of bytes into the highest byte
TAB, RETURN, SPACE = b"\t\r "
NOWHERE = -1


class Work(NamedTuple):
    """All that a scan reads and writes.

    Attributes:
        text: as in the module's contract.
        members, inner, kinds: the rule.
        alone: ``(r, 2)`` ranges of ASCII members.
        between: ``(r, 2)`` ranges of ASCII inner characters.
        slots: ``(2·s,)`` key, then number + 1 and length, of each slot.
        ids, ends, blank, starts, lengths: room for the answer.
        reached: place, tokens, lines, the line's first byte, spellings, problem.
    """

    text: Bytes
    members: Bytes
    inner: Int32
    kinds: Bytes
    alone: Words
    between: Words
    slots: Words
    ids: Int32
    ends: Int64
    blank: NDArray[np.bool_]
    starts: Int64
    lengths: Int64
    reached: Int64


def tokenize(text: Bytes, members: Bytes, inner: Int32) -> FoundTokens:
    """See :mod:`gpuemb.kernels.tokenize`."""
    text = np.ascontiguousarray(text).view()
    text.flags.writeable = False  # one compiled kernel for memory maps and for buffers
    lines = int(np.count_nonzero(text == NEWLINE_BYTE))
    rule = rule_of(members, inner)
    starts, lengths = np.empty((2, 1 << FIRST_BITS), np.int64)
    work = Work(
        text,
        *rule,
        _ranges(rule.kinds == MEMBER),
        _ranges(rule.kinds == INNER),
        empty_slots(),
        np.empty(text.size // 2 + 1, np.int32),
        np.empty(lines, np.int64),
        np.empty(lines, np.bool_),
        starts,
        lengths,
        np.zeros(PROBLEM + 1, np.int64),
    )
    while not _scan(work):
        starts, lengths = (np.resize(old, 2 * len(old)) for old in (work.starts, work.lengths))
        work = work._replace(slots=doubled(work.slots), starts=starts, lengths=lengths)
    at, tokens, line, _, distinct, problem = work.reached.tolist()
    return FoundTokens(
        work.ids[:tokens].copy(),
        work.ends[:line],
        work.blank[:line],
        work.starts[:distinct],
        work.lengths[:distinct],
        problem,
        at,
    )


def _ranges(chosen: NDArray[np.bool_]) -> Words:
    """ASCII characters as ranges ``(r, 2)``, told by what is added.

    One number lifts the first of a range to a byte's top bit, the other the next after its last.
    """
    borders = np.flatnonzero(np.diff(chosen[:128].astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return EACH * (128 - borders).astype(np.uint64)


@njit
def _scan(work: Work) -> bool:
    """Go on from ``reached``; return False where half of the slots are taken."""
    work = borrowed(work)
    reached, size, most = work.reached, work.text.size, len(work.slots) // 4 - BLOCK
    begun: Whole = NOWHERE
    while reached[AT] < size and reached[DISTINCT] < most and reached[PROBLEM] == NONE:
        at, belongs, newlines, clean = reached[AT], B0, B0, False
        if at + BLOCK < size:
            belongs, newlines, clean = _classify(work, at, begun != NOWHERE)
        if clean:
            begun = _take_block(work, at, belongs, newlines, begun)
        else:
            _take_characters(work, at if begun == NOWHERE else begun, min(at + BLOCK, size))
            begun = NOWHERE
    if begun != NOWHERE and reached[PROBLEM] == NONE:
        reached[AT] = begun  # to be met again
    return bool(reached[AT] >= size or reached[PROBLEM] != NONE)


@njit_inline
def _classify(work: Work, at: Whole, inside: bool) -> tuple[np.uint64, np.uint64, bool]:
    """A bit a byte of a block, the first lowest: whether a token has it, whether it ends a line.

    The third answer is whether these say all: they do where every byte is ASCII and none is zero.
    """
    belongs, between, newlines, strange = B0, B0, B0, B0
    for place in range(0, BLOCK, EIGHT):
        word = np.uint64(load_eight(work.text, at + place))
        strange |= word | (word - EACH)  # above ASCII, or a zero
        belongs |= _in_ranges(word, work.alone) << np.uint64(place)
        between |= _in_ranges(word, work.between) << np.uint64(place)
        newlines |= _bits(~((word ^ NEWLINES) + ALL_BUT_TOP)) << np.uint64(place)
    clean = strange & TOP_BITS == B0
    if between != B0:
        after = work.kinds[work.text[at + BLOCK]]
        clean &= after != BEYOND
        before = belongs << B1 | np.uint64(inside)
        belongs |= between & before & (belongs >> B1 | np.uint64(after == MEMBER) << B63)
    return belongs, newlines, clean


@njit_inline
def _in_ranges(word: np.uint64, ranges: Words) -> np.uint64:
    inside = B0
    for one in range(len(ranges)):
        inside |= (word + ranges[one, 0]) & ~(word + ranges[one, 1])
    return _bits(inside)


@njit_inline
def _bits(word: np.uint64) -> np.uint64:
    """The top bits of eight bytes, as the lowest eight bits."""
    return ((word & TOP_BITS) >> B7) * GATHER >> B56


@njit_inline
def _take_block(work: Work, at: Whole, belongs: np.uint64, newlines: np.uint64, begun: Whole) -> Whole:
    """Take the tokens that end in a block; return where one begins that does not."""
    events = (belongs ^ (belongs << B1 | np.uint64(begun != NOWHERE))) | newlines
    while events != B0:
        bit = np.uint64(trailing_zeros(events))
        events &= events - B1
        place = at + np.int64(bit)
        if begun != NOWHERE:
            _take(work, begun, place)
            begun = NOWHERE
        elif belongs >> bit & B1:
            begun = place
        if newlines >> bit & B1:
            _end_line(work, place)
    if work.reached[PROBLEM] == NONE:
        work.reached[AT] = at + BLOCK
    return begun


@njit
def _take_characters(work: Work, at: Whole, last: Whole) -> None:
    """Take the tokens that begin before ``last``, of any characters."""
    work = borrowed(work)
    text, kinds, reached = work.text, work.kinds, work.reached
    rule = Rule(work.members, work.inner, kinds)
    while at < last and reached[PROBLEM] == NONE:
        kind = kinds[text[at]]
        if kind in (MEMBER, BEYOND):
            stop = token_end(text, rule, at)
            if stop < 0:
                at, reached[PROBLEM] = -1 - stop, NOT_UTF8
            elif stop == at:  # a character beyond ASCII that is no member
                at += width(text[at])
            else:
                _take(work, at, stop)
                at = stop
            continue
        if kind == NEWLINE:
            _end_line(work, at)
        elif kind == END:
            reached[PROBLEM] = ZERO_BYTE
            break
        at += 1
    if reached[PROBLEM] != TOO_LONG:
        reached[AT] = at


@njit_inline
def _take(work: Work, at: Whole, stop: Whole) -> None:
    """Number the token between two places."""
    reached = work.reached
    distinct = reached[DISTINCT]
    number = _number(work, at, stop - at, distinct)
    if number == distinct:
        work.starts[distinct], work.lengths[distinct] = at, stop - at
        reached[DISTINCT] = distinct + 1
        if stop - at > LONGEST and reached[PROBLEM] == NONE:
            reached[PROBLEM], reached[AT] = TOO_LONG, at
    work.ids[reached[TOKENS]] = number
    reached[TOKENS] += 1


@njit_inline
def _end_line(work: Work, at: Whole) -> None:
    reached = work.reached
    line, tokens = reached[LINES], reached[TOKENS]
    blank = tokens == (work.ends[line - 1] if line else 0)
    place = reached[LINE_START]
    while blank and place < at:
        byte = work.text[place]
        blank = byte == SPACE or TAB <= byte <= RETURN
        place += 1
    work.ends[line], work.blank[line] = tokens, blank
    reached[LINES], reached[LINE_START] = line + 1, at + 1


@njit_inline
def _number(work: Work, at: Whole, length: Whole, distinct: Whole) -> Whole:
    """The number of a token; ``distinct``, with a slot of its own, if its spelling is new."""
    key = key_of(work.text, at, length)
    slot = first_slot(key, length, work.slots)
    while True:
        number = number_in(work.slots, slot, key, length)
        if number == NOBODY:
            occupy(work.slots, slot, key, length, distinct)
            return distinct
        if number != OTHER_KEY and (
            length <= EIGHT or equal_bytes(work.text, at, work.text, work.starts[number], length)
        ):
            return number
        slot = next_slot(slot, work.slots)
