"""Runs with a known truth: what each answer must recover, and how often its interval must hold it."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.stability.questions.evidence import PairsOfRuns


def planted_pairs(
    numbers: np.random.Generator, runs: int, mean: float, words: Float64, run_noise: float = 0.3
) -> PairsOfRuns:
    """Draw a measure whose expectation over runs is ``mean`` times that of ``words``.

    A run is better or worse for all words alike, words differ, and each pair has its own noise.

    Args:
        numbers: source of random numbers.
        runs: how many.
        mean: the level.
        words: ``(V,)`` of each word, with mean 1.
        run_noise: standard deviation of the logarithm of how bad a run is.
    """
    bad = np.exp(numbers.normal(-(run_noise**2) / 2, run_noise, runs))
    pairs = list(combinations(range(runs), 2))
    of_pairs = np.array([(bad[a] + bad[b]) / 2 for a, b in pairs])
    noise = numbers.gamma(4.0, 1 / 4.0, (len(pairs), len(words)))
    return PairsOfRuns(pairs, mean * of_pairs[:, None] * words * noise)


def planted_runs(
    numbers: np.random.Generator, runs: int, mean: Float64, spread: float, run_noise: float = 0.0
) -> list[np.ndarray]:
    """Draw tables around a common one, each rotated at random: its rows vary by ``spread²`` an entry."""
    tables = []
    for _ in range(runs):
        size = spread * np.exp(numbers.normal(-(run_noise**2), run_noise))
        rotation = np.linalg.qr(numbers.standard_normal((mean.shape[1],) * 2))[0]
        tables.append(((mean + size * numbers.standard_normal(mean.shape)) @ rotation).astype(np.float32))
    return tables


def unit_rows(numbers: np.random.Generator, words: int, dim: int) -> Float64:
    """Draw a table of rows of length 1."""
    rows = numbers.standard_normal((words, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)  # type: ignore[no-any-return]


def coverage(hits: list[bool]) -> float:
    """Share of the intervals that held the truth."""
    return float(np.mean(hits))
