"""What of a search finds room on the GPU, told before it runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core.memory import MemoryPlan, buffer, largest_tile, rows_per_tile
from gpuemb.kernels.cosine_topk.cuda.float16_rows import padded_columns, rows_at_once
from gpuemb.kernels.cosine_topk.cuda.rescore import CELL_BYTES, CELLS
from gpuemb.kernels.cosine_topk.cuda.state import SIDE

ROOMS = 4  # times k candidates may wait with a row, two blocks at least; until a GPU has measured it, a guess
TILE_CELLS = 8 << 20  # of a cuBLAS tile: 32 MB stay in the L2 cache of sm_80 and later
ROW_BYTES = 64  # kept of a row: lengths, numbers, what rounding took, counts, needs
GATHERED_BYTES = 56  # more of a row of the host: its turn, whether it is gathered, and where it then lies


@dataclass(frozen=True)
class Sizes:
    """How large a search is.

    Attributes:
        words: rows of the table.
        dim: their dimensions.
        k: neighbors.
        asked: rows of another table that ask; None: every row asks.
        itemsize: bytes of a number.
    """

    words: int
    dim: int
    k: int
    asked: int | None = None
    itemsize: int = 4

    @property
    def queries(self) -> int:
        """Lists that are made."""
        return self.words if self.asked is None else self.asked

    @property
    def rows(self) -> int:
        """Rows of both tables."""
        return self.words + (self.asked or 0)

    @property
    def purpose(self) -> str:
        """What messages call it."""
        return f"cosine_topk of {self.queries} among {self.words} rows, {self.dim} dimensions"


def rooms(words: int, k: int) -> int:
    """How many candidates may wait with a row."""
    return SIDE * min(-(-words // SIDE), max(2, -(-ROOMS * k // SIDE)))


def plan(sizes: Sizes, room: int) -> MemoryPlan:
    """Bytes on the GPU beside tables that lie there, with ``room`` candidates waiting a row."""
    return MemoryPlan(
        sizes.purpose,
        {
            "widened rows": sizes.rows * sizes.dim * 4 if sizes.itemsize == 2 else 0,
            "float16 rows": buffer((sizes.rows, padded_columns(sizes.dim)), np.float16),
            "what is kept a row": sizes.rows * ROW_BYTES,
            "waiting candidates": sizes.queries * room * 4,
            "lists": sizes.queries * sizes.k * 12,
            "a tile of scores": TILE_CELLS * 4,
        },
    )


def fitting_room(sizes: Sizes, free: int, most: int) -> int:
    """Return how many candidates may wait with a row, at most ``most``, of tables on the GPU.

    Raises:
        MemoryBudgetError: not even ``SIDE`` fit ``free`` bytes.
    """
    waiting = {"waiting candidates": 4 * sizes.queries}
    return largest_tile(
        sizes.purpose, free, most, fixed=plan(sizes, 0).buffers, per_row=waiting, multiple=SIDE
    )


def fitting_host(sizes: Sizes, free: int, most: int) -> tuple[int, int]:
    """Return how many candidates may wait with a row, and how many rows of the host the GPU holds at once.

    With ``sizes.rows`` or more all of them stay there; fewer are one more than may wait at least: a row that
    asks and its candidates.

    Args:
        sizes: of the search.
        free: bytes that may be used.
        most: candidates that may wait with a row at most.

    Raises:
        MemoryBudgetError: the halves of the tables do not fit, with the least that may wait.
    """
    number = max(sizes.itemsize, 4)
    fixed = {
        **plan(sizes, 0).buffers,
        "widened rows": 0,  # they count among the rows that are held
        "rows on their way": _passing(sizes),
        "who needs which row": sizes.rows * GATHERED_BYTES + min(CELLS, sizes.queries * most) * CELL_BYTES,
    }
    row = sizes.dim * number
    least = {"waiting candidates": 4 * sizes.queries, "their rows": row}
    fixed["the row that asks"] = row
    room = largest_tile(sizes.purpose, free, most, fixed=fixed, per_row=least, multiple=SIDE)
    # The more rows are held, the fewer are brought twice: what waits takes no more than half, if it can.
    room = min(room, rows_per_tile(4 * sizes.queries, (free - sum(fixed.values())) // 2, multiple=SIDE))
    fixed["waiting candidates"] = 4 * sizes.queries * room
    held = largest_tile(
        sizes.purpose, free, sizes.rows, fixed=fixed, per_row={"rows held": row}, multiple=room + 1
    )
    return room, held


def _passing(sizes: Sizes) -> int:
    """Bytes of the blocks in which rows come: two under way, one widened, its halves and what they took."""
    rows = min(sizes.rows, rows_at_once(sizes.dim, sizes.itemsize))
    widened = 4 * sizes.dim if sizes.itemsize == 2 else 0
    return rows * (2 * sizes.dim * sizes.itemsize + widened + 2 * padded_columns(sizes.dim) + 32)
