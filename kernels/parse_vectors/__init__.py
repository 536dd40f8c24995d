r"""Lines of text to words and float32 rows; a number is read as NumPy reads it.

    text    (n,)    uint8    whole lines; the last one's ``\n`` may be missing
    →       vectors (R, d) float32   a row for every good line, in order
            words   (B,)   uint8     the good lines' words, a ``\n`` after each
            hashes  (R,)   uint64    FNV-1a of each of these words: equal words, equal hashes
            starts  (L,)   int64     begin of each line
            status  (L,)   uint8     GOOD, BLANK, RAGGED or NONFINITE

A line is ``word SEP number SEP … number``: the last ``d`` tokens are the numbers, one separator (space or
tab) comes before them, and the word is all before that, unchanged: empty, a number, or with separators
inside. Numbers may have several separators between and behind them, and one ``\r`` may end the line. A word
with separators whose own last token is a number makes the line ragged: it has too many numbers. So does a
word in which such a token comes before a ``\r``: lines that end in ``\r`` alone are not one row.

A number is what ``numpy.loadtxt`` takes: ASCII decimals, ``inf``, ``infinity`` and ``nan`` in any case, a
sign; no ``_``, no hexadecimal. Its value is ``numpy.float32(token)`` bit for bit: the nearest float64,
rounded to float32. Where float64 cannot separate a token from the middle of two float32, that may be the
neighbor of the nearest float32, as in all of NumPy's readers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float32, Int64
from gpuemb.core.dispatch import kernel

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
GOOD, BLANK, RAGGED, NONFINITE = range(4)
SEPARATORS = b" \t"
DECIMAL = frozenset(b"0123456789+-.eE")
HASH_BEGIN, HASH_FACTOR = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
NAMES = frozenset({b"inf", b"infinity", b"nan"})


@dataclass(frozen=True, eq=False)
class ParsedLines:
    """The arrays of the module's contract."""

    vectors: Float32
    words: Bytes
    hashes: Hashes
    starts: Int64
    status: Bytes


@kernel
def parse_vectors(text: Bytes, dim: int) -> ParsedLines:
    """Read every line of ``text`` as a word and ``dim`` numbers, ``dim`` at least 1.

    Cost: reads ``n`` bytes, writes ``4·R·d``.
    """
    lines = text.tobytes().split(b"\n")
    if not lines[-1]:
        lines.pop()
    starts = np.cumsum([0, *(len(line) + 1 for line in lines)], dtype=np.int64)[:-1]
    status, words, vectors = np.zeros(len(lines), np.uint8), [], []
    for number, line in enumerate(lines):
        status[number], word, row = parse_line(line, dim)
        if status[number] == GOOD:
            words.append(word)
            vectors.append(row)
    joined = np.frombuffer(b"\n".join([*words, b""]), np.uint8)
    hashes = np.array([hash_of(word) for word in words], np.uint64)
    return ParsedLines(np.array(vectors, np.float32).reshape(-1, dim), joined, hashes, starts, status)


def parse_line(line: bytes, dim: int) -> tuple[int, bytes, Float32]:
    """Return status, word and numbers of one line; its line end is not part of it."""
    nothing = np.zeros(0, np.float32)
    line = line.removesuffix(b"\r").rstrip(SEPARATORS)
    if not line:
        return BLANK, b"", nothing
    tokens, begin = last_tokens(line, dim)
    numbers = [number_of(token) for token in tokens]
    word = line[: begin - 1]
    if len(tokens) < dim or begin == 0 or None in numbers or ends_in_a_number(word):
        return RAGGED, word, nothing
    with np.errstate(over="ignore"):
        row = np.array(numbers, np.float64).astype(np.float32)
    return (GOOD if np.isfinite(row).all() else NONFINITE), word, row


def last_tokens(line: bytes, count: int) -> tuple[list[bytes], int]:
    """Return the last ``count`` tokens, or as many as there are, and the begin of the first."""
    tokens: list[bytes] = []
    begin = stop = len(line)
    while len(tokens) < count and stop:
        begin = 1 + max(line.rfind(b" ", 0, stop), line.rfind(b"\t", 0, stop))
        tokens.append(line[begin:stop])
        stop = len(line[:begin].rstrip(SEPARATORS))
    return tokens[::-1], begin


def ends_in_a_number(word: bytes) -> bool:
    """Whether a word, or its part before a carriage return, ends in a separator and a number: a value."""
    return any(map(_ends_in_a_value, word.split(b"\r")))


def _ends_in_a_value(word: bytes) -> bool:
    tokens = word.replace(b"\t", b" ").split(b" ")
    last = next((token for token in reversed(tokens) if token), b"")
    return len(tokens) > 1 and number_of(last) is not None


def hash_of(word: bytes) -> int:
    """Fowler, Noll and Vo's hash 1a of 64 bits (RFC 9923)."""
    mixed = int(HASH_BEGIN)
    for character in word:
        mixed = (mixed ^ character) * int(HASH_FACTOR) % (1 << 64)
    return mixed


def number_of(token: bytes) -> float | None:
    """Return the float64 nearest to a token, None if it is no number."""
    if not DECIMAL.issuperset(token) and token.lstrip(b"+-").lower() not in NAMES:
        return None
    try:
        return float(token)
    except ValueError:
        return None
