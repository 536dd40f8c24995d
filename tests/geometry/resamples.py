"""Definitions §5 as they are written down: rows that really stand several times, V×V, copies crossed out."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry.definitions import cosines
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64, Int64


def repeated(weights: Int64) -> Int64:
    """Row ``i``, ``weights[i]`` times."""
    return np.repeat(np.arange(len(weights)), weights)


def pairs_of_words(rows: Int64) -> NDArray[np.bool_]:
    """Which ordered pairs of copies are of two words."""
    return np.not_equal.outer(rows, rows)


def not_copies(rows: Int64) -> NDArray[np.bool_]:
    """Which ordered pairs are of two words, or of one copy with itself."""
    return np.asarray(pairs_of_words(rows) | np.eye(len(rows), dtype=bool))


def rsa(x: Any, y: Any, weights: Int64) -> float:
    rows = repeated(weights)
    apart = pairs_of_words(rows)
    entries = [cosines(table)[np.ix_(rows, rows)][apart] for table in (x, y)]
    return float(np.corrcoef(*entries)[0, 1])


def centered_kernels(x: Any, y: Any, rows: Int64) -> list[Float64]:
    many = [np.float64(table)[rows] for table in (x, y)]
    centered = [table - table.mean(axis=0) for table in many]
    return [table @ table.T for table in centered]


def cka(x: Any, y: Any, weights: Int64) -> float:
    rows = repeated(weights)
    kernels = [kernel * not_copies(rows) for kernel in centered_kernels(x, y, rows)]
    norms = np.linalg.norm(kernels[0]) * np.linalg.norm(kernels[1])
    return float(np.sum(kernels[0] * kernels[1]) / norms)


def pip(x: Any, y: Any, weights: Int64) -> float:
    rows = repeated(weights)
    many = [np.float64(table)[rows] for table in (x, y)]
    return float(np.linalg.norm((many[0] @ many[0].T - many[1] @ many[1].T) * not_copies(rows)))


def debiased_cka(x: Any, y: Any, weights: Int64) -> float:
    """Of kernels in which two copies of a word have no similarity, as a word with itself."""
    rows = repeated(weights)
    apart = pairs_of_words(rows)
    kernels = [kernel * apart for kernel in centered_kernels(x, y, rows)]
    return hsic(*kernels) / float(np.sqrt(hsic(kernels[0], kernels[0]) * hsic(kernels[1], kernels[1])))


def hsic(k: Float64, other: Float64) -> float:
    """``HSIC₁`` of kernels with zero diagonals, as Definitions §4 writes it."""
    words = len(k)
    one = np.ones(words)
    grand = (one @ k @ one) * (one @ other @ one) / ((words - 1) * (words - 2))
    return float(
        (np.sum(k * other) + grand - 2 * (one @ k @ other @ one) / (words - 2)) / (words * (words - 3))
    )


def plain_debiased_cka(x: Any, y: Any) -> float:
    """Of raw rows, as Definitions §4 writes it."""
    k, other = (np.float64(table) @ np.float64(table).T for table in (x, y))
    np.fill_diagonal(k, 0)
    np.fill_diagonal(other, 0)
    return hsic(k, other) / float(np.sqrt(hsic(k, k) * hsic(other, other)))
