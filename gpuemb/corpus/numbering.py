"""Blocks of text to numbered tokens, merged in the order of the text."""

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
from gpuemb.corpus.assembly import Piece
from gpuemb.corpus.blocks import Block, Reading, check_text, documents_in, not_text
from gpuemb.corpus.finders import ByteRule, DocumentRule
from gpuemb.kernels.tokenize import LONGEST, NONE, TOO_LONG, Bytes, FoundTokens, tokenize
from gpuemb.kernels.tokenize.string_table import StringTable, places_of

SHOWN = 40  # bytes of a token that is too long


@dataclass(frozen=True, eq=False)
class Numbered:
    """The tokens of one block.

    Attributes:
        block: what was read.
        text: that was cut.
        found: the tokens, as the kernel gives them; ``ends`` are those of documents.
        spellings: what their ids mean.
        lines: lines or records that ended.
        blank_start: whether the block's first document ends with what may be the rest of a line.
        blank_stop: whether nothing but white space follows the last end of a line.
    """

    block: Block
    text: Bytes
    found: FoundTokens
    spellings: StringTable
    lines: int
    blank_start: bool = False
    blank_stop: bool = False


class Numbering:
    """The tokens of a whole corpus, spelled as they stand there.

    Each worker has spellings of its own, so none waits for another; they are merged when all is read.

    Attributes:
        pieces: the tokens, block after block.
    """

    def __init__(self, reading: Reading) -> None:
        self.pieces = list[Piece]()
        self._tables, self._idle = list[StringTable](), deque[StringTable]()
        self._reading = reading
        self._source, self._line, self._blank = -1, 1, True

    def merged(self) -> tuple[StringTable, dict[StringTable, Int32]]:
        """All spellings with their counts, and the number there of each spelling of each table."""
        if not self._tables:
            return StringTable(), {}
        largest = max(self._tables, key=len)
        numbers = {largest: np.arange(len(largest), dtype=np.int32)}
        for table in self._tables:
            if table is not largest:
                numbers[table] = largest.number(table.joined(), places_of(table.joined()))
                largest.counts[numbers[table]] += table.counts  # a table names each of its spellings once
        return largest, numbers

    def read(self, blocks: Iterable[Block], rule: ByteRule | DocumentRule) -> None:
        """Number the tokens of all blocks; the result does not depend on where blocks end.

        Raises:
            FileFormatError: bytes that are no text, or a token too long for the kernel; its place is named.
            ConfigError: a tokenizer that gave what is no token.
        """
        for numbered in self._numbered(blocks, rule):
            self._enter(numbered.block)
            self._check(numbered)
            self._add(numbered)
        self._end_document()

    def _numbered(self, blocks: Iterable[Block], rule: ByteRule | DocumentRule) -> Iterator[Numbered]:
        if isinstance(rule, ByteRule):
            yield from threads.stream(partial(self._by_bytes, rule), blocks)
            return
        for block in blocks:  # one by one: functions of other people may not stand several threads
            self._enter(block)
            with self._table() as spellings:
                yield _by_documents(rule, self._reading, block, self._line, spellings)

    def _by_bytes(self, rule: ByteRule, block: Block) -> Numbered:
        with self._table() as spellings:
            return _by_bytes(rule, self._reading, block, spellings)

    @contextmanager
    def _table(self) -> Iterator[StringTable]:
        """StringTable that nobody else adds to meanwhile."""
        try:
            table = self._idle.pop()
        except IndexError:
            table = StringTable()
            self._tables.append(table)
        yield table
        self._idle.append(table)

    def _enter(self, block: Block) -> None:
        if block.source != self._source:
            self._end_document()
            self._source, self._line, self._blank = block.source, 1, True

    def _end_document(self) -> None:
        if self.pieces:
            last = self.pieces[-1]
            self.pieces[-1] = replace(last, ends=np.append(last.ends, len(last.ids)))

    def _check(self, numbered: Numbered) -> None:
        found, block = numbered.found, numbered.block
        if found.problem == NONE:
            return
        text = numbered.text.tobytes()
        line = self._line + text.count(b"\n", 0, found.place)
        if found.problem == TOO_LONG:
            begin = text[found.place : found.place + SHOWN].decode("utf-8", "ignore")
            unit = "line" if block.records is None else "record"
            raise FileFormatError(
                f"corpus: {block.name}, {unit} {line}: {begin!r} goes on for more than {LONGEST} bytes",
                needed="A token of the tokenizers 'default' and 'whitespace' is no longer than a page.",
                remedy="Leave out what is no running text, or use a tokenizer of your own (regex:…).",
            )
        if block.records is not None:
            raise not_text(block, line)
        check_text(block, self._line, self._reading.encoding_errors)

    def _add(self, numbered: Numbered) -> None:
        found = numbered.found
        ends = found.ends[1:] if numbered.blank_start and not self._blank else found.ends
        self._blank = numbered.blank_stop and (self._blank or numbered.lines > 0)
        self._line += numbered.lines
        self.pieces.append(Piece(found.ids, ends, numbered.spellings))


