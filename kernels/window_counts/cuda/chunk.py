"""A stretch of text on a GPU, and how its pairs come into a list of cells: launches ``window_counts.cu``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Int64
from gpuemb.kernels.window_counts import Side
from gpuemb.kernels.window_counts.cuda.coo_buffer import Cells
from gpuemb.kernels.window_counts.cuda.sort import THREADS, Sorter

COUNT_INSTANCES = ("reaches", "bounds", "short_rows", "long_rows")
TURNED = {"both": 0, "left": 1, "right": 2}  # on which side of its owner a partner's row has the cell
# Until a GPU has measured them, guesses:
COUNT_THREADS = 512
PAIRS_A_BLOCK = 1 << 17  # that its positions' windows may hold
SHORT_WORDS = 2048  # so many frequent words have rows of at most 16 KB, twice that for one side
PLACES = 4096  # of a table, 64 KB: three blocks a multiprocessor of sm_90; sm_120 gives a block 99 KB at most
ROUNDS = 2  # pairs a thread between two looks at a table
FREE_SHARED_BYTES = 48 << 10  # more must be asked for


class Corpus(NamedTuple):
    """What all stretches of a corpus share, on the device.

    Attributes:
        starts, repeats: as in the kernel's contract; one cell for None.
        resampled: whether documents repeat.
        weights: of each distance.
        side: of the contexts.
        words: ``V``.
        rank: ``(V,)`` uint32, of each word by falling frequency.
    """

    starts: Int64
    repeats: Int64
    resampled: bool
    weights: Int64
    side: Side
    words: int
    rank: Any

    @property
    def window(self) -> int:
        """The largest distance."""
        return len(self.weights) - 1


def count_stretch(corpus: Corpus, ids: Any, base: int, begin: int, cells: Cells, sorter: Sorter) -> None:
    """Append what stands near what in a stretch of text.

    Args:
        corpus: what all stretches share.
        ids: ``(t,)`` int32 on the device.
        base: where in the corpus it begins.
        begin: its tokens before this one were counted with the stretch before; they serve as contexts.
        cells: has room for ``(t − begin) · window`` more.
        sorter: sorts.
    """
    xp, tokens, window = cuda.cupy(), len(ids), corpus.window
    module = cuda.load(Path(__file__).parents[1] / "window_counts.cu", COUNT_INSTANCES)
    size, blocks = np.uint32(tokens), (-(-(tokens + 1) // THREADS),)
    reach = xp.empty(tokens, np.uint16)
    times = xp.empty(tokens if corpus.resampled else 1, np.int64)
    documents = np.int64(base), np.uint64(len(corpus.starts) - 1), size
    told = corpus.starts, corpus.repeats, reach, times, *documents
    flags = np.uint32(window), np.int32(corpus.resampled)
    module.get_function("reaches")(blocks, (THREADS,), (*told, *flags))

    words = corpus.rank[ids]
    order, places = _sorted(words, corpus.words, sorter)
    short = min(SHORT_WORDS, corpus.words)
    bounds = xp.empty(short + 1, np.int64)
    module.get_function("bounds")(blocks, (THREADS,), (order, bounds, size, np.uint32(short)))

    text = words, order, places, reach, times, corpus.weights, bounds, *cells.end, np.uint64(corpus.words)
    rules = np.uint32(begin), *flags, np.int32(TURNED[corpus.side])
    share = max(1, PAIRS_A_BLOCK // (2 * window))
    _short_rows(module, (*text, *rules), short, share, tokens)
    if short < corpus.words:
        _long_rows(module, (*text, *rules), short, share, tokens)


def _sorted(words: Any, count: int, sorter: Sorter) -> tuple[Any, Any]:
    """The words in order, and where they stand."""
    xp = cuda.cupy()
    keys = xp.array(words), xp.empty_like(words)
    places = xp.arange(len(words), dtype=np.uint32), xp.empty_like(words)
    at = sorter.sort(keys, places, len(words), (count - 1).bit_length())
    return keys[at], places[at]


def _short_rows(module: Any, told: tuple[Any, ...], short: int, share: int, tokens: int) -> None:
    """Count the frequent words; a word may leave the rest of its last block unused."""
    bounds, turned = told[6], int(told[-1])
    ends = cuda.cupy().cumsum(-(-cuda.cupy().diff(bounds) // share))
    kernel, memory = module.get_function("short_rows"), (2 if turned else 1) * 8 * short
    blocks = tokens // share + min(short, tokens)
    _allow(kernel, memory)
    arguments = (*told, ends, np.uint32(short), np.uint32(share))
    kernel((blocks,), (COUNT_THREADS,), arguments, shared_mem=memory)


def _long_rows(module: Any, told: tuple[Any, ...], short: int, share: int, tokens: int) -> None:
    """Count the others; how many positions they have only the device knows."""
    kernel, memory = module.get_function("long_rows"), 16 * PLACES + 4
    limit = PLACES * 3 // 4 - ROUNDS * COUNT_THREADS
    _allow(kernel, memory)
    arguments = *told, *map(np.uint32, (tokens, short, share, PLACES, limit, ROUNDS))
    kernel((-(-tokens // share),), (COUNT_THREADS,), arguments, shared_mem=memory)


def _allow(kernel: Any, memory: int) -> None:
    if memory > FREE_SHARED_BYTES:
        kernel.max_dynamic_shared_size_bytes = memory
