"""word2vec's binary files: a header ``V d``, then each word, a space, and ``d`` float32."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import IO

import numpy as np

from gpuemb.core.arrays import FloatMatrix
from gpuemb.core.checks import check_finite
from gpuemb.core.errors import FileFormatError
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.embeddings.files.header import CONTROL, check_dense, is_text
from gpuemb.embeddings.files.source import Source
from gpuemb.embeddings.files.table import Request, Table, check_words, mean_rows, plan
from gpuemb.embeddings.spelling import OtherForms

HEADER = re.compile(rb"[ \t]*([0-9]{1,18})[ \t]+([0-9]{1,9})[ \t]*\r?\n")
HEAD = 1 << 16  # bytes examined before the first row
LONGEST_WORD = 1 << 16  # bytes
LONGEST_PHRASE = 1 << 8  # bytes behind a row that are examined
PHRASE = re.compile(rb"[^\x00-\x1f\x7f]{0,255} ")  # behind the first space: the rest of a word with spaces
SMALLEST, LARGEST = 1e-6, 1e6  # of usual numbers; what letters and halves of numbers give is seldom so
CHUNK = 1 << 20  # bytes read at once
STEP = 4096  # rows copied at once: copying row by row would double the time
FLOAT_BYTES = 4


def read_binary(source: Source, request: Request) -> Table:
    """Read word2vec's binary format, whether or not rows end in a line break.

    A row is kept when the next one begins where it must: a word that holds a space would move all numbers.

    Raises:
        FileFormatError: a text; another number of rows than in the header; a word with a space; a word that
            is not UTF-8. The row is named. With ``on_error="skip"`` words that are not UTF-8 and a
            truncated end are counted.
        MemoryBudgetError: the rows do not fit the memory.
    """
    with source.open() as file:
        head = file.read(HEAD)
        count, dim, begin = _header(head, source)
        plan(source.name, request.most_rows(count), dim * FLOAT_BYTES, CHUNK + 3 * dim * FLOAT_BYTES)
        rows = _Rows(source.name, request, count, dim)
        stream = _aligned(_rows(file, head[begin:], dim * FLOAT_BYTES, source.name), source.name)
        with request.progress.phase(f"reading {source.name}", count) as task:
            for number, (word, vector) in enumerate(stream):
                if number == count:
                    raise _not_as_promised(source.name, f"{count} rows but more follow")
                rows.add(number, word, vector)
                if rows.are_enough:
                    break
                if number % STEP == 0:
                    task.advance(STEP)
            else:
                rows.end(count)
    return rows.table()


def _header(head: bytes, source: Source) -> tuple[int, int, int]:
    """Return ``V``, ``d`` and the offset of the first row."""
    found = HEADER.match(head)
    if found is None:
        raise _not_as_promised(source.name, f"{head[:24]!r}, which is not a header")
    count, dim = int(found[1]), int(found[2])
    check_dense(source.name, head[found.end() :])
    if is_text(head[found.end() :], dim):
        raise _not_as_promised(source.name, "rows of binary numbers, but they are text")
    least = count * (dim * FLOAT_BYTES + 1)  # an empty word still has its space
    if count == 0 or dim == 0:
        raise _not_as_promised(source.name, f"{count} rows of {dim} numbers")
    if source.most is not None and source.most - found.end() < least:
        room = "" if source.packing == "plain" else "at most "
        raise _not_as_promised(
            source.name,
            f"{count} rows of {dim} numbers but has {room}{source.most - found.end()} bytes for them",
        )
    return count, dim, found.end()


def _rows(file: IO[bytes], data: bytes, vector_bytes: int, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield the bytes of each word, line breaks before it included, and of its vector.

    An empty vector marks a truncated end.
    """
    at, ended = 0, False
    while True:
        space = data.find(b" ", at, at + LONGEST_WORD)
        end = space + 1 + vector_bytes
        if not ended and (space < 0 or end + vector_bytes + 2 * LONGEST_PHRASE > len(data)):
            more = file.read(max(CHUNK, vector_bytes)) if space >= 0 or len(data) - at < LONGEST_WORD else b""
            data, at, ended = data[at:] + more, 0, not more
            continue
        if space < 0 or end > len(data):
            if data[at:].strip(b"\n"):
                yield data[at:][:LONGEST_WORD], b""
            return
        phrase = None if data[end : end + 1] == b"\n" else PHRASE.match(data, space + 1)
        if phrase and _continues(data, space, phrase.end(), vector_bytes):
            raise _misread(name, data[at:space].lstrip(b"\n"))
        yield data[at:space], data[space + 1 : end]
        at = end


def _continues(data: bytes, space: int, stop: int, vector_bytes: int) -> bool:
    """Whether a row makes sense only if its word goes on to another space, before ``stop``."""
    if _is_row(data, space, vector_bytes):
        return False
    for later in range(space + 1, stop):
        phrase = data[later : later + 1] == b" " and _decoded(data[space + 1 : later]) is not None
        if phrase and _is_row(data, later, vector_bytes):
            following = data.find(b" ", later + 1 + vector_bytes)
            return following < 0 or _is_usual(data[following + 1 :][:vector_bytes])
    return False


def _is_row(data: bytes, space: int, vector_bytes: int) -> bool:
    """Whether usual numbers stand behind a space, and a printable word behind them."""
    end = space + 1 + vector_bytes
    word = data[end : end + LONGEST_PHRASE].lstrip(b"\n").partition(b" ")[0]
    printable = not CONTROL.search(word) and _decoded(word) is not None
    return end <= len(data) and printable and _is_usual(data[space + 1 : end])


