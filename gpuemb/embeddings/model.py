"""Tables of word vectors: one run, or several runs over one vocabulary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from gpuemb.core.arrays import Array, FloatMatrix, Int64, device_of, namespace_of
from gpuemb.core.checks import check_at_least, check_matrix, check_neighbors, nearest_hint
from gpuemb.core.errors import ShapeError, VocabularyError


@dataclass(frozen=True, eq=False)
class Embedding:
    """One table of word vectors.

    Attributes:
        vectors: ``(V, d)`` float16, float32 or float64, on any device; row ``i`` is word ``i``.
        index_to_key: the ``V`` words.
        counts: ``(V,)`` how often each word occurs in the corpus, where known.
        name: what reports call this table.

    Raises:
        ShapeError: the lengths disagree.
        NonFiniteError: a vector holds NaN or infinity; its word is named.
        VocabularyError: a word is listed twice.
    """

    vectors: FloatMatrix
    index_to_key: Sequence[str]
    counts: Int64 | None = None
    name: str = "embedding"

    def __post_init__(self) -> None:
        _check_rows(self.name, self.vectors, self.index_to_key, self.counts)
        check_matrix(self.name, "vectors", self.vectors, self.index_to_key)
        _check_unique(self.name, self.index_to_key, self.key_to_index)

    @cached_property
    def key_to_index(self) -> dict[str, int]:
        """Row of every word."""
        return {word: row for row, word in enumerate(self.index_to_key)}

    @property
    def dim(self) -> int:
        """Dimensions ``d`` of every vector."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.index_to_key)

    def __contains__(self, word: object) -> bool:
        return word in self.key_to_index

    def __getitem__(self, word: str) -> Array:
        """Return the ``(d,)`` vector of ``word``.

        Raises:
            VocabularyError: the word is not in the table; the closest spellings are named.
        """
        return self.vectors[self.row(word), :]

    def row(self, word: str) -> int:
        """Return the row number of ``word``, or raise VocabularyError with the closest spellings."""
        if word not in self.key_to_index:
            raise VocabularyError(
                f"{self.name}: the word {word!r} is not among its {len(self)} words",
                needed="Only words of the vocabulary have a vector.",
                remedy=nearest_hint(word, self.index_to_key),
            )
        return self.key_to_index[word]

    def rows(self, words: Sequence[str]) -> list[int]:
        """Return the row numbers of several words."""
        return [self.row(word) for word in words]

    def most_similar(self, word: str, k: int = 10) -> list[tuple[str, float]]:
        """Return the ``k`` words of highest cosine with ``word``, best first, itself left out.

        Cost: ``2·V·d`` flops. For many words, ``gpuemb.nearest_neighbors`` asks once.
        """
        from gpuemb.kernels.cosine_topk import cosine_topk

        row = self.row(word)
        check_neighbors("most_similar", k, len(self) - 1)
        xp = namespace_of(self.vectors)
        itself = xp.asarray([row])
        found = cosine_topk.on(device_of(self.vectors))(
            self.vectors, k, self.vectors[row : row + 1, :], itself
        )
        pairs = zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True)
        return [(self.index_to_key[i], score) for i, score in pairs if i >= 0]

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


@dataclass(frozen=True, eq=False)
class EmbeddingStack:
    """Several runs over one vocabulary: row ``i`` is the same word in every run.

    Attributes:
        vectors: ``(S, V, d)``, or a tuple of ``S`` matrices ``(V, d_s)`` (unequal d, memory maps).
        index_to_key: the ``V`` words.
        counts: ``(V,)`` how often each word occurs, where known.
        runs: the ``S`` names of the runs.
        dropped: for each run, how many of its words the others lack.
    """

    vectors: Any
    index_to_key: Sequence[str]
    counts: Int64 | None = None
    runs: Sequence[str] = ()
    dropped: Sequence[int] = field(default=())

    def __post_init__(self) -> None:
        if not self.runs:
            object.__setattr__(self, "runs", tuple(f"run {s}" for s in range(len(self.vectors))))
        for name, table in zip(self.runs, self.tables(), strict=True):
            _check_rows(name, table, self.index_to_key, self.counts)
            check_matrix(name, "vectors", table, self.index_to_key)

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[Embedding]:
        return (self[s] for s in range(len(self)))

    def __getitem__(self, run: int) -> Embedding:
        """Return one run as an :class:`Embedding`."""
        return Embedding(self.tables()[run], self.index_to_key, self.counts, self.runs[run])

    def tables(self) -> list[FloatMatrix]:
        """Return the ``S`` matrices, without a copy."""
        if isinstance(self.vectors, (tuple, list)):
            return list(self.vectors)
        return [self.vectors[s, ...] for s in range(self.vectors.shape[0])]


