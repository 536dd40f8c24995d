"""Co-occurrence counts on a GPU: chunks of text append entries to a COO buffer, merged and sorted into rows.

Plan      1 chunk   a number of tokens, with the window before them; words become ranks by frequency,
                    positions are sorted by word (window_counts_sort.cu), and blocks of positions add up their
                    pairs in shared memory (window_counts.cu). The rarer word owns a pair.
          2 merge   blocks append their sums to a COO buffer; when it is full, entries of equal cells are
                    added (window_counts_merge.cu). If it is still full, its rows are moved to the host.
          3 rows    cells and their mirror images are sorted, as many rows at a time as fit the device.
          Tokens of the host, memory maps too, stream through: one chunk is copied while one is counted.
Bound by  reading the windows. Nothing here has run on a GPU yet.
Memory    what is free, at most: a buffer holds the pairs of two chunks at least. When memory runs out all the
          same, chunks are halved. Sums of integers: the counts are the same.
Returns   rows where the tokens are, on the host or on the device.
Rejected  As many cells as all pairs need, planned for one chunk: a corpus has fewer distinct cells than
          pairs, and merging frees capacity for the next chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Int32, Int64, device_of
from gpuemb.core.cuda.host_streaming import uploaded
from gpuemb.core.device import Device, budget
from gpuemb.core.memory import largest_tile, tiles
from gpuemb.kernels.window_counts import CountedRows, Side
from gpuemb.kernels.window_counts.cuda.chunk import COUNT_INSTANCES, Corpus, count_chunk
from gpuemb.kernels.window_counts.cuda.coo_buffer import ENTRY_BYTES, MERGE_INSTANCES, COOBuffer
from gpuemb.kernels.window_counts.cuda.sort import SORT_INSTANCES, TABLE_BYTES, Sorter

INSTANCES = {
    "window_counts": COUNT_INSTANCES,
    "window_counts_merge": MERGE_INSTANCES,
    "window_counts_sort": SORT_INSTANCES,
}
LARGEST_CHUNK = 1 << 25  # tokens; until a GPU has measured it, a guess
TOKEN_BYTES = 38  # two uploads of 4, joined 4, ranks 4, two orders with places 16, their copy 4, reach 2
WORD_BYTES = 144  # ranks and their inverse, frequencies, sizes and places of rows; two rows of the host


@dataclass(frozen=True)
class Plan:
    """Sizes of the chunks and of the buffer.

    Attributes:
        chunk: tokens.
        capacity: entries of the COO buffer.
    """

    chunk: int
    capacity: int


def plan(tokens: int, words: int, documents: int, window: int, free: int, *, resampled: bool) -> Plan:
    """Choose the largest chunk, two of which fill the buffer at most; the buffer gets the rest of the memory.

    Args:
        tokens: ``T``.
        words: ``V``.
        documents: ``D``.
        window: the largest distance.
        free: bytes of the device.
        resampled: whether documents repeat.

    Raises:
        MemoryBudgetError: not even one token fits beside the arrays of words and documents.
    """
    a_token = TOKEN_BYTES + (8 if resampled else 0)
    fixed = {
        "words": WORD_BYTES * words,
        "documents": (16 if resampled else 8) * (documents + 1),
        "digits": TABLE_BYTES,
        "a row of cells": 2 * ENTRY_BYTES * words,
    }
    chunk = largest_tile(
        f"window_counts of {tokens} tokens, {words} words",
        free,
        min(tokens, LARGEST_CHUNK),
        fixed=fixed,
        per_row={"tokens": a_token, "cells": 2 * ENTRY_BYTES * window},
    )
    rest = free - sum(fixed.values()) - a_token * chunk
    return Plan(chunk, max(2 * words, min(tokens * window, rest // ENTRY_BYTES)))


def window_counts(
    ids: Int32,
    starts: Int64,
    repeats: Int64 | None,
    words: int,
    weights: Int64,
    side: Side = "both",
) -> CountedRows:
    """See :mod:`gpuemb.kernels.window_counts`.

    Raises:
        MemoryBudgetError: the words and documents alone do not fit the GPU.
    """
    xp = cuda.cupy()
    on_host = device_of(ids).kind == "cpu"
    if len(ids) == 0:
        library = np if on_host else xp
        shapes = (words + 1, np.int64), (0, np.int32), (0, np.int64)
        return CountedRows(*(library.zeros(size, dtype) for size, dtype in shapes))
    free = budget(Device("cuda", int(xp.cuda.Device().id)))
    share = free if on_host else free // 2  # the counts stay beside the buffer
    cut = plan(len(ids), words, len(starts) - 1, len(weights) - 1, share, resampled=repeats is not None)

    def attempt(chunk: int) -> CountedRows:
        capacity = max(2 * words, cut.capacity * chunk // cut.chunk)
        corpus = Corpus(
            xp.asarray(starts),
            xp.zeros(1, np.int64) if repeats is None else xp.asarray(repeats).astype(np.int64),
            repeats is not None,
            xp.asarray(weights),
            side,
            words,
            None,
        )
        return _count(corpus, ids, chunk, capacity, on_host=on_host)

    return cuda.retry_smaller(f"window_counts of {len(ids)} tokens", attempt, cut.chunk)


def _count(corpus: Corpus, ids: Int32, chunk: int, capacity: int, *, on_host: bool) -> CountedRows:
    xp, partial = cuda.cupy(), []
    sorter = Sorter()
    cells, mirrored = COOBuffer(corpus.words, capacity, sorter), corpus.side == "both"
    before, word_of_rank = xp.empty(0, np.int32), None
    for start, block in _chunks(ids, chunk):
        if word_of_rank is None:
            word_of_rank, rank = ranks(block, corpus.words)
            corpus = corpus._replace(rank=rank)
        if not cells.fits(len(block) * corpus.window):
            partial.append(cells.rows(word_of_rank, mirrored=mirrored, on_host=True))
        text, begin = xp.concatenate([before, block]), len(before)
        count_chunk(corpus, text, start - begin, begin, cells, sorter)
        cells.most += len(block) * corpus.window
        before = xp.array(text[-corpus.window :])
    if not partial:
        return cells.rows(word_of_rank, mirrored=mirrored, on_host=on_host)
    partial.append(cells.rows(word_of_rank, mirrored=mirrored, on_host=True))
    return _summed(partial, cells, on_host=on_host)


def _summed(partial: list[CountedRows], cells: COOBuffer, *, on_host: bool) -> CountedRows:
    """Add two by two; only the last sum may stay on the device."""
    while len(partial) > 1:
        last = len(partial) == 2
        pairs = zip(partial[::2], partial[1::2], strict=False)
        added = [cells.added(one, other, on_host=on_host or not last) for one, other in pairs]
        partial = added + partial[2 * len(added) :]
    return partial[0]


def _chunks(ids: Int32, length: int) -> Iterator[tuple[int, Any]]:
    if device_of(ids).kind == "cpu":
        yield from uploaded(ids, length)
    else:
        for start, stop in tiles(len(ids), length):
            yield start, ids[start:stop]


def ranks(ids: Any, words: int) -> tuple[Any, Any]:
    """Rank the words by their frequency in some text, the most frequent first.

    Returns:
        The word of each rank, int32, and the rank of each word, uint32. Any numbering gives the same counts.
    """
    xp = cuda.cupy()
    word_of_rank = xp.argsort(-xp.bincount(ids, minlength=words)).astype(np.int32)
    rank = xp.empty(words, np.uint32)
    rank[word_of_rank] = xp.arange(words, dtype=np.uint32)
    return word_of_rank, rank
