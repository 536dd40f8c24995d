"""Word lists in a separate file: one word a line, a tokenizer's JSON, or a Parquet column."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from gpuemb.core.doors import LateWords
from gpuemb.core.errors import FileFormatError
from gpuemb.core.memory import MemoryPlan, readable
from gpuemb.embeddings.files.parquet import read_column
from gpuemb.embeddings.files.source import find, reading
from gpuemb.embeddings.files.table import WORD_BYTES, check_words

LARGEST_JSON = 1 << 30  # bytes; the largest tokenizers published have some 30 MB
NEWLINE = ord("\n")


class LineWords(LateWords):
    """The words of a text, one a line, split on first access.

    Counting 400,000 lines takes 0.1 ms, creating the strings 20 ms: a mapped table is opened without
    them.
    """

    def __init__(self, text: bytes) -> None:
        ended = text.endswith(b"\n") or not text
        self._text = text
        self._count = int(np.count_nonzero(np.frombuffer(text, np.uint8) == NEWLINE)) + (not ended)

    @cached_property
    def _words(self) -> list[str]:
        lines = self._text.decode("utf-8").split("\n")[: self._count]
        return [line.removesuffix("\r") for line in lines] if b"\r" in self._text else lines

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._words[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __contains__(self, word: object) -> bool:
        return word in self._words

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self._count} words>"


def beside(file: Path, names: Sequence[str]) -> Path | None:
    """Find the word list of a table: ``<table>.words.txt``, else the first of ``names``."""
    candidates = [own_words(file), *(file.parent / name for name in names)]
    return next((path for path in candidates if path.is_file()), None)


def own_words(file: Path) -> Path:
    """Return the path of a table's own word list."""
    return file.with_name(f"{file.stem}.words.txt")


def read_words(path: Path) -> LineWords:
    """Read one word a line, in UTF-8; a byte order mark and carriage returns are dropped.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: invalid UTF-8; the byte is named.
        MemoryBudgetError: the words do not fit the memory.
    """
    with reading(str(path)):
        MemoryPlan(f"load: {path}", {"words": path.stat().st_size}).require()
        text = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"load: the words {path} are not UTF-8 at byte {error.start}",
            needed="Words are UTF-8 text.",
            remedy="Convert the file with iconv -t UTF-8.",
        ) from error
    words = LineWords(text)
    MemoryPlan(f"load: {path}", {"words": len(text) + len(words) * WORD_BYTES}).require()
    return words


def lines_of(words: Sequence[str]) -> bytes:
    """Return the text that :func:`read_words` reads.

    Raises:
        FileFormatError: a word holds a line break, or the first begins with a byte order mark.
    """
    check_words(words, "\n\r", kind="a list of one word a line")
    if words and words[0].startswith("\ufeff"):
        check_words(words[:1], "\ufeff", kind="the beginning of a text")
    return "".join(f"{word}\n" for word in words).encode("utf-8")


def read_vocabulary(path: Path, rows: int) -> Sequence[str | None]:
    """Read each row's word from a list in any format.

    Args:
        path: ``.json`` (``vocab.json`` or ``tokenizer.json``), ``.parquet`` (a column ``word``, or the
            only one), or text with one word a line.
        rows: of the table.

    Returns:
        ``rows`` words; None for a row without a word in the tokenizer (padding).

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: it is not a vocabulary, or one of another table.
    """
    if path.suffix == ".json":
        return _by_row(_tokenizer(path), rows, path)
    words = read_column(find(path)) if path.suffix == ".parquet" else read_words(path)
    if len(words) != rows:
        raise FileFormatError(
            f"load: {path} lists {len(words)} words, but there are {rows} vectors",
            needed="The list must have one word a row.",
            remedy="Name the list that belongs to the table with vocabulary=….",
        )
    return words


def _tokenizer(path: Path) -> Any:
    with reading(str(path)):
        size = path.stat().st_size
        if size > LARGEST_JSON:
            raise _no_vocabulary(path, f"it has {readable(size)}")
        text = path.read_bytes()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_vocabulary(path, str(error)) from error


def _by_row(tokenizer: Any, rows: int, path: Path) -> list[str | None]:
    words: list[str | None] = [None] * rows
    for word, row in _ids(tokenizer, path):
        if not isinstance(word, str) or not isinstance(row, int) or isinstance(row, bool):
            raise _no_vocabulary(path, f"it gives {word!r} the number {row!r}")
        if not 0 <= row < rows:
            raise FileFormatError(
                f"load: {path} gives {word!r} row {row}, but there are {rows} vectors",
                needed="A tokenizer's numbers are rows of its table.",
                remedy="Name the tokenizer that belongs to the table with vocabulary=….",
            )
        if words[row] not in (None, word):
            raise _no_vocabulary(path, f"it gives row {row} to {words[row]!r} and to {word!r}")
        words[row] = word
    return words


def _ids(tokenizer: Any, path: Path) -> Iterator[tuple[Any, Any]]:
    """Yield words and their numbers: a mapping, or a tokenizer's model with the tokens added to it."""
    if not isinstance(tokenizer, dict):
        raise _no_vocabulary(path, "it is no JSON object")
    model = tokenizer.get("model")
    if not isinstance(model, dict):
        yield from tokenizer.items()
        return
    vocabulary, added = model.get("vocab"), tokenizer.get("added_tokens", [])
    if isinstance(vocabulary, dict):
        yield from vocabulary.items()
    elif isinstance(vocabulary, list) and all(isinstance(entry, list) and entry for entry in vocabulary):
        yield from ((entry[0], row) for row, entry in enumerate(vocabulary))
    else:
        raise _no_vocabulary(path, "its model has no vocabulary")
    for token in added if isinstance(added, list) else ():
        if not isinstance(token, dict):
            raise _no_vocabulary(path, f"{token!r} is among its added tokens")
        yield token.get("content"), token.get("id")


def _no_vocabulary(path: Path, why: str) -> FileFormatError:
    return FileFormatError(
        f"load: {path} is not a vocabulary: {why}",
        needed='{"word": row, …}, or a tokenizer.json with such a mapping in its model, is needed.',
        remedy="A text file with one word a line serves too.",
    )
