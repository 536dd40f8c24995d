"""Shared neighbors on the CPU, by one of two roads.

Plan      A worker takes a range of words in blocks, so that the pairs, V apart in memory, are written in
          whole cache lines.
          Compare: a block's lists stand rank by rank, its words side by side; every two entries of every
          two lists are compared, a vector of words at a time.
          Name: per word, a hash table numbers the ids that several runs hold; a run is then a set of
          bits, and a pair shares the bits that two sets do.
          Loops, not slices: assigning an array to a slice can raise, and compiles for a second what it says.
Bound by  Compare: P·k² comparisons a word, 16 at a time with AVX-512 (S = 10, k = 10: a quarter of the
          time lays the lists side by side). Name: about 4 ns an entry for the table, then P times
          (ids that several runs hold)/64 words of bits.
Rejected  Merging sorted lists: P·2k steps that no processor foresees, 14 times slower at S = 10, k = 10.
          One road for all: see LARGEST_COMPARED.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit, njit_inline
from gpuemb.kernels.id_hash import EMPTY, hold, slot_bits
from gpuemb.kernels.intrinsics import popcount
from gpuemb.kernels.neighbor_overlap import SharedNeighbors

WORDS_A_TASK = 4096
WORDS_A_BLOCK = 64  # two cache lines of counts
# Entries of other runs, (S − 1)·k, up to which an entry is compared with all of them. Time of comparing over
# naming, by S × k, on Zen 5: 2 × 256 0.4-0.7, 10 × 10 0.4-0.5, 10 × 25 0.5-0.8, 30 × 10 1.0-1.1,
# 30 × 25 2.2-2.4, 10 × 100 1.4-2.7, 100 × 10 1.5-1.9, 30 × 256 17-35.
LARGEST_COMPARED = 256
UNSHARED = 1


def neighbor_overlap(ids: Int32) -> SharedNeighbors:
    """See :mod:`gpuemb.kernels.neighbor_overlap`."""
    runs, words, k = ids.shape
    shared = np.empty((runs * (runs - 1) // 2, words), np.uint16)
    common, filled = np.empty(words, np.uint16), np.empty((runs, words), np.uint16)
    count = _compare if (runs - 1) * k <= LARGEST_COMPARED else _name

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
    everywhere = np.empty((k, WORDS_A_BLOCK), np.int32)
    hits, count = np.empty(WORDS_A_BLOCK, np.int32), np.empty(WORDS_A_BLOCK, np.int32)
    for start in range(first, last, WORDS_A_BLOCK):
        stop = min(start + WORDS_A_BLOCK, last)
        _turn(ids, start, stop, lists, filled)
        for rank in range(k):
            for word in range(WORDS_A_BLOCK):
                everywhere[rank, word] = lists[0, rank, word] >= 0
        pair = 0
        for run in range(runs):
            for other in range(run + 1, runs):
                count[:] = 0
                for rank in range(k):
                    hits[:] = 0
                    _find(lists[run, rank], lists[other], hits)
                    for word in range(WORDS_A_BLOCK):
                        count[word] += hits[word]
                    if run == 0:
                        for word in range(WORDS_A_BLOCK):
                            everywhere[rank, word] &= hits[word]
                for word in range(start, stop):
                    shared[pair, word] = count[word - start]
                pair += 1
        count[:] = 0
        for rank in range(k):
            for word in range(WORDS_A_BLOCK):
                count[word] += everywhere[rank, word]
        for word in range(start, stop):
            common[word] = count[word - start]


@njit
def _turn(ids: Int32, start: int, stop: int, lists: Int32, filled: NDArray[np.uint16]) -> None:
    """Lay the words of a block side by side; the padding of no two runs is equal."""
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
def _find(row: Int32, others: Int32, hits: Int32) -> None:
    """Mark the words whose entry is among the others: four at a time, to touch ``hits`` less often."""
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
def _name(
    ids: Int32,
    first: int,
    last: int,
    shared: NDArray[np.uint16],
    common: NDArray[np.uint16],
    filled: NDArray[np.uint16],
) -> None:
    runs, _, k = ids.shape
    bits = slot_bits(runs * k)
    keys, holders = np.full(1 << bits, EMPTY, np.int32), np.zeros(1 << bits, np.int32)
    slots, lengths = np.empty((runs, k), np.int32), np.empty(runs, np.int64)
    sets = np.zeros((runs, (runs * k // 2 + 63) // 64), np.uint64)
    block = np.empty((len(shared), WORDS_A_BLOCK), np.uint16)
    for start in range(first, last, WORDS_A_BLOCK):
        stop = min(start + WORDS_A_BLOCK, last)
        for word in range(start, stop):
            hold(ids, word, np.uint64(64 - bits), keys, holders, slots, lengths)
            for run in range(runs):
                filled[run, word] = lengths[run]
            named, common[word] = _mark(slots, lengths, keys, holders, sets)
            _count_shared_bits(sets, (named + 63) // 64, block, word - start)
        for pair in range(len(shared)):
            for word in range(start, stop):
                shared[pair, word] = block[pair, word - start]


@njit
def _mark(
    slots: Int32, lengths: Int64, keys: Int32, holders: Int32, sets: NDArray[np.uint64]
) -> tuple[int, int]:
    """Number the ids of several runs, set their bits, empty the table; return how many, and in all runs."""
    runs, named, everywhere = len(slots), 0, 0
    sets[:] = 0
    for run in range(runs):
        for rank in range(lengths[run]):
            slot = slots[run, rank]
            if holders[slot] > 0:
                everywhere += holders[slot] == runs
                if holders[slot] > UNSHARED:
                    holders[slot] = -1 - named
                    named += 1
            if holders[slot] < 0:
                name = -1 - holders[slot]
                sets[run, name >> 6] |= np.uint64(1) << np.uint64(name & 63)
    for run in range(runs):
        for rank in range(lengths[run]):
            keys[slots[run, rank]], holders[slots[run, rank]] = EMPTY, 0
    return named, everywhere


@njit
def _count_shared_bits(sets: NDArray[np.uint64], lanes: int, block: NDArray[np.uint16], column: int) -> None:
    pair = 0
    for run in range(len(sets)):
        for other in range(run + 1, len(sets)):
            total = np.uint64(0)
            for lane in range(lanes):
                total += popcount(sets[run, lane] & sets[other, lane])
            block[pair, column] = total
            pair += 1
