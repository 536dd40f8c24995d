"""Co-occurrence counts on a GPU: stretches of text leave parts of cells in a list that becomes rows.

Plan      1 stretch   so many tokens, with the window before them; words become ranks by frequency, positions
                      are sorted by word (window_counts_sort.cu), and blocks of positions add up their pairs
                      in shared memory (window_counts.cu). The rarer word owns a pair.
          2 cells     what blocks found is appended to a list; when it is full, equal cells become one
                      (window_counts_merge.cu). What is too much even then waits as rows at home.
          3 rows      cells and their mirror images are sorted, as many rows at a time as fit the device.
          Tokens of the host, memory maps too, stream through: one stretch is copied while one is counted.
Bound by  the walk through the windows. Nothing here has run on a GPU yet.
Memory    what is free, at most: a list holds the pairs of two stretches at least. A stretch is halved where
          the memory runs out after all. Sums of integers: the counts are the same.
Returns   rows where the tokens are, at home or on the device.
Rejected  As many cells as all pairs need, planned for one stretch: a corpus has fewer different cells than
          pairs, and what was merged makes room for the next stretch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Int32, Int64, device_of
from gpuemb.core.device import Device, budget
from gpuemb.core.memory import largest_tile, tiles
from gpuemb.core.upload import uploaded
from gpuemb.kernels.window_counts import CountedRows, Side
from gpuemb.kernels.window_counts.cuda.chunk import COUNT_INSTANCES, Corpus, count_stretch
from gpuemb.kernels.window_counts.cuda.coo_buffer import LISTED_BYTES, MERGE_INSTANCES, Cells
from gpuemb.kernels.window_counts.cuda.sort import SORT_INSTANCES, TABLE_BYTES, Sorter

INSTANCES = {
    "window_counts": COUNT_INSTANCES,
    "window_counts_merge": MERGE_INSTANCES,
    "window_counts_sort": SORT_INSTANCES,
}
LONGEST_STRETCH = 1 << 25  # tokens; until a GPU has measured it, a guess
TOKEN_BYTES = 38  # two uploads of 4, joined 4, ranks 4, two orders with places 16, their copy 4, reach 2
WORD_BYTES = 144  # ranks and back, frequencies, sizes of rows and what finds them; two rows from home


@dataclass(frozen=True)
class Plan:
    """How a corpus goes through the device.

    Attributes:
        stretch: tokens at once.
        room: cells of a list.
    """

    stretch: int
    room: int


def plan(tokens: int, words: int, documents: int, window: int, free: int, *, resampled: bool) -> Plan:
    """Choose the longest stretch of which two leave no more cells than a list holds; the list gets the rest.

    Args:
        tokens: ``T``.
        words: ``V``.
        documents: ``D``.
        window: the largest distance.
        free: bytes of the device.
        resampled: whether documents repeat.

    Raises:
        MemoryBudgetError: not even one token fits beside what is held for words and documents.
    """
    a_token = TOKEN_BYTES + (8 if resampled else 0)
    fixed = {
        "words": WORD_BYTES * words,
        "documents": (16 if resampled else 8) * (documents + 1),
        "digits": TABLE_BYTES,
        "a row of cells": 2 * LISTED_BYTES * words,
    }
    stretch = largest_tile(
        f"window_counts of {tokens} tokens, {words} words",
        free,
        min(tokens, LONGEST_STRETCH),
        fixed=fixed,
        per_row={"tokens": a_token, "cells": 2 * LISTED_BYTES * window},
    )
    rest = free - sum(fixed.values()) - a_token * stretch
    return Plan(stretch, max(2 * words, min(tokens * window, rest // LISTED_BYTES)))


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
    home = device_of(ids).kind == "cpu"
    if len(ids) == 0:
        library = np if home else xp
        shapes = (words + 1, np.int64), (0, np.int32), (0, np.int64)
        return CountedRows(*(library.zeros(size, dtype) for size, dtype in shapes))
    free = budget(Device("cuda", int(xp.cuda.Device().id)))
    share = free if home else free // 2  # the counts stay beside the list
    cut = plan(len(ids), words, len(starts) - 1, len(weights) - 1, share, resampled=repeats is not None)

    def attempt(stretch: int) -> CountedRows:
        room = max(2 * words, cut.room * stretch // cut.stretch)
        corpus = Corpus(
            xp.asarray(starts),
            xp.zeros(1, np.int64) if repeats is None else xp.asarray(repeats).astype(np.int64),
            repeats is not None,
            xp.asarray(weights),
            side,
            words,
            None,
        )
        return _count(corpus, ids, stretch, room, home=home)

    return cuda.retry_smaller(f"window_counts of {len(ids)} tokens", attempt, cut.stretch)


def _count(corpus: Corpus, ids: Int32, stretch: int, room: int, *, home: bool) -> CountedRows:
    xp, waiting = cuda.cupy(), []
    sorter = Sorter()
    cells, mirrored = Cells(corpus.words, room, sorter), corpus.side == "both"
    before, word_of_rank = xp.empty(0, np.int32), None
    for start, block in _stretches(ids, stretch):
        if word_of_rank is None:
            word_of_rank, rank = ranks(block, corpus.words)
            corpus = corpus._replace(rank=rank)
        if not cells.makes_room(len(block) * corpus.window):
            waiting.append(cells.rows(word_of_rank, mirrored=mirrored, home=True))
        text, begin = xp.concatenate([before, block]), len(before)
        count_stretch(corpus, text, start - begin, begin, cells, sorter)
        cells.most += len(block) * corpus.window
        before = xp.array(text[-corpus.window :])
    if not waiting:
        return cells.rows(word_of_rank, mirrored=mirrored, home=home)
    waiting.append(cells.rows(word_of_rank, mirrored=mirrored, home=True))
    return _added(waiting, cells, home=home)


def _added(waiting: list[CountedRows], cells: Cells, *, home: bool) -> CountedRows:
    """Add two by two; only the last sum goes where it is wanted."""
    while len(waiting) > 1:
        last = len(waiting) == 2
        pairs = zip(waiting[::2], waiting[1::2], strict=False)
        added = [cells.added(one, other, home=home or not last) for one, other in pairs]
        waiting = added + waiting[2 * len(added) :]
    return waiting[0]


def _stretches(ids: Int32, length: int) -> Iterator[tuple[int, Any]]:
    if device_of(ids).kind == "cpu":
        yield from uploaded(ids, length)
    else:
        for start, stop in tiles(len(ids), length):
            yield start, ids[start:stop]


def ranks(ids: Any, words: int) -> tuple[Any, Any]:
    """Number the words by how often they stand in some text, the most frequent first.

    Returns:
        The word of each rank, int32, and the rank of each word, uint32. Any numbering gives the same counts.
    """
    xp = cuda.cupy()
    word_of_rank = xp.argsort(-xp.bincount(ids, minlength=words)).astype(np.int32)
    rank = xp.empty(words, np.uint32)
    rank[word_of_rank] = xp.arange(words, dtype=np.uint32)
    return word_of_rank, rank
