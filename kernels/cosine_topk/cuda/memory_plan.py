"""Memory plan of a search on a GPU: capacity of the candidate buffers, rows resident at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core.memory import MemoryPlan, buffer, largest_tile, rows_per_tile
from gpuemb.kernels.cosine_topk.cuda.float16_rows import padded_columns, rows_at_once
from gpuemb.kernels.cosine_topk.cuda.rescore import CELL_BYTES, CELLS
from gpuemb.kernels.cosine_topk.cuda.state import SIDE

CANDIDATES_A_NEIGHBOR = 4  # capacity of a row's buffer over k, two blocks at least; a guess until measured
TILE_CELLS = 8 << 20  # of a cuBLAS tile: 32 MB stay in the L2 cache of sm_80 and later
ROW_BYTES = 64  # of a row: lengths, numbers, residuals, counts, thresholds
GATHERED_BYTES = 56  # more of a row of the host: its place, whether it is gathered, and its slot


@dataclass(frozen=True)
class Sizes:
    """Sizes of a search.

    Attributes:
        words: rows of the table.
        dim: their dimensions.
        k: neighbors.
        others: queries of another table; None: every row is a query.
        itemsize: bytes of a number.
    """

    words: int
    dim: int
    k: int
    others: int | None = None
    itemsize: int = 4

    @property
    def queries(self) -> int:
        """Number of lists."""
        return self.words if self.others is None else self.others

    @property
    def rows(self) -> int:
        """Rows of both tables."""
        return self.words + (self.others or 0)

    @property
    def purpose(self) -> str:
        """Name in messages."""
        return f"cosine_topk of {self.queries} among {self.words} rows, {self.dim} dimensions"


def buffer_capacity(words: int, k: int) -> int:
    """Capacity of a row's candidate buffer, where memory allows."""
    return SIDE * min(-(-words // SIDE), max(2, -(-CANDIDATES_A_NEIGHBOR * k // SIDE)))


def plan(sizes: Sizes, capacity: int) -> MemoryPlan:
    """Bytes on the GPU beside resident tables, with buffers of ``capacity`` candidates a row."""
    return MemoryPlan(
        sizes.purpose,
        {
            "widened rows": sizes.rows * sizes.dim * 4 if sizes.itemsize == 2 else 0,
            "float16 rows": buffer((sizes.rows, padded_columns(sizes.dim)), np.float16),
            "lengths, numbers, thresholds": sizes.rows * ROW_BYTES,
            "candidates": sizes.queries * capacity * 4,
            "lists": sizes.queries * sizes.k * 12,
            "a tile of scores": TILE_CELLS * 4,
        },
    )


def fitting_capacity(sizes: Sizes, free: int, most: int) -> int:
    """Return the capacity of a row's candidate buffer, at most ``most``, for tables on the GPU.

    Raises:
        MemoryBudgetError: not even ``SIDE`` candidates a row fit ``free`` bytes.
    """
    buffers = {"candidates": 4 * sizes.queries}
    return largest_tile(
        sizes.purpose, free, most, fixed=plan(sizes, 0).buffers, per_row=buffers, multiple=SIDE
    )


def fitting_host(sizes: Sizes, free: int, most: int) -> tuple[int, int]:
    """Return the capacity of a row's candidate buffer, and the number of the host's rows resident at once.

    ``sizes.rows`` or more: all of them stay on the GPU; else at least a query and its candidates.

    Args:
        sizes: of the search.
        free: bytes available.
        most: largest capacity.

    Raises:
        MemoryBudgetError: the tables' float16 rows do not fit, with the smallest buffers.
    """
    number = max(sizes.itemsize, 4)
    fixed = {
        **plan(sizes, 0).buffers,
        "widened rows": 0,  # counted among the resident rows
        "uploads": _uploads(sizes),
        "gathered rows": sizes.rows * GATHERED_BYTES + min(CELLS, sizes.queries * most) * CELL_BYTES,
    }
    row = sizes.dim * number
    least = {"candidates": 4 * sizes.queries, "their rows": row}
    fixed["the query"] = row
    capacity = largest_tile(sizes.purpose, free, most, fixed=fixed, per_row=least, multiple=SIDE)
    # The more rows are resident, the fewer are uploaded twice: buffers take no more than half, if possible.
    capacity = min(
        capacity, rows_per_tile(4 * sizes.queries, (free - sum(fixed.values())) // 2, multiple=SIDE)
    )
    fixed["candidates"] = 4 * sizes.queries * capacity
    resident = largest_tile(
        sizes.purpose, free, sizes.rows, fixed=fixed, per_row={"resident rows": row}, multiple=capacity + 1
    )
    return capacity, resident


def _uploads(sizes: Sizes) -> int:
    """Bytes of uploaded blocks: two in flight, one widened, its float16 rows and their residuals."""
    rows = min(sizes.rows, rows_at_once(sizes.dim, sizes.itemsize))
    widened = 4 * sizes.dim if sizes.itemsize == 2 else 0
    return rows * (2 * sizes.dim * sizes.itemsize + widened + 2 * padded_columns(sizes.dim) + 32)
