"""Checks of what tables are made of: arrays, data frames, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gpuemb.core.arrays import Array, Int64, as_array, native
from gpuemb.core.checks import (
    LARGEST_SQUARE,
    check_floats,
    check_matrix,
    check_range,
    check_same_device,
)
from gpuemb.core.errors import ConfigError, DTypeError, ShapeError, VocabularyError
from gpuemb.core.results import shown

KEYED = ("index_to_key", "vectors", "expandos", "get_vecattr")  # what gensim's KeyedVectors have


def is_frame(x: Any) -> bool:
    """Return whether ``x`` is a data frame with an index, as those of pandas."""
    return not isinstance(x, type) and all(hasattr(x, name) for name in ("to_numpy", "columns", "index"))


def keyed_vectors(x: Any) -> Any:
    """Return ``x`` if it is as gensim's KeyedVectors, or those of a whole model of gensim; else None."""
    for one in (x, getattr(x, "wv", None)):
        if not isinstance(one, type) and all(hasattr(one, name) for name in KEYED):
            return one
    return None


def brings_words(x: Any) -> bool:
    """Return whether ``x`` is a data frame with an index, or vectors of gensim."""
    return is_frame(x) or keyed_vectors(x) is not None


def read_table(table: Any, words: Any, counts: Any) -> tuple[Any, Any, Any]:
    """Return the numbers of a data frame or of gensim's vectors; its words and counts if none are given."""
    keyed = keyed_vectors(table)
    if keyed is None:
        return (*_read_frame(table, words), counts)
    known = keyed.expandos.get("count") if counts is None else counts
    return keyed.vectors, list(keyed.index_to_key) if words is None else words, known


def _read_frame(table: Any, words: Any) -> tuple[Any, Any]:
    """Return the numbers of a data frame, and its index as words where none are given."""
    if not hasattr(table, "to_numpy") or not hasattr(table, "columns") or isinstance(table, type):
        return table, words
    if words is None and not hasattr(table, "index"):
        raise DTypeError(
            f"Embedding: a data frame of {type(table).__module__} was given without words",
            needed="Frames of pandas bring their index; others have none.",
            remedy="Embedding(frame.drop('word').to_numpy(), frame['word'])",
        )
    if words is None:
        numbers = (int, np.integer)
        words = [str(name) if isinstance(name, numbers) else name for name in table.index]
    numbers_only = table.to_numpy()
    if getattr(getattr(numbers_only, "dtype", None), "kind", "") == "O":
        raise DTypeError(
            f"Embedding: a data frame with columns that are not numbers: {shown(list(table.columns))}",
            needed="Every column is one dimension; the words are the index.",
            remedy="Embedding(frame.set_index('word')), where 'word' is the column of the words.",
        )
    return numbers_only, words


def row_numbers(table: Array) -> list[str]:
    """Name the rows of an array by their numbers, as lists of neighbors do."""
    return [str(row) for row in range(table.shape[0] if table.ndim else 0)]


def runs_of(vectors: Any) -> Any:
    """Return ``(S, V, d)`` as an array, or ``S`` tables as a tuple of arrays."""
    if isinstance(vectors, (list, tuple)) and not (vectors and isinstance(vectors[0], (list, tuple))):
        runs = tuple(as_array(run, "EmbeddingStack") for run in vectors)
    else:
        runs = as_array(vectors, "EmbeddingStack")
        if runs.ndim != 3:
            raise _no_runs(vectors)
    if (len(runs) if isinstance(runs, tuple) else runs.shape[0]) == 0:  # standard arrays have no len()
        raise _no_runs(vectors)
    return runs


def _no_runs(given: Any) -> ShapeError:
    return ShapeError(
        f"EmbeddingStack: {shown(given)} was given",
        needed="An (S, V, d) array, or a list of S tables (V, d_s), is needed.",
        remedy="One table is EmbeddingStack([table], words); stack([a, b]) lines tables up by word.",
    )


def no_run(given: object, runs: int) -> ConfigError:
    """Return the error for what is not a number of a run."""
    return ConfigError(
        f"EmbeddingStack: run {shown(given)} of {runs}",
        needed=f"Runs are numbered from 0 to {runs - 1}.",
        remedy="stack[0] is the first run, list(stack) are all.",
    )


def one_vector(where: str, table: Array, vector: Any) -> Array:
    """Return a ``(d,)`` vector as a ``(1, d)`` query of the table's dtype.

    Raises:
        ShapeError, DTypeError, NonFiniteError, DeviceError: not a vector that the table has cosines with.
    """
    given = as_array(vector, where)
    if tuple(given.shape) != tuple(table.shape[1:]):
        raise ShapeError(
            f"{where}: {shown(vector)} was given",
            needed=f"One word, or one vector ({table.shape[1]},), is needed.",
            remedy="gpuemb.nearest_neighbors(embedding, queries=…) takes many words or vectors.",
        )
    check_same_device(where, {"the table": table, "the vector": given})
    query = native(check_floats(where, "the vector", given[None, :]))
    with np.errstate(over="ignore"):  # an entry beyond the narrower dtype becomes infinite: refused below
        query = query.astype(native(table[:1, :]).dtype)
    check_matrix(where, "the vector", query)
    check_range(where, "the vector", query, LARGEST_SQUARE)
    return query


def check_rows(name: str, vectors: Any, words: Sequence[str], columns: Mapping[str, Int64 | None]) -> None:
    """Check that vectors, words and the columns beside them have one length.

    Raises:
        ShapeError: two of them differ.
    """
    if vectors.ndim == 2 and vectors.shape[0] != len(words):
        raise ShapeError(
            f"{name}: {vectors.shape[0]} vectors but {len(words)} words",
            needed="Row i of the vectors is word i.",
            remedy="Check that the vocabulary belongs to these vectors.",
        )
    for column, numbers in columns.items():
        if numbers is not None and len(numbers) != len(words):
            raise ShapeError(
                f"{name}: {len(numbers)} {column} but {len(words)} words",
                needed=f"Every word has one of the {column}.",
                remedy=f"Omit {column} if they are unknown.",
            )


def check_unique(name: str, words: Sequence[str], rows: dict[str, int]) -> None:
    """Check that no word is repeated, given the row of each.

    Raises:
        VocabularyError: the first repeated word.
    """
    if len(rows) == len(words):
        return
    twice = next(word for row, word in enumerate(words) if rows[word] != row)
    raise VocabularyError(
        f"{name}: the word {twice!r} is listed more than once",
        needed="All words must be distinct.",
        remedy="Of a file load(path, repeated='first') keeps the first of each, 'mean' the mean of all.",
    )
