"""End of a token of any characters, one character at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuemb.core.arrays import Int32
from gpuemb.core.jit import njit_inline, njit_inner
from gpuemb.kernels.tokenize import Bytes, Whole

MEMBER, INNER, BEYOND, NEWLINE, END, OTHER = range(6)  # kinds of bytes, where a character begins
NEWLINE_BYTE = ord("\n")


class Rule(NamedTuple):
    """The rule of tokens: arguments of the contract, and ``kinds`` (256,) of bytes."""

    members: Bytes
    marks: Bytes
    inner: Int32
    kinds: Bytes


def rule_of(members: Bytes, marks: Bytes, inner: Int32) -> Rule:
    """Classify every byte as the first of a character; no mark is ASCII."""
    kinds = np.full(256, BEYOND, np.uint8)
    kinds[:128] = np.where(np.unpackbits(members[:16], bitorder="little"), MEMBER, OTHER)
    kinds[[point for point in inner.tolist() if point < 128 and kinds[point] == OTHER]] = INNER
    kinds[NEWLINE_BYTE], kinds[0] = NEWLINE, END
    return Rule(members, marks, np.asarray(inner, np.int32), kinds)


@njit_inner
def token_end(text: Bytes, rule: Rule, at: Whole) -> Whole:
    """Return the end of the token that begins at ``at``.

    It is ``at`` if none begins there, and −1 − place of a byte that is no UTF-8.
    """
    kinds, size, begun = rule.kinds, text.size, at
    while True:
        while at < size and kinds[text[at]] == MEMBER:
            at += 1
        if at >= size or kinds[text[at]] not in (BEYOND, INNER):
            return at
        point = np.int64(text[at]) if kinds[text[at]] == INNER else _code_point(text, at)
        if point < 0:
            return -1 - at
        after = at + width(text[at])
        joins = kinds[text[at]] == BEYOND and _is_among(rule.members, point)
        if not joins and at > begun:
            joins = _is_among(rule.marks, point) or (
                _is_inner(rule.inner, point) and _member_follows(text, rule, after)
            )
        if not joins:
            return at
        at = after


@njit_inner
def _member_follows(text: Bytes, rule: Rule, at: Whole) -> bool:
    """Whether a member begins at ``at``, or behind marks; bytes that are no UTF-8 are reported later."""
    while at < text.size:
        if rule.kinds[text[at]] != BEYOND:
            return bool(rule.kinds[text[at]] == MEMBER)
        point = _code_point(text, at)
        if point < 0 or not _is_among(rule.marks, point):
            return bool(point >= 0) and _is_among(rule.members, point)
        at += width(text[at])
    return False


@njit_inner
def _is_inner(inner: Int32, point: Whole) -> bool:
    for one in inner:  # noqa: SIM110  any() of a generator does not compile
        if one == point:
            return True
    return False


@njit_inline
def _is_among(bits: Bytes, point: Whole) -> bool:
    return bool((bits[point >> 3] >> np.uint8(point & 7)) & 1 != 0)


@njit_inline
def width(lead: Whole) -> Whole:
    """Bytes of a character, from its first."""
    return 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


@njit_inner
def _code_point(text: Bytes, at: Whole) -> Whole:
    """The code point beyond ASCII at ``at``; −1 where the bytes are no UTF-8 (RFC 3629)."""
    lead, length = np.int64(text[at]), width(text[at])
    if lead < 0xC2 or lead > 0xF4 or at + length > text.size:
        return -1
    point = lead & (0x7F >> length)
    for place in range(1, length):
        byte = np.int64(text[at + place])
        if byte & 0xC0 != 0x80:
            return -1
        point = point << 6 | byte & 0x3F
    least = 0x80 if length == 2 else 0x800 if length == 3 else 0x10000
    if point < least or point > 0x10FFFF or 0xD800 <= point < 0xE000:
        return -1
    return point
