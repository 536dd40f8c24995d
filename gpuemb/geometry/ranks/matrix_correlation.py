"""Pearson, Spearman and Kendall correlation of the entries of two symmetric matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int64, device_of
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.kernels.cosine_scores import cosine_scores, panels_of
from gpuemb.uncertainty.draws import Draws, block_count, deal, draw_values, order_of, weights_of
from gpuemb.uncertainty.intervals import CORRELATION
from gpuemb.uncertainty.results import Uncertainty, summarize, with_jackknife

METHODS = ("pearson", "spearman", "kendall")
NO_VARIANCE = "all cosines of one table are equal, or nearer to 1 than 1e-9"
BYTES_A_PAIR = (
    96  # entries, levels and ranks of both, and what sorting one of them and the corners of draws take
)
# Cosines nearer than 2⁻⁴⁰ tie: two that are equal differ by some 1e-14 at d = 1,000, so one in a hundred such
# pairs at most is parted by a border, and a cosine of 1 never; two that are not equal are rarely so near.
LEVELS = 2.0**40
ROUNDINGS = 20  # with d/8, eps of two scores that would be equal: lanes and tree of each, and the lengths


@dataclass(frozen=True, eq=False)
class MatrixPair:
    """Entries above the diagonals of two ``(n, n)`` matrices, in the order of rows.

    Attributes:
        x: ``(n(n−1)/2,)`` float64 entries of the first.
        y: the same of the second.
        words: ``n``.
        rounding: a matrix whose entries differ by no more does not vary.
    """

    x: Float64
    y: Float64
    words: int
    rounding: float

    @property
    def exists(self) -> bool:
        """Whether both matrices vary at all."""
        return self.words > 2 and bool(min(np.ptp(self.x), np.ptp(self.y)) > self.rounding)

    def correlation(self, method: str) -> float:
        """Return the correlation of the entries; NaN where one matrix does not vary."""
        if not self.exists:
            return math.nan
        x, y = self._values(method)
        return kendall(x, y) if method == "kendall" else weighted_pearson(x, y)

    @cached_property
    def ranks(self) -> tuple[Float64, Float64]:
        """Ranks of the entries from 1, equal ones sharing their mean."""
        from scipy.stats import rankdata

        x, y = self.levels
        return rankdata(x), rankdata(y)

    @cached_property
    def levels(self) -> tuple[Float64, Float64]:
        """Entries that may be ordered: those that agree but for rounding are equal, so that they tie."""
        return np.round(self.x * LEVELS), np.round(self.y * LEVELS)

    def permuted(self, method: str, order: Int64) -> float:
        """Return the correlation where word ``i`` of x is word ``order[i]`` of y.

        Cost: one entry of y found a pair; Kendall sorts again.
        """
        x, y = self._values(method)
        first, second = self._corners
        low, high = np.minimum(order[first], order[second]), np.maximum(order[first], order[second])
        moved = y[low * (2 * self.words - low - 1) // 2 + high - low - 1]
        return kendall(x, moved) if method == "kendall" else weighted_pearson(x, moved)

    def resampled(self, method: str, weights: Int64) -> float:
        """Return the correlation where word ``i`` occurs ``weights[i]`` times; two copies are no pair.

        Cost: a few steps a pair; Kendall repeats the entries and sorts.
        """
        first, second = self._corners
        often = weights[first] * weights[second]
        drawn = often > 0
        if drawn.sum() < 2 or min(np.ptp(self.x[drawn]), np.ptp(self.y[drawn])) <= self.rounding:
            return math.nan
        x, y = (values[drawn] for values in ((self.x, self.y) if method == "pearson" else self.levels))
        often = often[drawn]
        if method == "kendall":
            return kendall(np.repeat(x, often), np.repeat(y, often))
        if method == "spearman":
            x, y = weighted_ranks(x, often), weighted_ranks(y, often)
        return weighted_pearson(x, y, often)

    def _values(self, method: str) -> tuple[Float64, Float64]:
        if method == "pearson":
            return self.x, self.y
        return self.ranks if method == "spearman" else self.levels

    @cached_property
    def _corners(self) -> tuple[Int64, Int64]:
        return np.triu_indices(self.words, 1)


def weighted_pearson(x: Float64, y: Float64, weights: Int64 | None = None) -> float:
    """Correlate two lists, entry ``i`` occurring ``weights[i]`` times."""
    a, b = (values - np.average(values, weights=weights) for values in (x, y))
    heavy, other = (a, b) if weights is None else (a * weights, b * weights)
    scale = math.sqrt(float(np.sum(heavy * a)) * float(np.sum(other * b)))
    return CORRELATION.clipped(float(np.sum(heavy * b)) / scale) if scale > 0 else math.nan


def weighted_ranks(values: Float64, weights: Int64) -> Float64:
    """Rank values that occur ``weights[i]`` times, from 1, equal ones sharing their mean."""
    _, places = np.unique(values, return_inverse=True)
    many = np.bincount(places, weights=weights)
    ranks: Float64 = (np.cumsum(many) - many + (many + 1) / 2)[places]
    return ranks


def kendall(x: Float64, y: Float64) -> float:
    """Kendall's τ-b of two lists; ``n log n`` steps."""
    from scipy.stats import kendalltau

    return float(kendalltau(x, y, method="asymptotic").statistic)


def cosines_of(table: FloatMatrix) -> Float64:
    """Return ``(n, n)`` cosines as Definitions §3 has them: equal rows have equal cosines to the last bit."""
    out = np.empty((len(table), len(table)))
    found: Float64 = cosine_scores.on(device_of(table))(table, panels_of(table), out)
    return found


def matrix_pair(cosines_x: Float64, cosines_y: Float64, dim: int) -> MatrixPair:
    """Return the entries above the diagonals of two matrices of cosines in up to ``dim`` columns."""
    upper = np.triu_indices(len(cosines_x), 1)
    return MatrixPair(cosines_x[upper], cosines_y[upper], len(cosines_x), (dim / 8 + ROUNDINGS) * 2.0**-52)


def bytes_of_matrices(words: int) -> int:
    """Bytes that two matrices of ``words`` words and the ranks of their entries take."""
    return 2 * buffer((words, words), np.float64) + BYTES_A_PAIR * words * (words - 1) // 2


def plan_matrices(where: str, words: int) -> MemoryPlan:
    """State the bytes of comparing two matrices."""
    return MemoryPlan(where, {f"cosines and ranks of {words} words": bytes_of_matrices(words)})


def uncertainty_of_matrices(pair: MatrixPair, method: str, value: float, draws: Draws) -> Uncertainty:
    """Return the interval and the null of a correlation of two matrices that stand in memory.

    Cost: a few steps a pair of words for each block of words or draw; Kendall sorts all pairs each time.
    """

    def permute(draw: int) -> float:
        return pair.permuted(method, order_of(draw, pair.words, draws.seed))

    def resample(draw: int) -> float:
        return pair.resampled(method, weights_of(draw, pair.words, draws.seed))

    null, resampled = draw_values(draws, f"RSA {method}", value, permute, resample)
    found = summarize(draws, value, null, resampled, best=1.0, higher_is_closer=True)
    blocks = block_count(pair.words) if draws.blocks is None else min(draws.blocks, pair.words)
    if draws.bootstrap or blocks < 2 or math.isnan(value):
        return found
    kept = np.ones((blocks, pair.words), np.int64)
    for place, block in enumerate(deal(pair.words, blocks, draws.seed)):
        kept[place, block] = 0
    left = np.array(threads.run(lambda weights: pair.resampled(method, weights), kept))
    return with_jackknife(found, draws, value, left, CORRELATION)
