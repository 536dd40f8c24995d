"""GPU search loop: filter a range of blocks, rescore the candidates, repeat with twice as many blocks."""

from __future__ import annotations

from collections.abc import Callable

from gpuemb.core import cuda
from gpuemb.core.progress import SILENT, Progress
from gpuemb.kernels.cosine_topk.cuda.rescore import rescore_candidates
from gpuemb.kernels.cosine_topk.cuda.state import GROUP, SIDE, SearchState

MOST_BLOCKS = 2**31 - 1  # of a launch

Filter = Callable[[SearchState, int, int], None]  # buffers candidates of the table's blocks first … last


def run(state: SearchState, filter_blocks: Filter, progress: Progress = SILENT) -> None:
    """Filter and rescore in rounds; then rescore overflowed lists with all rows."""
    if 0 in (len(state.queries.numbers), len(state.table.numbers)):
        return
    blocks = -(-len(state.table.numbers) // SIDE)
    slots = -(-len(state.queries.numbers) // SIDE)
    most = MOST_BLOCKS // (slots + GROUP)
    with progress.phase("neighbors", blocks) as task:
        for first, last in rounds(blocks, state.capacity, state.ids.shape[1], most):
            filter_blocks(state, first, last)
            rescore_candidates(state, "buffered", state.candidates)
            if progress is not SILENT:  # a launch returns before its work is done
                cuda.cupy().cuda.get_current_stream().synchronize()
            task.advance(last - first)
    rescore_candidates(state, "all_rows", state.candidates)


def rounds(blocks: int, capacity: int, k: int, most: int = MOST_BLOCKS) -> list[tuple[int, int]]:
    """Cut the table's blocks into rounds: at most a buffer's capacity until lists are full, then doubling.

    Args:
        blocks: of ``SIDE`` rows.
        capacity: of a row's candidate buffer.
        k: neighbors.
        most: blocks of a round.
    """
    found, seen = [], 0
    unsure = -(-(k + 1) // SIDE)  # blocks that hold k candidates beside the row itself
    while seen < blocks:
        step = seen if seen >= unsure else min(unsure - seen, capacity // SIDE)
        found.append((seen, min(blocks, seen + min(step, most))))
        seen = found[-1][1]
    return found
