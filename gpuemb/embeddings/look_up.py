"""Look-ups in one table of words: a word, a row number, several words, a slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, cast, overload

from gpuemb.core.arrays import Array, FloatMatrix, namespace_of
from gpuemb.core.doors import door, whole_number
from gpuemb.core.errors import ShapeError
from gpuemb.embeddings.inputs import check_unique
from gpuemb.embeddings.spelling import missing_word, no_word

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

COLUMNS = ("counts", "ranks")  # of a table, an entry a word, where known


class LookUp:
    """The words of an :class:`gpuemb.Embedding` and their rows."""

    if TYPE_CHECKING:
        vectors: FloatMatrix
        index_to_key: Sequence[str]
        name: str

    @cached_property
    def key_to_index(self) -> dict[str, int]:
        """Row of every word."""
        rows = dict(zip(self.index_to_key, range(len(self)), strict=True))
        check_unique(self.name, self.index_to_key, rows)
        return rows

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the words, in the order of the rows."""
        return iter(self.index_to_key)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and word in self.key_to_index

    @overload
    def __getitem__(self, word: str | int | Sequence[str]) -> Array: ...
    @overload
    def __getitem__(self, word: slice) -> Self: ...
    def __getitem__(self, word: Any) -> Any:
        """Return the ``(d,)`` vector of a word or a row number, or the ``(n, d)`` vectors of a list of words.

        A slice of row numbers is another table: ``embedding[:1000]`` has the first thousand words.

        Raises:
            VocabularyError: the word is not in the table; its other Unicode form, or the closest spellings,
                are named.
            ConfigError: none of these.
            ShapeError: a slice without rows.
        """
        if isinstance(word, slice):
            return self._part(word)
        number = None if isinstance(word, str) else whole_number(word, None)
        if number is not None:
            return self.vectors[self._checked_row(number), :]
        if isinstance(word, (list, tuple)) and word:
            xp = namespace_of(self.vectors)
            return xp.take(self.vectors, xp.asarray([self.row(each) for each in word]), axis=0)
        return self.vectors[self.row(word), :]

    def row(self, word: str) -> int:
        """Return the row number of ``word``; errors as ``embedding[word]``."""
        if not isinstance(word, str):
            raise no_word(self.name, word)
        if word not in self.key_to_index:
            raise missing_word(self.name, word, self.index_to_key, self.key_to_index)
        return self.key_to_index[word]

    @door
    def rows(self, words: Sequence[str]) -> list[int]:
        """Return the row numbers of several words."""
        return [self.row(word) for word in words]

    def _checked_row(self, number: int) -> int:
        try:
            return range(len(self))[number]
        except IndexError as error:
            raise no_word(self.name, number) from error

    def _part(self, rows: slice) -> Self:
        """Return the rows of a slice as a table; what is proved of the whole is of a part."""
        try:
            start, stop, step = rows.indices(len(self))
        except (TypeError, ValueError) as error:
            raise no_word(self.name, rows) from error
        if not range(start, stop, step):
            raise ShapeError(
                f"{self.name}: rows {start} to {stop} of {len(self)} words are none",
                needed="A table has one word or more.",
                remedy="embedding[:1000] are the first thousand.",
            )
        cut = {name: None if (whole := getattr(self, name)) is None else whole[rows] for name in COLUMNS}
        cut |= {"vectors": self.vectors[rows, :], "index_to_key": self.index_to_key[rows]}
        return cast(
            Self, replace(cast("DataclassInstance", self), proved="_is_finite" in self.__dict__, **cut)
        )
