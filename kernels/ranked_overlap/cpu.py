"""Agreement of ranked lists on the CPU: numbered ids, then one walk down the two lists of a pair.

Plan      Per word, a hash table numbers the ids that several runs hold, and every run notes the rank of each
          number. A pair goes down both lists together: at depth d the d-th id of one list counts when the
          other has it at d or above. What has been counted is d·A_d; a table gives each hit's weight for its
          two ranks. Measures are gathered for a block of words, so that rows V apart are written
          in cache lines.
Bound by  two dependent loads a depth and pair, without branches.
Order     A depth adds at most two hits, whose sum has no order: swapping two runs changes no bit, and no
          word's sums depend on another's.
Rejected  Comparing every two entries in vector registers, as ``neighbor_overlap`` does for short lists: P·k²
          comparisons, each with a float64 weight, and a second road for long lists.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.id_hash import EMPTY, hold, slot_bits
from gpuemb.kernels.ranked_overlap import RankedOverlap, depth_weights

WORDS_A_TASK = 4096
WORDS_A_BLOCK = 16  # two cache lines of float64
UNSHARED = 0


class Weights(NamedTuple):
    """What a hit and a depth count, from their ranks alone.

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


class Named(NamedTuple):
    """A word's lists in small numbers; 0 is an id that one run holds alone.

    Attributes:
        names: ``(S, k + 1)`` the number of the id at each rank; place 0 and what follows a list hold 0.
        ranks: ``(S, N)`` the rank of each number in each run, 0 where it is absent.
        lengths: ``(S,)``.
    """

    names: Int32
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
    apart, together = np.abs(rank[:, None] - rank), rank[:, None] + rank
    near = np.zeros((k + 1, k + 1))
    near[1:, 1:] = 2 / ((1 + apart) * np.maximum(together, 1))[1:, 1:]
    depth, biased, harmonic = depth_weights(k, p)
    return Weights(near, depth, biased, harmonic, (1 - p) / p)


@njit
def _compare(ids: Int32, first: int, last: int, weights: Weights, measures: Float64, distinct: Int32) -> None:
    runs, _, k = ids.shape
    bits = slot_bits(runs * k)
    keys, holders = np.full(1 << bits, EMPTY, np.int32), np.zeros(1 << bits, np.int32)
    slots = np.empty((runs, k), np.int32)
    named = Named(
        np.zeros((runs, k + 1), np.int32),
        np.zeros((runs, runs * k // 2 + 1), np.int32),
        np.empty(runs, np.int64),
    )
    block = np.empty((3, measures.shape[1], WORDS_A_BLOCK))
    for start in range(first, last, WORDS_A_BLOCK):
        stop = min(start + WORDS_A_BLOCK, last)
        for word in range(start, stop):
            distinct[word] = hold(ids, word, np.uint64(64 - bits), keys, holders, slots, named.lengths)
            _name(slots, keys, holders, named)
            pair = 0
            for run in range(runs):
                for other in range(run + 1, runs):
                    _walk(named, run, other, weights, block[:, pair, word - start])
                    pair += 1
            _forget(named)
        for measure in range(3):
            for pair in range(measures.shape[1]):
                for word in range(start, stop):  # a slice's assignment compiles its error's text for a second
                    measures[measure, pair, word] = block[measure, pair, word - start]


@njit
def _name(slots: Int32, keys: Int32, holders: Int32, named: Named) -> None:
    """Number the ids of several runs from 1, note their ranks, and empty the table."""
    count = 0
    for run in range(len(slots)):
        for place in range(named.lengths[run]):
            slot = slots[run, place]
            if holders[slot] > 1:
                count += 1
                holders[slot] = -count
            name = -holders[slot] if holders[slot] < 0 else UNSHARED
            named.names[run, place + 1] = name
            if name != UNSHARED:
                named.ranks[run, name] = place + 1
    for run in range(len(slots)):
        for place in range(named.lengths[run]):
            keys[slots[run, place]], holders[slots[run, place]] = EMPTY, 0


@njit
def _walk(named: Named, run: int, other: int, weights: Weights, found: Float64) -> None:
    """Go down two lists together; a number without a rank in the other list has rank 0 there."""
    depth = max(named.lengths[run], named.lengths[other])
    if min(named.lengths[run], named.lengths[other]) == 0:
        found[:] = np.nan
        return
    shared, biased, average, near = 0, 0.0, 0.0, 0.0
    for d in range(1, depth + 1):
        ahead, behind = named.ranks[other, named.names[run, d]], named.ranks[run, named.names[other, d]]
        first, second = (ahead > 0) & (ahead <= d), (behind > 0) & (behind < d)
        shared += int(first) + int(second)
        near += first * weights.near[d, ahead] + second * weights.near[d, behind]
        biased += shared * weights.biased[d]
        average += shared * weights.depth[d]
    found[0] = shared * weights.biased[depth] + weights.rest * biased
    found[1] = average / depth
    found[2] = near / weights.harmonic[shared] if shared > 0 else 0.0


@njit
def _forget(named: Named) -> None:
    for run in range(len(named.names)):
        for place in range(1, named.lengths[run] + 1):
            named.ranks[run, named.names[run, place]] = 0
            named.names[run, place] = UNSHARED
