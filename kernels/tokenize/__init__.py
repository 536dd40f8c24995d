r"""Text to numbered tokens, exactly as its characters say.

    text     (n,)      uint8  UTF-8, whole tokens: the caller cuts outside tokens
    members  (136 Ki,) uint8  a bit a code point, lowest first: whether it begins and continues tokens
    marks    (136 Ki,) uint8  the same: whether it continues a token, without beginning one
    inner    (m,)      int32  code points that belong to a token before a member, marks between them or not
    strings            StringTable  of earlier texts; new tokens are added, all are counted
    →        ids      (T,)   int32  each token's number in ``strings``, in the order of first occurrence
             ends     (L,)   int64  tokens before each ``\n``
             blank    (L,)   bool   whether that line is ASCII white space only

A token is a member and all members and marks behind it, with single ``inner`` characters where a member
follows at once or behind marks. ``\n`` is none of the three, and no mark is ASCII. Equal bytes are one
string: keys are compared, no hash is trusted. Unreadable text is an error, not a guess: ``problem`` has the
kind and ``place`` the byte; the other results are then undefined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.dispatch import kernel

if TYPE_CHECKING:
    from gpuemb.kernels.tokenize.string_table import StringTable

Bytes = NDArray[np.uint8]
Whole: TypeAlias = int | np.int64  # compiled code knows the latter alone
CODE_POINTS = 0x110000
LONGEST = 4096  # bytes of a token: a page; longer ones are no words
NONE, ZERO_BYTE, NOT_UTF8, TOO_LONG = range(4)
WHITE = frozenset(b" \t\n\r\v\f")


@dataclass(frozen=True, eq=False)
class FoundTokens:
    """The arrays of the module's contract.

    Attributes:
        problem: NONE, or the first of ZERO_BYTE, NOT_UTF8 and TOO_LONG found.
        place: its byte, the token's first for TOO_LONG; the text's size for NONE.
    """

    ids: Int32
    ends: Int64
    blank: NDArray[np.bool_]
    problem: int
    place: int


def bits_of(chosen: NDArray[np.bool_]) -> Bytes:
    """Pack one truth value a code point, as in the contract."""
    return np.packbits(chosen, bitorder="little")


@kernel
def tokenize(text: Bytes, members: Bytes, marks: Bytes, inner: Int32, strings: StringTable) -> FoundTokens:
    """Find and number the tokens of a text.

    Cost: reads ``n`` bytes, one hash lookup a token.
    """
    whole = text.tobytes()
    problem, place = _problem(whole)
    characters = whole[:place].decode("utf-8")
    begins, continues = (np.unpackbits(bits, bitorder="little").astype(bool) for bits in (members, marks))
    between = {chr(point) for point in inner}

    def joins(i: int) -> bool:
        behind = i + 1
        while behind < len(characters) and continues[ord(characters[behind])]:
            behind += 1
        follows = behind < len(characters) and begins[ord(characters[behind])]
        return characters[i] in between and bool(follows)

    def belongs(i: int, *, inside: bool) -> bool:
        point = ord(characters[i])
        return bool(begins[point]) or (inside and (bool(continues[point]) or joins(i)))

    places, ends, blank, token, line, at, begun = [], [], [], b"", b"", 0, 0
    for i, character in enumerate(characters + "\n"):
        encoded = character.encode()
        if i < len(characters) and belongs(i, inside=bool(token)):
            begun = begun if token else at
            token += encoded
        elif token:
            if len(token) > LONGEST:
                problem, place = TOO_LONG, begun
                break
            places += [begun, at]
            token = b""
        if i < len(characters) and character == "\n":
            ends.append(len(places) // 2)
            blank.append(WHITE.issuperset(line))
        line = b"" if character == "\n" else line + encoded
        at += len(encoded)
    ids = strings.number(text, np.array(places, np.int64))
    np.add.at(strings.counts, ids, 1)
    return FoundTokens(ids, np.array(ends, np.int64), np.array(blank, bool), problem, place)


def _problem(text: bytes) -> tuple[int, int]:
    """The first zero byte or byte that is not UTF-8."""
    zero = text.find(b"\0")
    sound = text if zero < 0 else text[:zero]
    try:
        sound.decode("utf-8")
    except UnicodeDecodeError as error:
        return NOT_UTF8, error.start
    return (NONE, len(text)) if zero < 0 else (ZERO_BYTE, zero)
