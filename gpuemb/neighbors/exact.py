"""Every word's exact nearest neighbors."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from gpuemb.core.arrays import (
    Array,
    FloatMatrix,
    as_array,
    computing_device,
    device_of,
    empty,
    library_of,
    like,
    namespace_of,
    native,
    to_device,
    to_host,
)
from gpuemb.core.checks import (
    LARGEST_SQUARE,
    check_at_least,
    check_at_most,
    check_matrix,
    check_neighbors,
    check_range,
    check_same_device,
    dtype_name,
)
from gpuemb.core.device import CPU, DeviceName
from gpuemb.core.doors import door
from gpuemb.core.errors import DTypeError, ShapeError
from gpuemb.core.memory import TILE_BYTES, rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result, shown
from gpuemb.embeddings.model import Embedding, EmbeddingStack, named_table, vectors_of, words_of
from gpuemb.kernels.cosine_topk import TopK, cosine_topk
from gpuemb.neighbors.chance import Candidates

CACHED_BYTES = 1 << 20  # of rows that stay in a core's cache


@result
class Neighbors:
    """Nearest rows of every query.

    Attributes:
        ids: ``(Q, k)`` int32 rows of the table, best first, −1 padded.
        scores: ``(Q, k)`` float64 cosines, NaN padded.
        words: the table's words, when it has them.
        without_length: rows of zeros: they have no cosine and are in nobody's list.
        certified: lists proved by the bound of an int8 filter, or of a GPU's float16 filter.
        refined: lists proved by the bound of a float32 filter.
        recomputed: lists for which every candidate was scored in float64.
        candidates: what the lists were chosen from: rows with a length, but for the query itself.
    """

    ids: Array
    scores: Array
    words: Sequence[str] | None
    without_length: int
    certified: int
    refined: int
    recomputed: int
    candidates: Candidates

    @door
    def named(self, query: int) -> list[tuple[str, float]]:
        """Return the neighbors of one query as words (or row numbers) with their cosines.

        Args:
            query: its number among the queries.

        Raises:
            ConfigError: there are fewer queries.
        """
        check_at_least("Neighbors.named", "query", query, 0)
        check_at_most("Neighbors.named", "query", query, self.ids.shape[0] - 1)
        ids, scores = to_host(self.ids[query, :]), to_host(self.scores[query, :])
        names = [str(i) if self.words is None else self.words[i] for i in ids]
        return [(n, float(s)) for n, s, i in zip(names, scores, ids, strict=True) if i >= 0]


@door
def nearest_neighbors(
    x: Any,
    k: int = 10,
    *,
    queries: Any = None,
    warm_start: Any = None,
    device: DeviceName = None,
    progress: Progress = SILENT,
) -> Neighbors:
    """Find the ``k`` rows of highest cosine, exactly.

    Args:
        x: an Embedding, or a ``(V, d)`` float16, float32 or float64 array on any device.
        k: neighbors a query.
        queries: None asks for every row; words or row numbers exclude themselves from their answer;
            vectors, a ``(Q, d)`` array or another Embedding of the table's dtype, exclude nothing.
        warm_start: rows that may be near each query, ``(Q, m)`` integers, −1 padded, or the
            :class:`Neighbors` of another run over the same words. The lists do not depend on them.
        device: where to compute: see :class:`gpuemb.Device`. A table of the host, a memory map too, streams
            to the GPU, and stays there if it fits. Else its float16 form must (``2·V·d`` bytes), and rows
            that are scored are read from the host as they are needed.
        progress: told of the parts of the work that are done, where queries are many.

    Returns:
        Lists in score order, equal scores by row: the same bits for any tile, number of threads and device.
        A score that rounding carries past 1 is shown as 1, and keeps its place.
        They lie where the table does.

    Raises:
        ConfigError: ``k`` is below 1 or there are not so many candidates.
        VocabularyError: an unknown word, with the closest spellings.
        ShapeError, DTypeError, NonFiniteError: the table or queries are not a finite float matrix, or
            ``warm_start`` are not rows of the table for each query.
        DeviceError: the device cannot be used, or the table lies on another GPU.
        MemoryBudgetError: the search does not fit the device.

    Cost: ``2·Q·V·d`` flops. To ask often, :class:`CosineIndex` is built once. Source: Definitions §3.

    Example:
        >>> found = ge.nearest_neighbors(ge.Embedding(x, words), 2, queries=["w3"])
        >>> found.ids.tolist(), found.scores.round(3).tolist()
        ([[29, 38]], [[0.819, 0.738]])
        >>> ge.nearest_neighbors(x, 2).ids.shape  # of every row
        (50, 2)
    """
    x = named_table(x)
    rows = checked_rows("nearest_neighbors", x)
    on = computing_device("nearest_neighbors", rows, device, [cosine_topk])
    asked, itself = asked_of("nearest_neighbors", x, rows, queries, k)
    near = (
        None if warm_start is None else _warm_start_rows(rows, rows if asked is None else asked, warm_start)
    )
    found: TopK = cosine_topk.on(on)(rows, k, asked, itself, near, progress)
    return neighbors_of(found, x, rows, candidates_of(rows, with_length(native(rows)), asked, itself))


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


def _warm_start_rows(rows: FloatMatrix, asked: Array, warm_start: Any) -> Array:
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


def neighbors_of(found: TopK, table: Any, rows: FloatMatrix, candidates: Candidates) -> Neighbors:
    """Give lists back where ``rows`` are and in their library, with the table's words."""
    at_most = library_of(found.scores).clip(found.scores, -1.0, 1.0)  # what orders may round past 1
    ids, scores = (like(to_device(x, device_of(rows)), rows) for x in (found.ids, at_most))
    zeros = int((~candidates.known).sum())
    proved = found.certified, found.refined, found.recomputed
    return Neighbors(ids, scores, words_of(table), zeros, *proved, candidates)


def candidates_of(rows: FloatMatrix, known: Array, asked: Array | None, itself: Array | None) -> Candidates:
    """Return the candidates of queries as :func:`asked_of` gives them; ``known`` is :func:`with_length`."""
    if asked is None:
        return Candidates(known, library_of(known).arange(rows.shape[0]))
    return Candidates(known, None if itself is None else native(itself))


def with_length(rows: FloatMatrix) -> Array:
    """Return ``(V,)`` whether native rows are anything but zero."""
    of_the_host, known = device_of(rows) == CPU, empty((len(rows),), np.bool_, device_of(rows))
    together = rows_per_tile(rows[:1].nbytes, CACHED_BYTES if of_the_host else TILE_BYTES)
    for start, stop in tiles(len(rows), together):
        some = rows[start:stop]
        # CuPy takes small float32 for zero, so the GPU looks at the bits, all but the sign.
        long = some != 0 if of_the_host else some.view(f"uint{8 * some.itemsize}") << 1 != 0
        known[start:stop] = long.any(axis=1)
    return known


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
        return _matching(where, rows, asked), None
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


def _matching(where: str, rows: FloatMatrix, queries: Array) -> Array:
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
