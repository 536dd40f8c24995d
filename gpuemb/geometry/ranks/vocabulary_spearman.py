"""RSA by ranks over a whole vocabulary: sorted where the matrices fit, else streamed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, device_of, native
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer, readable
from gpuemb.core.progress import Progress
from gpuemb.geometry.grams.build import pair_sums
from gpuemb.geometry.grams.digits import varies
from gpuemb.geometry.grams.named_tables import PAIR, NamedTables
from gpuemb.geometry.measure.results import Similarity
from gpuemb.geometry.ranks.binned_spearman import BinnedSpearman, Moments, binned_spearman
from gpuemb.geometry.ranks.matrix_correlation import (
    NO_VARIANCE,
    bytes_of_matrices,
    cosines_of,
    matrix_pair,
    plan_matrices,
    uncertainty_of_matrices,
)
from gpuemb.geometry.ranks.word_list import LEAST_WORDS
from gpuemb.kernels.binned_ranks import rank_histogram
from gpuemb.kernels.cosine_scores import cosine_scores
from gpuemb.uncertainty.draws import Draws

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
    moments_x = _moments(sums.sum_x, sums.gram_x, sums.rows)
    moments_y = _moments(sums.sum_y, sums.gram_y, sums.rows)
    if moments_x is None or moments_y is None:
        return BinnedSpearman(math.nan, 0.0)
    return binned_spearman(_unit(x), _unit(y), moments_x, moments_y, progress)


def _moments(total: Float64, gram: Float64, words: int) -> Moments | None:
    """Mean and standard deviation of all cosines, from sums of unit rows; None where they do not vary."""
    pairs = words * (words - 1)
    mean = (float(np.sum(total**2)) - words) / pairs
    square = (float(np.sum(gram**2)) - words) / pairs
    variance = square - mean**2
    return (mean, math.sqrt(variance)) if varies(variance, square, words / pairs) else None


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