def stack(embeddings: Sequence[Embedding]) -> EmbeddingStack:
    """Line several tables up by word: the words all of them have, in the order of the first.

    Words are compared as they stand, capitals included. When all tables have one ``d`` and one
    vocabulary the result's ``vectors`` is ``(S, V, d)``; with unequal ``d`` it is a tuple.

    Args:
        embeddings: one or more tables; the order of the first one's words is kept.

    Raises:
        VocabularyError: no table, or no word that all tables have.

    Cost: one copy of the shared rows.
    """
    if not embeddings:
        raise VocabularyError(
            "stack: no table was given", needed="At least one embedding is needed.", remedy="stack([a, b, c])"
        )
    first = embeddings[0]
    shared = [word for word in first.index_to_key if all(word in e for e in embeddings[1:])]
    if not shared:
        sizes = ", ".join(str(len(e)) for e in embeddings)
        raise VocabularyError(
            f"stack: tables of {sizes} words share none",
            needed="Words are matched letter by letter, capitals included.",
            remedy="Compare the first words of each: embedding.index_to_key[:10].",
        )
    tables = []
    for embedding in embeddings:
        xp = namespace_of(embedding.vectors)
        rows = xp.asarray(embedding.rows(shared), dtype=xp.int64)
        tables.append(xp.take(embedding.vectors, rows, axis=0))
    alike = len({(t.shape, str(t.dtype)) for t in tables}) == 1
    counts = None if first.counts is None else first.counts[first.rows(shared)]
    return EmbeddingStack(
        namespace_of(tables[0]).stack(tables) if alike else tuple(tables),
        shared,
        counts,
        _names(embeddings),
        tuple(len(e) - len(shared) for e in embeddings),
    )


def _names(embeddings: Sequence[Embedding]) -> tuple[str, ...]:
    names = [e.name for e in embeddings]
    return tuple(name if names.count(name) == 1 else f"{name} {s}" for s, name in enumerate(names))


def _check_rows(name: str, vectors: Any, words: Sequence[str], counts: Int64 | None) -> None:
    if vectors.ndim == 2 and vectors.shape[0] != len(words):
        raise ShapeError(
            f"{name}: {vectors.shape[0]} vectors but {len(words)} words",
            needed="Row i of the vectors is word i.",
            remedy="Check that the vocabulary belongs to these vectors.",
        )
    if counts is not None and len(counts) != len(words):
        raise ShapeError(
            f"{name}: {len(counts)} counts but {len(words)} words",
            needed="Every word has one count.",
            remedy="Leave counts out when they are not known.",
        )


def _check_unique(name: str, words: Sequence[str], rows: dict[str, int]) -> None:
    if len(rows) == len(words):
        return
    twice = next(word for row, word in enumerate(words) if rows[word] != row)
    raise VocabularyError(
        f"{name}: the word {twice!r} is listed more than once",
        needed="A word names one row.",
        remedy="Keep the first of each, or make the names different.",
    )


def vectors_of(x: Any) -> FloatMatrix:
    """Return the array of an :class:`Embedding`, or ``x`` itself when it is an array."""
    return x.vectors if isinstance(x, Embedding) else x


def words_of(x: Any) -> Sequence[str] | None:
    """Return the words of an :class:`Embedding` or :class:`EmbeddingStack`; an array has none."""
    return x.index_to_key if isinstance(x, (Embedding, EmbeddingStack)) else None


def tables_of(runs: Any) -> list[FloatMatrix]:
    """Return the matrices of a stack, a sequence of tables, or an ``(S, V, d)`` array."""
    if isinstance(runs, EmbeddingStack):
        return runs.tables()
    if isinstance(runs, (list, tuple)):
        return [vectors_of(run) for run in runs]
    return [runs[s, ...] for s in range(runs.shape[0])]
