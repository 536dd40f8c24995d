"""Documents of sources, one after another, as text."""

from __future__ import annotations

from collections.abc import Iterator

from gpuemb.core.progress import SILENT
from gpuemb.corpus.blocks import Reading, behind_document, documents_in, read_blocks


def read_documents(source: str, reading: Reading | None = None) -> Iterator[str]:
    """Yield the documents of one source: lines of a file, texts of records, messages of a conversation.

    Args:
        source: a file, ``-`` for standard input, or ``dataset:conversations``.
        reading: what a document is; lines of UTF-8 by default.

    Raises:
        StorageError: the source cannot be read.
        FileFormatError: a binary file, invalid UTF-8 (the position is named), or a broken archive.
    """
    reading = reading or Reading()
    line = 1
    with SILENT.phase("reading text") as task:
        for block in read_blocks([source], reading, behind_document(reading.documents), task):
            yield from documents_in(block, reading, line)
            line += block.text.count(b"\n") if block.records is None else len(block.records)
