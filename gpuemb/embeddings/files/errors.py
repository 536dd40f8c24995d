"""Errors of text that cannot be read or written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpuemb.core.arrays import Float32
from gpuemb.core.errors import FileFormatError, GpuembError, NonFiniteError
from gpuemb.embeddings.files.header import numbers_in, shown
from gpuemb.embeddings.files.lines import LONGEST_LINE, Piece
from gpuemb.kernels.parse_vectors import GOOD, NONFINITE, ends_in_a_number, parse_line

SKIP = "on_error='skip' leaves such lines out and counts them."
JOIN = "To keep them, join such words in the file (area_51)."
LINE_ENDS = "Convert its line ends: tr '\\r' '\\n' < OLD > NEW"


def line_too_long(name: str, number: int, piece: Piece) -> FileFormatError:
    """Return the error for a line over the length limit."""
    begin = piece.text.tobytes()
    if _ends_in_carriage_returns(begin):
        return _carriage_returns(name, number, begin)
    return FileFormatError(
        f"load: {name}, line {number} has {piece.size} bytes; it begins with {shown(begin)}",
        needed=f"A line has at most {LONGEST_LINE} bytes.",
        remedy=f"Check that these are text vectors; {SKIP}",
    )


def unreadable_line(name: str, number: int, line: bytes, dim: int, offset: int) -> GpuembError:
    """Return the error for a line that is not a word and ``dim`` finite numbers.

    Args:
        name: of the file.
        number: of the line, from 1.
        line: without its end.
        dim: expected numbers.
        offset: the line's first byte in the file.
    """
    status, word, _ = parse_line(line, dim)
    if status == GOOD:
        return _not_utf8(name, number, word, offset)
    if status == NONFINITE:
        return NonFiniteError(
            f"load: {name}, line {number}: the row of {shown(word)} holds NaN or a number beyond float32",
            needed="Every number must be finite.",
            remedy=SKIP,
        )
    if _ends_in_carriage_returns(line):
        return _carriage_returns(name, number, line)
    count = numbers_in(line)
    return FileFormatError(
        f"load: {name}, line {number}: {count + (count == dim)} numbers where {dim} are expected; "
        f"the line is {shown(line)}",
        needed=f"A line is a word and {dim} numbers, separated by spaces or tabs"
        + (
            "; a number before them may be the end of a word with spaces, or one number too many."
            if count > dim
            else "."
        ),
        remedy=f"{SKIP} {JOIN if count > dim else ''}".rstrip(),
    )


def _ends_in_carriage_returns(line: bytes) -> bool:
    """Whether a line holds the end of a row and a carriage return behind it."""
    rows = line.removesuffix(b"\r").split(b"\r")[:-1]
    return any(map(ends_in_a_number, rows))


def _carriage_returns(name: str, number: int, line: bytes) -> FileFormatError:
    return FileFormatError(
        f"load: {name}, line {number}: rows end in a carriage return alone; the line is {shown(line)}",
        needed="Lines end in a line feed, with or without a carriage return before it.",
        remedy=f"{LINE_ENDS}; {SKIP}",
    )


def _not_utf8(name: str, number: int, word: bytes, offset: int) -> FileFormatError:
    text = word.decode("utf-8", "surrogateescape")  # bytes that are not UTF-8 become U+DC80 … U+DCFF
    bad = next(at for at, character in enumerate(text) if "\udc80" <= character <= "\udcff")
    place = len(text[:bad].encode("utf-8"))
    found = word[place : place + 4].hex(" ")
    return FileFormatError(
        f"load: {name}, line {number}, byte {offset + place}: {found} is not UTF-8",
        needed="Words are UTF-8 text.",
        remedy=f"Convert the file (iconv -t UTF-8); {SKIP}",
    )


def check_finite_rows(words: Sequence[str], rows: Float32) -> None:
    """Check that all numbers are finite; the first bad row is named by its word."""
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise NonFiniteError(
            f"save: the vector of {words[int(finite.argmin())]!r} holds NaN or a number beyond float32",
            needed="Every number must be finite.",
            remedy="Drop or repair these rows: numpy.isfinite(vectors).all(axis=1) finds them.",
        )


def spelled(words: Sequence[str]) -> bytes:
    """Encode the words in UTF-8, one a line.

    Raises:
        FileFormatError: a word that would be read back differently.
    """
    try:
        text = "\n".join([*words, ""]).encode("utf-8")
    except UnicodeEncodeError as error:
        word = next(word for word in words if error.object[error.start] in word)
        raise unwritable_word(word, "holds half of a surrogate pair, which UTF-8 cannot encode") from error
    if text.count(b"\n") > len(words):
        raise unwritable_word(next(word for word in words if "\n" in word), "holds a line break")
    if b" " in text or b"\t" in text:
        for word in words:
            if ends_in_a_number(word.encode("utf-8")):
                raise unwritable_word(word, "ends in a number after a space, as if it were one more value")
    return text


def unwritable_word(word: str, why: str) -> FileFormatError:
    """Return the error for a word that would be read back differently."""
    return FileFormatError(
        f"save: the word {word!r} {why}",
        needed="A line is a word and its numbers, separated by spaces.",
        remedy="Drop or rename the word, or save as .npz or .parquet, which hold any word.",
    )
