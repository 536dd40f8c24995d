"""Candidates are scored by definition and merged into the lists, wherever the rows lie.

Rows that are on the GPU are read in place. Of a host's tables a tile of lists is settled at a time: the rows
that ask and the distinct rows that are their candidates are gathered, and only they. A tile is as many lists
as find room with them; what a list comes to does not depend on its tile. Lists that were lost are settled
last, a tile of them with every block of the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Array, FloatMatrix, wide
from gpuemb.core.memory import tiles
from gpuemb.core.upload import copied
from gpuemb.kernels.cosine_topk.cuda.float16_rows import SOURCES, WARP, Halves, blocks, launched, rows_at_once
from gpuemb.kernels.cosine_topk.cuda.state import Search

CELLS = 1 << 20  # candidates that are looked through at once
CELL_BYTES = 32  # of temporary arrays for each


@dataclass(frozen=True)
class _Gathered:
    """What of the host's tables is on the GPU.

    Attributes:
        places: ``(t,)`` int32, the lists whose turn it is.
        asked: ``(t, d)``, their rows.
        table: ``(u, d)``, rows of the table.
        slots: ``(V,)`` int32, where ``table`` holds a row, below ``u`` for any row; not read for a block.
        first: the row that ``table`` begins with, where it is a block.
    """

    places: Array
    asked: FloatMatrix
    table: FloatMatrix
    slots: Array
    first: int = 0


def settle(search: Search, source: str, candidates: Array) -> None:
    """Score candidates by definition and merge them into the lists.

    Args:
        search: whose lists, counts and needs change.
        source: of ``SOURCES``: the rows that wait, likely ones, or every row for the lists that were lost.
        candidates: ``(n, room)`` positions or ``(Q, m)`` row numbers; not looked at for every row.
    """
    if not len(search.asked.numbers):
        return
    if not search.held:
        width = len(search.table.rows) if source == "every" else candidates.shape[1]
        _launch(search, source, candidates, width)
    elif source == "every":
        _settle_lost(search)
    else:
        _settle_in_tiles(search, source, candidates)


def _settle_in_tiles(search: Search, source: str, candidates: Array) -> None:
    """Gather what a tile of lists needs; a tile that needs too much is halved, the next one is larger."""
    xp = cuda.cupy()
    waits = search.count > 0 if source == "waiting" else xp.ones(len(search.count), bool)
    places, start, step = _in_row_order(search.asked, waits), 0, search.held
    while start < len(places):
        some = places[start : start + min(step, search.held)]
        wanted = _wanted(search, source, candidates, some)
        numbers = xp.flatnonzero(wanted)
        if len(numbers) + len(some) > search.held and len(some) > 1:
            step = len(some) // 2
            continue
        if len(numbers):
            gathered = _gather(search, some, wanted, numbers)
            _launch(search, source, candidates, candidates.shape[1], gathered)
            del gathered  # before the next ones come
        start, step = start + len(some), 2 * len(some)


def _gather(search: Search, places: Array, wanted: Array, numbers: Array) -> _Gathered:
    # Before every row: how many are wanted; so even a row that is not has a slot below the last.
    slots = cuda.cupy().cumsum(wanted, dtype=np.int32) - wanted
    asked = _rows(search.asked, search.asked.numbers[places])
    return _Gathered(places, asked, _rows(search.table, numbers), slots)


def _settle_lost(search: Search) -> None:
    """Let every row of the table pass, block by block, before a tile of the lost lists."""
    lost = _in_row_order(search.asked, search.lost > 0)
    for start, stop in tiles(len(lost), search.held):
        some = lost[start:stop]
        asked = _rows(search.asked, search.asked.numbers[some])
        for first, block in blocks(search.table.rows):
            _launch(search, "every", some, len(block), _Gathered(some, asked, block, some, first))
        del asked  # before the next ones come


def _in_row_order(asked: Halves, which: Array) -> Array:
    """The places of some lists, in the order of their rows on the host."""
    xp = cuda.cupy()
    places = xp.flatnonzero(which).astype(np.int32)
    return places[xp.argsort(asked.numbers[places])]


def _wanted(search: Search, source: str, candidates: Array, places: Array) -> Array:
    """Whether each row of the table is a candidate of some lists, ``(V,)`` booleans."""
    xp, width = cuda.cupy(), candidates.shape[1]
    wanted, columns = xp.zeros(len(search.table.rows), bool), xp.arange(width)
    for start, stop in tiles(len(places), max(1, CELLS // width)):
        some = places[start:stop]
        if source == "waiting":
            known = columns < search.count[some][:, None]
            wanted[search.table.numbers[candidates[some][known]]] = True
        else:
            near = candidates[search.asked.numbers[some]]
            wanted[near[near >= 0]] = True
    return wanted


def _rows(side: Halves, numbers: Array) -> FloatMatrix:
    """Gather rows of the host."""
    count = rows_at_once(side.rows.shape[1], side.rows.dtype.itemsize)
    return copied(side.rows, wide(side.rows), count, cuda.cupy().asnumpy(numbers))


def _launch(
    search: Search, source: str, candidates: Array, width: int, gathered: _Gathered | None = None
) -> None:
    """Settle the lists whose turn it is; all of them where the tables are on the GPU."""
    asked, table = search.asked, search.table
    here = gathered or _Gathered(asked.numbers, asked.rows, table.rows, table.numbers)  # numbers: not read
    arguments = (
        here.asked,
        here.table,
        asked.lengths,
        table.lengths,
        asked.numbers,
        table.numbers,
        search.itself,
        search.error,
        candidates,
        search.count,
        search.ids,
        search.scores,
        search.found,
        search.scored,
        search.lost,
        search.need,
        here.places,
        here.slots,
        np.uint64(len(here.places)),
        *map(np.int32, (table.rows.shape[1], search.ids.shape[1], width, here.first)),
    )
    name = f"settle<{table.number}, {SOURCES[source]}, {'true' if gathered else 'false'}>"
    search.exact.get_function(name)(*launched(len(here.places) * WARP), arguments)
