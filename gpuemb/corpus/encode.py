"""Encode chunks of text into token ids, in the order of the text."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.device import CPU
from gpuemb.core.errors import ConfigError, FileFormatError
from gpuemb.core.memory import MemoryPlan
from gpuemb.corpus.chunks import Chunk, Reading, check_text, documents_in, not_text
from gpuemb.corpus.merge import Piece
from gpuemb.corpus.token_patterns import ByteRule, DocumentRule
from gpuemb.kernels.tokenize import LONGEST, NONE, TOO_LONG, Bytes, FoundTokens, tokenize
from gpuemb.kernels.tokenize.string_table import StringTable, places_of

SHOWN = 40  # bytes of an overlong token in its message
UNCHECKED = 64 << 20  # bytes of results between two looks at the free memory, each of which takes 0.1 ms
GROWN = 3  # memory of a table while it grows or is merged, over its own


@dataclass(frozen=True, eq=False)
class EncodedChunk:
    """The tokens of one chunk.

    Attributes:
        chunk: the input.
        text: its bytes, as tokenized.
        found: the kernel's tokens; ``ends`` are those of documents.
        spellings: the table that the ids index.
        lines: line or record ends in the chunk.
        blank_start: whether the first line is blank; it is not if the chunk before ended inside it.
        blank_stop: whether only white space follows the last line end.
    """

    chunk: Chunk
    text: Bytes
    found: FoundTokens
    spellings: StringTable
    lines: int
    blank_start: bool = False
    blank_stop: bool = False


class Encoder:
    """Token ids of a whole corpus, by their original spelling.

    Each worker has its own table of spellings, so there is no lock; the tables are merged at the end.

    Attributes:
        pieces: the token ids, one piece a chunk.
    """

    def __init__(self, reading: Reading) -> None:
        self.pieces = list[Piece]()
        self._tables, self._idle = list[StringTable](), deque[StringTable]()
        self._reading = reading
        self._source, self._line, self._blank = -1, 1, True
        self._tokens = self._ends = self._checked = 0

    def merged(self) -> tuple[StringTable, dict[StringTable, Int32]]:
        """Merge the tables: all spellings with their counts, and the new ids of each table."""
        if not self._tables:
            return StringTable(), {}
        largest = max(self._tables, key=len)
        numbers = {largest: np.arange(len(largest), dtype=np.int32)}
        for table in self._tables:
            if table is not largest:
                numbers[table] = largest.number(table.joined(), places_of(table.joined()))
                largest.counts[numbers[table]] += table.counts  # ids are distinct within a table
        return largest, numbers

    def encode(self, chunks: Iterable[Chunk], rule: ByteRule | DocumentRule) -> None:
        """Encode the tokens of all chunks; the result does not depend on where chunks end.

        Raises:
            FileFormatError: bytes that are not text, or a token too long for the kernel; named by position.
            ConfigError: the tokenizer returned an invalid token.
            MemoryBudgetError: an endless text, or one too large; found while memory is left.
        """
        for encoded in self._encoded(chunks, rule):
            self._enter(encoded.chunk)
            self._check(encoded)
            self._add(encoded)
        self._end_document()

    def _encoded(self, chunks: Iterable[Chunk], rule: ByteRule | DocumentRule) -> Iterator[EncodedChunk]:
        if isinstance(rule, ByteRule):
            yield from threads.stream(partial(self._encode_bytes, rule), chunks)
            return
        for chunk in chunks:  # one by one: a user's function may not be safe to call from several threads
            self._enter(chunk)
            with self._table() as spellings:
                yield _encode_documents(rule, self._reading, chunk, self._line, spellings)

    def _encode_bytes(self, rule: ByteRule, chunk: Chunk) -> EncodedChunk:
        with self._table() as spellings:
            return _encode_bytes(rule, self._reading, chunk, spellings)

    @contextmanager
    def _table(self) -> Iterator[StringTable]:
        """Lend a table of spellings to one worker."""
        try:
            table = self._idle.pop()
        except IndexError:
            table = StringTable()
            self._tables.append(table)
        yield table
        self._idle.append(table)

    def _enter(self, chunk: Chunk) -> None:
        if chunk.source != self._source:
            self._end_document()
            self._source, self._line, self._blank = chunk.source, 1, True

    def _end_document(self) -> None:
        if self.pieces:
            last = self.pieces[-1]
            self.pieces[-1] = replace(last, ends=np.append(last.ends, len(last.ids)))

    def _check(self, encoded: EncodedChunk) -> None:
        found, chunk = encoded.found, encoded.chunk
        if found.problem == NONE:
            return
        text = encoded.text.tobytes()
        line = self._line + text.count(b"\n", 0, found.place)
        if found.problem == TOO_LONG:
            begin = text[found.place : found.place + SHOWN].decode("utf-8", "ignore")
            unit = "line" if chunk.records is None else "record"
            raise FileFormatError(
                f"corpus: {chunk.name}, {unit} {line}: {begin!r} begins a token of more than {LONGEST} bytes",
                needed=f"With the tokenizers 'default' and 'whitespace' a token has at most {LONGEST} bytes.",
                remedy="Leave out what is not running text, or use another tokenizer (regex:…).",
            )
        if chunk.records is not None:
            raise not_text(chunk, line)
        check_text(chunk, self._line, self._reading.encoding_errors)

    def _add(self, encoded: EncodedChunk) -> None:
        found = encoded.found
        ends = found.ends[1:] if encoded.blank_start and not self._blank else found.ends
        self._blank = encoded.blank_stop and (self._blank or encoded.lines > 0)
        self._line += encoded.lines
        self.pieces.append(Piece(found.ids, ends, encoded.spellings))
        self._tokens, self._ends = self._tokens + len(found.ids), self._ends + len(ends)
        self._check_memory()

    def _check_memory(self) -> None:
        """Check that the results so far can be merged."""
        spelled = sum(array.nbytes for table in self._tables for array in table.table)
        needed = {"ids": 4 * self._tokens, "documents": 16 * self._ends, "spellings": GROWN * spelled}
        if sum(needed.values()) >= self._checked + UNCHECKED:
            self._checked = sum(needed.values())
            MemoryPlan("read_corpus", needed).require()


def _encode_bytes(rule: ByteRule, reading: Reading, chunk: Chunk, spellings: StringTable) -> EncodedChunk:
    text, records = _bytes_of(chunk, reading.encoding_errors), chunk.records is not None
    found = tokenize.on(CPU)(text, rule.members, rule.marks, rule.inner, spellings)
    lines, blank = len(found.ends), found.blank
    if records or reading.documents == "line":
        return EncodedChunk(chunk, text, replace(found, ends=_distinct(found.ends)), spellings, lines)
    if reading.documents == "file":
        return EncodedChunk(chunk, text, replace(found, ends=found.ends[:0]), spellings, lines)
    _, _, tail = text.tobytes().rpartition(b"\n")
    return EncodedChunk(
        chunk,
        text,
        replace(found, ends=found.ends[blank]),
        spellings,
        lines,
        blank_start=bool(lines and blank[0]),
        blank_stop=not tail.strip(),
    )


def _bytes_of(chunk: Chunk, encoding_errors: str) -> Bytes:
    """Return plain text as it is, or with invalid UTF-8 replaced; records as one line each.

    Line ends inside a record become spaces: both are white space.
    """
    text = chunk.text
    if chunk.records is not None:
        text = "".join(record.replace("\n", " ") + "\n" for record in chunk.records).encode()
    elif encoding_errors != "strict":
        text = text.decode("utf-8", encoding_errors).encode()
    return np.frombuffer(text, np.uint8)


def _distinct(ends: Int64) -> Int64:
    """Drop the ends of empty documents except the first: it ends a document of the chunk before."""
    distinct: Int64 = ends[np.diff(ends, prepend=-1) != 0]
    return distinct


def _encode_documents(
    rule: DocumentRule, reading: Reading, chunk: Chunk, line: int, spellings: StringTable
) -> EncodedChunk:
    documents = documents_in(chunk, reading, line)
    numbers: dict[str, int] = {}
    ids, lengths = list[int](), list[int]()
    for tokens in rule.tokens_of(documents):
        try:
            ids += [numbers.setdefault(token, len(numbers)) for token in tokens]
        except TypeError as error:  # a list among the tokens has no hash
            raise _invalid(chunk, tokens) from error
        lengths.append(len(tokens))
    for token in numbers:
        if not isinstance(token, str) or not token or "\n" in token or "\0" in token:
            raise _invalid(chunk, token)
    text = np.frombuffer("".join(f"{token}\n" for token in numbers).encode(), np.uint8)
    among, local = spellings.number(text, places_of(text)), np.array(ids, np.int64)
    spellings.counts[among] += np.bincount(local, minlength=len(among))
    ends = np.cumsum(lengths, dtype=np.int64)
    found = FoundTokens(among[local], ends, np.zeros(0, bool), NONE, len(text))
    lines = chunk.text.count(b"\n") if chunk.records is None else len(documents)
    return EncodedChunk(chunk, text, found, spellings, lines)


def _invalid(chunk: Chunk, given: object) -> ConfigError:
    return ConfigError(
        f"corpus: {chunk.name}: the tokenizer returned {given!r}",
        needed="A token is a non-empty str without line ends and zero bytes.",
        remedy="Filter such tokens in the tokenizer.",
    )