def _by_bytes(rule: ByteRule, reading: Reading, block: Block, spellings: StringTable) -> Numbered:
    text, records = _bytes_of(block, reading.encoding_errors), block.records is not None
    found = tokenize.on(CPU)(text, rule.members, rule.inner, spellings)
    lines, blank = len(found.ends), found.blank
    if records or reading.documents == "line":
        return Numbered(block, text, replace(found, ends=_distinct(found.ends)), spellings, lines)
    if reading.documents == "file":
        return Numbered(block, text, replace(found, ends=found.ends[:0]), spellings, lines)
    _, _, tail = text.tobytes().rpartition(b"\n")
    return Numbered(
        block,
        text,
        replace(found, ends=found.ends[blank]),
        spellings,
        lines,
        blank_start=bool(lines and blank[0]),
        blank_stop=not tail.strip(),
    )


def _bytes_of(block: Block, encoding_errors: str) -> Bytes:
    """Plain text as it is, or without what is no UTF-8.

    Of records, a line each: a line's end within one is white space as well.
    """
    text = block.text
    if block.records is not None:
        text = "".join(record.replace("\n", " ") + "\n" for record in block.records).encode()
    elif encoding_errors != "strict":
        text = text.decode("utf-8", encoding_errors).encode()
    return np.frombuffer(text, np.uint8)


def _distinct(ends: Int64) -> Int64:
    """Without the ends of empty documents, but the first, which ends what a block before began."""
    distinct: Int64 = ends[np.diff(ends, prepend=-1) != 0]
    return distinct


def _by_documents(
    rule: DocumentRule, reading: Reading, block: Block, line: int, spellings: StringTable
) -> Numbered:
    documents = documents_in(block, reading, line)
    numbers: dict[str, int] = {}
    ids, lengths = list[int](), list[int]()
    for tokens in rule.tokens_of(documents):
        ids += [numbers.setdefault(token, len(numbers)) for token in tokens]
        lengths.append(len(tokens))
    for token in numbers:
        if not isinstance(token, str) or not token or "\n" in token or "\0" in token:
            raise ConfigError(
                f"corpus: {block.name}: the tokenizer gave {token!r}",
                needed="A token is text of one line, a character at least, without zero bytes.",
                remedy="Let the tokenizer leave out what is none.",
            )
    text = np.frombuffer("".join(f"{token}\n" for token in numbers).encode(), np.uint8)
    among, local = spellings.number(text, places_of(text)), np.array(ids, np.int64)
    spellings.counts[among] += np.bincount(local, minlength=len(among))
    ends = np.cumsum(lengths, dtype=np.int64)
    found = FoundTokens(among[local], ends, np.zeros(0, bool), NONE, len(text))
    lines = block.text.count(b"\n") if block.records is None else len(documents)
    return Numbered(block, text, found, spellings, lines)
