"""Whether the words that are neighbors of very many others are the stable ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.neighbors.evenness import k_occurrence
from gpuemb.stability.statistics import Estimate
from gpuemb.uncertainty.draws import block_count, deal
from gpuemb.uncertainty.intervals import CORRELATION, jackknife_variance, variance_interval

LEAST_WORDS = 100  # as for a trend with frequency
NO_CORRELATION = f"fewer than {LEAST_WORDS} words have a stability, or all are as stable, or in as many lists"
# Of the variance that shared lists seem to bring, the part that they do. Simulated words, standard error over
# the true one by weight 0, 1/4, 1/2: (V, d, S) = (200, 10, 3) .89, 1.1, 1.3, with hubs .77, 1.0, 1.2;
# (300, 50, 5) .80, 1.1, 1.3. Coverage: tests/stability/questions/test_hubs.py.
OF_LISTS = 0.25
Pairs = Sequence[tuple[int, int]]


def mean_k_occurrence(ids: Int32, rows: Int64 | None = None) -> Float64:
    """Return ``(V,)`` in how many lists each word is, mean over the runs.

    Args:
        ids: ``(S, V, k)`` lists of every word, −1 padded.
        rows: count in the lists of these words only.
    """
    runs, words, k = ids.shape
    total = np.zeros(words)
    for run in ids:
        total += k_occurrence(run if rows is None else run[rows], words, k)[0]
    mean: Float64 = total / runs
    return mean


def stability_against_hubness(ids: Int32, pairs: Pairs) -> Estimate:
    """Correlate the stability of words with the number of lists that they are in.

    Stability is the mean overlap over ``pairs``, hubness the mean k-occurrence; Spearman's correlation, over
    the words that have a stability. The interval is over words, on Fisher's z, of t with B − 1 degrees of
    freedom, from two jackknives over the B blocks of Definitions §5. In the first a block's words are left
    out, and all other numbers stay: too narrow, since words share lists. In the second they are left out of
    all lists too: too wide, since a jackknife takes the noise of pairs of words twice (Efron and Stein 1981),
    and the first has it once. The variance is the first and ``OF_LISTS`` of the difference.

    Args:
        ids: ``(S, V, k)`` lists of every word, −1 padded.
        pairs: the compared runs.

    Returns:
        NaN, with the reason, where words are few or all alike.

    Cost: ``k²`` comparisons a word and pair; two rankings for each of two times 50 blocks;
    ``8·V·50`` bytes.
    """
    words = ids.shape[1]
    block_of = np.zeros(words, np.int64)
    blocks = deal(words, block_count(words), 0)
    for number, block in enumerate(blocks):
        block_of[block] = number
    whole, without = _stabilities(ids, pairs, block_of, len(blocks))
    counts, known = mean_k_occurrence(ids), np.isfinite(whole)
    value = spearman(whole[known], counts[known]) if known.sum() >= LEAST_WORDS else math.nan
    if math.isnan(value):
        return Estimate(value, math.nan, math.nan, NO_CORRELATION)
    fixed, restricted = [], []
    for number, block in enumerate(blocks):
        kept = known & (block_of != number)
        fixed.append(spearman(whole[kept], counts[kept]))
        votes = mean_k_occurrence(ids, block)
        there = kept & np.isfinite(without[number])
        restricted.append(spearman(without[number][there], (counts - votes)[there]))
    variances = [jackknife_variance(np.array(each), CORRELATION) for each in (fixed, restricted)]
    variance = variances[0] + OF_LISTS * max(variances[1] - variances[0], 0.0)
    low, high = variance_interval(value, variance, len(blocks), CORRELATION)
    return Estimate(value, low, high, NO_CORRELATION if math.isnan(low) else "")


def spearman(one: Float64, other: Float64) -> float:
    """Spearman's correlation, ties averaged; NaN where all of either are equal."""
    from scipy.stats import rankdata

    if len(one) == 0 or np.ptp(one) < 1e-9 or np.ptp(other) == 0:
        return math.nan
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def _stabilities(
    ids: Int32, pairs: Pairs, block_of: Int64, blocks: int
) -> tuple[Float64, NDArray[np.float64]]:
    """Return ``(V,)`` stability, and ``(B, V)`` the same without each block's words in any list."""
    words, k = ids.shape[1:]
    whole, without = np.full(words, np.nan), np.full((blocks, words), np.nan)
    for start, stop in tiles(words, rows_per_tile(8 * (2 * len(ids) * blocks + k * k))):
        lists = ids[:, start:stop]
        filled = [_by_block(run >= 0, run, block_of, blocks) for run in lists]
        total, rest = np.zeros(stop - start), np.zeros((stop - start, blocks))
        known, left = np.zeros_like(total), np.zeros_like(rest)
        for a, b in pairs:
            same = (lists[a][:, :, None] == lists[b][:, None, :]).any(axis=2) & (lists[a] >= 0)
            shared = _by_block(same, lists[a], block_of, blocks)
            longer = np.maximum(filled[a].sum(axis=1), filled[b].sum(axis=1))
            exists = (filled[a].sum(axis=1) > 0) & (filled[b].sum(axis=1) > 0)
            total += np.where(exists, shared.sum(axis=1) / np.maximum(longer, 1), 0)
            known += exists
            sizes = [each.sum(axis=1, keepdims=True) - each for each in (filled[a], filled[b])]
            some = (sizes[0] > 0) & (sizes[1] > 0)
            rest += np.where(
                some, (shared.sum(axis=1, keepdims=True) - shared) / np.maximum(np.maximum(*sizes), 1), 0
            )
            left += some
        np.divide(total, known, out=whole[start:stop], where=known > 0)
        np.divide(rest.T, left.T, out=without[:, start:stop], where=left.T > 0)
    return whole, without


def _by_block(chosen: NDArray[np.bool_], ids: Int32, block_of: Int64, blocks: int) -> Int64:
    """Return ``(v, B)``: how many chosen entries of each list are words of each block."""
    row, place = np.nonzero(chosen)
    cells = row * blocks + block_of[ids[row, place]]
    return np.bincount(cells, minlength=len(ids) * blocks).reshape(len(ids), blocks)
