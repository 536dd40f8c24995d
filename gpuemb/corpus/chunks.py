"""Cut sources into chunks that end between tokens, or between documents."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Literal, TypeAlias

from gpuemb.core.errors import FileFormatError
from gpuemb.core.progress import Task
from gpuemb.corpus.formats import HEAD, check_head
from gpuemb.corpus.records import holds_records, read_records
from gpuemb.corpus.sources import DATASET, Stream, check_document, conversations_path, opened

CHUNK_BYTES = 4 << 20  # measured on 12 and 94 MB of text: 2 to 8 MB within a tenth, 1 and 16 MB slower
TAIL = 4096  # bytes searched first for white space
WHITE = b" \t\n\r\v\f"
LONGEST_RUN = 64 << 20  # bytes without white space: no token of the compiled tokenizers is so long
BLANK_LINE = re.compile(rb"\n[ \t\r\v\f]*\n")

Documents: TypeAlias = Literal["line", "file", "blank line"]
EncodingErrors: TypeAlias = Literal["strict", "replace", "ignore"]
Cut: TypeAlias = Callable[[bytes], int]  # length of the longest prefix that may be a chunk; 0 for none


@dataclass(frozen=True)
class Reading:
    """How sources are cut into documents.

    Attributes:
        documents: unit of a document in a text file; a record is always one document.
        field: of a record with the text.
        encoding_errors: ``strict``, ``replace`` or ``ignore``, for bytes that are not UTF-8.
    """

    documents: Documents = "line"
    field: str | None = None
    encoding_errors: str = "strict"


@dataclass(frozen=True)
class Chunk:
    """Part of a source.

    Attributes:
        source: index of the source.
        name: of the source, for messages.
        text: its bytes, unchanged; empty for records.
        offset: byte of the unpacked source at which ``text`` begins.
        records: texts of records, or None for plain text.
    """

    source: int
    name: str
    text: bytes
    offset: int = 0
    records: Sequence[str] | None = None


def read_chunks(sources: Sequence[str], reading: Reading, cut: Cut, task: Task) -> Iterator[Chunk]:
    """Yield the chunks of all sources, in order, without a byte order mark.

    Args:
        sources: from :func:`gpuemb.corpus.sources.expand`.
        reading: how sources are cut into documents.
        cut: where a chunk of plain text may end.
        task: reports the bytes read.

    Raises:
        StorageError: a source cannot be read or changes while it is read.
        FileFormatError: a broken archive, table or record.
    """
    for number, source in enumerate(sources):
        path = str(conversations_path(source)) if source.startswith(DATASET) else source
        with opened(path) as stream:
            reported = 0
            if holds_records(source, reading.field):
                texts = read_records(source, stream, CHUNK_BYTES, reading.field, reading.encoding_errors)
                chunks = _record_chunks(number, stream.name, texts)
            else:
                chunks = _text_chunks(number, stream, cut)
            for chunk in chunks:
                yield chunk
                position = stream.position()
                task.advance(position - reported)
                reported = position
            task.advance(stream.position() - reported)


def after_white_space(text: bytes) -> int:
    """Return the end of the last ASCII white space: no token crosses it."""
    for part, before in ((text[-TAIL:], max(len(text) - TAIL, 0)), (text, 0)):
        last = max(part.rfind(bytes([byte])) for byte in WHITE)
        if last >= 0:
            return before + last + 1
    return 0


def after_document(documents: Documents) -> Cut:
    """Return the function that finds the end of the last complete document."""
    if documents == "line":
        return lambda text: text.rfind(b"\n") + 1
    if documents == "blank line":
        return lambda text: max((match.end() for match in BLANK_LINE.finditer(text)), default=0)
    return lambda _: 0


def documents_in(chunk: Chunk, reading: Reading, line: int) -> Sequence[str]:
    """Return the documents of a chunk of complete ones, without line ends.

    Args:
        chunk: cut by :func:`after_document`.
        reading: how sources are cut into documents.
        line: number of its first line or record in the source.

    Raises:
        FileFormatError: bytes that are not UTF-8, or zero.
    """
    if chunk.records is not None:
        for number, text in enumerate(chunk.records):
            if "\0" in text:
                raise not_text(chunk, line + number)
        return chunk.records
    check_text(chunk, line, reading.encoding_errors)
    text = chunk.text.decode("utf-8", reading.encoding_errors)
    if reading.documents == "file":
        return [text]
    lines = [one.removesuffix("\r") for one in text.split("\n")]
    if reading.documents == "line":
        return lines[:-1] if text.endswith("\n") else lines
    blank = WHITE.decode()
    return ["\n".join(part) for empty, part in groupby(lines, lambda one: not one.strip(blank)) if not empty]


def check_text(chunk: Chunk, line: int, encoding_errors: str) -> None:
    """Raise on bytes that are not text; the position is named.

    Raises:
        FileFormatError: a zero byte, or with ``strict`` bytes that are not UTF-8.
    """
    text, bad, shown = chunk.text, len(chunk.text), b""
    if encoding_errors == "strict":
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            bad, shown = error.start, text[error.start : error.start + 4]
    end = text.find(b"\n", bad)
    head = HEAD if chunk.offset <= len(codecs.BOM_UTF8) else 0
    zero = text.find(b"\0", 0, max(head, len(text) if end < 0 else end))
    if zero >= 0:
        raise not_text(chunk, line + text.count(b"\n", 0, zero))
    if shown:
        line += text.count(b"\n", 0, bad)
        raise FileFormatError(
            f"corpus: {chunk.name}, line {line}, byte {chunk.offset + bad}: {shown.hex(' ')} is not UTF-8",
            needed="Text must be UTF-8.",
            remedy="Convert it (iconv -t UTF-8), or use --encoding-errors replace or ignore.",
        )


def not_text(chunk: Chunk, line: int) -> FileFormatError:
    """Return the error for a zero byte."""
    unit = "line" if chunk.records is None else "record"
    return FileFormatError(
        f"corpus: {chunk.name} is not text: {unit} {line} holds a zero byte",
        needed="A corpus is text in UTF-8.",
        remedy="Extract the text first, or leave this file out.",
    )


def _text_chunks(number: int, stream: Stream, cut: Cut) -> Iterator[Chunk]:
    offset, pending, waiting, first = 0, list[bytes](), 0, True
    while data := stream.read(CHUNK_BYTES):
        while first and len(data) < len(codecs.BOM_UTF8) and (more := stream.read(CHUNK_BYTES)):
            data += more
        if first:
            check_head(stream.name, data)
            offset = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
            data = data[offset:]
        first = False
        at = cut(data) or (len(data) if b"\0" in data else 0)  # a zero is reported at once
        if at:
            text = b"".join([*pending, memoryview(data)[:at]])
            yield Chunk(number, stream.name, text, offset)
            offset += len(text)
            waiting = 0
            pending.clear()
        pending.append(data[at:])
        waiting += len(data) - at
        if not at:
            _check_waiting(stream.name, waiting, cut)
    if rest := b"".join(pending):
        yield Chunk(number, stream.name, rest, offset)


def _check_waiting(name: str, size: int, cut: Cut) -> None:
    """Check what is kept until a chunk may end: an endless line must not fill the memory.

    Raises:
        FileFormatError: no white space at all.
        MemoryBudgetError: a document that does not fit.
    """
    if cut is not after_white_space:
        check_document(name, size)
    elif size > LONGEST_RUN:
        raise FileFormatError(
            f"corpus: {name} has {LONGEST_RUN >> 20} MiB without white space",
            needed="Words must be apart, or lines at least.",
            remedy="Is it text? Break its lines, for example with fold -s.",
        )


def _record_chunks(number: int, name: str, pieces: Iterator[list[str]]) -> Iterator[Chunk]:
    pending: list[str] = []
    size = 0
    for text in chain.from_iterable(pieces):  # one by one: a text may stand in many records
        pending.append(text)
        size += len(text)
        if size >= CHUNK_BYTES:
            yield Chunk(number, name, b"", records=pending)
            pending, size = [], 0
    if pending:
        yield Chunk(number, name, b"", records=pending)
