"""RSA by ranks over a whole vocabulary: sorted where the matrices fit, else streamed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int64, device_of, native
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer, readable, tiles
from gpuemb.core.progress import SILENT, Progress, Task
from gpuemb.embeddings.named_tables import PAIR, NamedTables
from gpuemb.embeddings.word_list import LEAST_WORDS
from gpuemb.geometry.cosine_moments import cosine_moments
from gpuemb.geometry.grams.build import pair_sums
from gpuemb.geometry.measure.measured import Similarity
from gpuemb.geometry.ranks.matrix_correlation import (
    NO_VARIANCE,
    bytes_of_matrices,
    cosines_of,
    matrix_pair,
    plan_matrices,
    uncertainty_of_matrices,
)
from gpuemb.kernels.binned_ranks import BINS, TILE, Grid, rank_histogram, rank_products
from gpuemb.kernels.cosine_scores import cosine_scores
from gpuemb.uncertainty.draws import Draws

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


MATRIX_BYTES = 1 << 30  # two matrices and the ranks of their entries, up to 4,096 words


def spearman_of_vocabulary(x: Any, y: Any, draws: Draws, matrix_bytes: int) -> Similarity:
    """Correlate the ranks of all cosines; see :func:`gpuemb.geometry.rsa.rsa`."""
    first, second, zeros = _rows_with_length(x, y)
    words = len(first)
    if words < LEAST_WORDS:
        return _similarity(math.nan, zeros)
    if bytes_of_matrices(words) > matrix_bytes:
        _refuse_draws(draws, words, matrix_bytes)
        binned = _streamed(first, second, draws.progress)
        return _similarity(binned.value, zeros, binned.error_bound)
    plan_matrices("rsa", words).require()
    pair = matrix_pair(cosines_of(first), cosines_of(second), max(first.shape[1], second.shape[1]))
    value = pair.correlation("spearman")
    return uncertainty_of_matrices(pair, "spearman", value, draws).onto(_similarity(value, zeros))


def _rows_with_length(x: Any, y: Any) -> tuple[FloatMatrix, FloatMatrix, int]:
    """Check both tables; leave out rows that are zero in either, and count them."""
    tables = [native(table) for table in NamedTables.checked("rsa", [x, y], PAIR).tables]
    for table in tables:
        for kernel in (cosine_scores, rank_histogram):  # a missing one is reported before any work
            kernel.implementation(device_of(table).kind)
    long = np.all([(table != 0).any(axis=1) for table in tables], axis=0)
    zeros = int(len(long) - long.sum())
    first, second = [table[long] for table in tables] if zeros else tables
    return first, second, zeros


def _streamed(x: FloatMatrix, y: FloatMatrix, progress: Progress) -> BinnedSpearman:
    sizes = {"rows in float64": buffer((len(x), x.shape[1] + y.shape[1]), np.float64)}
    MemoryPlan("rsa: streamed ranks", sizes).require()
    sums = pair_sums("rsa", x, y, "unit")
    found = cosine_moments(sums)
    if found is None or not found.vary:
        return BinnedSpearman(math.nan, 0.0)
    x_moments, y_moments = (
        (1 - gap, math.sqrt(variance)) for gap, variance in zip(found.gaps, found.variances, strict=True)
    )
    return binned_spearman(_unit(x), _unit(y), x_moments, y_moments, progress)


def _unit(table: FloatMatrix) -> Float64:
    rows = np.array(table, np.float64)
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows


def _refuse_draws(draws: Draws, words: int, matrix_bytes: int) -> None:
    if draws:
        raise ConfigError(
            f"rsa: permutations or bootstrap of streamed ranks of {words:,} words were asked for",
            needed=f"Resampled ranks must fit in memory: {readable(bytes_of_matrices(words))} of "
            f"them, and {readable(matrix_bytes)} are allowed.",
            remedy="Raise matrix_bytes, name fewer words with words=[…], or ask for method='pearson'.",
        )


def _similarity(value: float, zeros: int, error_bound: float = 0.0) -> Similarity:
    reason = NO_VARIANCE if math.isnan(value) else ""
    return Similarity(value, "rsa spearman", "unit", zeros, reason, error_bound=error_bound)
