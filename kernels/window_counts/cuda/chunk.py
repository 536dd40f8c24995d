"""Counts of a chunk of text on a GPU, appended to the COO buffer: launches ``window_counts.cu``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Int64
from gpuemb.kernels.window_counts import Side
from gpuemb.kernels.window_counts.cuda.coo_buffer import COOBuffer
from gpuemb.kernels.window_counts.cuda.sort import THREADS, Sorter

COUNT_INSTANCES = ("reaches", "bounds", "short_rows", "long_rows")
TRANSPOSED = {"both": 0, "left": 1, "right": 2}  # side of the owner on which the cell is in the partner's row
# Until a GPU has measured them, guesses:
COUNT_THREADS = 512
PAIRS_A_BLOCK = 1 << 17  # of a block, at most: windows of its positions
SHORT_WORDS = 2048  # frequent words with rows of at most 16 KB, twice that for one side
PLACES = 4096  # of a hash table, 64 KB: three blocks a multiprocessor of sm_90; sm_120 has 99 KB a block
ROUNDS = 2  # pairs a thread between two tests for a full table
FREE_SHARED_BYTES = 48 << 10  # more needs the kernel's attribute


class Corpus(NamedTuple):
    """Arrays shared by all chunks of a corpus, on the device.

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


def count_chunk(corpus: Corpus, ids: Any, base: int, begin: int, cells: COOBuffer, sorter: Sorter) -> None:
    """Append the counts of a chunk of text to the buffer.

    Args:
        corpus: arrays shared by all chunks.
        ids: ``(t,)`` int32 on the device.
        base: its first token's position in the corpus.
        begin: tokens before this one belong to the previous chunk; they serve as contexts only.
        cells: with free capacity for ``(t − begin) · window`` entries.
        sorter: the radix sort.
    """
    xp, tokens, window = cuda.cupy(), len(ids), corpus.window
    module = cuda.load(Path(__file__).parents[1] / "window_counts.cu", COUNT_INSTANCES)
    size, blocks = np.uint32(tokens), (-(-(tokens + 1) // THREADS),)
    reach = xp.empty(tokens, np.uint16)
    times = xp.empty(tokens if corpus.resampled else 1, np.int64)
    documents = np.int64(base), np.uint64(len(corpus.starts) - 1), size
    shared = corpus.starts, corpus.repeats, reach, times, *documents
    flags = np.uint32(window), np.int32(corpus.resampled)
    module.get_function("reaches")(blocks, (THREADS,), (*shared, *flags))

    words = corpus.rank[ids]
    order, places = _sorted(words, corpus.words, sorter)
    short = min(SHORT_WORDS, corpus.words)
    bounds = xp.empty(short + 1, np.int64)
    module.get_function("bounds")(blocks, (THREADS,), (order, bounds, size, np.uint32(short)))

    text = words, order, places, reach, times, corpus.weights, bounds, *cells.end, np.uint64(corpus.words)
    rules = np.uint32(begin), *flags, np.int32(TRANSPOSED[corpus.side])
    share = max(1, PAIRS_A_BLOCK // (2 * window))
    _short_rows(module, (*text, *rules), short, share, tokens)
    if short < corpus.words:
        _long_rows(module, (*text, *rules), short, share, tokens)


def _sorted(words: Any, count: int, sorter: Sorter) -> tuple[Any, Any]:
    """The words in order, and their positions."""
    xp = cuda.cupy()
    keys = xp.array(words), xp.empty_like(words)
    places = xp.arange(len(words), dtype=np.uint32), xp.empty_like(words)
    at = sorter.sort(keys, places, len(words), (count - 1).bit_length())
    return keys[at], places[at]


def _short_rows(module: Any, shared: tuple[Any, ...], short: int, share: int, tokens: int) -> None:
    """Count the frequent words; the last block of a word may have idle positions."""
    bounds, transposed = shared[6], int(shared[-1])
    ends = cuda.cupy().cumsum(-(-cuda.cupy().diff(bounds) // share))
    kernel, memory = module.get_function("short_rows"), (2 if transposed else 1) * 8 * short
    blocks = tokens // share + min(short, tokens)
    _allow(kernel, memory)
    arguments = (*shared, ends, np.uint32(short), np.uint32(share))
    kernel((blocks,), (COUNT_THREADS,), arguments, shared_mem=memory)


def _long_rows(module: Any, shared: tuple[Any, ...], short: int, share: int, tokens: int) -> None:
    """Count the other words; their number of positions is known on the device alone."""
    kernel, memory = module.get_function("long_rows"), 16 * PLACES + 4
    limit = PLACES * 3 // 4 - ROUNDS * COUNT_THREADS
    _allow(kernel, memory)
    arguments = *shared, *map(np.uint32, (tokens, short, share, PLACES, limit, ROUNDS))
    kernel((-(-tokens // share),), (COUNT_THREADS,), arguments, shared_mem=memory)


def _allow(kernel: Any, memory: int) -> None:
    if memory > FREE_SHARED_BYTES:
        kernel.max_dynamic_shared_size_bytes = memory
