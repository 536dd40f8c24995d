"""Text vectors: GloVe's, word2vec's and fastText's lines of a word and its numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import IO

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, FloatMatrix
from gpuemb.core.device import CPU
from gpuemb.core.errors import FileFormatError, GpuembError, VocabularyError
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.core.progress import Progress
from gpuemb.embeddings.files.errors import (
    check_finite_rows,
    line_too_long,
    spelled,
    unreadable_line,
    unwritable_word,
)
from gpuemb.embeddings.files.growable_table import GrowableTable
from gpuemb.embeddings.files.header import Header, read_header
from gpuemb.embeddings.files.lines import Piece, pieces_of
from gpuemb.embeddings.files.source import empty_file
from gpuemb.embeddings.files.table import OnError, Table, mean_rows
from gpuemb.embeddings.spelling import OtherForms
from gpuemb.kernels.format_vectors import format_vectors
from gpuemb.kernels.parse_vectors import BLANK, GOOD, Hashes, ParsedLines, parse_vectors

BYTE_ORDER_MARK = "\ufeff"
TILE = 1 << 18  # bytes of numbers a worker formats at once: with twice as much text they fit its L2
MARGIN = 1.02  # over the rows estimated so far: reserved memory that is not written costs nothing


def read_text(
    blocks: Iterable[NDArray[np.uint8]],
    *,
    name: str,
    size: int | None,
    header: bool | None,
    dim: int | None,
    limit: int | None,
    words: Collection[str] | None,
    on_error: OnError,
    progress: Progress,
    averaged: bool = False,
) -> Table:
    """Read lines of a word and ``d`` numbers, with or without a header ``V d``.

    The format of a line: :mod:`gpuemb.kernels.parse_vectors`. Blank lines are ignored.

    Args:
        blocks: the file's bytes in order, of any sizes.
        name: of the file, for messages.
        size: bytes of all blocks, where known: the table's memory is reserved by it.
        header: whether the first line is a header; None: see :func:`read_header`.
        dim: numbers in a line; None: as in the header or the first lines.
        limit: keep at most this many rows, the first ones; reading stops there.
        words: keep only the rows of these words; reading stops when all are found.
        on_error: ``skip`` counts unreadable lines, ``raise`` names the first.
        progress: reports the bytes read.
        averaged: a word that stands several times has the mean of its rows, not the first.

    Raises:
        FileFormatError: no rows; an unreadable line, invalid UTF-8, a wrong header.
        NonFiniteError: a number is NaN or beyond float32; the line and the word are named.
        VocabularyError: none of ``words`` is in the file.
        MemoryBudgetError: the rows do not fit the memory.

    Cost: one pass. Holds the table, the words and about two pieces of 1 MB a worker.
    """
    pieces = pieces_of(blocks)
    first = next(pieces, None)
    skipped = 0
    while first is not None and first.too_long and on_error == "skip":
        first, skipped = next(pieces, None), skipped + 1
    if first is None:
        raise empty_file(name)
    if first.too_long:
        raise line_too_long(name, 1, first)
    found = read_header(first, name=name, header=header, dim=dim, on_error=on_error)
    reading = _Reading(name, size, found, limit, words, on_error, averaged, skipped=skipped)
    rest = Piece(first.text[found.size :], first.size)
    with progress.phase(f"reading {name}", size) as task:
        for piece, lines in threads.stream(reading.parse, chain([rest], pieces)):
            reading.take(piece, lines)
            task.advance(piece.size)
            if reading.complete:
                break
        else:
            reading.check_count()
    return reading.table()


@dataclass
class _Reading:
    """State of reading one file."""

    name: str
    size: int | None
    header: Header
    limit: int | None
    wanted: Collection[str] | None
    on_error: OnError
    averaged: bool
    words: list[str] = field(default_factory=list)
    hashes: list[Hashes] = field(default_factory=list)
    duplicates: int = 0
    again: str = ""  # the first repeated word
    skipped: int = 0
    lines: int = 0  # read
    offset: int = 0  # bytes read
    seen_rows: int = 0  # good or bad, kept or not

    def __post_init__(self) -> None:
        self.lines, self.offset = self.header.lines, self.header.size
        self.missing = None if self.wanted is None else set(self.wanted)
        self.chosen: set[str] = set()
        self.forms = OtherForms(self.wanted)
        most = [n for n in (self.limit, None if self.missing is None else len(self.missing)) if n is not None]
        bound = None if self.averaged else min(most, default=None)
        self.rows = GrowableTable(f"load: {self.name}", self.header.dim, bound)

    @property
    def selective(self) -> bool:
        """Whether only some rows are kept."""
        return self.limit is not None or self.missing is not None

    @property
    def complete(self) -> bool:
        """Whether all requested rows are read."""
        if self.averaged:  # a word may stand again
            return False
        return len(self.rows) == self.limit or (self.missing is not None and not self.missing)

    def parse(self, piece: Piece) -> tuple[Piece, ParsedLines]:
        """Parse one piece; called by workers."""
        text = piece.text[:0] if piece.too_long else piece.text
        return piece, parse_vectors.on(CPU)(text, self.header.dim)

    def take(self, piece: Piece, lines: ParsedLines) -> None:
        """Add the rows of the next piece."""
        names, vectors, hashes = self._readable(piece, lines)
        self.seen_rows += int(np.count_nonzero(lines.status != BLANK)) + piece.too_long
        self.lines += len(lines.status) + piece.too_long
        self.offset += piece.size if piece.too_long else piece.text.size
        if self.selective:
            kept = self._select(names)
            names, vectors = [names[row] for row in kept], vectors[kept]
        else:
            self.hashes.append(hashes)
        self.words += names
        share = 1.0 if self.size is None else self.size / max(1, self.offset)
        self.rows.append(vectors, int(len(self.words) * max(1.0, share) * MARGIN))

    def _readable(self, piece: Piece, lines: ParsedLines) -> tuple[list[str], Float32, Hashes]:
        """Return words, vectors and hashes of a piece; an unreadable line raises or is counted."""
        spelled = lines.words.tobytes()
        try:
            names = spelled.decode("utf-8").split("\n")
            names.pop()  # after the last line end
            unreadable: list[int] = []
        except UnicodeDecodeError:
            decoded = [_decoded(word) for word in spelled.split(b"\n")[:-1]]
            names = [word for word in decoded if word is not None]
            unreadable = [row for row, word in enumerate(decoded) if word is None]
        if not unreadable and not piece.too_long and lines.status.max(initial=GOOD) <= BLANK:
            return names, lines.vectors, lines.hashes
        bad = [*np.flatnonzero(lines.status > BLANK), *np.flatnonzero(lines.status == GOOD)[unreadable]]
        if self.on_error == "raise":
            raise self._error(piece, lines, int(min(bad, default=0)))
        self.skipped += len(bad) + piece.too_long
        return names, np.delete(lines.vectors, unreadable, axis=0), np.delete(lines.hashes, unreadable)

    def _error(self, piece: Piece, lines: ParsedLines, line: int) -> GpuembError:
        number = self.lines + line + 1
        if piece.too_long:
            return line_too_long(self.name, number, piece)
        bounds = [*lines.starts[line : line + 2].tolist(), piece.text.size]
        whole = piece.text[bounds[0] : bounds[1]].tobytes().removesuffix(b"\n")
        return unreadable_line(self.name, number, whole, self.header.dim, self.offset + bounds[0])

    def _select(self, names: list[str]) -> list[int]:
        """Return the rows to keep: the first of each wanted word, up to the limit."""
        kept: list[int] = []
        for row, word in enumerate(names):
            if len(self.chosen) == self.limit and not self.averaged:
                break
            if word in self.chosen:
                self.duplicates += 1
                self.again = self.again or word
                if self.averaged:
                    kept.append(row)
            elif len(self.chosen) == self.limit:
                continue
            elif self.missing is None or word in self.missing:
                self.chosen.add(word)
                kept.append(row)
                if self.missing is not None:
                    self.missing.discard(word)
            else:
                self.forms.note(word)
        return kept

    def check_count(self) -> None:
        """Compare the header's number of words with the rows of the whole file."""
        if self.header.rows in (None, self.seen_rows) or self.on_error == "skip":
            return
        raise FileFormatError(
            f"load: {self.name}: the header says {self.header.rows} words, but {self.seen_rows} rows follow",
            needed="With fewer rows the file is truncated; with more its header is wrong.",
            remedy="Fetch or write it again; on_error='skip' reads what is there.",
        )

    def table(self) -> Table:
        """Return the table, each word once."""
        respelled = self.forms.lost(self.chosen)
        if not self.words and not respelled:
            raise self._nothing()
        again = _duplicates(self.words, self.hashes)
        if again:
            self.duplicates, self.again = len(again), self.words[again[0]]
        words, vectors = self.words, self.rows.take
        if self.averaged and self.duplicates:
            words = list(dict.fromkeys(self.words))
            place_of = {word: place for place, word in enumerate(words)}
            places = np.array([place_of[word] for word in self.words], np.int64)
            table = mean_rows(vectors(), places, len(words))
        elif again:
            kept = np.delete(np.arange(len(self.words)), again)
            words, table = [self.words[row] for row in kept], vectors(kept)
        else:
            table = vectors()
        return Table(
            words,
            table,
            self.duplicates,
            self.skipped,
            finite=True,
            respelled=respelled,
            again=self.again,
        )

    def _nothing(self) -> GpuembError:
        if self.wanted is not None and self.seen_rows > self.skipped:
            return VocabularyError(
                f"load: none of the {len(self.wanted)} words is in {self.name}",
                needed="Words are compared letter by letter, capitals included.",
                remedy="See its first words with limit=10.",
            )
        return FileFormatError(
            f"load: {self.name} has no readable row; {self.skipped} lines were skipped",
            needed=f"A row is a word and {self.header.dim} numbers.",
            remedy="on_error='raise' names the first line that is wrong.",
        )


