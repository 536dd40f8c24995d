"""Shared neighbors on the CPU, by one of two strategies.

Plan      A worker takes a range of words in blocks, so that the pairs, V apart in memory, are written in
          whole cache lines.
          Compare: a block's lists are stored rank by rank, its words side by side; every two entries of every
          two lists are compared, a vector of words at a time.
          Number: per word, a hash table numbers the ids of several runs; a run is then a bit set, and the
          intersection of two sets counts a pair.
          Loops, not slices: assigning an array to a slice can raise, and compiles its message for a second.
Bound by  Compare: P·k² comparisons a word, 16 at a time with AVX-512 (S = 10, k = 10: a quarter of the
          time transposes the lists). Number: about 4 ns an entry for the table, then P times
          (ids of several runs)/64 words of bits.
Rejected  Merging sorted lists: P·2k steps that no processor predicts, 14 times slower at S = 10, k = 10.
          One strategy for all: see LARGEST_COMPARED.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit, njit_inline, njit_inner
from gpuemb.kernels.id_hash import EMPTY, insert_lists, slot_bits
from gpuemb.kernels.intrinsics import popcount
from gpuemb.kernels.neighbor_overlap import LARGEST_COMPARED, SharedNeighbors

WORDS_A_TASK = 4096
WORDS_A_BLOCK = 64  # two cache lines of counts
UNSHARED = 1


def neighbor_overlap(ids: Int32) -> SharedNeighbors:
    """See :mod:`gpuemb.kernels.neighbor_overlap`."""
    runs, words, k = ids.shape
    shared = np.empty((runs * (runs - 1) // 2, words), np.uint16)
    common, filled = np.empty(words, np.uint16), np.empty((runs, words), np.uint16)
    count = _compare if (runs - 1) * k <= LARGEST_COMPARED else _number_ids

    def work(part: tuple[int, int]) -> None:
        count(ids, part[0], part[1], shared, common, filled)

    threads.run(work, threads.ranges(words, -(-words // WORDS_A_TASK)))
    return SharedNeighbors(shared, common, filled)


@njit
def _compare(
    ids: Int32,
    first: int,
    last: int,
    shared: NDArray[np.uint16],
    common: NDArray[np.uint16],
    filled: NDArray[np.uint16],
) -> None:
    runs, _, k = ids.shape
    lists = np.empty((runs, k, WORDS_A_BLOCK), np.int32)
    in_all_runs = np.empty((k, WORDS_A_BLOCK), np.int32)
    hits, count = np.empty(WORDS_A_BLOCK, np.int32), np.empty(WORDS_A_BLOCK, np.int32)
    for start in range(first, last, WORDS_A_BLOCK):
        stop = min(start + WORDS_A_BLOCK, last)
        _transpose(ids, start, stop, lists, filled)
        for rank in range(k):
            for word in range(WORDS_A_BLOCK):
                in_all_runs[rank, word] = lists[0, rank, word] >= 0
        pair = 0
        for run in range(runs):
            for other in range(run + 1, runs):
                count[:] = 0
                for rank in range(k):
                    hits[:] = 0
                    _set_hits(lists[run, rank], lists[other], hits)
                    for word in range(WORDS_A_BLOCK):
                        count[word] += hits[word]
                    if run == 0:
                        for word in range(WORDS_A_BLOCK):
                            in_all_runs[rank, word] &= hits[word]
                for word in range(start, stop):
                    shared[pair, word] = count[word - start]
                pair += 1
        count[:] = 0
        for rank in range(k):
            for word in range(WORDS_A_BLOCK):
                count[word] += in_all_runs[rank, word]
        for word in range(start, stop):
            common[word] = count[word - start]


@njit_inner
def _transpose(ids: Int32, start: int, stop: int, lists: Int32, filled: NDArray[np.uint16]) -> None:
    """Transpose the lists of a block of words; the padding of no two runs is equal."""
    runs, _, k = ids.shape
    for run in range(runs):
        for word in range(start, stop):
            length = 0
            for rank in range(k):
                one = ids[run, word, rank]
                lists[run, rank, word - start] = one if one >= 0 else -1 - run
                length += one >= 0
            filled[run, word] = length


@njit_inline
def _set_hits(row: Int32, others: Int32, hits: Int32) -> None:
    """Set the words whose entry is among the others: four at a time, to write ``hits`` less often."""
    ranks = len(others)
    whole = ranks - ranks % 4
    for rank in range(0, whole, 4):
        for word in range(WORDS_A_BLOCK):
            one = row[word]
            hits[word] |= (
                (one == others[rank, word])
                | (one == others[rank + 1, word])
                | (one == others[rank + 2, word])
                | (one == others[rank + 3, word])
            )
    for rank in range(whole, ranks):
        for word in range(WORDS_A_BLOCK):
            hits[word] |= row[word] == others[rank, word]


@njit
def _number_ids(
    ids: Int32,
    first: int,
    last: int,
    shared: NDArray[np.uint16],
    common: NDArray[np.uint16],
    filled: NDArray[np.uint16],
) -> None:
    runs, _, k = ids.shape
    bits = slot_bits(runs * k)
    keys, run_counts = np.full(1 << bits, EMPTY, np.int32), np.zeros(1 << bits, np.int32)
    slots, lengths = np.empty((runs, k), np.int32), np.empty(runs, np.int64)
    sets = np.zeros((runs, (runs * k // 2 + 63) // 64), np.uint64)
    block = np.empty((len(shared), WORDS_A_BLOCK), np.uint16)
    for start in range(first, last, WORDS_A_BLOCK):
        stop = min(start + WORDS_A_BLOCK, last)
        for word in range(start, stop):
            insert_lists(ids, word, np.uint64(64 - bits), keys, run_counts, slots, lengths)
            for run in range(runs):
                filled[run, word] = lengths[run]
            numbered, common[word] = _set_bits(slots, lengths, keys, run_counts, sets)
            _count_shared_bits(sets, (numbered + 63) // 64, block, word - start)
        for pair in range(len(shared)):
            for word in range(start, stop):
                shared[pair, word] = block[pair, word - start]


@njit_inner
def _set_bits(
    slots: Int32, lengths: Int64, keys: Int32, run_counts: Int32, sets: NDArray[np.uint64]
) -> tuple[int, int]:
    """Number the ids of several runs, set their bits, clear the table; count them, and those of all runs."""
    runs, numbered, in_all_runs = len(slots), 0, 0
    sets[:] = 0
    for run in range(runs):
        for rank in range(lengths[run]):
            slot = slots[run, rank]
            if run_counts[slot] > 0:
                in_all_runs += run_counts[slot] == runs
                if run_counts[slot] > UNSHARED:
                    run_counts[slot] = -1 - numbered
                    numbered += 1
            if run_counts[slot] < 0:
                number = -1 - run_counts[slot]
                sets[run, number >> 6] |= np.uint64(1) << np.uint64(number & 63)
    for run in range(runs):
        for rank in range(lengths[run]):
            keys[slots[run, rank]], run_counts[slots[run, rank]] = EMPTY, 0
    return numbered, in_all_runs


@njit_inner
def _count_shared_bits(sets: NDArray[np.uint64], lanes: int, block: NDArray[np.uint16], column: int) -> None:
    pair = 0
    for run in range(len(sets)):
        for other in range(run + 1, len(sets)):
            total = np.uint64(0)
            for lane in range(lanes):
                total += popcount(sets[run, lane] & sets[other, lane])
            block[pair, column] = total
            pair += 1
