"""Word lists in a separate file: one word a line, a tokenizer's JSON, or a Parquet column."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np

from gpuemb.core.doors import LateWords
from gpuemb.core.errors import FileFormatError
from gpuemb.core.memory import MemoryPlan
from gpuemb.embeddings.files.header import shown
from gpuemb.embeddings.files.parquet import read_column
from gpuemb.embeddings.files.source import Source, find
from gpuemb.embeddings.files.table import WORD_BYTES, check_words
from gpuemb.kernels.parse_vectors import number_of

NEWLINE = b"\n"
COPIES = 3  # of a list in memory while it is checked: its bytes, its text, and that of its lines
JSON_BYTES = 25  # of objects in memory for a byte of JSON, at most: "[]," makes a list
LEAST_NAMED = 0.5  # share of the rows with a word, and of the words with a row: the rest is padding


class LineWords(LateWords):
    """The words of a text, one a line, split on first access.

    Counting 400,000 lines takes 0.1 ms, creating the strings 20 ms: a mapped table is opened without
    them.
    """

    def __init__(self, text: bytes) -> None:
        ended = text.endswith(b"\n") or not text
        self._text = text
        self._count = int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord(NEWLINE))) + (not ended)

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
    """Read one word a line, in UTF-8; a byte order mark and carriage returns before line ends are dropped.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: invalid UTF-8, a carriage return within a line, or a second column; the place is
            named.
        MemoryBudgetError: the words do not fit the memory.
    """
    text = _source(path).contents(COPIES).removeprefix(codecs.BOM_UTF8)
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"load: the words {path} are not UTF-8 at byte {error.start}",
            needed="Words are UTF-8 text.",
            remedy="Convert the file with iconv -t UTF-8.",
        ) from error
    if text.removesuffix(b"\r").count(b"\r") > text.count(b"\r\n"):
        raise FileFormatError(
            f"load: the words {path} hold a carriage return without a line feed behind it",
            needed="Lines end in a line feed, with or without a carriage return before it.",
            remedy="Convert its line ends: tr '\\r' '\\n' < OLD > NEW",
        )
    if has_columns(text):
        raise FileFormatError(
            f"load: the words {path} stand in columns: {shown(text.lstrip().partition(NEWLINE)[0])}",
            needed="A list of words has one word a line and nothing else.",
            remedy="Keep the column of the words: cut -d ' ' -f 1 OLD > NEW (cut -f 1 where tabs separate).",
        )
    words = LineWords(text)
    MemoryPlan(f"load: {path}", {"words": len(text) + len(words) * WORD_BYTES}).require()
    return words


def _source(path: Path) -> Source:
    """Return a list as a file; unlike a table it may be empty, or come out of a pipe."""
    return Source(path) if path.is_fifo() or (path.is_file() and not path.stat().st_size) else find(path)


def has_columns(text: bytes) -> bool:
    """Return whether every line holds a word and more: numbers before or behind it, or fields between tabs.

    Such are vocabularies with counts, ids or tags. A list of phrases has lines that differ.
    """
    begin = text.lstrip(b"\r\n").partition(NEWLINE)[0].strip()
    if b" " not in begin and b"\t" not in begin:
        return False
    lines = [line.split() for line in text.split(NEWLINE) if line.strip()]
    if any(len(fields) < 2 for fields in lines):
        return False
    tabs = all(b"\t" in line.strip() for line in text.split(NEWLINE) if line.strip())
    return tabs or any(all(number_of(fields[end]) is not None for fields in lines) for end in (0, -1))


def lines_of(words: Sequence[str]) -> bytes:
    """Return the text that :func:`read_words` reads.

    Raises:
        FileFormatError: a word holds a line break, the first begins with a byte order mark, or all look
            like columns.
    """
    check_words(words, "\n\r", kind="a list of one word a line")
    if words and words[0].startswith("\ufeff"):
        check_words(words[:1], "\ufeff", kind="the beginning of a text")
    text = "".join(f"{word}\n" for word in words).encode("utf-8")
    if has_columns(text):
        raise FileFormatError(
            f"save: every word is like two columns, such as the word {words[0]!r}",
            needed="In a list of one word a line, numbers or tabs in every line are a second column.",
            remedy="Rename the words, or save as .parquet or .npz, which hold any word.",
        )
    return text


@dataclass(frozen=True)
class RowWords:
    """The words of a table's rows.

    Attributes:
        words: of each row; None for a row without one (padding).
        unused: words of the vocabulary without a row of their own.
        set_aside: rows whose tokens were not asked for.
    """

    words: Sequence[str | None]
    unused: int = 0
    set_aside: int = 0


def read_vocabulary(path: Path, rows: int, *, padded: bool = False) -> RowWords:
    """Read each row's word from a list in any format.

    Blank lines behind the last word are no words where there are too many lines. A row that a tokenizer gives
    to two words has the first.

    Args:
        path: ``.json`` (``vocab.json`` or ``tokenizer.json``), ``.parquet`` (a column ``word``, or the
            only one), or text with one word a line.
        rows: of the table.
        padded: whether a list may be shorter or longer than the table, as tokenizers may.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: it is not a vocabulary, or one of another table: most rows have no word, or most
            words no row.
    """
    if path.suffix == ".json":
        return _by_row(json_of(path), rows, path)
    words: Sequence[str] = read_column(find(path)) if path.suffix == ".parquet" else read_words(path)
    count = len(words)
    if count != rows:
        count = next((place for place in range(count, 0, -1) if words[place - 1]), 0)
    if count != rows and not (padded and _are_those(count, min(count, rows), rows)):
        raise FileFormatError(
            f"load: {path} lists {len(words)} words, but there are {rows} vectors",
            needed="The list must have one word a row.",
            remedy="Name the list that belongs to the table with vocabulary=….",
        )
    unused = len(words) - min(count, rows)
    return RowWords(
        words if len(words) == rows else [*words[: min(count, rows)], *[None] * (rows - count)], unused
    )


def _are_those(words: int, named: int, rows: int) -> bool:
    """Whether a vocabulary can be that of a table, given how many of its words and of its rows match."""
    return named >= LEAST_NAMED * max(words, rows)


def json_of(path: Path) -> Any:
    """Return what a file of JSON says.

    Raises:
        StorageError, FileFormatError: it cannot be read, or is not JSON.
        MemoryBudgetError: its objects would not fit the memory.
    """
    text = find(path).contents(JSON_BYTES)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_vocabulary(path, str(error)) from error


def _by_row(tokenizer: Any, rows: int, path: Path) -> RowWords:
    words: list[str | None] = [None] * rows
    listed = set()
    beyond: list[tuple[str, int]] = []
    for word, row in _ids(tokenizer, path):
        if not isinstance(word, str) or not isinstance(row, int) or isinstance(row, bool):
            raise _no_vocabulary(path, f"it gives {word!r} the number {row!r}")
        if row < 0:
            raise _no_vocabulary(path, f"it gives {word!r} row {row}")
        listed.add(word)
        if row >= rows:
            beyond.append((word, row))
        elif words[row] is None:
            words[row] = word
    named = sum(word is not None for word in words)
    if not _are_those(len(listed), named, rows):
        word, row = max(beyond, key=lambda pair: pair[1], default=("", 0))
        what = f"gives {word!r} row {row}" if beyond else f"names {named} rows"
        raise FileFormatError(
            f"load: {path} {what}, but there are {rows} vectors",
            needed="A tokenizer's numbers are rows of its table, at least half of them.",
            remedy="Name the tokenizer that belongs to the table with vocabulary=….",
        )
    return RowWords(words, len(listed.difference(words)))


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
