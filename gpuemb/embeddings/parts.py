"""The files that a table of word vectors is read from."""

from __future__ import annotations

from pathlib import Path

from gpuemb.embeddings.files.arrays import LISTS
from gpuemb.embeddings.files.checkpoints.folder import is_folder, weights_of
from gpuemb.embeddings.files.checkpoints.names import TOKENS
from gpuemb.embeddings.files.checkpoints.vocabulary import ADDED, SETTINGS, SPECIAL
from gpuemb.embeddings.files.checkpoints.vocabulary import LISTS as LISTS_OF_TOKENS
from gpuemb.embeddings.files.detect import format_of
from gpuemb.embeddings.files.source import find
from gpuemb.embeddings.files.tensors import INDEX_HEAD, VOCABULARIES, is_index, shard
from gpuemb.embeddings.files.vocabulary import beside

OF_TOKENS = (ADDED, SPECIAL, SETTINGS)
WORDS_OF = {"npy": LISTS, "safetensors": VOCABULARIES}


def parts_of(path: str | Path) -> tuple[Path, ...]:
    """Return every file that :func:`gpuemb.load` reads to open a table: its own, and the words beside it.

    Raises:
        StorageError, FileFormatError: missing, unreadable, or of no format that is known.
    """
    folder = is_folder(path)
    source = find(weights_of(Path(path)) if folder else path)
    found = [source.path]
    if is_index(source.head(INDEX_HEAD)):
        found.append(shard(source, TOKENS)[0].path)
    names = WORDS_OF.get(format_of(source))
    words = None if names is None else beside(source.path, LISTS_OF_TOKENS if folder else names)
    found += [words] if words is not None else []
    if folder:  # what the list of tokens leaves to other files
        found += [place for name in OF_TOKENS if (place := Path(path) / name).is_file()]
    return tuple(found)
