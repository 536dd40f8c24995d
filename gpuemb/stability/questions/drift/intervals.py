"""Standard errors of means over pairs of runs of two groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64
from gpuemb.stability.questions.drift.labelings import Labelings

LEAST_RUNS = 3  # of a group, below which a mean within it does not exist without some run
LEAST_RESIDUALS = 4  # runs of a group whose pairs have residuals beside the effects of runs
DEGENERATE = 0.5  # of a jackknife's variance is right where only pairs vary (Efron and Stein 1981)


def without_each_run(labelings: Labelings) -> tuple[Float64, Float64]:
    """Return ``(S, P)`` weights of pairs between and within the observed groups, one run left out each."""
    first, pairs = labelings.first[0], labelings.pairs
    between, within = (np.zeros((len(first), len(pairs))) for _ in range(2))
    for run in range(len(first)):
        kept = (pairs != run).all(axis=1)
        sizes = int(first.sum()) - int(first[run]), int((~first).sum()) - int(not first[run])
        for whole, part in zip((between, within), Labelings.of(sizes, 1).weights(), strict=True):
            whole[run, kept] = part[0]
    return between, within


def jackknife_variance(left_out: Float64, first: NDArray[np.bool_]) -> Float64:
    """Return ``(V,)`` variances of ``(V, S)`` values without one run each, of two groups apart.

    ``Σ_g (S_g − 1)/S_g · Σ (θ₍ₛ₎ − θ̄_g)²``.
    """
    parts = [left_out[:, group] for group in (first, ~first)]
    total = np.zeros(len(left_out))
    for part in parts:
        apart = part - part.mean(axis=1, keepdims=True)
        total += (part.shape[1] - 1) / part.shape[1] * (apart**2).sum(axis=1)
    return total


def pair_variance(distances: Float64, labelings: Labelings, weights: Float64) -> Float64:
    """Return ``(V,)`` the part of the variance of weighted means that single pairs, not runs, bring.

    ``Σ c² σ²`` with ``σ²`` the mean square of what is left of distances without the effects of their two
    runs, of pairs between groups and within each; pairs within fewer than four runs leave nothing.

    Args:
        distances: ``(V, P)`` of all pairs.
        labelings: the groups.
        weights: ``(V, P)`` or ``(P,)`` c, of the mean.
    """
    first, pairs = labelings.first[0], labelings.pairs
    square = np.zeros((len(distances), len(first), len(first)))
    square[:, pairs[:, 0], pairs[:, 1]] = square[:, pairs[:, 1], pairs[:, 0]] = distances
    one, other = np.flatnonzero(first), np.flatnonzero(~first)
    across = first[pairs[:, 0]] != first[pairs[:, 1]]
    total = np.zeros(len(distances))
    if min(len(one), len(other)) > 1:
        total += _residual_between(square[:, one][:, :, other]) * (weights**2)[..., across].sum(axis=-1)
    for group in (one, other):
        if len(group) >= LEAST_RESIDUALS:
            inside = np.isin(pairs, group).all(axis=1)
            total += _residual_within(square[:, group][:, :, group]) * (weights**2)[..., inside].sum(axis=-1)
    return total


def _residual_between(block: Float64) -> Float64:
    """Mean square of a ``(V, m, n)`` table around the sums of effects of rows and columns."""
    rows, columns = block.mean(axis=2, keepdims=True), block.mean(axis=1, keepdims=True)
    left = block - rows - columns + block.mean(axis=(1, 2), keepdims=True)
    freedom = (block.shape[1] - 1) * (block.shape[2] - 1)
    return np.asarray((left**2).sum(axis=(1, 2)) / freedom)


def _residual_within(block: Float64) -> Float64:
    """Mean square of ``(V, n, n)`` symmetric tables, zero diagonals, around sums of effects of both runs."""
    count = block.shape[1]
    means = block.sum(axis=2) / (count - 1)
    mean = means.mean(axis=1)
    effects = (count - 1) / (count - 2) * (means - mean[:, None])
    left = block - mean[:, None, None] - effects[:, :, None] - effects[:, None, :]
    diagonal = np.arange(count)
    left[:, diagonal, diagonal] = 0.0
    return np.asarray((left**2).sum(axis=(1, 2)) / (count * (count - 3)))


def corrected(jackknife: Float64, pairs: Float64) -> Float64:
    """Return a jackknife's variance without what it counts twice, the part of pairs; at least half of it.

    Source: Efron and Stein (1981), Annals of Statistics 9, 586-596.
    """
    return np.maximum(DEGENERATE * jackknife, jackknife - pairs)


def half_width(variance: Float64, runs: int, confidence: float = 0.95) -> Float64:
    """Return half of the width of intervals: Student's t of S − 2 degrees of freedom."""
    from scipy.special import stdtrit

    return np.asarray(float(stdtrit(runs - 2, 0.5 + confidence / 2)) * np.sqrt(variance))
