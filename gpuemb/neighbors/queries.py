"""What a search is asked: the table and the queries, checked, as arrays of one library and dtype."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any

from gpuemb.core.arrays import Array, FloatMatrix, as_array, namespace_of
from gpuemb.core.checks import (
    LARGEST_SQUARE,
    check_matrix,
    check_neighbors,
    check_range,
    check_same_device,
    dtype_name,
)
from gpuemb.core.errors import DTypeError, ShapeError
from gpuemb.core.results import shown
from gpuemb.embeddings.model import Embedding, EmbeddingStack, vectors_of, words_of


def ids_of(lists: Any) -> Any:
    """Return the ids of :class:`Neighbors`, or ``lists`` itself if it is an array."""
    return lists if hasattr(lists, "dtype") else getattr(lists, "ids", lists)


def checked_rows(where: str, table: Any) -> Array:
    """Return the rows of a table that has cosines; an Embedding's numbers are read once in its life.

    Raises:
        ShapeError, DTypeError, NonFiniteError: it is no finite float matrix, or it is several.
    """
    if isinstance(table, EmbeddingStack):
        raise ShapeError(
            f"{where}: the table is a stack of {len(table)} runs",
            needed="Neighbors are found in one table at a time.",
            remedy="[nearest_neighbors(run, k) for run in stack], then neighbor_overlap of these.",
        )
    if isinstance(table, (str, PathLike)):
        raise DTypeError(
            f"{where}: the table is the name {str(table)!r}",
            needed="An Embedding or an array is needed.",
            remedy=f"gpuemb.load({str(table)!r})",
        )
    if isinstance(table, Embedding):
        rows = table.check().vectors
    else:
        rows = check_matrix(where, "the table", vectors_of(table))
    check_range(where, "the table", rows, LARGEST_SQUARE)
    return rows


def warm_start_rows(rows: FloatMatrix, asked: Array, warm_start: Any) -> Array:
    """Return ``(Q, m)`` int32 rows in the library of ``rows``."""
    ids = as_array(ids_of(warm_start), "nearest_neighbors: warm_start")
    if ids.ndim != 2 or ids.shape[0] != asked.shape[0]:
        raise ShapeError(
            f"nearest_neighbors: warm_start is {type(warm_start).__name__} {getattr(ids, 'shape', '')}",
            needed=f"A ({asked.shape[0]}, m) array of rows is needed, a list for each query.",
            remedy="Pass the lists of another run over the same words, or leave it out.",
        )
    check_same_device("nearest_neighbors", {"the table": rows, "warm_start": ids})
    xp = namespace_of(rows)
    near = xp.asarray(ids)
    if not xp.isdtype(near.dtype, "signed integer"):
        raise DTypeError(
            f"nearest_neighbors: warm_start holds {near.dtype}",
            needed="Rows are signed integers, −1 where a list ends.",
            remedy="Pass the .ids of nearest_neighbors.",
        )
    if near.shape[1] and not -1 <= int(xp.min(near)) <= int(xp.max(near)) < rows.shape[0]:
        raise ShapeError(
            f"nearest_neighbors: warm_start rows run from {int(xp.min(near))} to {int(xp.max(near))}",
            needed=f"The table's rows run from 0 to {rows.shape[0] - 1}; −1 stands for none.",
            remedy="Both runs must be over the same words: stack([a, b]) aligns them.",
        )
    return xp.astype(near, xp.int32)


def asked_of(
    where: str, table: Any, rows: FloatMatrix, queries: Any, k: int
) -> tuple[Array | None, Array | None]:
    """Return the query vectors and the rows they are, as the kernel takes them.

    Raises:
        ConfigError, VocabularyError, ShapeError, DTypeError, NonFiniteError: as :func:`nearest_neighbors`.
    """
    asked, itself = _vectors_and_rows(where, table, rows, queries)
    check_neighbors(where, k, rows.shape[0] - (0 if queries is not None and itself is None else 1))
    return asked, itself


def _vectors_and_rows(
    where: str, table: Any, rows: FloatMatrix, queries: Any
) -> tuple[Array | None, Array | None]:
    if queries is None:
        return None, None
    if hasattr(queries, "__dlpack__") or hasattr(queries, "dtype"):
        queries = as_array(queries, f"{where}: queries")
    if isinstance(queries, Embedding) or getattr(queries, "ndim", 0) == 2:
        asked = check_matrix(where, "queries", vectors_of(queries), words_of(queries))
        return matching(where, rows, asked), None
    listed = isinstance(queries, Iterable) and not isinstance(queries, (str, bytes, Mapping, type))
    if not listed or getattr(queries, "ndim", 1) != 1 or _is_floating(queries):
        raise ShapeError(
            f"{where}: queries are {shown(queries)}",
            needed="A list of words or row numbers, or a (Q, d) array of vectors is needed.",
            remedy="One word is queries=[word]; one vector is queries=vector[None, :].",
        )
    ids = [_row(where, table, rows, query) for query in queries]
    if not ids:
        raise ShapeError(
            f"{where}: the list of queries is empty",
            needed="At least one word, row number or vector is needed.",
            remedy="nearest_neighbors without queries asks for every row.",
        )
    xp = namespace_of(rows)
    itself = xp.asarray(ids, dtype=xp.int64)
    return xp.take(rows, itself, axis=0), itself


def _is_floating(queries: Any) -> bool:
    return hasattr(queries, "dtype") and "float" in dtype_name(queries)


def _row(where: str, table: Any, rows: FloatMatrix, query: Any) -> int:
    if isinstance(query, str):
        if isinstance(table, Embedding):
            return table.row(query)
        raise DTypeError(
            f"{where}: the query {query!r} is a word, but the table is an array",
            needed="Words can be asked of an Embedding.",
            remedy="Embedding(array, words), or pass row numbers.",
        )
    try:
        row = operator.index(query)
    except TypeError as error:
        raise DTypeError(
            f"{where}: the query {query!r} is neither a word nor a row number",
            needed="Row numbers are whole numbers.",
            remedy="One vector is queries=vector[None, :].",
        ) from error
    if not 0 <= row < rows.shape[0]:
        raise ShapeError(
            f"{where}: row {query} of {rows.shape[0]}",
            needed=f"Row numbers run from 0 to {rows.shape[0] - 1}.",
            remedy="Pass words to ask by name.",
        )
    return row


def matching(where: str, rows: FloatMatrix, queries: Array) -> Array:
    """Return vectors that are compared with ``rows``.

    Raises:
        ShapeError, DTypeError, NonFiniteError, DeviceError: they have other dimensions or another dtype,
            leave the range, or are on another device.
    """
    check_same_device(where, {"the table": rows, "queries": queries})
    if queries.shape[1] != rows.shape[1] or dtype_name(queries) != dtype_name(rows):
        wrong = DTypeError if queries.shape[1] == rows.shape[1] else ShapeError
        raise wrong(
            f"{where}: queries are {tuple(queries.shape)} {queries.dtype}, "
            f"the table {tuple(rows.shape)} {rows.dtype}",
            needed="Both need the same dimensions and the same dtype.",
            remedy=f"queries.astype({str(rows.dtype)!r}), or truncate the longer one.",
        )
    check_range(where, "queries", queries, LARGEST_SQUARE)
    return queries
