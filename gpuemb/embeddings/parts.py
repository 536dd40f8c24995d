"""The files that a table of word vectors is read from."""

from __future__ import annotations

from pathlib import Path

from gpuemb.embeddings.files.arrays import LISTS
from gpuemb.embeddings.files.detect import format_of
from gpuemb.embeddings.files.source import find
from gpuemb.embeddings.files.tensors import VOCABULARIES
from gpuemb.embeddings.files.vocabulary import beside

WORDS_OF = {"npy": LISTS, "safetensors": VOCABULARIES}


def parts_of(path: str | Path) -> tuple[Path, ...]:
    """Return every file that :func:`gpuemb.load` reads to open a table: its own, and the words beside it.

    Raises:
        StorageError, FileFormatError: missing, unreadable, or of no format that is known.
    """
    source = find(path)
    names = WORDS_OF.get(format_of(source))
    words = None if names is None else beside(source.path, names)
    return (source.path,) if words is None else (source.path, words)
