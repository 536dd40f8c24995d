"""Spearman's correlation of all cosines of two tables, too many to be sorted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int64, device_of
from gpuemb.core.memory import MemoryPlan, buffer, tiles
from gpuemb.core.progress import SILENT, Progress, Task
from gpuemb.kernels.binned_ranks import BINS, TILE, Grid, rank_histogram, rank_products

T = TypeVar("T")
Stripe: TypeAlias = tuple[int, int]
Moments: TypeAlias = tuple[float, float]  # mean and standard deviation

# The grid spans so many standard deviations either side of the mean; what lies beyond shares the last cells,
# which the bound includes. 8 of 2²⁰ cells: a cell of a normal sample holds 6 in a million of the pairs.
SPAN = 8.0
STRIPE = 2 * TILE  # rows a task: two tiles, so that a worker's counters are cleared and added half as often


@dataclass(frozen=True)
class BinnedSpearman:
    """A correlation of binned ranks, and its distance to that of exact ranks, at most.

    Attributes:
        value: the correlation; NaN where all cosines of a table are in one cell.
        error_bound: the exact correlation is no further away than this.
    """

    value: float
    error_bound: float


def binned_spearman(
    x: Float64, y: Float64, moments_x: Moments, moments_y: Moments, progress: Progress = SILENT
) -> BinnedSpearman:
    """Correlate the ranks of all ``V(V−1)/2`` cosines, those of one cell sharing their mean rank.

    Two passes over the pairs: one counts cells, one multiplies ranks. Within a cell the exact ranks differ
    from their mean ``r̃`` by ``δ``, with ``Σδ = 0`` and ``Σδ² ≤ (c³ − c)/12`` for ``c`` cosines (equality when
    no two are equal), and δ is orthogonal to every function of the cell. So with ``p = ‖δ‖/‖r̃‖`` of X and
    ``q`` of Y, the exact correlation differs by at most ``p + q + pq + (p² + q²)/2``; rounding adds eps
    times the longest chain of additions. The cosines are those of float64 products.

    Args:
        x: ``(V, d)`` rows of length 1.
        y: ``(V, e)`` the same words.
        moments_x: mean and standard deviation of the cosines of X.
        moments_y: those of Y.
        progress: reports every row, twice.

    Returns:
        The same bits for any number of threads.

    Cost: ``2·V²·(d + e)`` flops in float64, four lookups a pair; 16 MB a worker, and both tables.
    """
    counters = 2 * threads.count() * buffer((2, BINS), np.int64)
    held = 2 * threads.count() * buffer((2, TILE, TILE), np.float64)
    MemoryPlan("rsa: streamed ranks", {"counters": counters, "tiles of cosines": held}).require()
    first, second = (
        Grid(mean - SPAN * spread, BINS / (2 * SPAN * spread)) for mean, spread in (moments_x, moments_y)
    )
    count, multiply = rank_histogram.on(device_of(x)), rank_products.on(device_of(x))

    def cells(stripe: Stripe) -> tuple[Int64, Int64]:
        return count(x, *stripe, first), count(y, *stripe, second)

    def products(stripe: Stripe) -> float:
        return multiply(x, y, *stripe, first, second, a.mean, b.mean)

    with progress.phase("ranks of cosines", 2 * len(x)) as task:
        counts = np.zeros((2, BINS), np.int64)
        for one, other in _each_stripe(cells, len(x), task):
            counts[0] += one
            counts[1] += other
        a, b = _Ranks.of(counts[0]), _Ranks.of(counts[1])
        if min(a.norm, b.norm) == 0:
            return BinnedSpearman(math.nan, math.nan)
        product = sum(_each_stripe(products, len(x), task))
    p, q = a.hidden / a.norm, b.hidden / b.norm
    rounding = (len(x) + 2 * TILE) * 2.0**-52
    return BinnedSpearman(product / (a.norm * b.norm), p + q + p * q + (p * p + q * q) / 2 + rounding)


def _each_stripe(function: Callable[[Stripe], T], words: int, task: Task) -> Iterator[T]:
    """Yield a function of each stripe, in order."""
    stripes = tiles(words, STRIPE)
    for (start, stop), found in zip(stripes, threads.stream(function, stripes), strict=True):
        yield found
        task.advance(stop - start)


@dataclass(frozen=True, eq=False)
class _Ranks:
    """Ranks of the cells of one table.

    ``mean`` ``(BINS,)`` is that of the cosines in a cell, around the middle of all: halves of whole numbers
    below 2⁵³, exact. ``norm`` is the root of its squares over all pairs, ``hidden`` at least that of what
    exact ranks differ from it.
    """

    mean: Float64
    norm: float
    hidden: float

    @classmethod
    def of(cls, counts: Int64) -> _Ranks:
        many = counts.astype(np.float64)
        mean = (np.cumsum(counts) - counts).astype(np.float64) + (many - counts.sum()) / 2
        norm = math.sqrt(float(np.sum(many * mean**2)))
        return cls(mean, norm, math.sqrt(float(np.sum(many * (many * many - 1.0))) / 12))
