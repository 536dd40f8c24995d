"""Requests and results of readers."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from gpuemb.core.arrays import FloatMatrix, Int64
from gpuemb.core.checks import check_at_least
from gpuemb.core.errors import DroppedWarning, FileFormatError, SpellingWarning
from gpuemb.core.memory import MemoryPlan, rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.embeddings.spelling import REMEDY, OtherForms

OnError = Literal["raise", "skip"]
WORD_BYTES = 80  # of a Python string of usual length and its pointer in a list


@dataclass(frozen=True, eq=False)
class Table:
    """The requested rows of a file.

    Attributes:
        words: the ``V`` words, each once.
        vectors: ``(V, d)``; float32, or as stored where a format has several dtypes.
        duplicates: rows left out for a repeated word.
        skipped: unreadable rows left out.
        finite: whether the reader has checked that every number is finite.
        unnamed: rows left out for which the vocabulary has no word.
        unused: words of the vocabulary without a row of their own.
        respelled: requested words that the file has in another Unicode form only.
    """

    words: Sequence[str]
    vectors: FloatMatrix
    duplicates: int = 0
    skipped: int = 0
    finite: bool = False
    unnamed: int = 0
    unused: int = 0
    respelled: Sequence[str] = ()


@dataclass(frozen=True)
class Request:
    """Options of a reader.

    Attributes:
        vocabulary: file of the words, for formats without them.
        tensor: name of the table, for formats with several.
        limit: keep at most this many rows, the first ones.
        words: keep only the rows of these words.
        on_error: ``raise`` or ``skip``, for an unreadable row.
        memory_map: whether to map a table where possible.
        progress: reports the rows read.
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
        """Whether every row is requested."""
        return self.limit is None and self.words is None

    def most_rows(self, rows: int) -> int:
        """Return an upper bound of the rows kept out of ``rows``."""
        named = rows if self.words is None else len(self.words)
        return min(rows, named, rows if self.limit is None else self.limit)


@dataclass(frozen=True, eq=False)
class Kept:
    """The kept rows of a file.

    Attributes:
        words: the words of the kept rows.
        rows: ``(V,)`` their row numbers in the file, ascending; None for all.
        duplicates: rows left out for a repeated word.
        unnamed: rows left out for having no word.
        respelled: requested words that the file has in another Unicode form only.
    """

    words: list[str]
    rows: Int64 | None
    duplicates: int
    unnamed: int
    respelled: Sequence[str]

    def table(self, vectors: FloatMatrix, *, unused: int = 0) -> Table:
        """Return the rows as they were read."""
        return Table(
            self.words,
            vectors,
            self.duplicates,
            unnamed=self.unnamed,
            unused=unused,
            respelled=self.respelled,
        )


def select(words: Sequence[str | None], request: Request) -> Kept:
    """Choose rows by their words: the first of each requested one.

    Args:
        words: each row's word; None for a row without one, which is never kept.
        request: ``limit`` and ``words``.
    """
    wanted = None if request.words is None else frozenset(request.words)
    limit = len(words) if request.limit is None else request.limit
    forms = OtherForms(request.words)
    rows: dict[str, int] = {}
    duplicates = 0
    for row, word in enumerate(words):
        if len(rows) == limit:
            break
        if word is None or (wanted is not None and word not in wanted):
            forms.note(word)
            continue
        if word in rows:
            duplicates += 1
        else:
            rows[word] = row
    kept = None if len(rows) == len(words) else np.fromiter(rows.values(), np.int64, len(rows))
    unnamed = len(words) - len(rows) - duplicates if request.is_whole else 0
    return Kept(list(rows), kept, duplicates, unnamed, forms.lost(rows))


def plan(name: str, rows: int, row_bytes: int, tile_bytes: int = 0) -> None:
    """Check before reading that a table fits the memory.

    Raises:
        MemoryBudgetError: it does not fit.
    """
    sizes = {"vectors": rows * row_bytes, "words": rows * WORD_BYTES, "tile": tile_bytes}
    MemoryPlan(f"load: {name}", sizes).require()


def without_bad_rows(table: Table) -> Table:
    """Drop rows with NaN or infinity, counted as skipped."""
    finite = np.ones(len(table.words), bool)
    for start, stop in tiles(len(finite), rows_per_tile(table.vectors.shape[1])):
        finite[start:stop] = np.isfinite(table.vectors[start:stop]).all(axis=1)
    if finite.all():
        return table
    words = [word for word, good in zip(table.words, finite, strict=True) if good]
    bad = len(finite) - len(words)
    return replace(table, words=words, vectors=table.vectors[finite], skipped=table.skipped + bad)


def say_dropped(table: Table, name: str) -> None:
    """Warn of rows and words left out, as :func:`gpuemb.load` is called."""
    lost = {
        "rows of repeated words": table.duplicates,
        "rows that cannot be read": table.skipped,
        "rows without a word in the vocabulary": table.unnamed,
        "words of the vocabulary without a row of their own": table.unused,
    }
    parts = [f"{count} {what}" for what, count in lost.items() if count]
    if parts:
        warnings.warn(f"load: {name}: left out {', '.join(parts)}", DroppedWarning, stacklevel=4)
    if table.respelled:
        warnings.warn(
            f"load: {name} has {len(table.respelled)} of the words in another Unicode form, such as "
            f"{table.respelled[0]!r}, and they are left out. {REMEDY}",
            SpellingWarning,
            stacklevel=4,
        )


def check_words(words: Sequence[str], forbidden: str, *, kind: str) -> None:
    """Check before writing that a format can hold all words.

    Args:
        words: of a table.
        forbidden: characters with another meaning in the format.
        kind: name of the format.

    Raises:
        FileFormatError: a word holds one, or cannot be encoded in UTF-8; it is named.
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
