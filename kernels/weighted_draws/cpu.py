"""Draws without replacement on the CPU: clusters, then blocks of like popularity, then one item.

Plan      The items of a cluster are grouped into blocks whose popularity has one binary exponent. A draw
          chooses a cluster by the weight that is left in it, a block of the cluster in the same way, and
          in the block an item at random, kept with probability popularity / block maximum (above 1/2) if it
          was not drawn before. A block lists what is left of it, and adds its weight up again, each time
          half of it is drawn, so an expected four tries or fewer find an item.
Bound by  the random numbers and unpredictable branches of a draw.
Contract  which items are drawn depends on the key and the user's number, never on the threads.
Rejected  Rejection from one table of the cluster: a user who draws most of a popular cluster needs
          1 / (weight left) tries, hundreds with exponents above 1. Exponential keys of all items (Gumbel
          top-k): O(p) a user, 3-5 s where this needs tenths.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.jit import njit, njit_inline

PARTS = 8  # a worker, so that users of unequal lengths even out
STEP = np.uint64(0x9E3779B97F4A7C15)  # of SplitMix64's counter
UNIT = 2.0**-53


@dataclass(frozen=True, eq=False)
class Blocks:
    """Items in the order of their blocks; those of a cluster are consecutive.

    Attributes:
        items: ``(p,)`` the item at each place.
        weights: ``(p,)`` popularity of the item at each place.
        starts: ``(B + 1,)`` first place of each block.
        largest: ``(B,)`` largest popularity in each block.
        sums: ``(B,)`` of popularity in each block.
        of_cluster: ``(C + 1,)`` first block of each cluster.
    """

    items: Int32
    weights: Float64
    starts: Int64
    largest: Float64
    sums: Float64
    of_cluster: Int64


def weighted_draws(
    preferences: Float64, clusters: Int32, popularity: Float64, lengths: Int64, key: int
) -> Int32:
    """See :mod:`gpuemb.kernels.weighted_draws`."""
    firsts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    drawn = np.empty(int(firsts[-1]), np.int32)
    if not len(drawn):
        return drawn
    blocks = blocks_of(clusters, popularity, preferences.shape[1])
    parts = PARTS * threads.count()
    cuts = np.searchsorted(firsts, np.linspace(0, firsts[-1], parts + 1)[1:-1])
    edges = [0, *map(int, cuts), len(lengths)]

    def draw(part: tuple[int, int]) -> None:
        _draw(
            preferences,
            blocks.items,
            blocks.weights,
            blocks.starts,
            blocks.largest,
            blocks.sums,
            blocks.of_cluster,
            firsts,
            np.uint64(key & 0xFFFFFFFFFFFFFFFF),
            *part,
            drawn,
        )

    threads.run(draw, [part for part in pairwise(edges) if part[0] < part[1]])
    return drawn


def blocks_of(clusters: Int32, popularity: Float64, cluster_count: int) -> Blocks:
    """Group items by cluster and binary exponent of their popularity, the most popular first."""
    exponents = np.frexp(popularity)[1]
    order = np.lexsort((np.arange(len(clusters)), -exponents, clusters))
    changes = (np.diff(clusters[order]) != 0) | (np.diff(exponents[order]) != 0)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(order)]]).astype(np.int64)
    weights = np.ascontiguousarray(popularity[order], np.float64)
    return Blocks(
        items=order.astype(np.int32),
        weights=weights,
        starts=starts,
        largest=np.maximum.reduceat(weights, starts[:-1]),
        sums=np.add.reduceat(weights, starts[:-1]),
        of_cluster=np.searchsorted(clusters[order][starts[:-1]], np.arange(cluster_count + 1)).astype(
            np.int64
        ),
    )


@njit_inline
def mixed(x: np.uint64) -> np.uint64:
    """SplitMix64's output function."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit_inline
def uniform(state: NDArray[np.uint64]) -> float:
    """Return the next number in [0, 1) of a user's stream."""
    state[0] += STEP
    return float(mixed(state[0]) >> np.uint64(11)) * UNIT


@njit
def _draw(
    preferences: Float64,
    items: Int32,
    weights: Float64,
    starts: Int64,
    largest: Float64,
    sums: Float64,
    of_cluster: Int64,
    firsts: Int64,
    key: np.uint64,
    first: int,
    stop: int,
    drawn: Int32,
) -> None:
    clusters, state = len(of_cluster) - 1, np.empty(1, np.uint64)
    marks = np.full(len(items), -1, np.int32)  # the last user who drew the item at each place
    listed = np.arange(len(items)).astype(np.int32)  # of each block, the places that could be left
    sizes, left = np.zeros(len(sums), np.int64), np.empty(len(sums), np.int64)
    mass, total = np.empty(len(sums)), np.empty(clusters)
    for user in range(first, stop):
        state[0] = mixed(key + np.uint64(user + 1) * STEP)
        for block in range(len(sums)):
            full = starts[block + 1] - starts[block]
            if sizes[block] != full:  # half of it was drawn by the last user: no more work than those draws
                for one in range(starts[block], starts[block + 1]):
                    listed[one] = one
            sizes[block] = left[block] = full
            mass[block] = sums[block]
        for cluster in range(clusters):
            total[cluster] = _sum(mass, of_cluster, cluster)
        for place in range(firsts[user], firsts[user + 1]):
            cluster = _cluster(uniform(state), preferences[user], total)
            block = _block(
                uniform(state) * total[cluster], mass, of_cluster[cluster], of_cluster[cluster + 1]
            )
            begin, chosen = starts[block], -1
            while chosen < 0:
                one = listed[begin + int(uniform(state) * sizes[block])]
                if marks[one] != user and uniform(state) * largest[block] < weights[one]:
                    chosen = one
            marks[chosen] = user
            drawn[place] = items[chosen]
            left[block] -= 1
            mass[block] -= weights[chosen]
            if 2 * left[block] <= sizes[block]:
                mass[block] = _list(listed, marks, weights, user, begin, sizes, left, block)
            total[cluster] = _sum(mass, of_cluster, cluster)


@njit_inline
def _sum(mass: Float64, of_cluster: Int64, cluster: int) -> float:
    found = 0.0
    for block in range(of_cluster[cluster], of_cluster[cluster + 1]):
        found += mass[block]
    return found


@njit_inline
def _cluster(number: float, preference: Float64, total: Float64) -> int:
    """The cluster that a uniform number chooses; one with nothing left is never chosen."""
    whole = 0.0
    for cluster in range(len(total)):
        whole += preference[cluster] * total[cluster]
    number *= whole
    chosen = -1
    for cluster in range(len(total)):
        share = preference[cluster] * total[cluster]
        if share > 0.0:
            chosen = cluster
            if number < share:
                break
            number -= share
    return chosen


@njit_inline
def _block(number: float, mass: Float64, first: int, stop: int) -> int:
    chosen = -1
    for block in range(first, stop):
        if mass[block] > 0.0:
            chosen = block
            if number < mass[block]:
                break
            number -= mass[block]
    return chosen


@njit_inline
def _list(
    listed: Int32,
    marks: Int32,
    weights: Float64,
    user: int,
    begin: int,
    sizes: Int64,
    left: Int64,
    block: int,
) -> float:
    """Keep the places of a block that are left; return the sum of their weights."""
    kept, found = 0, 0.0
    for place in range(begin, begin + sizes[block]):
        one = listed[place]
        if marks[one] != user:
            listed[begin + kept] = one
            found += weights[one]
            kept += 1
    sizes[block] = kept
    return found
