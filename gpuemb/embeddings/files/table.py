"""What readers are asked for, and what they give."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gpuemb.core.arrays import FloatMatrix, Int64
from gpuemb.core.checks import check_at_least
from gpuemb.core.errors import FileFormatError
from gpuemb.core.memory import MemoryPlan, rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress

OnError = Literal["raise", "skip"]
WORD_BYTES = 80  # of a Python string of ordinary length and of its place in a list


@dataclass(frozen=True)
class Table:
    """What a file holds, or the part of it that was asked for.

    Attributes:
        words: the ``V`` words, each once.
        vectors: ``(V, d)``; float32, or as stored where a format keeps several kinds.
        duplicates: rows left out because their word had stood before.
        skipped: rows left out because they could not be read.
        finite: whether the reader has seen that every number is finite, so that nobody need look again.
    """

    words: Sequence[str]
    vectors: FloatMatrix
    duplicates: int = 0
    skipped: int = 0
    finite: bool = False


@dataclass(frozen=True)
class Request:
    """What is asked of a reader.

    Attributes:
        vocabulary: file of the words, for formats that keep them apart.
        tensor: name of the table, for formats that hold several.
        limit: keep at most so many rows, the first ones.
        words: keep only the rows of these words.
        on_error: what happens to a row that cannot be read.
        memory_map: whether a table that can be mapped is mapped.
        progress: told how many rows are read.
    """

    vocabulary: Path | None = None
    tensor: str | None = None
    limit: int | None = None
    words: Collection[str] | None = None
    on_error: OnError = "raise"
    memory_map: bool = True
    progress: Progress = SILENT

    def __post_init__(self) -> None:
        if self.limit is not None:
            check_at_least("load", "limit", self.limit, 1)

    @property
    def is_whole(self) -> bool:
        """Whether every row is asked for."""
        return self.limit is None and self.words is None

    def most_rows(self, rows: int) -> int:
        """How many of ``rows`` rows can be kept at most."""
        named = rows if self.words is None else len(self.words)
        return min(rows, named, rows if self.limit is None else self.limit)


@dataclass(frozen=True)
class Kept:
    """Which rows of a file are kept.

    Attributes:
        words: the words of the kept rows.
        rows: ``(V,)`` their row numbers in the file, ascending; None when all are.
        duplicates: rows left out because their word had stood before.
    """

    words: list[str]
    rows: Int64 | None
    duplicates: int


def select(words: Sequence[str | None], request: Request) -> Kept:
    """Choose rows by their words: the first of each, only what was asked for.

    Args:
        words: each row's word; None for a row that has none and is never kept.
        request: ``limit`` and ``words``.
    """
    wanted = None if request.words is None else frozenset(request.words)
    limit = len(words) if request.limit is None else request.limit
    rows: dict[str, int] = {}
    duplicates = 0
    for row, word in enumerate(words):
        if len(rows) == limit:
            break
        if word is None or (wanted is not None and word not in wanted):
            continue
        if word in rows:
            duplicates += 1
        else:
            rows[word] = row
    kept = None if len(rows) == len(words) else np.fromiter(rows.values(), np.int64, len(rows))
    return Kept(list(rows), kept, duplicates)


def plan(name: str, rows: int, row_bytes: int, tile_bytes: int = 0) -> None:
    """Refuse a table that does not fit the memory, before any of it is read.

    Raises:
        MemoryBudgetError: it does not.
    """
    sizes = {"vectors": rows * row_bytes, "words": rows * WORD_BYTES, "tile": tile_bytes}
    MemoryPlan(f"load: {name}", sizes).require()


def without_bad_rows(table: Table) -> Table:
    """Leave out the rows that hold NaN or infinity, counted as skipped."""
    finite = np.ones(len(table.words), bool)
    for start, stop in tiles(len(finite), rows_per_tile(table.vectors.shape[1])):
        finite[start:stop] = np.isfinite(table.vectors[start:stop]).all(axis=1)
    if finite.all():
        return table
    words = [word for word, good in zip(table.words, finite, strict=True) if good]
    bad = len(finite) - len(words)
    return Table(words, table.vectors[finite], table.duplicates, table.skipped + bad)


def check_words(words: Sequence[str], forbidden: str, *, kind: str) -> None:
    """Refuse words that a format cannot hold, before anything is written.

    Args:
        words: every word of a table.
        forbidden: characters that the format gives another meaning.
        kind: what the format is called.

    Raises:
        FileFormatError: the first such word, or one that UTF-8 cannot write, is named.
    """
    text = "".join(words)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        word = next(word for word in words if text[error.start] in word)
        raise FileFormatError(
            f"save: the word {word!r} holds half of a surrogate pair",
            needed="Words are written as UTF-8, which has no lone surrogates.",
            remedy="Drop or rename the word.",
        ) from error
    for character in forbidden:
        if character in text:
            word = next(word for word in words if character in word)
            raise FileFormatError(
                f"save: the word {word!r} holds {character!r}",
                needed=f"A word in {kind} has no {character!r}: it would end there.",
                remedy="Drop or rename the word, or save as .parquet or .npz, which hold any word.",
            )
