"""Tables of word vectors: one run, or several runs over one vocabulary."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, replace
from functools import cached_property
from typing import Any, cast

from gpuemb.core.arrays import (
    FloatMatrix,
    Int64,
    as_array,
    is_mapped,
)
from gpuemb.core.checks import (
    check_at_least,
    check_finite,
    check_floats,
    check_matrix,
)
from gpuemb.core.doors import door, enter, enter_fields
from gpuemb.core.errors import ShapeError
from gpuemb.core.results import one_line
from gpuemb.embeddings.exchange import Exchange
from gpuemb.embeddings.inputs import (
    brings_words,
    check_rows,
    no_run,
    read_table,
    row_numbers,
    runs_of,
)
from gpuemb.embeddings.look_up import LookUp
from gpuemb.embeddings.questions import Questions
from gpuemb.embeddings.spelling import check_equal_words
from gpuemb.pictures.notebook import first_rows, html_table


@dataclass(frozen=True, eq=False, repr=False)
class Embedding(LookUp, Questions, Exchange):
    """One table of word vectors.

    A table mapped from a file is opened without reading it: shape and dtype are checked at once, the words
    at the first look-up, the numbers at the first computation.

    Attributes:
        vectors: ``(V, d)`` float16, float32 or float64, on any device; row ``i`` is word ``i``. The index of
            a pandas data frame gives the words, gensim's KeyedVectors their words and counts.
        index_to_key: the ``V`` words, as any sequence; by default the row numbers.
        counts: ``(V,)`` occurrences of each word in the corpus, where known.
        name: of the table in reports.
        ranks: ``(V,)`` frequency rank of each word in the source, from 1, where known.
        duplicates: rows left out by the reader for a repeated word, or averaged into the first.
        skipped: rows left out by the reader: unreadable ones, and those without a word in the vocabulary.
        unused: words of the vocabulary without a row of their own, left out by the reader.
        set_aside: tokens left out by the reader because they were not asked for: special ones of a
            transformer, and parts of words where whole words were.
        proved: for readers: all numbers are finite and all words distinct, and are not checked again.

    Raises:
        ShapeError: the lengths disagree.
        NonFiniteError: a vector holds NaN or infinity; its word is named.
        VocabularyError: a word is listed twice.
        DTypeError, ConfigError: not a floating table, or words that are not strings.

    Example:
        >>> table = ge.Embedding(x, words)
        >>> len(table), table.dim, table["w3"].shape
        (50, 8, (8,))
        >>> [(word, round(cosine, 3)) for word, cosine in table.most_similar("w3", k=2)]
        [('w29', 0.819), ('w38', 0.738)]
    """

    vectors: FloatMatrix
    index_to_key: Sequence[str] = cast(Sequence[str], None)  # replaced by the row numbers at once
    counts: Int64 | None = None
    name: str = "embedding"
    ranks: Int64 | None = None
    duplicates: int = 0
    skipped: int = 0
    unused: int = 0
    set_aside: int = 0
    proved: InitVar[bool] = False

    def __repr__(self) -> str:
        return f"Embedding({self.name!r}, {len(self):,} words × {self.dim}, {self.vectors.dtype})"

    def _repr_html_(self) -> str:
        return html_table(repr(self), *first_rows(self.index_to_key, self.vectors), total=len(self))

    def __post_init__(self, proved: bool) -> None:
        vectors, words, counts = read_table(self.vectors, self.index_to_key, self.counts)
        object.__setattr__(self, "vectors", as_array(vectors, "Embedding"))
        object.__setattr__(self, "index_to_key", row_numbers(self.vectors) if words is None else words)
        object.__setattr__(self, "counts", counts)
        enter_fields(self)
        check_rows(self.name, self.vectors, self.index_to_key, {"counts": self.counts, "ranks": self.ranks})
        check_floats(self.name, "vectors", self.vectors)
        if proved is True:
            self.__dict__["_is_finite"] = True
        elif not is_mapped(self.vectors):
            self.check()

    def check(self) -> Embedding:
        """Check every number and every word, once; return the table itself.

        Raises:
            NonFiniteError, VocabularyError: as the class.
        """
        _ = self._is_finite, self.key_to_index
        return self

    @cached_property
    def _is_finite(self) -> bool:
        check_finite(self.name, "vectors", self.vectors, self.index_to_key)
        return True

    @property
    def dim(self) -> int:
        """Dimensions ``d`` of every vector."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.index_to_key)

    @door
    def truncate(self, dim: int) -> Embedding:
        """Keep the first ``dim`` dimensions.

        Raises:
            ShapeError: the table has fewer.
        """
        check_at_least(self.name, "dim", dim, 1)
        if dim > self.dim:
            raise ShapeError(
                f"{self.name}: truncate({dim}) of {self.dim} dimensions",
                needed=f"dim is at most {self.dim}.",
                remedy="A table cannot gain dimensions.",
            )
        return replace(self, vectors=self.vectors[:, :dim])


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddingStack:
    """Several runs over one vocabulary: row ``i`` is the same word in every run.

    Attributes:
        vectors: ``(S, V, d)``, or a tuple of ``S`` matrices ``(V, d_s)`` (unequal d, memory maps).
        index_to_key: the ``V`` words; by default the row numbers.
        counts: ``(V,)`` occurrences of each word, where known.
        runs: the ``S`` names of the runs.
        ranks: for each run, ``(V,)`` frequency rank of each word in that run's own table, from 1, or None
            if unknown.
        dropped: for each run, its words missing in another run, in its own order.
        folded: for each run, the number of rows dropped for an earlier one that differs only in case.

    Example:
        >>> runs = ge.EmbeddingStack(np.stack([x, y]), words, runs=("first", "second"))
        >>> len(runs), runs[1].name, np.array_equal(runs[1].vectors, y)
        (2, 'second', True)
    """

    vectors: Any
    index_to_key: Sequence[str] = cast(Sequence[str], None)  # replaced by the row numbers at once
    counts: Int64 | None = None
    runs: Sequence[str] = ()
    ranks: Sequence[Int64 | None] = ()
    dropped: Sequence[Sequence[str]] = ()
    folded: Sequence[int] = ()
    __repr__ = one_line

    def __post_init__(self) -> None:
        if isinstance(self.vectors, (list, tuple)) and any(map(brings_words, self.vectors)):
            check_same_words("EmbeddingStack", self.vectors)
            if self.index_to_key is None:
                object.__setattr__(self, "index_to_key", words_of(self.vectors[0]))
            object.__setattr__(self, "vectors", [vectors_of(run) for run in self.vectors])
        object.__setattr__(self, "vectors", runs_of(self.vectors))
        if self.index_to_key is None:
            object.__setattr__(self, "index_to_key", row_numbers(self.tables()[0]))
        enter_fields(self)
        count = len(self)
        self._default("runs", tuple(f"run {s}" for s in range(count)))
        self._default("ranks", (None,) * count)
        self._default("dropped", ((),) * count)
        self._default("folded", (0,) * count)
        for name, table, ranks in zip(self.runs, self.tables(), self.ranks, strict=True):
            ranks = enter("EmbeddingStack", "ranks", ranks, Int64 | None)
            check_rows(name, table, self.index_to_key, {"counts": self.counts, "ranks": ranks})
            check_matrix(name, "vectors", table, self.index_to_key)

    def _default(self, name: str, value: Sequence[object]) -> None:
        given = list(getattr(self, name))
        if len(given) not in (0, len(value)):
            raise ShapeError(
                f"EmbeddingStack: {len(given)} {name} but {len(value)} runs",
                needed=f"Every run has one of the {name}.",
                remedy=f"Leave {name} out when they are not known.",
            )
        object.__setattr__(self, name, tuple(given) or value)

    def __len__(self) -> int:
        return len(self.tables())

    def _repr_html_(self) -> str:
        tables = self.tables()
        rows = [(run, table.shape[1], str(table.dtype)) for run, table in zip(self.runs, tables, strict=True)]
        caption = f"EmbeddingStack, {len(tables)} runs over {len(self.index_to_key):,} words"
        return html_table(caption, ("run", "dimensions", "numbers"), rows, total=len(rows))

    def __iter__(self) -> Iterator[Embedding]:
        return (self[s] for s in range(len(self)))

    def __getitem__(self, run: int) -> Embedding:
        """Return one run as an :class:`Embedding`.

        Raises:
            ConfigError: no number of a run.
        """
        try:
            run = range(len(self))[operator.index(run)]
        except (TypeError, IndexError) as error:
            raise no_run(run, len(self)) from error
        table, ranks = self.tables()[run], self.ranks[run]
        return Embedding(table, self.index_to_key, self.counts, self.runs[run], ranks)

    def tables(self) -> list[FloatMatrix]:
        """Return the ``S`` matrices, without a copy."""
        if isinstance(self.vectors, (tuple, list)):
            return list(self.vectors)
        return [self.vectors[s, ...] for s in range(self.vectors.shape[0])]