def _is_usual(vector: bytes) -> bool:
    sizes = np.abs(np.frombuffer(vector[: len(vector) // FLOAT_BYTES * FLOAT_BYTES], "<f4"))
    return bool(((sizes == 0) | ((sizes >= SMALLEST) & (sizes <= LARGEST))).all())


def _aligned(rows: Iterator[tuple[bytes, bytes]], name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield each row when the next one is seen to begin where it must.

    Raises:
        FileFormatError: not all rows end alike, in a line break or in none.
    """
    held: tuple[bytes, bytes] | None = None
    ends = 0
    for number, (begin, vector) in enumerate(rows):
        word = begin.lstrip(b"\n")
        breaks = len(begin) - len(word)
        ends = breaks if number == 1 else ends
        if held is not None and (breaks != ends or (vector and b"\n" in word)):
            raise _misread(name, held[0])
        if held is not None:
            yield held
        held = word, vector
    if held is not None:
        yield held


def _decoded(word: bytes) -> str | None:
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _misread(name: str, word: bytes) -> FileFormatError:
    return FileFormatError(
        f"load: {name}: no row begins behind the numbers of the word {word[:32]!r}",
        needed="A row is a word without a space, a space and its numbers; all rows end in a line break, or "
        "none does.",
        remedy="A word holds a space, or the header is wrong: write the table again with such words joined "
        "(new_york), or as .npz or .parquet, which hold any word.",
    )


class _Rows:
    """The rows kept so far."""

    def __init__(self, name: str, request: Request, count: int, dim: int) -> None:
        self._name, self._request = name, request
        self._wanted = None if request.words is None else frozenset(request.words)
        self._forms = OtherForms(request.words)
        self._vectors = np.empty((request.most_rows(count), dim), np.float32)
        self._words: dict[str, int] = {}  # their places
        self._parts: list[bytes] = []
        self._averaged = request.repeated == "mean"
        self._places: list[int] = []  # of the words of the rows kept
        self._copied, self._again = 0, ""
        self._seen = self._duplicates = self._skipped = 0

    @property
    def are_enough(self) -> bool:
        """Whether all requested rows are read."""
        whole = self._request.is_whole or self._averaged  # a word may stand again
        return not whole and len(self._words) == len(self._vectors)

    def add(self, number: int, word: bytes, vector: bytes) -> None:
        """Keep one row if it is requested."""
        self._seen += 1
        if not vector:
            self._seen -= 1
            self._spoil(f"ends in the middle of row {number}", "A row is a word, a space and its numbers.")
            return
        text = _decoded(word)
        if text is None:
            self._spoil(f"row {number}: the word {word[:32]!r} is not UTF-8", "Words are UTF-8 text.")
            return
        if self._wanted is not None and text not in self._wanted:
            self._forms.note(text)
            return
        if text in self._words:
            self._duplicates += 1
            self._again = self._again or text
            if not self._averaged:
                return
        elif len(self._words) == self._request.limit:
            return
        self._places.append(self._words.setdefault(text, len(self._words)))
        self._parts.append(vector)
        if len(self._parts) == STEP:
            self._copy()

    def end(self, count: int) -> None:
        """Raise on, or count, rows missing against the header."""
        if self._seen < count and not self._skipped:
            self._spoil(f"ends after {self._seen} of {count} rows", "Its header declares more.")

    def table(self) -> Table:
        """Return the kept rows."""
        self._copy()
        vectors = self._vectors[: self._copied]
        if self._averaged and self._duplicates:
            vectors = mean_rows(vectors, np.array(self._places, np.int64), len(self._words))
        return Table(
            list(self._words),
            vectors,
            self._duplicates,
            self._skipped,
            respelled=self._forms.lost(self._words),
            again=self._again,
        )

    def _copy(self) -> None:
        start, dim = self._copied, self._vectors.shape[1]
        self._copied += len(self._parts)
        self._vectors[start : self._copied] = np.frombuffer(b"".join(self._parts), "<f4").reshape(-1, dim)
        self._parts = []

    def _spoil(self, what: str, needed: str) -> None:
        if self._request.on_error == "raise":
            raise FileFormatError(
                f"load: {self._name} {what}",
                needed=needed,
                remedy='Fetch it again, or keep the rest of it with on_error="skip".',
            )
        self._skipped += 1


def _not_as_promised(name: str, what: str) -> FileFormatError:
    return FileFormatError(
        f"load: {name} declares {what}",
        needed='word2vec\'s binary format begins with a line "V d" and holds V rows of d float32.',
        remedy="Fetch it again: it is truncated, or its header is wrong.",
    )


def write_binary(words: Sequence[str], vectors: FloatMatrix, file: IO[bytes]) -> None:
    """Write word2vec's binary format, a line break after each row as word2vec itself does.

    Raises:
        FileFormatError: a word holds a space or a line break.
        NonFiniteError: a number is beyond float32; its word is named.
    """
    check_words(words, " \n", kind="word2vec's binary format")
    file.write(b"%d %d\n" % vectors.shape)
    for start, stop in tiles(len(words), rows_per_tile(vectors.shape[1] * FLOAT_BYTES, CHUNK)):
        with np.errstate(over="ignore"):  # overflow raises an error that names the word
            rows = vectors[start:stop].astype("<f4")
        check_finite("save", "the table as float32", rows, words[start:stop])
        pairs = zip(words[start:stop], rows, strict=True)
        file.write(b"".join(b"%b %b\n" % (word.encode(), row.tobytes()) for word, row in pairs))
