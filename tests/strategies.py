"""Awkward data: ties, copies, zeros, extremes, sizes that fit nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64, FloatMatrix, Int32, Int64

LARGEST_DIM = 70  # past four times sixteen lanes
FLOATS = ("float16", "float32", "float64")
# Factors that take ordinary rows to the ends of a dtype; float64's are the ends of what the front door takes.
HUGE = {"float16": 8e3, "float32": 4e37, "float64": 1e145}
TINY = {"float16": 2e-7, "float32": 1e-40, "float64": 1e-140}

Numbers = np.random.Generator
seeds = st.integers(0, 2**32 - 1)
dims = st.one_of(st.integers(1, LARGEST_DIM), st.sampled_from([15, 16, 17, 32, 64]))


def _gaussian(numbers: Numbers, words: int, dim: int) -> Float64:
    return numbers.standard_normal((words, dim))


def _tied(numbers: Numbers, words: int, dim: int) -> Float64:
    return numbers.integers(-1, 2, (words, dim)).astype(np.float64)


def _duplicates(numbers: Numbers, words: int, dim: int) -> Float64:
    return numbers.standard_normal((words, dim))[numbers.integers(0, words // 3 + 1, words)]


def _scaled_copies(numbers: Numbers, words: int, dim: int) -> Float64:
    """Copies times powers of two: their cosines are equal to the last bit."""
    base = numbers.integers(-8, 9, (words // 4 + 1, dim))[numbers.integers(0, words // 4 + 1, words)]
    return base * 2.0 ** numbers.integers(-6, 7, (words, 1))


def _one_hot(numbers: Numbers, words: int, dim: int) -> Float64:
    rows = np.zeros((words, dim))
    rows[np.arange(words), numbers.integers(0, dim, words)] = numbers.choice([-2.0, 1.0, 3.0], words)
    return rows


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
    centers = numbers.standard_normal((2, dim))[numbers.integers(0, 2, words)]
    return centers * (1 + 1e-7 * numbers.standard_normal((words, dim)))


ORDINARY: dict[str, Callable[[Numbers, int, int], Float64]] = {
    "gaussian": _gaussian,
    "tied": _tied,
    "duplicates": _duplicates,
    "scaled copies": _scaled_copies,
    "one-hot": _one_hot,
    "zero rows": _zero_rows,
    "all zero": _all_zero,
    "ascending": _ascending,
    "clusters": _clusters,
}
KINDS = (*ORDINARY, "huge", "tiny", "huge and tiny")


def awkward_rows(kind: str, dtype: str, words: int, dim: int, seed: int) -> FloatMatrix:
    """Make a finite ``(words, dim)`` table of one of ``KINDS``."""
    numbers = np.random.default_rng(seed)
    if kind in ORDINARY:
        rows = ORDINARY[kind](numbers, words, dim)
    else:
        scales = {"huge": [HUGE[dtype]], "tiny": [TINY[dtype]]}.get(kind, [HUGE[dtype], TINY[dtype]])
        rows = _gaussian(numbers, words, dim) * numbers.choice(scales, (words, 1))
    largest = float(np.finfo(dtype).max)
    return np.clip(rows, -largest, largest).astype(dtype)


@dataclass(frozen=True)
class Table:
    """A table, and in its ``repr`` all that makes it again."""

    kind: str
    dtype: str
    words: int
    dim: int
    seed: int
    rows: FloatMatrix = field(init=False, repr=False)

    def __post_init__(self) -> None:
        made = awkward_rows(self.kind, self.dtype, self.words, self.dim, self.seed)
        object.__setattr__(self, "rows", made)

    def like(self, words: int) -> FloatMatrix:
        """Make other rows of the same kind, dtype and dimensions."""
        return awkward_rows(self.kind, self.dtype, words, self.dim, self.seed + 1)


def tables(
    *, max_words: int = 60, max_dim: int = LARGEST_DIM, dtypes: tuple[str, ...] = FLOATS
) -> st.SearchStrategy[Table]:
    """Draw tables of every awkward kind, one word included."""
    return st.builds(
        Table,
        st.sampled_from(KINDS),
        st.sampled_from(dtypes),
        st.integers(1, max_words),
        dims.filter(lambda dim: dim <= max_dim),
        seeds,
    )


@st.composite
def table_sets(draw: st.DrawFn, *, max_tables: int = 4, max_words: int = 60) -> list[FloatMatrix]:
    """Draw tables over the same words, each with its own kind, dtype and dimensions.

    Float64 at its ends is left out: the fourth powers that Grams hold would leave its range.
    """
    words = draw(st.integers(1, max_words))
    kind = st.tuples(st.sampled_from(KINDS), st.sampled_from(FLOATS))
    bounded = kind.filter(lambda drawn: drawn[0] in ORDINARY or drawn[1] != "float64")
    kinds = draw(st.lists(bounded, min_size=1, max_size=max_tables))
    return [awkward_rows(kind, dtype, words, draw(st.integers(1, 20)), draw(seeds)) for kind, dtype in kinds]


@dataclass(frozen=True)
class Corpus:
    """Documents as lists of word ids, below ``words``."""

    documents: list[list[int]]
    words: int

    @property
    def ids(self) -> Int32:
        """All tokens."""
        return np.array([token for document in self.documents for token in document], np.int32)

    @property
    def starts(self) -> Int64:
        """Document borders."""
        return np.cumsum([0, *map(len, self.documents)]).astype(np.int64)


@st.composite
def corpora(draw: st.DrawFn, *, max_words: int = 8) -> Corpus:
    """Draw corpora with empty documents, single tokens, and words that never occur."""
    words = draw(st.integers(1, max_words))
    document = st.lists(st.integers(0, words - 1), max_size=40)
    return Corpus(draw(st.lists(document, max_size=6)), words + draw(st.integers(0, 2)))


@st.composite
def neighbor_lists(draw: st.DrawFn) -> Int32:
    """Draw ``(S, V, k)`` lists without repetition, padded with −1, some empty."""
    runs, words, k = draw(st.integers(1, 5)), draw(st.integers(1, 30)), draw(st.integers(1, 12))
    numbers = np.random.default_rng(draw(seeds))
    candidates = draw(st.integers(k, 3 * k))  # few candidates: lists share many
    ids = np.argsort(numbers.random((runs, words, candidates)), axis=2)[:, :, :k].astype(np.int32)
    lengths = numbers.integers(0, k + 1, (runs, words, 1)) if draw(st.booleans()) else k
    return np.where(np.arange(k) < lengths, ids, -1).astype(np.int32)


def matrices(shape: tuple[int, int], rank: int, seed: int) -> NDArray[Any]:
    """Make one matrix of the given rank with singular values between 1/4 and 4."""
    numbers = np.random.default_rng(seed)
    left = np.linalg.qr(numbers.standard_normal((shape[0], shape[0])))[0][:, :rank]
    right = np.linalg.qr(numbers.standard_normal((shape[1], shape[1])))[0][:, :rank]
    return left * np.geomspace(4.0, 0.25, rank) @ right.T
