"""Exact counts of word pairs, stored by row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from gpuemb.core.arrays import Int64
from gpuemb.core.checks import nearest_hint
from gpuemb.core.doors import enter_fields, whole_number
from gpuemb.core.errors import ShapeError, VocabularyError
from gpuemb.core.memory import tiles
from gpuemb.core.results import one_line, shown
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.kernels.window_counts import CountedRows, Side, Weighting

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Word: TypeAlias = str | int  # its spelling, or its id
TILE = 1 << 22  # pairs that are checked at a time
LARGEST_TOTAL = 2.0**62  # of all counts in units: half of int64, so that the sum may round


@dataclass(frozen=True)
class Provenance:
    """Options of counting, and size of the corpus.

    Attributes:
        window: largest distance.
        weighting: ``harmonic``, ``linear`` or ``flat``.
        side: ``both``, ``left`` or ``right``.
        tokens: length of the corpus without words outside the vocabulary.
        documents: of the corpus.
        resampled: whether documents counted more or less than once.
    """

    window: int
    weighting: Weighting
    side: Side
    tokens: int
    documents: int
    resampled: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class CountTable:
    """Weighted counts of word pairs: integers, their unit and the words of rows and columns.

    Attributes:
        rows: the nonzero counts by row, int64, in units of ``unit``.
        unit: value of an integer 1, ``1/2520`` for a harmonic window of 10.
        vocabulary: the words of rows and columns.
        provenance: what was counted, where known.
    """

    rows: CountedRows
    unit: Fraction
    vocabulary: Vocabulary
    provenance: Provenance | None = None
    __repr__ = one_line

    def __post_init__(self) -> None:
        enter_fields(self)
        if len(self.rows.indptr) != len(self.vocabulary) + 1:
            raise ShapeError(
                f"counts: {len(self.rows.indptr) - 1} rows but {len(self.vocabulary)} words",
                needed="Every word has a row.",
                remedy="count_cooccurrences(tokens) counts a corpus.",
            )
        check_bounds(self.rows)

    @property
    def nonzeros(self) -> int:
        """Number of stored pairs."""
        return len(self.rows.indices)

    @property
    def matrix(self) -> csr_matrix:
        """The counts as SciPy's ``(V, V)`` CSR matrix of int64, in units of ``unit``; nothing is copied."""
        return csr_of(self.rows, self.rows.data)

    def to_float(self) -> csr_matrix:
        """The counts as float64, in the window's own weights (harmonic: 1 for a neighbor)."""
        return csr_of(self.rows, self.rows.data * float(self.unit))

    @cached_property
    def row_sums(self) -> Int64:
        """``X_i``, ``(V,)``, in units."""
        sums = np.zeros(len(self.vocabulary), np.int64)
        filled = np.flatnonzero(np.diff(self.rows.indptr))
        if len(filled):
            sums[filled] = np.add.reduceat(self.rows.data, self.rows.indptr[filled])
        return sums

    @cached_property
    def column_sums(self) -> Int64:
        """``X_·j``, ``(V,)``, in units; of counts on both sides equal to ``row_sums``."""
        ones = np.ones(len(self.vocabulary), np.int64)
        return np.asarray(ones @ self.matrix).astype(np.int64)

    @cached_property
    def total(self) -> int:
        """``X_··``, in units."""
        return int(self.row_sums.sum())

    def id_of(self, word: Word) -> int:
        """Return a word's id.

        Raises:
            VocabularyError: it is not in the vocabulary; the closest spellings are named.
        """
        if isinstance(word, str) and word in self.vocabulary.ids:
            return self.vocabulary.ids[word]
        number = -1 if isinstance(word, (str, bool)) else whole_number(word, -1)
        if 0 <= number < len(self.vocabulary):
            return number
        raise VocabularyError(
            f"counts: the word {shown(word)} is not among the {len(self.vocabulary)} words",
            needed="A word is its spelling in the vocabulary, or its id.",
            remedy=nearest_hint(str(word), self.vocabulary.words),
        )

    def place(self, row: int, column: int) -> int | None:
        """Return the position of a stored pair of ids; None for a pair that never co-occurs."""
        first, last = self.rows.indptr[row : row + 2].tolist()
        place = first + int(np.searchsorted(self.rows.indices[first:last], column))
        return place if place < last and self.rows.indices[place] == column else None

    def units(self, i: Word, j: Word) -> int:
        """``X_ij`` in units of ``unit``, 0 for a pair that never co-occurs."""
        place = self.place(self.id_of(i), self.id_of(j))
        return 0 if place is None else int(self.rows.data[place])

    def conditional(self, i: Word, j: Word) -> float:
        """``P(j|i) = X_ij / X_i``, correctly rounded; NaN for a word ``i`` without contexts (0/0)."""
        met = int(self.row_sums[self.id_of(i)])
        return self.units(i, j) / met if met else math.nan

    def joint(self, i: Word, j: Word) -> float:
        """``P(i,j) = X_ij / X_··``, correctly rounded; NaN where nothing was counted (0/0)."""
        return self.units(i, j) / self.total if self.total else math.nan


def csr_of(rows: CountedRows, values: Any) -> csr_matrix:
    """Return ``values``, one a stored pair, as SciPy's CSR matrix; nothing is copied."""
    from scipy.sparse import csr_matrix

    size = len(rows.indptr) - 1
    return csr_matrix((values, rows.indices, rows.indptr), shape=(size, size))


def check_bounds(rows: CountedRows) -> None:
    """Check that rows point into their pairs, and pairs into the rows: kernels index by them blindly.

    Raises:
        ShapeError: one points elsewhere.
    """
    indptr, stored = np.asarray(rows.indptr), len(rows.indices)
    ends = indptr.ndim == 1 and int(indptr[0]) == 0 and int(indptr[-1]) == stored == len(rows.data)
    if not ends or (np.diff(indptr) < 0).any():
        raise ShapeError(
            f"counts: rows end at {int(indptr[-1])} of {stored} columns and {len(rows.data)} counts",
            needed="indptr is where rows begin: 0 first, ascending, the number of pairs last.",
            remedy="count_cooccurrences(tokens).rows has such rows.",
        )
    words = len(indptr) - 1
    for start, stop in tiles(stored, TILE):
        part = rows.indices[start:stop]
        low, high = int(part.min()), int(part.max())
        if low < 0 or high >= words:
            raise ShapeError(
                f"counts: columns run from {low} to {high}",
                needed=f"Ids of {words} words run from 0 to {words - 1}.",
                remedy="count_cooccurrences(tokens).rows has such columns.",
            )


def check_columns(rows: CountedRows) -> None:
    """Check that columns ascend inside a row, counts are positive and their total stays in int64.

    Raises:
        ShapeError: they do not.
    """
    total = 0.0
    for start, stop in tiles(len(rows.indices), TILE):
        part = np.asarray(rows.indices[start : stop + 1])
        ascending = np.diff(part) > 0
        first, last = np.searchsorted(rows.indptr, [start + 1, start + len(part)])
        ascending[rows.indptr[first:last] - start - 1] = True  # a row begins between the two
        data = rows.data[start:stop]
        total += float(data.sum(dtype=np.float64))
        if not ascending.all() or int(data.min()) < 1 or total >= LARGEST_TOTAL:
            raise ShapeError(
                f"counts: columns that do not ascend, or counts below 1 or too large, from pair {start} to "
                f"{stop}",
                needed="A pair of words is stored once, where it was counted.",
                remedy="Count again.",
            )
