"""Filter of a search by int8 products: a prepared table is read as a quarter of its bytes.

Plan      A row's unit vector is s·q + e, q int8 (bound: cosine_topk/cpu/int8.py). The table is packed
          into panels of sixteen rows, offset by 128 to unsigned bytes; sixteen queries are a panel too. A
          tile of 256 products is computed in registers, and tested a query at a time: where no lane of
          sixteen comes within the bound of the query's k-th best, nothing else is done. Panels of the table
          stay in L2 for all queries.
Bound by  reading the table for up to sixteen queries, tests and int8 products for more.
Memory    V·(d + 8) bytes, V·(d + 28) while quantizing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, FloatMatrix, Int32
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_search.cpu.query_lists import QueryLists, add_candidate
from gpuemb.kernels.cosine_topk.cpu.int8 import PANELS_A_TASK, SLACK, quantize_row
from gpuemb.kernels.cosine_topk.cpu.packed_rows import PackedRows, empty_panels
from gpuemb.kernels.intrinsics import borrowed
from gpuemb.kernels.panels import LINE, SIDE
from gpuemb.kernels.vnni import GROUP, int8_tile

LANES = np.uint64(SIDE)  # unsigned: Numba tests other indexes for counting from the end
OFFSET = 128  # from int8 to unsigned bytes
L2_BYTES = 1 << 18  # of panels for all queries before the next


@dataclass(frozen=True, eq=False)
class Quantized:
    """A table quantized to bytes.

    Attributes:
        panels: ``(p, K, 16, 4)`` uint8, q + 128.
        scale: ``(16·p,)`` float32 s.
        residual: ``(16·p,)`` float32 ‖e‖.
    """

    panels: FloatMatrix
    scale: Float32
    residual: Float32


class _Work(NamedTuple):
    """Arrays of a search beside the lists.

    Attributes:
        table: ``(V, d)`` the rows themselves.
        panels: ``(p, K, 16, 4)`` uint8, of the table.
        scale, residual: ``(16·p,)`` s and ‖e‖ of its rows.
        query_panels: ``(a, K, 16, 4)`` int8, of the queries.
        steps: ``(16·a,)`` s of each query.
        start: ``(16·a,)`` int32, compensates the offset.
        share: ``(16·a,)`` ``1 + ‖e‖`` of each query, factor of a row's residual.
        allowed: ``(16·a,)`` the query's own residual: a candidate's product may be so far below the k-th
        best. tile: ``(256,)`` int32 products, sixteen of each query.
    """

    table: FloatMatrix
    panels: FloatMatrix
    scale: Float32
    residual: Float32
    query_panels: FloatMatrix
    steps: Float32
    start: Int32
    share: Float32
    allowed: Float32
    tile: Int32


def quantized(rows: FloatMatrix) -> Quantized:
    """Quantize a table to bytes; one pass over it."""
    packed = _packed(rows, np.uint8)
    return Quantized(packed.panels, packed.scale, packed.residual.astype(np.float32))


def _packed(rows: FloatMatrix, dtype: type[np.generic]) -> PackedRows:
    packed = empty_panels(len(rows), -(-rows.shape[1] // GROUP), GROUP, dtype)
    offset = OFFSET if dtype == np.uint8 else 0
    parts = tiles(len(packed.panels), PANELS_A_TASK)
    threads.run(lambda part: _quantize(rows, offset, packed, *part), parts)
    return packed


@njit
def _quantize(rows: FloatMatrix, offset: int, packed: PackedRows, first: int, last: int) -> None:
    integers = np.zeros(packed.panels.shape[1] * GROUP, np.int8)
    for panel in range(first, last):
        for side in range(SIDE):
            row, length = panel * SIDE + side, 0.0
            integers[:] = 0
            if row < len(rows):
                for column in range(rows.shape[1]):
                    length += np.float64(rows[row, column]) ** 2
                if length > 0:
                    quantize_row(rows[row], np.sqrt(length), row, integers[: rows.shape[1]], packed)
            for step in range(packed.panels.shape[1]):
                for place in range(GROUP):
                    packed.panels[panel, step, side, place] = integers[GROUP * step + place] + offset


def add_passing(
    rows: FloatMatrix, table: Quantized, queries: FloatMatrix, lists: QueryLists, first: int, last: int
) -> None:
    """Score the rows of some panels that the bound does not exclude."""
    packed = _packed(queries, np.int8)
    work = _Work(
        rows,
        table.panels,
        table.scale,
        table.residual,
        packed.panels,
        packed.scale,
        packed.start,
        (1 + packed.residual).astype(np.float32),
        (packed.residual + SLACK).astype(np.float32),
        np.empty(SIDE * SIDE, np.int32),
    )
    _add_passing(work, lists, first, last)


@njit
def _add_passing(work: _Work, lists: QueryLists, first: int, last: int) -> None:
    work, lists = borrowed(work), borrowed(lists)
    steps, queries, k = work.panels.shape[1], len(lists.rows), lists.best.shape[1]
    tile, scale, residual = work.tile, work.scale, work.residual
    bytes_a_panel = steps * LINE
    panels_a_chunk = max(1, L2_BYTES // bytes_a_panel)
    for chunk in range(first, last, panels_a_chunk):
        for group in range(len(work.query_panels)):
            left = work.query_panels.ctypes.data + group * bytes_a_panel
            for panel in range(chunk, min(chunk + panels_a_chunk, last)):
                right = work.panels.ctypes.data + panel * bytes_a_panel
                int8_tile(left, right, steps, work.tile.ctypes.data)
                for side in range(min(SIDE, queries - group * SIDE)):
                    query = group * SIDE + side
                    threshold = np.float32(lists.best[query, k - 1]) - work.allowed[query]
                    place, row = np.uint64(SIDE * side), np.uint64(panel * SIDE)
                    step, share, start = work.steps[query], work.share[query], work.start[query]
                    passing = 0
                    for lane in range(LANES):
                        bound = _upper_bound(
                            tile[place + lane], start, step, scale[row + lane], share, residual[row + lane]
                        )
                        passing += bound >= threshold
                    if passing and lists.lengths[query] > 0:
                        _add_lanes(work, lists, query, panel)


@njit_inline
def _upper_bound(
    total: int, start: int, step: np.float32, scale: np.float32, share: np.float32, residual: np.float32
) -> np.float32:
    """Upper bound of the cosine from a product of bytes, without the query's own residual."""
    return np.float32(total + start) * step * scale + share * residual


@njit
def _add_lanes(work: _Work, lists: QueryLists, query: int, panel: int) -> None:
    step, share, k = work.steps[query], work.share[query], lists.best.shape[1]
    for lane in range(SIDE):
        row = panel * SIDE + lane
        total, start = work.tile[query % SIDE * SIDE + lane], work.start[query]
        bound = _upper_bound(total, start, step, work.scale[row], share, work.residual[row])
        if row < len(work.table) and bound >= np.float32(lists.best[query, k - 1]) - work.allowed[query]:
            add_candidate(work.table, lists, query, row)