def _duplicates(words: list[str], hashes: list[Hashes]) -> list[int]:
    """Return rows whose word an earlier row has; only words of equal hash are compared."""
    every = np.concatenate([*hashes, np.empty(0, np.uint64)])
    ordered = np.sort(every)
    shared = ordered[1:][ordered[1:] == ordered[:-1]]
    if not shared.size:
        return []
    seen: set[str] = set()
    again = []
    for row in np.flatnonzero(np.isin(every, shared)).tolist():
        if words[row] in seen:
            again.append(row)
        seen.add(words[row])
    return again


def _decoded(word: bytes) -> str | None:
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError:
        return None


def write_text(words: Sequence[str], vectors: FloatMatrix, file: IO[bytes], *, header: bool) -> None:
    """Write one line a word: the word and its numbers, in the shortest digits of the same float32.

    Args:
        words: the ``V`` words; any text without line breaks that cannot be mistaken for numbers.
        vectors: ``(V, d)`` on the host, rounded to float32.
        file: open for writing bytes.
        header: whether a line ``V d`` comes first, as in word2vec's and fastText's files; GloVe has none.

    Raises:
        FileFormatError: a word that would be read back differently.
        NonFiniteError: a number is NaN, or infinite in float32; its word is named.

    Cost: one pass; about 1 MB a worker.
    """
    if header:
        file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
    elif len(words) and words[0].startswith(BYTE_ORDER_MARK):
        raise unwritable_word(words[0], "begins a file without header with a byte order mark")

    def render(part: tuple[int, int]) -> NDArray[np.uint8]:
        names = words[part[0] : part[1]]
        with np.errstate(over="ignore"):  # overflow raises an error that names the word
            rows = np.ascontiguousarray(vectors[part[0] : part[1], :], np.float32)
        check_finite_rows(names, rows)
        return format_vectors.on(CPU)(rows, np.frombuffer(spelled(names), np.uint8))

    rows = rows_per_tile(4 * vectors.shape[1], TILE)
    for text in threads.stream(render, tiles(len(words), rows)):
        file.write(text.data)
