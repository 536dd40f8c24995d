"""Agreement of ranked lists on the CPU: numbered ids, then one pass down the two lists of a pair.

Plan      Per word, a hash table numbers the ids of several runs, and every run stores the rank of each
          number. A pair goes down both lists at once: at depth d the d-th id of one list counts when the
          other has it at d or above. The running count is d·A_d; a table gives each hit's weight for its two
          ranks. Measures are buffered for a block of words, so that rows V apart are written in cache lines.
Bound by  two dependent loads a depth and pair, without branches.
Order     A depth adds at most two hits, whose sum has no order: swapping two runs changes no bit, and no
          word's sums depend on another's.
Rejected  Comparing every two entries in vector registers, as ``neighbor_overlap`` does for short lists: P·k²
          comparisons, each with a float64 weight, and a second strategy for long lists.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.jit import njit, njit_inner
from gpuemb.kernels.id_hash import EMPTY, insert_lists, slot_bits
from gpuemb.kernels.ranked_overlap import RankedOverlap, depth_weights

WORDS_A_TASK = 4096
WORDS_A_BLOCK = 16  # two cache lines of float64
UNSHARED = 0


class Weights(NamedTuple):
    """Weights of hits and depths, by rank.

    Attributes:
        near: ``(k + 1, k + 1)`` rank similarity's weight of two ranks; 0 where one is 0.
        depth: ``(k + 1)`` 1/d.
        biased: ``(k + 1)`` p^d/d.
        harmonic: ``(k + 1)`` H_m.
        rest: (1 − p)/p.
    """

    near: Float64
    depth: Float64
    biased: Float64
    harmonic: Float64
    rest: float


class NumberedLists(NamedTuple):
    """A word's lists as small numbers; 0 is an id of a single run.

    Attributes:
        names: ``(S, k + 1)`` the number of the id at each rank; place 0 and what follows a list insert_lists
        0. ranks: ``(S, N)`` the rank of each number in each run, 0 where it is absent.
        lengths: ``(S,)``.
    """

    numbers: Int32
    ranks: Int32
    lengths: Int64


def ranked_overlap(ids: Int32, persistence: float) -> RankedOverlap:
    """See :mod:`gpuemb.kernels.ranked_overlap`."""
    runs, words, k = ids.shape
    measures = np.empty((3, runs * (runs - 1) // 2, words))
    distinct = np.empty(words, np.int32)
    weights = _weights(k, persistence)

    def work(part: tuple[int, int]) -> None:
        _compare(ids, part[0], part[1], weights, measures, distinct)

    threads.run(work, threads.ranges(words, -(-words // WORDS_A_TASK)))
    biased, average, near = measures
    return RankedOverlap(biased, average, near, distinct)


def _weights(k: int, p: float) -> Weights:
    rank = np.arange(k + 1.0)
    difference, total = np.abs(rank[:, None] - rank), rank[:, None] + rank
    near = np.zeros((k + 1, k + 1))
    near[1:, 1:] = 2 / ((1 + difference) * np.maximum(total, 1))[1:, 1:]
    depth, biased, harmonic = depth_weights(k, p)
    return Weights(near, depth, biased, harmonic, (1 - p) / p)


@njit
def _compare(ids: Int32, first: int, last: int, weights: Weights, measures: Float64, distinct: Int32) -> None:
    runs, _, k = ids.shape
    bits = slot_bits(runs * k)
    keys, run_counts = np.full(1 << bits, EMPTY, np.int32), np.zeros(1 << bits, np.int32)
    slots = np.empty((runs, k), np.int32)
    numbered = NumberedLists(
        np.zeros((runs, k + 1), np.int32),
        np.zeros((runs, runs * k // 2 + 1), np.int32),
        np.empty(runs, np.int64),
    )
    block = np.empty((3, measures.shape[1], WORDS_A_BLOCK))
    for start in range(first, last, WORDS_A_BLOCK):
        stop = min(start + WORDS_A_BLOCK, last)
        for word in range(start, stop):
            lengths = numbered.lengths
            distinct[word] = insert_lists(ids, word, np.uint64(64 - bits), keys, run_counts, slots, lengths)
            _number_ids(slots, keys, run_counts, numbered)
            pair = 0
            for run in range(runs):
                for other in range(run + 1, runs):
                    _compare_pair(numbered, run, other, weights, block[:, pair, word - start])
                    pair += 1
            _clear(numbered)
        for measure in range(3):
            for pair in range(measures.shape[1]):
                for word in range(start, stop):  # a slice's assignment compiles its error's text for a second
                    measures[measure, pair, word] = block[measure, pair, word - start]


@njit_inner
def _number_ids(slots: Int32, keys: Int32, run_counts: Int32, numbered: NumberedLists) -> None:
    """Number the ids of several runs from 1, store their ranks, and clear the table."""
    count = 0
    for run in range(len(slots)):
        for place in range(numbered.lengths[run]):
            slot = slots[run, place]
            if run_counts[slot] > 1:
                count += 1
                run_counts[slot] = -count
            number = -run_counts[slot] if run_counts[slot] < 0 else UNSHARED
            numbered.numbers[run, place + 1] = number
            if number != UNSHARED:
                numbered.ranks[run, number] = place + 1
    for run in range(len(slots)):
        for place in range(numbered.lengths[run]):
            keys[slots[run, place]], run_counts[slots[run, place]] = EMPTY, 0


@njit_inner
def _compare_pair(numbered: NumberedLists, run: int, other: int, weights: Weights, found: Float64) -> None:
    """Go down two lists at once; a number missing from the other list has rank 0 there."""
    depth = max(numbered.lengths[run], numbered.lengths[other])
    if min(numbered.lengths[run], numbered.lengths[other]) == 0:
        found[:] = np.nan
        return
    shared, biased, average, near = 0, 0.0, 0.0, 0.0
    for d in range(1, depth + 1):
        ahead, behind = (
            numbered.ranks[other, numbered.numbers[run, d]],
            numbered.ranks[run, numbered.numbers[other, d]],
        )
        first, second = (ahead > 0) & (ahead <= d), (behind > 0) & (behind < d)
        shared += int(first) + int(second)
        near += first * weights.near[d, ahead] + second * weights.near[d, behind]
        biased += shared * weights.biased[d]
        average += shared * weights.depth[d]
    found[0] = shared * weights.biased[depth] + weights.rest * biased
    found[1] = average / depth
    found[2] = near / weights.harmonic[shared] if shared > 0 else 0.0


@njit_inner
def _clear(numbered: NumberedLists) -> None:
    for run in range(len(numbered.numbers)):
        for place in range(1, numbered.lengths[run] + 1):
            numbered.ranks[run, numbered.numbers[run, place]] = 0
            numbered.numbers[run, place] = UNSHARED
