"""Shared neighbors on the CPU: each word's lists are sorted once, every pair is a merge.

Plan      A worker takes a range of words; the S sorted lists of a word (S·k·4 bytes) stay in L1.
Bound by  the branches of the merges: P·V·2k steps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Int32
from gpuemb.core.jit import njit
from gpuemb.kernels.neighbor_overlap import SharedNeighbors

WORDS_A_TASK = 4096


def neighbor_overlap(ids: Int32) -> SharedNeighbors:
    """See :mod:`gpuemb.kernels.neighbor_overlap`."""
    runs, words, _ = ids.shape
    shared = np.zeros((runs * (runs - 1) // 2, words), np.uint16)
    common, filled = np.zeros(words, np.uint16), np.zeros((runs, words), np.uint16)

    def merge(part: tuple[int, int]) -> None:
        _merge(ids, part[0], part[1], shared, common, filled)

    threads.run(merge, threads.ranges(words, -(-words // WORDS_A_TASK)))
    return SharedNeighbors(shared, common, filled)


@njit
def _merge(
    ids: Int32,
    first: int,
    last: int,
    shared: NDArray[np.uint16],
    common: NDArray[np.uint16],
    filled: NDArray[np.uint16],
) -> None:
    runs, _, k = ids.shape
    lists = np.empty((runs, k), np.int32)
    lengths = np.empty(runs, np.int64)
    for word in range(first, last):
        for run in range(runs):
            length = 0
            for rank in range(k):
                if ids[run, word, rank] >= 0:
                    lists[run, length] = ids[run, word, rank]
                    length += 1
            lists[run, :length].sort()
            lengths[run] = length
            filled[run, word] = length
        pair = 0
        for run in range(runs):
            for other in range(run + 1, runs):
                shared[pair, word] = _intersect(lists[run], lengths[run], lists[other], lengths[other])
                pair += 1
        remaining = lengths[0]
        for run in range(1, runs):
            remaining = _keep_shared(lists[0], remaining, lists[run], lengths[run])
        common[word] = remaining


@njit
def _intersect(a: Int32, a_length: int, b: Int32, b_length: int) -> int:
    i, j, found = 0, 0, 0
    while i < a_length and j < b_length:
        if a[i] == b[j]:
            found += 1
        step_a, step_b = a[i] <= b[j], b[j] <= a[i]
        i += step_a
        j += step_b
    return found


@njit
def _keep_shared(a: Int32, a_length: int, b: Int32, b_length: int) -> int:
    """Keep in ``a`` only what ``b`` holds too; return how many."""
    i, j, kept = 0, 0, 0
    while i < a_length and j < b_length:
        if a[i] == b[j]:
            a[kept] = a[i]
            kept += 1
            i += 1
            j += 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return kept
