"""Requested words that two tables share."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuemb.core.arrays import Array, FloatMatrix, namespace_of
from gpuemb.core.checks import LARGEST_SQUARE, check_finite, check_floats, check_range
from gpuemb.core.errors import ConfigError, DTypeError, ShapeError, VocabularyError
from gpuemb.embeddings.model import Embedding, named_table, vectors_of
from gpuemb.embeddings.spelling import composed, form_of, other_forms

LEAST_WORDS = 3  # two words have one cosine, which correlates with nothing
CLOSE = 2  # letters that a closest spelling may be longer or shorter: a whole vocabulary is not compared


@dataclass(frozen=True)
class MissingWord:
    """A requested word that was not found.

    Attributes:
        word: as requested.
        tables: which table lacks it, ``X``, ``Y`` or ``X and Y``.
        closest: up to three words of such a table that are spelled most alike; the same word in another
            Unicode form comes first.
    """

    word: str
    tables: str
    closest: tuple[str, ...]

    def __str__(self) -> str:
        hint = f"; did you mean {' or '.join(self.closest)}?" if self.closest else ""
        if self.closest and composed(self.closest[0]) == composed(self.word):
            hint = f" in Unicode form {form_of(self.word)}, but in {form_of(self.closest[0])}"
        return f"{self.word!r} (not in {self.tables}{hint})"


@dataclass(frozen=True, eq=False)
class WordList:
    """The rows of the words that both tables have, and the words left out.

    Attributes:
        words: the ``n`` words, or row numbers, that are compared.
        x: ``(n, d)`` their rows in X.
        y: ``(n, d')`` their rows in Y.
        missing: words that a table lacks.
        without_length: words whose row is zero in a table: they have no cosine.
    """

    words: tuple[str | int, ...]
    x: FloatMatrix
    y: FloatMatrix
    missing: tuple[MissingWord, ...]
    without_length: tuple[str | int, ...]


def word_list(where: str, x: Any, y: Any, words: Sequence[str] | Sequence[int]) -> WordList:
    """Look up words, or row numbers, in two tables.

    Raises:
        ShapeError: ``words`` is no list, or a row number is beyond a table.
        DTypeError: words were requested from an array, or something is neither a word nor a row number.
        ConfigError: a word is listed twice, or words and row numbers are mixed.
        VocabularyError: fewer than three words are in both tables and have a length.
        NonFiniteError: a requested row holds NaN or infinity.
    """
    asked = _asked(where, words)
    x, y = named_table(x), named_table(y)
    tables = {name: check_floats(where, name, vectors_of(table)) for name, table in (("X", x), ("Y", y))}
    missing: tuple[MissingWord, ...] = ()
    if all(isinstance(word, str) for word in asked):
        vocabularies = {"X": _vocabulary(where, "X", x), "Y": _vocabulary(where, "Y", y)}
        missing = tuple(_missing(str(word), vocabularies) for word in asked if _lacking(word, vocabularies))
        gone = {one.word for one in missing}
        kept = [word for word in asked if word not in gone]
        rows = [[vocabulary[str(word)] for word in kept] for vocabulary in vocabularies.values()]
    else:
        kept = [_row(where, word, min(table.shape[0] for table in tables.values())) for word in asked]
        rows = [list(map(int, kept))] * 2
    if len(kept) < LEAST_WORDS:
        raise _too_few(where, asked, len(kept), missing, ())
    taken = [
        _take(where, name, table, which, kept)
        for (name, table), which in zip(tables.items(), rows, strict=True)
    ]
    lengths = [_has_length(table) for table in taken]
    long = [place for place in range(len(kept)) if all(length[place] for length in lengths)]
    empty = tuple(kept[place] for place in range(len(kept)) if place not in set(long))
    if len(long) < LEAST_WORDS:
        raise _too_few(where, asked, len(long), missing, empty)
    if empty:
        taken = [_rows_of(table, long) for table in taken]
    return WordList(tuple(kept[place] for place in long), taken[0], taken[1], missing, empty)


def _asked(where: str, words: Any) -> list[str | int]:
    if isinstance(words, (str, bytes)) or not hasattr(words, "__len__") or getattr(words, "ndim", 1) != 1:
        raise ShapeError(
            f"{where}: words = {words!r}",
            needed="A list of words, or of row numbers, is needed.",
            remedy=f"At least {LEAST_WORDS}: words=['king', 'queen', 'man'].",
        )
    asked = words.tolist() if hasattr(words, "tolist") else list(words)
    for word in asked:
        if isinstance(word, bool) or not isinstance(word, (str, int, np.integer)):
            raise DTypeError(
                f"{where}: {word!r} is neither a word nor a row number",
                needed="Row numbers are whole numbers, words are text.",
                remedy="numpy.flatnonzero turns a mask into row numbers.",
            )
    asked = [str(word) if isinstance(word, str) else operator.index(word) for word in asked]
    if len({isinstance(word, str) for word in asked}) > 1:
        raise ConfigError(
            f"{where}: words and row numbers are mixed",
            needed="A list is of one kind.",
            remedy="embedding.row(word) is the row number of a word.",
        )
    if len(set(asked)) < len(asked):
        twice = next(word for place, word in enumerate(asked) if word in asked[:place])
        raise ConfigError(
            f"{where}: {twice!r} is listed twice",
            needed="A word has cosine 1 with itself in every table.",
            remedy="words=list(dict.fromkeys(words)) keeps the first of each.",
        )
    return asked


def _vocabulary(where: str, name: str, x: Any) -> dict[str, int]:
    if isinstance(x, Embedding):
        return x.key_to_index
    raise DTypeError(
        f"{where}: words were named, but {name} is an array",
        needed="Only an Embedding has words.",
        remedy="Embedding(array, words), or give row numbers.",
    )


def _lacking(word: str | int, vocabularies: dict[str, dict[str, int]]) -> list[str]:
    return [name for name, vocabulary in vocabularies.items() if word not in vocabulary]


def _missing(word: str, vocabularies: dict[str, dict[str, int]]) -> MissingWord:
    lacking = _lacking(word, vocabularies)
    near = [
        known
        for known in vocabularies[lacking[0]]
        if abs(len(known) - len(word)) <= CLOSE and {known[:1], known[-1:]} & {word[:1], word[-1:]}
    ]
    closest = difflib.get_close_matches(word, near, n=3, cutoff=0.6)
    forms = [form for form in other_forms(word) if form in vocabularies[lacking[0]]]
    return MissingWord(word, " and ".join(lacking), tuple(dict.fromkeys([*forms, *closest]))[:3])


def _row(where: str, row: str | int, words: int) -> int:
    if not 0 <= int(row) < words:
        raise ShapeError(
            f"{where}: row {row} of {words}",
            needed=f"Row numbers run from 0 to {words - 1}.",
            remedy="Name the words to look them up.",
        )
    return int(row)


def _take(where: str, name: str, table: Array, rows: list[int], words: Sequence[str | int]) -> Array:
    taken = _rows_of(table, rows)
    check_finite(where, name, taken, [str(word) for word in words])
    check_range(where, name, taken, LARGEST_SQUARE)
    return taken


def _rows_of(table: Array, rows: list[int]) -> Array:
    xp = namespace_of(table)
    return xp.take(table, xp.asarray(rows, dtype=xp.int64), axis=0)


def _has_length(table: Array) -> list[bool]:
    xp = namespace_of(table)
    return [bool(length) for length in xp.any(table != 0, axis=1)]


def _too_few(
    where: str,
    asked: Sequence[str | int],
    kept: int,
    missing: tuple[MissingWord, ...],
    empty: tuple[str | int, ...],
) -> VocabularyError:
    lost = [str(one) for one in missing[:3]] + [f"{word!r} (a row of zeros)" for word in empty[:3]]
    return VocabularyError(
        f"{where}: of {len(asked)} words {kept} can be compared",
        needed=f"At least {LEAST_WORDS} are needed, in both tables and with a length.",
        remedy=f"Left out: {', '.join(lost)}." if lost else "Name more words.",
    )
