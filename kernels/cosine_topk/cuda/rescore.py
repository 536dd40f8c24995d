"""Rescore candidates: score them by definition and merge them into the lists.

Rows on the GPU are read in place. Of a host's tables a tile of lists is rescored at a time: its queries and
their distinct candidates are gathered, no other row. A tile is as many lists as fit; a list does not depend
on its tile. Lists whose candidate buffer overflowed come last: a tile of them is compared with every row of
the table, one host block at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Array, FloatMatrix, wide
from gpuemb.core.cuda.host_streaming import copied
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk.cuda.float16_rows import (
    SOURCES,
    WARP,
    Float16Rows,
    blocks,
    launched,
    rows_at_once,
)
from gpuemb.kernels.cosine_topk.cuda.state import SearchState

CELLS = 1 << 20  # candidates a step of the search for distinct ones
CELL_BYTES = 32  # of temporary arrays for each


@dataclass(frozen=True, eq=False)
class _Gathered:
    """Rows of the host's tables on the GPU.

    Attributes:
        places: ``(t,)`` int32, the lists to rescore.
        queries: ``(t, d)``, their rows.
        table: ``(u, d)``, rows of the table.
        slots: ``(V,)`` int32, index of a row in ``table``, below ``u`` for any row; not read for a block.
        first: first row of ``table``, where it is a block.
    """

    places: Array
    queries: FloatMatrix
    table: FloatMatrix
    slots: Array
    first: int = 0


def rescore_candidates(state: SearchState, source: str, candidates: Array) -> None:
    """Score candidates by definition and merge them into the lists.

    Args:
        state: its lists, counts and thresholds change.
        source: of ``SOURCES``: buffered candidates, warm-start rows, or all rows for overflowed lists.
        candidates: ``(n, capacity)`` positions or ``(Q, m)`` row numbers; not read for all rows.
    """
    if not len(state.queries.numbers):
        return
    if not state.resident:
        width = len(state.table.rows) if source == "all_rows" else candidates.shape[1]
        _launch(state, source, candidates, width)
    elif source == "all_rows":
        _rescore_overflowed(state)
    else:
        _rescore_in_tiles(state, source, candidates)


def _rescore_in_tiles(state: SearchState, source: str, candidates: Array) -> None:
    """Gather the rows of a tile of lists; a tile of too many rows is halved, the next one is larger."""
    xp = cuda.cupy()
    chosen = state.count > 0 if source == "buffered" else xp.ones(len(state.count), bool)
    places, start, step = _in_row_order(state.queries, chosen), 0, state.resident
    while start < len(places):
        some = places[start : start + min(step, state.resident)]
        wanted = _wanted(state, source, candidates, some)
        numbers = xp.flatnonzero(wanted)
        if len(numbers) + len(some) > state.resident and len(some) > 1:
            step = len(some) // 2
            continue
        if len(numbers):
            gathered = _gather(state, some, wanted, numbers)
            _launch(state, source, candidates, candidates.shape[1], gathered)
            del gathered  # before the next upload
        start, step = start + len(some), 2 * len(some)


def _gather(state: SearchState, places: Array, wanted: Array, numbers: Array) -> _Gathered:
    # The number of wanted rows before each row, so even a row that is not wanted has a slot below the last.
    slots = cuda.cupy().cumsum(wanted, dtype=np.int32) - wanted
    queries = _rows(state.queries, state.queries.numbers[places])
    return _Gathered(places, queries, _rows(state.table, numbers), slots)


def _rescore_overflowed(state: SearchState) -> None:
    """Compare overflowed lists with every row of the table, tile by tile and block by block."""
    overflowed = _in_row_order(state.queries, state.overflowed > 0)
    for start, stop in tiles(len(overflowed), state.resident):
        some = overflowed[start:stop]
        queries = _rows(state.queries, state.queries.numbers[some])
        for first, block in blocks(state.table.rows):
            _launch(state, "all_rows", some, len(block), _Gathered(some, queries, block, some, first))
        del queries  # before the next upload


def _in_row_order(queries: Float16Rows, which: Array) -> Array:
    """Places of some lists, in the order of their rows on the host."""
    xp = cuda.cupy()
    places = xp.flatnonzero(which).astype(np.int32)
    return places[xp.argsort(queries.numbers[places])]


def _wanted(state: SearchState, source: str, candidates: Array, places: Array) -> Array:
    """Mask ``(V,)`` of the rows that are candidates of some lists."""
    xp, width = cuda.cupy(), candidates.shape[1]
    wanted, columns = xp.zeros(len(state.table.rows), bool), xp.arange(width)
    for start, stop in tiles(len(places), max(1, CELLS // width)):
        some = places[start:stop]
        if source == "buffered":
            known = columns < state.count[some][:, None]
            wanted[state.table.numbers[candidates[some][known]]] = True
        else:
            near = candidates[state.queries.numbers[some]]
            wanted[near[near >= 0]] = True
    return wanted


def _rows(side: Float16Rows, numbers: Array) -> FloatMatrix:
    """Gather rows of the host."""
    count = rows_at_once(side.rows.shape[1], side.rows.dtype.itemsize)
    return copied(side.rows, wide(side.rows), count, cuda.cupy().asnumpy(numbers))


def _launch(
    state: SearchState, source: str, candidates: Array, width: int, gathered: _Gathered | None = None
) -> None:
    """Rescore the gathered lists; all lists where the tables are on the GPU."""
    queries, table = state.queries, state.table
    # Where nothing was gathered, places and slots are not read.
    here = gathered or _Gathered(queries.numbers, queries.rows, table.rows, table.numbers)
    arguments = (
        here.queries,
        here.table,
        queries.lengths,
        table.lengths,
        queries.numbers,
        table.numbers,
        state.itself,
        state.error,
        candidates,
        state.count,
        state.ids,
        state.scores,
        state.found,
        state.scored,
        state.overflowed,
        state.threshold,
        here.places,
        here.slots,
        np.uint64(len(here.places)),
        *map(np.int32, (table.rows.shape[1], state.ids.shape[1], width, here.first)),
    )
    name = f"rescore<{table.number}, {SOURCES[source]}, {'true' if gathered else 'false'}>"
    state.exact.get_function(name)(*launched(len(here.places) * WARP), arguments)
