"""Cosines and nearest rows between the rows of two factors, by the kernels of every other cosine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gpuemb.core.arrays import Array, Int64, as_array, device_of, empty, library_of, to_device, to_host
from gpuemb.core.checks import check_at_least, check_at_most, nearest_hint
from gpuemb.core.device import require
from gpuemb.core.doors import door
from gpuemb.core.errors import DTypeError, MemoryBudgetError, ShapeError, VocabularyError
from gpuemb.core.memory import TILE_BYTES, MemoryPlan, buffer, readable, rows_per_tile, tiles
from gpuemb.core.results import result, shown
from gpuemb.kernels.cosine_scores import cosine_scores, panels_of
from gpuemb.kernels.cosine_topk import TopK, cosine_topk

LARGEST_POWER = 1000  # of two, inside float64


@result
class FactorNeighbors:
    """Nearest items or users of some rows.

    Attributes:
        ids: ``(Q, k)`` int32 rows, best first, equal cosines smaller row first, −1 padded.
        scores: ``(Q, k)`` float64 cosines, NaN padded.
        rows: ``(Q,)`` int64 which rows were asked for.
        names: names of what ``ids`` counts, where they are known.
    """

    ids: Array
    scores: Array
    rows: Int64
    names: Sequence[str] | None

    @door
    def named(self, query: int) -> list[tuple[str, float]]:
        """Return the neighbors of one of the rows that were asked for, by name, with their cosines.

        Args:
            query: its number among them.

        Raises:
            ConfigError: fewer were asked for.
        """
        check_at_least("FactorNeighbors.named", "query", query, 0)
        check_at_most("FactorNeighbors.named", "query", query, len(self.rows) - 1)
        ids, scores = to_host(self.ids[query]), to_host(self.scores[query])
        return [
            (str(i) if self.names is None else self.names[i], float(s))
            for i, s in zip(ids, scores, strict=True)
            if i >= 0
        ]


def scaled(factor: Array) -> Array:
    """Return a factor over a power of two near its largest entry: squares stay inside float64."""
    xp = library_of(factor)
    largest = float(xp.abs(factor).max())
    return factor if largest == 0 else factor * 2.0 ** min(-np.floor(np.log2(largest)), LARGEST_POWER)


def cosine_block(rows: Array, panels: Array, columns: int) -> Array:
    """Cosines of rows with packed columns, from −1 to 1, NaN for rows of zeros."""
    device = device_of(rows)
    scores = cosine_scores.on(device)(rows, panels, empty((len(rows), columns), np.float64, device))
    return library_of(scores).clip(scores, -1.0, 1.0, out=scores)


def cosines_between(where: str, rows: Array, columns: Array, *, asked: bool) -> Array:
    """Cosine of every row with every column.

    Args:
        where: the function that was called.
        rows: ``(A, k)``.
        columns: ``(B, k)``.
        asked: whether rows or columns were named; past 64 MB they must be.

    Raises:
        MemoryBudgetError: it is too large.
    """
    size = buffer((len(rows), len(columns)), np.float64)
    if not asked and size > TILE_BYTES:
        raise MemoryBudgetError(
            f"{where}: {len(rows)} × {len(columns)} cosines are {readable(size)}",
            needed=f"Past {readable(TILE_BYTES)} a matrix must be asked for.",
            remedy="Name rows with rows=[…] or rows=range(n), take blocks from cosine_tiles, or the nearest.",
        )
    plan = MemoryPlan(where, {"cosines": size, "copies of both": 2 * (rows.nbytes + columns.nbytes)})
    require(plan, device_of(rows))
    return cosine_block(scaled(rows), panels_of(scaled(columns)), len(columns))


def tiles_between(rows: Array, columns: Array, tile_bytes: int) -> Iterator[tuple[int, Array]]:
    """First row and cosines of every block of whole rows."""
    rows, panels = scaled(rows), panels_of(scaled(columns))
    for start, stop in tiles(len(rows), rows_per_tile(8 * len(columns), tile_bytes)):
        yield start, cosine_block(rows[start:stop], panels, len(columns))


def nearest_rows(table: Array, queries: Array | None, k: int, rows: Int64 | None) -> TopK:
    """The nearest rows of a table; of ``rows`` of it, or of all, without itself; or of other queries."""
    device = device_of(table)
    table = scaled(table)
    if queries is not None:
        return cosine_topk.on(device)(table, k, scaled(queries))
    if rows is None:
        return cosine_topk.on(device)(table, k)
    itself = to_device(rows, device)
    return cosine_topk.on(device)(table, k, table[itself], itself)


def positions(where: str, name: str, wanted: Any, names: Sequence[str] | None, count: int) -> Int64 | None:
    """Return row numbers of names or row numbers; None for None: all.

    Raises:
        VocabularyError: an unknown name, with the closest spellings.
        ShapeError: a row number beyond the last, or none at all.
        DTypeError: neither names nor row numbers.
    """
    if wanted is None:
        return None
    if isinstance(wanted, (list, tuple)) and wanted and all(isinstance(one, str) for one in wanted):
        return _named(where, name, wanted, names)
    given = to_host(as_array(list(wanted) if isinstance(wanted, range) else wanted, where))
    if given.ndim != 1 or not len(given):
        raise ShapeError(
            f"{where}: {name} = {shown(wanted)}",
            needed="A list of names or row numbers is needed.",
            remedy=f"One row is {name}=[0].",
        )
    if given.dtype.kind not in "iu":
        raise DTypeError(
            f"{where}: {name} hold {given.dtype}",
            needed="A list of names or row numbers is needed.",
            remedy=f"{name}=[0, 3], for example.",
        )
    if not 0 <= int(given.min()) <= int(given.max()) < count:
        raise ShapeError(
            f"{where}: {name} run from {given.min()} to {given.max()}",
            needed=f"Rows run from 0 to {count - 1}.",
            remedy="Row numbers begin at 0.",
        )
    return given.astype(np.int64)


def _named(where: str, name: str, wanted: Sequence[str], names: Sequence[str] | None) -> Int64:
    if names is None:
        raise DTypeError(
            f"{where}: {name} = {shown(list(wanted))}, but the rows have no names",
            needed="Rows of a matrix without names are named by their numbers.",
            remedy=f"{name}=[0, 3], for example.",
        )
    number = {one: row for row, one in enumerate(names)}
    for one in wanted:
        if one not in number:
            raise VocabularyError(
                f"{where}: {name}: {one!r} is not among the {len(names)} names",
                needed="Every name must be one of the matrix.",
                remedy=nearest_hint(one, list(names)),
            )
    return np.array([number[one] for one in wanted], np.int64)
