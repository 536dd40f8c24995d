"""Iterate over the documents of a source as text."""

from __future__ import annotations

from collections.abc import Iterator

from gpuemb.core.progress import SILENT
from gpuemb.corpus.chunks import Reading, after_document, documents_in, read_chunks


def read_documents(source: str, reading: Reading | None = None) -> Iterator[str]:
    """Yield the documents of one source: lines of a file, texts of records, messages of a conversation.

    Args:
        source: a file, ``-`` for standard input, or ``dataset:conversations``.
        reading: how the source is cut into documents; lines of UTF-8 by default.

    Raises:
        StorageError: the source cannot be read.
        FileFormatError: a binary file, invalid UTF-8 (the position is named), or a broken archive.
    """
    reading = reading or Reading()
    line = 1
    with SILENT.phase("reading text") as task:
        for chunk in read_chunks([source], reading, after_document(reading.documents), task):
            yield from documents_in(chunk, reading, line)
            line += chunk.text.count(b"\n") if chunk.records is None else len(chunk.records)
