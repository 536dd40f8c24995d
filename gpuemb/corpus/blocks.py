"""Sources in pieces that end where no token can stand, or where a document ends."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from gpuemb.core.errors import FileFormatError
from gpuemb.core.progress import Task
from gpuemb.corpus.records import holds_records, read_records
from gpuemb.corpus.sources import DATASET, Stream, conversations_path, opened

BLOCK_BYTES = 4 << 20  # measured on 12 and 94 MB of text: 2 to 8 MB within a tenth, 1 and 16 MB slower
HEAD = 4096  # bytes in which a binary file shows itself
TAIL = 4096  # bytes in which white space is looked for first
WHITE = b" \t\n\r\v\f"
BLANK_LINE = re.compile(rb"\n[ \t\r\v\f]*\n")

Documents: TypeAlias = Literal["line", "file", "blank line"]
DOCUMENTS = ("line", "file", "blank line")
ENCODING_ERRORS = ("strict", "replace", "ignore")
Cut: TypeAlias = Callable[[bytes], int]  # bytes of a piece of text that may be a block; 0 for none


@dataclass(frozen=True)
class Reading:
    """How sources are cut into documents.

    Attributes:
        documents: what a document is in a text file; a record is one anyhow.
        field: of records, that holds the text.
        encoding_errors: ``strict``, ``replace`` or ``ignore``, for bytes that are not UTF-8.
    """

    documents: Documents = "line"
    field: str | None = None
    encoding_errors: str = "strict"


@dataclass(frozen=True)
class Block:
    """Part of a source.

    Attributes:
        source: its number among the sources.
        name: of the source, for people.
        text: the bytes as they lie there; of records, nothing.
        offset: byte of the unpacked source at which ``text`` begins.
        records: texts of records, or None for plain text.
    """

    source: int
    name: str
    text: bytes
    offset: int = 0
    records: Sequence[str] | None = None


def read_blocks(sources: Sequence[str], reading: Reading, cut: Cut, task: Task) -> Iterator[Block]:
    """Yield the blocks of all sources, in order; a byte order mark is no part of them.

    Args:
        sources: as :func:`gpuemb.corpus.sources.expand` gives them.
        reading: what a document is.
        cut: where a block of plain text may end.
        task: told the bytes of the files that were read.

    Raises:
        StorageError: a source cannot be read or changes meanwhile.
        FileFormatError: a broken archive, table or record.
    """
    for number, source in enumerate(sources):
        path = str(conversations_path(source)) if source.startswith(DATASET) else source
        with opened(path) as stream:
            told = 0
            if holds_records(source, reading.field):
                texts = read_records(source, stream, BLOCK_BYTES, reading.field, reading.encoding_errors)
                blocks = _blocks_of_records(number, stream.name, texts)
            else:
                blocks = _blocks_of_text(number, stream, cut)
            for block in blocks:
                yield block
                position = stream.position()
                task.advance(position - told)
                told = position
            task.advance(stream.position() - told)


def behind_white_space(text: bytes) -> int:
    """Where the last ASCII white space ends: no token goes on behind it."""
    for part, before in ((text[-TAIL:], max(len(text) - TAIL, 0)), (text, 0)):
        last = max(part.rfind(bytes([byte])) for byte in WHITE)
        if last >= 0:
            return before + last + 1
    return 0


def behind_document(documents: Documents) -> Cut:
    """Where the last whole document ends."""
    if documents == "line":
        return lambda text: text.rfind(b"\n") + 1
    if documents == "blank line":
        return lambda text: max((match.end() for match in BLANK_LINE.finditer(text)), default=0)
    return lambda _: 0


def documents_in(block: Block, reading: Reading, line: int) -> Sequence[str]:
    """The documents of a block of whole ones, without the ends of lines.

    Args:
        block: cut by :func:`behind_document`.
        reading: what a document is.
        line: number of the source's line, or record, that it begins with.

    Raises:
        FileFormatError: bytes that are not UTF-8, or zero.
    """
    if block.records is not None:
        for number, text in enumerate(block.records):
            if "\0" in text:
                raise not_text(block, line + number)
        return block.records
    check_text(block, line, reading.encoding_errors)
    text = block.text.decode("utf-8", reading.encoding_errors)
    if reading.documents == "file":
        return [text]
    lines = [one.removesuffix("\r") for one in text.split("\n")]
    if reading.documents == "line":
        return lines[:-1] if text.endswith("\n") else lines
    blank = WHITE.decode()
    return ["\n".join(part) for empty, part in groupby(lines, lambda one: not one.strip(blank)) if not empty]


def check_text(block: Block, line: int, encoding_errors: str) -> None:
    """Refuse what is not text, naming the place.

    Raises:
        FileFormatError: a zero byte; or bytes that are not UTF-8, where these are not replaced or ignored.
    """
    text, bad, shown = block.text, len(block.text), b""
    if encoding_errors == "strict":
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            bad, shown = error.start, text[error.start : error.start + 4]
    end = text.find(b"\n", bad)
    head = HEAD if block.offset <= len(codecs.BOM_UTF8) else 0
    zero = text.find(b"\0", 0, max(head, len(text) if end < 0 else end))
    if zero >= 0:
        raise not_text(block, line + text.count(b"\n", 0, zero))
    if shown:
        line += text.count(b"\n", 0, bad)
        raise FileFormatError(
            f"corpus: {block.name}, line {line}, byte {block.offset + bad}: {shown.hex(' ')} is not UTF-8",
            needed="Text must be UTF-8.",
            remedy="Convert it (iconv -t UTF-8), or use --encoding-errors replace or ignore.",
        )


def not_text(block: Block, line: int) -> FileFormatError:
    """The refusal of a zero byte."""
    unit = "line" if block.records is None else "record"
    return FileFormatError(
        f"corpus: {block.name} is not text: {unit} {line} holds a zero byte",
        needed="A corpus is text in UTF-8.",
        remedy="Extract the text first, or leave this file out.",
    )


def _blocks_of_text(number: int, stream: Stream, cut: Cut) -> Iterator[Block]:
    offset, waiting, first = 0, list[bytes](), True
    while chunk := stream.read(BLOCK_BYTES):
        while first and len(chunk) < len(codecs.BOM_UTF8) and (more := stream.read(BLOCK_BYTES)):
            chunk += more
        if first and chunk.startswith(codecs.BOM_UTF8):
            offset = len(codecs.BOM_UTF8)
            chunk = chunk[offset:]
        first = False
        at = cut(chunk)
        if at:
            text = b"".join([*waiting, memoryview(chunk)[:at]])
            yield Block(number, stream.name, text, offset)
            offset += len(text)
            waiting.clear()
        waiting.append(chunk[at:])
    if rest := b"".join(waiting):
        yield Block(number, stream.name, rest, offset)


def _blocks_of_records(number: int, name: str, pieces: Iterator[list[str]]) -> Iterator[Block]:
    waiting: list[str] = []
    size = 0
    for texts in pieces:
        waiting += texts
        size += sum(map(len, texts))
        if size >= BLOCK_BYTES:
            yield Block(number, name, b"", records=waiting)
            waiting, size = [], 0
    if waiting:
        yield Block(number, name, b"", records=waiting)
