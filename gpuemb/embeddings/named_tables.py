"""Checked tables over the same words, with their names in messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from gpuemb.core.arrays import Array, FloatMatrix
from gpuemb.core.checks import (
    LARGEST_FOURTH_POWER,
    check_finite,
    check_floats,
    check_range,
    check_same_rows,
)
from gpuemb.core.errors import ShapeError
from gpuemb.core.results import shown
from gpuemb.embeddings.model import EmbeddingStack, check_same_words, named_table, tables_of, words_of

PAIR = ("X", "Y")  # the two tables of a measure, in messages


@dataclass(frozen=True, eq=False)
class NamedTables:
    """Floating tables ``(V, d_s)`` whose row ``i`` is the same word; their numbers are not read yet.

    Attributes:
        where: the function that was called.
        names: what messages call each table.
        tables: as they were given.
        words: the ``V`` words, if any table has them.
        passed: checks of the numbers that were made already: ``finite``, ``range``.
    """

    where: str
    names: Sequence[str]
    tables: list[FloatMatrix]
    words: Sequence[str] | None
    passed: set[str] = field(default_factory=set, repr=False)

    @classmethod
    def of(cls, where: str, runs: Any, names: Sequence[str] | None = None) -> Self:
        """Check tables by their shapes, dtypes and words.

        Args:
            where: the function that was called.
            runs: an EmbeddingStack, a sequence of tables, or an ``(S, V, d)`` array.
            names: of the tables; when None their own, if all have one of their own, else ``run s``.

        Raises:
            ShapeError: no table at all, one that is none, or unequal numbers of words.
            DTypeError: no floating numbers.
            VocabularyError: tables that list other words; the first is named.
        """
        _check_several(where, runs)
        runs = [named_table(run) for run in runs] if isinstance(runs, (list, tuple)) else runs
        given = tables_of(runs)
        labels = _names_of(runs, len(given)) if names is None else names
        tables = [check_floats(where, name, table) for name, table in zip(labels, given, strict=True)]
        for name, table in zip(labels, tables, strict=True):
            check_same_rows(where, tables[0], table, (labels[0], name))
        check_same_words(where, runs, labels)
        known = [words_of(run) for run in runs] if isinstance(runs, (list, tuple)) else [words_of(runs)]
        return cls(where, labels, tables, next((words for words in known if words is not None), None))

    @classmethod
    def checked(cls, where: str, runs: Any, names: Sequence[str] | None = None) -> Self:
        """Check tables as :meth:`of`, and every number of them.

        Raises:
            NonFiniteError: NaN, infinity, or numbers whose products leave float64; the first is named.
        """
        found = cls.of(where, runs, names)
        found.check_finite()
        found.check_range()
        return found

    def check_finite(self) -> None:
        """Read every number once.

        Raises:
            NonFiniteError: NaN or infinity; the first table and word are named.
        """
        if "finite" not in self.passed:
            for name, table in zip(self.names, self.tables, strict=True):
                check_finite(self.where, name, table, self.words)
            self.passed.add("finite")

    def check_range(self) -> None:
        """Read float64 numbers once for such as leave float64 when they are multiplied.

        Raises:
            NonFiniteError: the first table and row are named.
        """
        if "range" not in self.passed:
            for name, table in zip(self.names, self.tables, strict=True):
                check_range(self.where, name, table, LARGEST_FOURTH_POWER)
            self.passed.add("range")


def check_same_dimensions(where: str, tables: Sequence[Array], names: Sequence[str] = ("X", "Y")) -> None:
    """Tables must have one number of dimensions.

    Raises:
        ShapeError: they have not; the message has the common number.
    """
    first = tables[0]
    for table, name in zip(tables[1:], names[1:], strict=True):
        if table.shape[1] != first.shape[1]:
            least = min(table.shape[1], first.shape[1])
            raise ShapeError(
                f"{where}: {names[0]} has {first.shape[1]} dimensions but {name} has {table.shape[1]}",
                needed=f"Equal last axes are needed; here {names[0]} is {tuple(first.shape)}, {name} is "
                f"{tuple(table.shape)}.",
                remedy=f"Cut both with embedding.truncate({least}), or compare with cka(X, Y), "
                "which needs no common size.",
            )


def _check_several(where: str, runs: Any) -> None:
    if isinstance(runs, EmbeddingStack) or getattr(runs, "ndim", 0) == 3:
        return
    several = isinstance(runs, (list, tuple))
    if not several or not runs:
        raise ShapeError(
            f"{where}: {'no table' if several else shown(runs)} was given",
            needed="Tables are needed: a stack, a sequence of tables, or an array (S, V, d).",
            remedy=f"{where}([a, b]) takes two; load(path) opens a file.",
        )


def _names_of(runs: Any, count: int) -> Sequence[str]:
    """The names of a stack's runs, or of tables that all have one of their own."""
    if isinstance(runs, EmbeddingStack):
        return runs.runs
    own = [getattr(run, "name", "") for run in runs] if isinstance(runs, (list, tuple)) else []
    return own if all(own) and len(set(own)) == count else [f"run {s}" for s in range(count)]
