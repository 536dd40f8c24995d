"""The beginning of a file of text vectors: byte order mark, header and dimension."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from gpuemb.core.errors import FileFormatError
from gpuemb.embeddings.files.lines import LONGEST_LINE, NEWLINE, Piece
from gpuemb.embeddings.files.table import OnError
from gpuemb.kernels.parse_vectors import SEPARATORS, Bytes, number_of

BLANKS = SEPARATORS + b"\r"
SAMPLE = 64  # lines examined: any of them may be broken, the first too
LARGEST_DIM = LONGEST_LINE // 2  # a number and its separator take two bytes
FIRST_LINES = 5  # examined to tell text from binary: any of them may be broken, the first too
ENOUGH = 16  # numbers in a row that no other file has by chance
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
SPARSE = re.compile(rb"\d+:([^:]+)")  # index:value


@dataclass(frozen=True)
class Header:
    """What precedes the rows.

    Attributes:
        size: bytes before the first row: a byte order mark, a header.
        lines: line ends before the first row.
        rows: ``V`` of the header, None without one.
        dim: numbers in a row.
    """

    size: int
    lines: int
    rows: int | None
    dim: int


def read_header(
    piece: Piece, *, name: str, header: bool | None, dim: int | None, on_error: OnError
) -> Header:
    """Read the beginning of a file's first piece.

    A first line of exactly two integers is a header unless the next line has one number: then the table
    may have one dimension, and the line is a header only if it gives ``1`` and the right number of lines.

    Raises:
        FileFormatError: no header though ``header=True``, no numbers, or a header's ``d`` that none of
            the examined lines has.
    """
    mark = len(codecs.BOM_UTF8) if piece.text[:3].tobytes() == codecs.BOM_UTF8 else 0
    text = piece.text[mark:]
    rows = [line for line in _first_lines(text, SAMPLE + 1) if line.strip(BLANKS)]
    begin = rows[0] if rows else b""
    check_dense(name, b"\n".join([*(rows[1:] or rows), b""]))
    pair = None if header is False else _two_integers(begin)
    if header and pair is None:
        raise FileFormatError(
            f"load: {name} has no header: it begins with {shown(begin)}",
            needed="The first line of such a file holds the number of words and of dimensions.",
            remedy="Omit format=…, or give format='glove' for a file without a header.",
        )
    if pair is not None and (header or _is_header(pair, rows[1:], text)):
        size, rows = mark + _bytes_of_first_line(text), rows[1:]
    else:
        size, pair = mark, None
    counts = Counter(map(numbers_in, rows)).most_common()
    usual = next((count for count, _ in counts if count), 0)
    if pair is not None and rows and pair[1] not in dict(counts) and on_error == "raise":
        raise FileFormatError(
            f"load: {name}: the header says {pair[1]} dimensions, but rows have {usual} numbers",
            needed="A header holds the number of words and of dimensions.",
            remedy="Correct the header, or give format='glove' if that line is a word and its number.",
        )
    found = dim or (pair[1] if pair else 0) or usual
    if not 1 <= found <= LARGEST_DIM:
        raise FileFormatError(
            f"load: {name} begins with {shown(begin)}",
            needed=f"A row is a word and 1 to {LARGEST_DIM} numbers, separated by spaces or tabs.",
            remedy="Name the format with format=… if these are not text vectors.",
        )
    lines = int(np.count_nonzero(piece.text[:size] == NEWLINE))
    return Header(size, lines, pair[0] if pair else None, found)


def shown(line: bytes, most: int = 60) -> str:
    """Return a line as shown in messages."""
    text = line.removesuffix(b"\r").decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= most else text[:most] + "…") if text else "nothing"


def _first_lines(text: Bytes, count: int) -> list[bytes]:
    """Return the first lines, without their ends; the text holds complete lines."""
    window = 1 << 14
    while True:
        head = text[:window].tobytes()
        lines = head.split(b"\n")
        if len(lines) > count or window >= text.size:
            return lines[:count]
        window *= 4


def _bytes_of_first_line(text: Bytes) -> int:
    """Return the bytes up to the end of the first non-blank line, included."""
    size = 0
    for line in _first_lines(text, SAMPLE + 1):
        size += len(line) + 1
        if line.strip(BLANKS):
            break
    return min(size, text.size)


def is_text(body: bytes, dim: int = 1) -> bool:
    """Return whether lines end in numbers.

    Without control characters one such line is enough: binary floats almost surely contain some. A text may
    contain them in its words: then most lines end in ``dim`` numbers.
    """
    counts = [numbers_in(line) for line in _examined(body)]
    if not CONTROL.search(b"".join(_examined(body))):
        return any(counts)
    enough = max(1, min(dim, ENOUGH))
    return 2 * sum(count >= enough for count in counts) > len(counts)


def check_dense(name: str, body: bytes) -> None:
    """Check that the first lines are not sparse.

    Raises:
        FileFormatError: most hold numbers as ``index:value``.
    """
    lines = _examined(body)
    values = [SPARSE.fullmatch((line.split() or [b""])[-1]) for line in lines]
    sparse = [
        line
        for line, value in zip(lines, values, strict=True)
        if value is not None and number_of(value[1]) is not None
    ]
    if sparse and 2 * len(sparse) > len(lines):
        raise FileFormatError(
            f"load: {name} holds sparse rows (index:value), such as {shown(sparse[0])}",
            needed="A row is a word and all of its numbers, zeros included.",
            remedy="Write it dense: every row as an array of d zeros with its values filled in, or reduce "
            "the dimensions of the sparse matrix first (scipy.sparse.linalg.svds).",
        )


def _examined(body: bytes) -> list[bytes]:
    """Return the first non-blank lines; the body's last one may break off within a token."""
    lines = body.split(b"\n", FIRST_LINES)
    last = lines.pop()
    if len(lines) < FIRST_LINES:
        whole = numbers_in(last) > 0
        lines.append(last if whole else last[: max(0, last.rfind(b" "), last.rfind(b"\t"))])
    return [line for line in lines if line.strip(BLANKS)]


def _two_integers(line: bytes) -> tuple[int, int] | None:
    tokens = line.split()
    if len(tokens) == 2 and all(token.isdigit() and len(token) < 19 for token in tokens):
        return int(tokens[0]), int(tokens[1])
    return None


def _is_header(pair: tuple[int, int], rows: list[bytes], text: Bytes) -> bool:
    if not rows:
        return False
    if numbers_in(rows[0]) != 1:
        return True
    lines = int(np.count_nonzero(text == NEWLINE)) + (text[-1] != NEWLINE)
    return pair[1] == 1 and pair[0] == lines - 1


def numbers_in(line: bytes) -> int:
    """Return the number of numbers at the end of a line, its word excluded."""
    tokens = line.removesuffix(b"\r").replace(b"\t", b" ").split(b" ")
    empty_word = not tokens[0]
    tokens = [token for token in tokens if token]
    count = 0
    for token in reversed(tokens):
        if number_of(token) is None:
            break
        count += 1
    return count if empty_word else min(count, len(tokens) - 1)
