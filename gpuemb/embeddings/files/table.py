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
from gpuemb.core.errors import DroppedWarning, FileFormatError, SpellingWarning, VocabularyError
from gpuemb.core.memory import MemoryPlan, rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.embeddings.spelling import NEEDED, REMEDY, OtherForms

OnError = Literal["raise", "skip"]
Repeated = Literal["first", "mean", "error"]  # of the rows of one word
TokenText = Literal["raw", "text", "words"]  # as spelled; as people read them; whole words alone
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
        set_aside: rows of tokens that were not asked for.
        again: the first repeated word.
    """

    words: Sequence[str]
    vectors: FloatMatrix
    duplicates: int = 0
    skipped: int = 0
    finite: bool = False
    unnamed: int = 0
    unused: int = 0
    respelled: Sequence[str] = ()
    set_aside: int = 0
    again: str = ""


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
        tokens: how the tokens of a transformer are read.
        repeated: which row a word has that stands several times; None is the first, or a mapped table.
    """

    vocabulary: Path | None = None
    tensor: str | None = None
    limit: int | None = None
    words: Collection[str] | None = None
    on_error: OnError = "raise"
    memory_map: bool = True
    progress: Progress = SILENT
    tokens: TokenText = "raw"
    repeated: Repeated | None = None

    def __post_init__(self) -> None:
        if self.limit is not None:
            check_at_least("load", "limit", self.limit, 1)

    @property
    def is_whole(self) -> bool:
        """Whether every row is requested."""
        return self.limit is None and self.words is None

    def most_rows(self, rows: int) -> int:
        """Return an upper bound of the rows read out of ``rows``."""
        if self.repeated == "mean":
            return rows
        named = rows if self.words is None else len(self.words)
        return min(rows, named, rows if self.limit is None else self.limit)


@dataclass(frozen=True, eq=False)
class Kept:
    """The kept rows of a file.

    Attributes:
        words: the words of the kept rows.
        rows: their row numbers in the file, ascending; None for all. One a word, or all of a word that is to
            have their mean.
        duplicates: rows left out for a repeated word, or averaged.
        unnamed: rows left out for having no word.
        respelled: requested words that the file has in another Unicode form only.
        places: of each of the rows, its word in ``words``, where means are taken; else None.
        again: the first repeated word.
    """

    words: list[str]
    rows: Int64 | None
    duplicates: int
    unnamed: int
    respelled: Sequence[str]
    places: Int64 | None = None
    again: str = ""

    @property
    def height(self) -> int:
        """Rows that are read."""
        return len(self.words) if self.places is None else len(self.places)

    def table(self, vectors: FloatMatrix, *, unused: int = 0, set_aside: int = 0) -> Table:
        """Return the rows as they were read; what was set aside is not counted as without a word."""
        return Table(
            self.words,
            vectors if self.places is None else mean_rows(vectors, self.places, len(self.words)),
            self.duplicates,
            unnamed=max(0, self.unnamed - set_aside),
            unused=unused,
            respelled=self.respelled,
            set_aside=set_aside,
            again=self.again,
        )


def select(words: Sequence[str | None], request: Request) -> Kept:
    """Choose rows by their words: the first of each requested one, or all for their mean.

    Args:
        words: each row's word; None for a row without one, which is never kept.
        request: ``limit``, ``words`` and ``repeated``.
    """
    wanted = None if request.words is None else frozenset(request.words)
    limit = len(words) if request.limit is None else request.limit
    averaged = request.repeated == "mean"
    forms = OtherForms(request.words)
    place_of: dict[str, int] = {}
    rows: list[int] = []
    places: list[int] = []  # of the words of these rows
    duplicates, again = 0, ""
    for row, word in enumerate(words):
        if len(place_of) == limit and not averaged:
            break
        if word is None or (wanted is not None and word not in wanted):
            forms.note(word)
        elif word in place_of:
            duplicates, again = duplicates + 1, again or word
            if averaged:
                rows.append(row)
                places.append(place_of[word])
        elif len(place_of) < limit:
            places.append(len(place_of))
            place_of[word] = len(place_of)
            rows.append(row)
    kept = None if len(rows) == len(words) else np.array(rows, np.int64)
    unnamed = len(words) - len(place_of) - duplicates if request.is_whole else 0
    means = np.array(places, np.int64) if averaged and duplicates else None
    return Kept(list(place_of), kept, duplicates, unnamed, forms.lost(place_of), means, again)


def mean_rows(vectors: FloatMatrix, places: Int64, count: int) -> FloatMatrix:
    """Return the mean of the rows of each place, summed in float64 in the order of the rows.

    Args:
        vectors: ``(n, d)``.
        places: ``(n,)`` of the rows; each below ``count`` stands at least once.
        count: of the rows to return.

    Raises:
        MemoryBudgetError: they do not fit beside the ones that were read.
    """
    dim = vectors.shape[1]
    MemoryPlan("load: means of repeated words", {"means": count * dim * vectors.itemsize}).require()
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(count + 1))
    means = np.empty((count, dim), vectors.dtype)
    for place in range(count):
        rows = order[starts[place] : starts[place + 1]]
        means[place] = vectors[rows[0]] if len(rows) == 1 else vectors[rows].mean(axis=0, dtype=np.float64)
    return means


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


def check_repeated(table: Table, name: str, repeated: Repeated | None) -> None:
    """Refuse a table in which a word stands twice, where that was asked.

    Raises:
        VocabularyError: the first such word is named.
    """
    if repeated == "error" and table.duplicates:
        raise VocabularyError(
            f"load: {name} repeats words in {table.duplicates} rows, first {table.again!r}",
            needed="With repeated='error' each word stands once.",
            remedy="repeated='first' keeps the first row of a word, repeated='mean' the mean of all.",
        )


def say_dropped(table: Table, name: str, repeated: Repeated | None) -> None:
    """Warn of rows and words left out, as :func:`gpuemb.load` is called."""
    if repeated == "mean" and table.duplicates:
        warnings.warn(
            f"load: {name}: averaged {table.duplicates} rows of repeated words, such as {table.again!r}, "
            "into the first ones",
            DroppedWarning,
            stacklevel=4,
        )
    lost = {
        "rows of repeated words": 0 if repeated == "mean" else table.duplicates,
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


def require_rows(table: Table, name: str, request: Request) -> None:
    """Check that a table has a row.

    Raises:
        VocabularyError, FileFormatError: it has none, and why.
    """
    if len(table.words):
        return
    if table.respelled:
        raise VocabularyError(
            f"load: {name} has none of the {len(request.words or ())} words, but "
            f"{len(table.respelled)} in another Unicode form, such as {table.respelled[0]!r}",
            needed=NEEDED,
            remedy=REMEDY,
        )
    if request.words is not None:
        raise VocabularyError(
            f"load: {name} has none of the {len(request.words)} words",
            needed="At least one of words=… must be in the table.",
            remedy="Words are matched letter by letter, capitals included.",
        )
    unread = f" of {table.skipped} that is readable" if table.skipped else ""
    raise FileFormatError(
        f"load: {name} holds no row{unread}",
        needed="A table holds at least one word and its vector.",
        remedy="Is it the right file? format=… overrides what its contents show.",
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