def with_words(where: str, x: Any, words: Sequence[str] | None, name: str = "embedding") -> Embedding:
    """Return an array as an Embedding: with the words given, or its rows named by their numbers."""
    table = x if brings_words(x) else check_floats(where, "x", x)
    return Embedding(table, name=name) if words is None else Embedding(table, words, name=name)


def named_table(x: Any) -> Any:
    """Return a data frame whose index has words as an Embedding, one that counts its rows as an array."""
    if not brings_words(x):
        return x
    table = Embedding(x)
    return table.vectors if list(table.index_to_key) == row_numbers(table.vectors) else table


def vectors_of(x: Any) -> FloatMatrix:
    """Return the array of an :class:`Embedding` or a data frame, or ``x`` itself when it is an array."""
    x = named_table(x)
    return x.vectors if isinstance(x, Embedding) else x


def words_of(x: Any) -> Sequence[str] | None:
    """Return the words of an :class:`Embedding`, :class:`EmbeddingStack` or data frame; an array has none."""
    x = named_table(x)
    return x.index_to_key if isinstance(x, (Embedding, EmbeddingStack)) else None


def tables_of(runs: Any) -> list[FloatMatrix]:
    """Return the matrices of a stack, a sequence of tables, or an ``(S, V, d)`` array."""
    if isinstance(runs, EmbeddingStack):
        return runs.tables()
    if isinstance(runs, (list, tuple)):
        return [vectors_of(run) for run in runs]
    return [runs[s, ...] for s in range(runs.shape[0])]


def check_same_words(where: str, runs: Any, names: Sequence[str] | None = None) -> None:
    """Check that tables with words have the same ones in the same order.

    Args:
        where: name of the calling function.
        runs: a sequence of tables and arrays (which have no words); a stack has one vocabulary.
        names: of the tables; ``run s`` when None. Unequal numbers of rows are checked elsewhere.

    Raises:
        VocabularyError: words differ; the first such row is named.
    """
    if isinstance(runs, (list, tuple)):
        labels = [f"run {s}" for s in range(len(runs))] if names is None else names
        known = [(name, words) for name, run in zip(labels, runs, strict=True) if (words := words_of(run))]
        check_equal_words(where, known)
