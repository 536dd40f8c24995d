"""Awkward tables of vectors: ties, copies, zeros, extremes, hidden structure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix

Numbers = np.random.Generator
# Factors that take ordinary rows near the ends of a dtype; float64's are those of what is taken at all.
HUGE = {"float16": 8e3, "float32": 1e37, "float64": 1e148}
TINY = {"float16": 2e-7, "float32": 1e-40, "float64": 1e-148}
SCALE = {"float16": 1.0, "float32": 1e30, "float64": 1e140}


def _gaussian(numbers: Numbers, words: int, dim: int) -> Float64:
    return numbers.standard_normal((words, dim))


def _whole(numbers: Numbers, words: int, dim: int) -> Float64:
    return numbers.integers(-2, 3, (words, dim)).astype(np.float64)


def _signs(numbers: Numbers, words: int, dim: int) -> Float64:
    return numbers.choice([-1.0, 1.0], (words, dim))


def _duplicates(numbers: Numbers, words: int, dim: int) -> Float64:
    return numbers.standard_normal((words // 3 + 1, dim))[numbers.integers(0, words // 3 + 1, words)]


def _one_row(numbers: Numbers, words: int, dim: int) -> Float64:
    return np.tile(numbers.standard_normal((1, dim)), (words, 1))


def _scaled_copies(numbers: Numbers, words: int, dim: int) -> Float64:
    """Whole rows times powers of two: their cosines are equal to the last bit."""
    base: Float64 = numbers.integers(-8, 9, (words // 4 + 1, dim)).astype(np.float64)
    return base[numbers.integers(0, words // 4 + 1, words)] * 2.0 ** numbers.integers(-6, 7, (words, 1))


def _multiples(numbers: Numbers, words: int, dim: int) -> Float64:
    """Copies times any number: their cosines differ in the last bits alone."""
    base = numbers.standard_normal((words // 8 + 1, dim))[numbers.integers(0, words // 8 + 1, words)]
    return base * numbers.uniform(0.1, 10, (words, 1))


def _opposites(numbers: Numbers, words: int, dim: int) -> Float64:
    return _duplicates(numbers, words, dim) * numbers.choice([-1.0, 1.0], (words, 1))


def _one_hot(numbers: Numbers, words: int, dim: int) -> Float64:
    rows = np.zeros((words, dim))
    rows[np.arange(words), numbers.integers(0, dim, words)] = numbers.choice([-2.0, 1.0, 3.0], words)
    return rows


def _sparse(numbers: Numbers, words: int, dim: int) -> Float64:
    return numbers.standard_normal((words, dim)) * (numbers.random((words, dim)) < 2 / dim)


def _zero_rows(numbers: Numbers, words: int, dim: int) -> Float64:
    return numbers.standard_normal((words, dim)) * numbers.integers(0, 2, (words, 1))


def _all_zero(numbers: Numbers, words: int, dim: int) -> Float64:
    return np.zeros((words, dim))


def _ascending(numbers: Numbers, words: int, dim: int) -> Float64:
    """Each row is nearer to the last than the one before: every candidate displaces another."""
    angles = np.linspace(1.5, 0.0, words)[:, None]
    aside = numbers.standard_normal((1, dim)) * (np.arange(dim) > 0)
    return np.cos(angles) * (np.arange(dim) == 0) + np.sin(angles) * aside


def _clusters(numbers: Numbers, words: int, dim: int) -> Float64:
    """Near-duplicates closer together than float32 can tell cosines apart."""
    centers = numbers.standard_normal((3, dim))[numbers.integers(0, 3, words)]
    return centers * (1 + 10.0 ** -numbers.integers(4, 17) * numbers.standard_normal((words, dim)))


def _low_rank(numbers: Numbers, words: int, dim: int) -> Float64:
    rank = min(dim, int(numbers.integers(1, 4)))
    return numbers.standard_normal((words, rank)) @ numbers.standard_normal((rank, dim))


def _far_mean(numbers: Numbers, words: int, dim: int) -> Float64:
    mean = 10.0 ** numbers.integers(1, 9) * numbers.standard_normal((1, dim))
    return mean + numbers.standard_normal((words, dim))


def _spectrum(numbers: Numbers, words: int, dim: int) -> Float64:
    lengths = numbers.gamma(4.0, 0.25, (words, 1))
    rows: Float64 = lengths * numbers.standard_normal((words, dim)) * np.arange(1, dim + 1) ** -1.0
    return rows


def _wide_range(numbers: Numbers, words: int, dim: int) -> Float64:
    """Columns of very different size: one of them makes the cosine, or almost."""
    return numbers.standard_normal((words, dim)) * 10.0 ** numbers.integers(-6, 3, (1, dim))


KINDS: dict[str, Callable[[Numbers, int, int], Float64]] = {
    "gaussian": _gaussian,
    "whole numbers": _whole,
    "signs": _signs,
    "duplicates": _duplicates,
    "one row": _one_row,
    "scaled copies": _scaled_copies,
    "multiples": _multiples,
    "opposites": _opposites,
    "one-hot": _one_hot,
    "sparse": _sparse,
    "zero rows": _zero_rows,
    "all zero": _all_zero,
    "ascending": _ascending,
    "clusters": _clusters,
    "low rank": _low_rank,
    "far mean": _far_mean,
    "spectrum": _spectrum,
    "wide range": _wide_range,
}
SIZES = ("as they are", "huge", "tiny", "huge and tiny", "large", "small")


def awkward_table(numbers: Numbers, kind: str, size: str, dtype: str, words: int, dim: int) -> FloatMatrix:
    """Make a finite ``(words, dim)`` table; float64 entries are 0 or between 1e-150 and 1e150."""
    rows = KINDS[kind](numbers, words, dim)
    factors = {
        "huge": [HUGE[dtype]],
        "tiny": [TINY[dtype]],
        "huge and tiny": [HUGE[dtype], TINY[dtype], 1.0],
        "large": [SCALE[dtype]],
        "small": [1 / SCALE[dtype]],
    }.get(size, [1.0])
    rows = rows * numbers.choice(factors, (words, 1))
    largest = min(float(np.finfo(dtype).max), 1e150)
    rows = np.clip(rows, -largest, largest)
    if dtype == "float64":
        rows[np.abs(rows) < 1e-150] = 0
    return rows.astype(dtype)
