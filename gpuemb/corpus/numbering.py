"""Blocks of text to numbered tokens, merged in the order of the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.device import CPU
from gpuemb.core.errors import ConfigError, FileFormatError
from gpuemb.corpus.blocks import Block, Reading, check_text, documents_in, not_text
from gpuemb.corpus.finders import ByteRule, DocumentRule
from gpuemb.kernels.tokenize import LONGEST, NONE, NOT_UTF8, TOO_LONG, Bytes, FoundTokens, tokenize
from gpuemb.kernels.tokenize.spellings import Spellings, places_of

SHOWN = 40  # bytes of a token that is too long


@dataclass(frozen=True, eq=False)
class Numbered:
    """The tokens of one block.

    Attributes:
        block: what was read.
        text: where the spellings stand.
        found: the tokens and their spellings, as the kernel gives them; ``ends`` are those of documents.
        counts: of each spelling.
        lines: lines or records that ended.
        blank_start: whether the block's first document ends with what may be the rest of a line.
        blank_stop: whether nothing but white space follows the last end of a line.
    """

    block: Block
    text: Bytes
    found: FoundTokens
    counts: Int64
    lines: int
    blank_start: bool = False
    blank_stop: bool = False


@dataclass(frozen=True, eq=False)
class Piece:
    """What is kept of a block: ``numbers[ids]`` are spellings, documents end behind ``ends`` tokens."""

    ids: Int32
    numbers: Int32
    ends: Int64


class Numbering:
    """The tokens of a whole corpus, spelled as they stand there.

    Attributes:
        spellings: all that were met, numbered in the order of first sight.
        pieces: the tokens, block after block.
    """

    def __init__(self, reading: Reading) -> None:
        self.spellings, self.pieces = Spellings(), list[Piece]()
        self._reading, self._counts = reading, np.zeros(0, np.int64)
        self._source, self._line, self._blank = -1, 1, True

    @property
    def counts(self) -> Int64:
        """Of each spelling, ``(len(spellings),)``."""
        return self._counts[: len(self.spellings)]

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
            yield from threads.stream(partial(_by_bytes, rule, self._reading), blocks)
            return
        for block in blocks:  # one by one: functions of other people may not stand several threads
            self._enter(block)
            yield _by_documents(rule, self._reading, block, self._line)

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
        numbers = self.spellings.number(numbered.text, found.starts, found.lengths)
        if len(self.spellings) > len(self._counts):
            wider = np.zeros(2 * len(self.spellings), np.int64)
            wider[: len(self._counts)] = self._counts
            self._counts = wider
        self._counts[numbers] += numbered.counts  # a block names each of its spellings once
        ends = found.ends[1:] if numbered.blank_start and not self._blank else found.ends
        self._blank = numbered.blank_stop and (self._blank or numbered.lines > 0)
        self._line += numbered.lines
        self.pieces.append(Piece(found.ids, numbers, ends))


def _by_bytes(rule: ByteRule, reading: Reading, block: Block) -> Numbered:
    text, records = _bytes_of(block), block.records is not None
    found = tokenize.on(CPU)(text, rule.members, rule.inner)
    if found.problem == NOT_UTF8 and reading.encoding_errors != "strict":
        sound = text.tobytes().decode("utf-8", reading.encoding_errors).encode()
        text = np.frombuffer(sound, np.uint8)
        found = tokenize.on(CPU)(text, rule.members, rule.inner)
    counts = np.bincount(found.ids, minlength=len(found.starts))
    lines, blank = len(found.ends), found.blank
    if records or reading.documents == "line":
        return Numbered(block, text, replace(found, ends=_distinct(found.ends)), counts, lines)
    if reading.documents == "file":
        return Numbered(block, text, replace(found, ends=found.ends[:0]), counts, lines)
    _, _, tail = text.tobytes().rpartition(b"\n")
    return Numbered(
        block,
        text,
        replace(found, ends=found.ends[blank]),
        counts,
        lines,
        blank_start=bool(lines and blank[0]),
        blank_stop=not tail.strip(),
    )


def _bytes_of(block: Block) -> Bytes:
    """Plain text as it is; of records, a line each: a line's end within one is white space as well."""
    text = block.text
    if block.records is not None:
        text = "".join(record.replace("\n", " ") + "\n" for record in block.records).encode()
    return np.frombuffer(text, np.uint8)


def _distinct(ends: Int64) -> Int64:
    """Without the ends of empty documents, but the first, which ends what a block before began."""
    distinct: Int64 = ends[np.diff(ends, prepend=-1) != 0]
    return distinct


def _by_documents(rule: DocumentRule, reading: Reading, block: Block, line: int) -> Numbered:
    documents = documents_in(block, reading, line)
    numbers: dict[str, int] = {}
    ids, lengths = list[int](), list[int]()
    for tokens in rule.tokens_of(documents):
        ids += [numbers.setdefault(token, len(numbers)) for token in tokens]
        lengths.append(len(tokens))
    for token in numbers:
        if not isinstance(token, str) or not token or "\n" in token:
            raise ConfigError(
                f"corpus: {block.name}: the tokenizer gave {token!r}",
                needed="A token is text of one line, a character at least.",
                remedy="Let the tokenizer leave out what is none.",
            )
    text = np.frombuffer("".join(f"{token}\n" for token in numbers).encode(), np.uint8)
    number_of = np.array(ids, np.int32)
    found = FoundTokens(
        number_of, np.cumsum(lengths, dtype=np.int64), np.zeros(0, bool), *places_of(text), NONE, len(text)
    )
    counts = np.bincount(number_of, minlength=len(numbers))
    lines = block.text.count(b"\n") if block.records is None else len(documents)
    return Numbered(block, text, found, counts, lines)
