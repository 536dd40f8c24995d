"""A search on a GPU in phases: a filter lets pairs wait, they are settled, the filter grows sharper."""

from __future__ import annotations

from collections.abc import Callable

from gpuemb.core import cuda
from gpuemb.core.progress import SILENT, Progress
from gpuemb.kernels.cosine_topk.cuda.rescore import settle
from gpuemb.kernels.cosine_topk.cuda.state import GROUP, SIDE, Search

MOST_BLOCKS = 2**31 - 1  # of a launch

Road = Callable[[Search, int, int], None]  # lets the pairs of the table's blocks first … last wait


def run(search: Search, road: Road, progress: Progress = SILENT) -> None:
    """Filter and settle in phases; then settle the lost with every candidate."""
    if 0 in (len(search.asked.numbers), len(search.table.numbers)):
        return
    blocks = -(-len(search.table.numbers) // SIDE)
    slots = -(-len(search.asked.numbers) // SIDE)
    most = MOST_BLOCKS // (slots + GROUP)
    with progress.phase("neighbors", blocks) as task:
        for first, last in phases(blocks, search.room, search.ids.shape[1], most):
            road(search, first, last)
            settle(search, "waiting", search.waiting)
            if progress is not SILENT:  # a launch returns before its work is done
                cuda.cupy().cuda.get_current_stream().synchronize()
            task.advance(last - first)
    settle(search, "every", search.waiting)


def phases(blocks: int, room: int, k: int, most: int = MOST_BLOCKS) -> list[tuple[int, int]]:
    """Cut the table's blocks into phases: until lists are full no more than find room, then doubling.

    Args:
        blocks: of ``SIDE`` rows.
        room: candidates that can wait with a row.
        k: neighbors.
        most: blocks of a phase.
    """
    found, seen = [], 0
    unsure = -(-(k + 1) // SIDE)  # blocks that hold k candidates beside the row itself
    while seen < blocks:
        step = seen if seen >= unsure else min(unsure - seen, room // SIDE)
        found.append((seen, min(blocks, seen + min(step, most))))
        seen = found[-1][1]
    return found
