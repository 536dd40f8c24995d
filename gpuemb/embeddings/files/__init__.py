"""Tables on the disk: an array of vectors beside the list of its words."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gpuemb.core.arrays import to_host
from gpuemb.core.errors import FileFormatError, StorageError
from gpuemb.core.files import replacing
from gpuemb.embeddings.model import Embedding

WORDS_FILE = "words.txt"


def load(path: str | Path, *, vocabulary: str | Path | None = None) -> Embedding:
    """Open a table; the vectors are memory-mapped, not read.

    Args:
        path: a ``.npy`` file of ``(V, d)`` floats.
        vocabulary: text file with one word a line; default ``words.txt`` beside the vectors, or in the
            folder above (where a study puts it).

    Raises:
        StorageError: a file is missing or unreadable.
        FileFormatError: not a ``.npy`` array of floats, or not as many words as vectors.
    """
    file = Path(path)
    try:
        vectors = np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise StorageError(
            f"load: {path} cannot be read: {error.strerror or error}",
            needed="A .npy file that you may read is needed.",
            remedy="Check the path.",
        ) from error
    except (ValueError, EOFError) as error:
        raise FileFormatError(
            f"load: {path} is not a NumPy array: {error}",
            needed="A .npy file of numbers is needed; pickled objects are never read.",
            remedy="numpy.save(path, vectors) writes one.",
        ) from error
    words = _read_words(_vocabulary_beside(file) if vocabulary is None else Path(vocabulary))
    if not isinstance(vectors, np.ndarray) or vectors.dtype.kind != "f":
        raise FileFormatError(
            f"load: {path} holds {getattr(vectors, 'dtype', 'an archive of arrays')}",
            needed="One array of float16, float32 or float64 is needed.",
            remedy="numpy.save(path, vectors.astype('float32')) writes one.",
        )
    if vectors.ndim != 2 or len(vectors) != len(words):
        raise FileFormatError(
            f"load: {path} has shape {vectors.shape}, but there are {len(words)} words",
            needed="One row a word is needed.",
            remedy="Name the list that belongs to it with vocabulary=….",
        )
    return Embedding(vectors, words, name=file.stem)


def save(embedding: Embedding, path: str | Path) -> None:
    """Write ``path`` (``.npy``) and ``words.txt`` beside it; each appears only when it is whole.

    Args:
        embedding: words and vectors.
        path: a name that ends in ``.npy``.

    Raises:
        StorageError: the folder cannot be written.
        FileFormatError: another file name ending, or a word with a line break.
    """
    file = Path(path)
    if file.suffix != ".npy":
        raise FileFormatError(
            f"save: {path} ends in {file.suffix or 'nothing'}",
            needed="Tables are written as .npy.",
            remedy=f"save(embedding, {str(file.with_suffix('.npy'))!r})",
        )
    broken = next((word for word in embedding.index_to_key if "\n" in word or "\r" in word), None)
    if broken is not None:
        raise FileFormatError(
            f"save: the word {broken!r} holds a line break",
            needed="The list of words has one word a line.",
            remedy="Drop or rename the word.",
        )
    with replacing(file) as part:
        np.save(part, to_host(embedding.vectors), allow_pickle=False)
    with replacing(file.with_name(WORDS_FILE), "w") as part:
        part.writelines(f"{word}\n" for word in embedding.index_to_key)


def _vocabulary_beside(file: Path) -> Path:
    candidates = [file.with_name(WORDS_FILE), file.parent.parent / WORDS_FILE]
    return next((path for path in candidates if path.exists()), candidates[0])


def _read_words(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise StorageError(
            f"load: the words {path} cannot be read: {error.strerror}",
            needed="A text file with one word a line is needed.",
            remedy="Name it with vocabulary=….",
        ) from error
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"load: the words {path} are not UTF-8 at byte {error.start}",
            needed="Words are UTF-8 text.",
            remedy="Convert the file with iconv -t UTF-8.",
        ) from error
