"""Damage to bytes that knows no format."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from random import Random

NUMBERS = (
    *(
        "0",
        "-1",
        "1",
        "2",
        "-0",
        "+5",
        "007",
        "1.5",
        ".5",
        "1e400",
        "-1e400",
        "1e-400",
        "nan",
        "inf",
        "-Infinity",
    ),
    *(
        "255",
        "65535",
        "65536",
        "2147483647",
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "-9223372036854775809",
    ),
    *(
        "18446744073709551616",
        "99999999999999999999999",
        "9" * 400,
        "9" * 5000,
        "0x10",
        "1_000",
        "1,5",
        "٣",
        "²",
        "½",
        "１２",
    ),
)
WHOLE = (
    0,
    1,
    2,
    3,
    127,
    128,
    255,
    256,
    65535,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**40,
    2**62,
    2**63 - 1,
)
PIECES = (
    *(
        b"\0",
        b"\n",
        b"\r",
        b"\r\n",
        b"\t",
        b" ",
        b"  ",
        b"\x1a",
        b"\xff",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
        b"\xc3",
        b"\xed\xa0\x80",
    ),
    *(
        "\u2028 \u0085 \u00a0 \u3000 \u200d".encode(),
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"#",
        b"=",
        b"\\",
        b"\\ud800",
    ),
    *(
        b"[" * 3000,
        b'{"a":' * 3000,
        b"x" * 70000,
        b"\n" * 500,
        b"<unk>",
        b"NaN",
        b"null",
        b"\x80\x04cos\nsystem\n",
        b"PK\x03\x04",
    ),
)
DIGITS = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")

Edit = Callable[[bytes, Random], bytes]


def damaged(data: bytes, chance: Random) -> tuple[bytes, str]:
    """Damage bytes in one way; return them and the name of the way."""
    edit = chance.choice(EDITS)
    return edit(data, chance), edit.__name__.strip("_")


def _place(data: bytes, chance: Random) -> int:
    """A place in the bytes: often near the beginning or the end, where headers and footers are."""
    where = chance.random()
    if where < 0.3:
        return min(len(data), int(chance.expovariate(1 / 24)))
    if where < 0.5:
        return max(0, len(data) - int(chance.expovariate(1 / 24)))
    return chance.randint(0, len(data))


def _span(data: bytes, chance: Random) -> tuple[int, int]:
    start = min(_place(data, chance), max(0, len(data) - 1))
    length = chance.choice((1, 2, 4, 8, 16, 64, 256, len(data) // 2 + 1))
    return start, min(len(data), start + chance.randint(1, max(1, length)))


def _flip_bits(data: bytes, chance: Random) -> bytes:
    whole = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 8)) if whole else 0):
        whole[min(_place(data, chance), len(whole) - 1)] ^= 1 << chance.randrange(8)
    return bytes(whole)


def _set_bytes(data: bytes, chance: Random) -> bytes:
    start, stop = _span(data, chance)
    kind = chance.randrange(3)
    filling = b"\0" * (stop - start) if kind == 0 else b"\xff" * (stop - start)
    return data[:start] + (chance.randbytes(stop - start) if kind == 2 else filling) + data[stop:]


def _truncate(data: bytes, chance: Random) -> bytes:
    return data[: _place(data, chance)]


def _cut_the_beginning(data: bytes, chance: Random) -> bytes:
    return data[_place(data, chance) :]


def _delete(data: bytes, chance: Random) -> bytes:
    start, stop = _span(data, chance)
    return data[:start] + data[stop:]


def _insert(data: bytes, chance: Random) -> bytes:
    at, piece = _place(data, chance), chance.choice((*PIECES, chance.randbytes(chance.randint(1, 40))))
    return data[:at] + piece + data[at:]


def _repeat(data: bytes, chance: Random) -> bytes:
    start, stop = _span(data, chance)
    times = min(chance.choice((1, 2, 10, 1000)), 200_000 // max(1, stop - start) + 1)
    return data[:stop] + data[start:stop] * times + data[stop:]


def _swap(data: bytes, chance: Random) -> bytes:
    (a, b), (c, d) = sorted((_span(data, chance), _span(data, chance)))
    return data if b > c else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _write_a_number(data: bytes, chance: Random) -> bytes:
    """Write a whole number in binary: lengths, counts and offsets of a header become it."""
    width, at = chance.choice((1, 2, 4, 8)), _place(data, chance)
    at -= at % width if chance.random() < 0.7 else 0
    number = (chance.choice(WHOLE) * chance.choice((1, 1, 1, -1))) % (1 << 8 * width)
    return data[:at] + number.to_bytes(width, chance.choice(("little", "little", "big"))) + data[at + width :]


def _write_a_float(data: bytes, chance: Random) -> bytes:
    at, kind = _place(data, chance), chance.choice("fd")
    piece = struct.pack(f"<{kind}", chance.choice((float("nan"), float("inf"), -0.0, 1e38, 1e-40)))
    return data[:at] + piece + data[at + len(piece) :]


def _other_number(data: bytes, chance: Random) -> bytes:
    found = [*DIGITS.finditer(data[:20_000])]
    if not found:
        return _insert(data, chance)
    match = found[0] if chance.random() < 0.3 else chance.choice(found)
    return data[: match.start()] + chance.choice(NUMBERS).encode() + data[match.end() :]


def _other_line(data: bytes, chance: Random) -> bytes:
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    other = chance.choice(lines)
    lines[at : at + 1] = chance.choice(
        ([], [other], [lines[at], lines[at]], [b""], [lines[at] + b" " + other])
    )
    return b"\n".join(lines)


def _other_text(data: bytes, chance: Random) -> bytes:
    """The same text in another encoding, with other line ends or separators."""
    how = chance.randrange(6)
    if how == 0:
        return data.replace(b"\n", b"\r\n")
    if how == 1:
        return data.replace(b"\n", b"\r")
    if how == 2:
        return data.replace(b" ", chance.choice((b"\t", b"  ", b"\xc2\xa0", b"")))
    if how == 3:
        return b"\xef\xbb\xbf" + data
    text = data.decode("utf-8", "replace")
    return text.encode("utf-16" if how == 4 else "latin-1", "replace")


def _nothing(data: bytes, chance: Random) -> bytes:
    return b"" if chance.random() < 0.3 else chance.randbytes(chance.randint(1, 64))


def _append(data: bytes, chance: Random) -> bytes:
    return data + chance.choice((b"\0", b"\n", data, chance.randbytes(9), *PIECES))


EDITS: tuple[Edit, ...] = (
    *(_flip_bits, _set_bytes, _truncate, _cut_the_beginning, _delete, _insert, _repeat, _swap),
    *(
        _write_a_number,
        _write_a_float,
        _other_number,
        _other_number,
        _other_line,
        _other_text,
        _append,
        _nothing,
    ),
)
