"""The filter of a search by int8 products: a prepared table is read as a quarter of its bytes.

Plan      A row's unit vector is s·q + e, q int8 (cosine_topk/int8.py has the bound). The table lies in panels
          of sixteen rows, raised by 128 to bytes without sign; sixteen queries are a panel too. A tile of 256
          products is made in registers, and tested a query at a time: where no lane of sixteen comes within
          the bound of the query's k-th best, nothing else is done. Panels of the table stay in L2 while all
          queries meet them.
Bound by  reading the table for up to sixteen queries, tests and int8 products for more.
Memory    V·(d + 8) bytes, V·(d + 28) while they are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, FloatMatrix, Int32
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_search.cpu.query_lists import Asking, offer
from gpuemb.kernels.cosine_topk.cpu.int8 import PANELS_A_TASK, SLACK, quantize_row
from gpuemb.kernels.cosine_topk.cpu.packed_rows import PackedRows, empty_panels
from gpuemb.kernels.intrinsics import borrowed
from gpuemb.kernels.panels import LINE, SIDE
from gpuemb.kernels.vnni import GROUP, int8_tile

LANES = np.uint64(SIDE)  # without sign: Numba asks of other indexes whether they count from the end
RAISED = 128  # from int8 to bytes without sign
L2_BYTES = 1 << 18  # of panels that all queries meet before the next


@dataclass(frozen=True, eq=False)
class Quantized:
    """A table as bytes.

    Attributes:
        panels: ``(p, K, 16, 4)`` uint8, q + 128.
        scale: ``(16·p,)`` float32 s.
        residual: ``(16·p,)`` float32 ‖e‖.
    """

    panels: FloatMatrix
    scale: Float32
    residual: Float32


class _Work(NamedTuple):
    """All that a search reads and writes beside the lists.

    Attributes:
        table: ``(V, d)`` the rows themselves.
        panels: ``(p, K, 16, 4)`` uint8, of the table.
        scale, residual: ``(16·p,)`` s and ‖e‖ of its rows.
        asked: ``(a, K, 16, 4)`` int8, of the queries.
        steps: ``(16·a,)`` s of each query.
        start: ``(16·a,)`` int32, what takes back the 128.
        share: ``(16·a,)`` ``1 + ‖e‖`` of each query: so much of a row's residual counts.
        allowed: ``(16·a,)`` how far below the k-th best a product may come: the query's own residual.
        tile: ``(256,)`` int32 products, sixteen of each query.
    """

    table: FloatMatrix
    panels: FloatMatrix
    scale: Float32
    residual: Float32
    asked: FloatMatrix
    steps: Float32
    start: Int32
    share: Float32
    allowed: Float32
    tile: Int32


def quantized(rows: FloatMatrix) -> Quantized:
    """Return a table as bytes; one pass over it."""
    packed = _packed(rows, np.uint8)
    return Quantized(packed.panels, packed.scale, packed.residual.astype(np.float32))


def _packed(rows: FloatMatrix, dtype: type[np.generic]) -> PackedRows:
    packed = empty_panels(len(rows), -(-rows.shape[1] // GROUP), GROUP, dtype)
    raised = RAISED if dtype == np.uint8 else 0
    parts = tiles(len(packed.panels), PANELS_A_TASK)
    threads.run(lambda part: _quantize(rows, raised, packed, *part), parts)
    return packed


@njit
def _quantize(rows: FloatMatrix, raised: int, packed: PackedRows, first: int, last: int) -> None:
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
                    packed.panels[panel, step, side, place] = integers[GROUP * step + place] + raised


def offer_passing(
    rows: FloatMatrix, table: Quantized, queries: FloatMatrix, some: Asking, first: int, last: int
) -> None:
    """Offer queries all rows of some panels that no product excludes."""
    asked = _packed(queries, np.int8)
    work = _Work(
        rows,
        table.panels,
        table.scale,
        table.residual,
        asked.panels,
        asked.scale,
        asked.start,
        (1 + asked.residual).astype(np.float32),
        (asked.residual + SLACK).astype(np.float32),
        np.empty(SIDE * SIDE, np.int32),
    )
    _offer_passing(work, some, first, last)


@njit
def _offer_passing(work: _Work, some: Asking, first: int, last: int) -> None:
    work, some = borrowed(work), borrowed(some)
    steps, queries, k = work.panels.shape[1], len(some.rows), some.best.shape[1]
    tile, scale, residual = work.tile, work.scale, work.residual
    bytes_a_panel = steps * LINE
    together = max(1, L2_BYTES // bytes_a_panel)
    for chunk in range(first, last, together):
        for group in range(len(work.asked)):
            left = work.asked.ctypes.data + group * bytes_a_panel
            for panel in range(chunk, min(chunk + together, last)):
                right = work.panels.ctypes.data + panel * bytes_a_panel
                int8_tile(left, right, steps, work.tile.ctypes.data)
                for side in range(min(SIDE, queries - group * SIDE)):
                    query = group * SIDE + side
                    need = np.float32(some.best[query, k - 1]) - work.allowed[query]
                    place, row = np.uint64(SIDE * side), np.uint64(panel * SIDE)
                    step, share, start = work.steps[query], work.share[query], work.start[query]
                    passing = 0
                    for lane in range(LANES):
                        near = _nearest(
                            tile[place + lane], start, step, scale[row + lane], share, residual[row + lane]
                        )
                        passing += near >= need
                    if passing and some.lengths[query] > 0:
                        _offer_lanes(work, some, query, panel)


@njit_inline
def _nearest(
    total: int, start: int, step: np.float32, scale: np.float32, share: np.float32, residual: np.float32
) -> np.float32:
    """The largest cosine that a product of bytes allows, but for the query's own residual."""
    return np.float32(total + start) * step * scale + share * residual


@njit
def _offer_lanes(work: _Work, some: Asking, query: int, panel: int) -> None:
    step, share, k = work.steps[query], work.share[query], some.best.shape[1]
    for lane in range(SIDE):
        row = panel * SIDE + lane
        total, start = work.tile[query % SIDE * SIDE + lane], work.start[query]
        near = _nearest(total, start, step, work.scale[row], share, work.residual[row])
        if row < len(work.table) and near >= np.float32(some.best[query, k - 1]) - work.allowed[query]:
            offer(work.table, some, query, row)
