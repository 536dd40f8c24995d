"""Semantic displacement: one minus the aligned cosine, also of words that hardly moved."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given
from hypothesis import strategies as st
from tolerances import EPS64, assert_same_bits, assert_within

from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, NonFiniteError, ShapeError
from gpuemb.embeddings.model import Embedding
from gpuemb.geometry.displacement import semantic_displacement
from gpuemb.geometry.procrustes import procrustes
from gpuemb.uncertainty.draws import order_of

SHAPES = {"words": st.integers(8, 60), "dim": st.integers(2, 6), "seed": st.integers(0, 999)}


def unit(x: Any) -> Any:
    return np.float64(x) / np.linalg.norm(np.float64(x), axis=1, keepdims=True)


@given(**SHAPES, other=st.integers(1, 6), dtype=st.sampled_from([np.float32, np.float64]))
def test_it_is_one_minus_the_aligned_cosine(words: int, dim: int, other: int, seed: int, dtype: Any) -> None:
    x, y = random_table(words, dim, seed, dtype=dtype), random_table(words, other, seed + 1, dtype=dtype)
    found, aligned = semantic_displacement(x, y), procrustes(unit(x), unit(y))
    bound = rounding.rotation_error(aligned.singular_values, unit(x), unit(y))
    assert_within(found.rotation, aligned.rotation, bound)
    narrow, wide, turn = (x, y, found.rotation) if dim <= other else (y, x, found.rotation.T)
    expected = 1 - definitions.aligned_cosines(narrow, wide, turn)  # a map into more dimensions drops nothing
    assert_within(found.per_word, expected, (6 * max(dim, other) + 8) * EPS64)
    assert_within(semantic_displacement(y, x).per_word, found.per_word, 2 * bound + 1e-14)
    assert abs(found.value - found.per_word.mean()) <= words * EPS64 * 2
    nuclear = float(aligned.singular_values.sum())
    assert abs(1 - found.value - nuclear / words) <= rounding.squared_error(unit(x), unit(y)) / words
    assert (float(found), found.zero_rows, found.words, found.reason) == (found.value, 0, None, "")
    assert found.rank == min(dim, other)


@given(**SHAPES, exponent=st.floats(-7, -2))
def test_words_that_hardly_moved_keep_six_digits(words: int, dim: int, seed: int, exponent: float) -> None:
    x = random_table(words, dim + 1, seed)
    moved = x + 10**exponent * np.random.default_rng(seed).standard_normal(x.shape)
    y = moved @ random_rotation(dim + 1, seed)
    found = semantic_displacement(x, y)
    wide = [np.longdouble(x) @ np.longdouble(found.rotation), np.longdouble(y)]
    directions = [rows / np.sqrt(np.sum(rows**2, axis=1))[:, None] for rows in wide]
    expected = np.sum((directions[0] - directions[1]) ** 2, axis=1) / 2
    assert_within(found.per_word, expected, rounding.PROMISED * expected + (8 * (dim + 1) * EPS64) ** 2)


@given(**SHAPES)
def test_turning_either_table_moves_no_word(words: int, dim: int, seed: int) -> None:
    x, y = random_table(words, dim, seed), random_table(words, dim, seed + 1)
    found = semantic_displacement(x, y)
    turned = semantic_displacement(3 * x @ random_rotation(dim), y @ random_rotation(dim, 1))
    singular = np.linalg.svd(unit(x).T @ unit(y), compute_uv=False)
    assert_within(turned.per_word, found.per_word, 4 * rounding.rotation_error(singular, unit(x), unit(y)))


def test_a_word_without_length_has_no_displacement_and_is_counted() -> None:
    x, y = random_table(), random_table(seed=1)
    x[3] = y[7] = 0
    names = [f"w{i}" for i in range(40)]
    found = semantic_displacement(Embedding(x, names), y)
    assert np.flatnonzero(np.isnan(found.per_word)).tolist() == [3, 7]
    assert (found.zero_rows, found.words) == (2, names)
    assert abs(found.value - np.nanmean(found.per_word)) <= 40 * EPS64
    kept = np.delete(np.arange(40), [3, 7])
    assert_within(found.per_word[kept], semantic_displacement(x[kept], y[kept]).per_word, 1e-12)


def test_tables_of_zeros_have_none_and_say_why() -> None:
    found = semantic_displacement(np.zeros((4, 2)), random_table(4, 2))
    assert math.isnan(found.value)
    assert found.reason == "no word has a length in both tables"


def test_a_map_that_is_one_of_many_is_told() -> None:
    x = random_table(20, 3)
    y = x * np.array([1, 1, 0])
    found = semantic_displacement(x, y)
    assert (found.rank, found.reason) == (2, "XᵀY has rank 2 of 3: other maps give other displacements")


def test_the_opposite_of_a_word_is_as_far_as_it_goes() -> None:
    x = np.repeat(random_table(20, 3), 2, axis=0)
    y = x.copy()
    y[0] *= -7
    found = semantic_displacement(x, y)
    assert found.per_word[0] > 1.9
    assert found.per_word[1:].max() < 0.1


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_same_bits_for_any_threads(count: int) -> None:
    x, y = random_table(20_000, 30), random_table(20_000, 20, 1)
    expected = semantic_displacement(x, y)
    with threads.limit(count):
        found = semantic_displacement(x, y)
    assert_same_bits(found.per_word, expected.per_word)
    assert found.value == expected.value


def test_unequal_words_and_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ShapeError, match="X has 40 rows but Y has 30"):
        semantic_displacement(random_table(), random_table(30))
    bad = random_table()
    bad[2] = math.inf
    with pytest.raises(NonFiniteError, match="Y holds NaN or infinity; row 2, the word 'w2', is the first"):
        semantic_displacement(Embedding(random_table(), [f"w{i}" for i in range(40)]), bad)


@pytest.mark.parametrize("other", [2, 3, 5])
def test_permutations_are_the_mean_of_the_permuted_rows(other: int) -> None:
    x, y = random_table(40, 3), random_table(40, other, 1)
    y[:, : min(3, other)] += x[:, : min(3, other)]
    x[3] = y[7] = 0
    kept = np.delete(np.arange(40), [3, 7])  # what has no length is not permuted
    for seed in range(5):
        permuted = semantic_displacement(x[kept], y[kept][order_of(0, 38, seed)])
        found = semantic_displacement(x, y, permutations=1, seed=seed)
        assert abs(found.null_mean - permuted.value) <= 1e-13


def test_a_mean_that_is_lost_in_its_sums_is_still_held_against_chance() -> None:
    x = random_table()
    found = semantic_displacement(x, x + 1e-7 * random_table(seed=1), permutations=99)
    assert (found.p_value, found.undefined, found.blocks) == (0.01, 20, 20)
    assert 0.99 < found.gated <= found.chance_adjusted <= 1
    assert np.isnan(found.interval).all()


def test_copies_of_words_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"bootstrap = 5[^$]*jackknife"):
        semantic_displacement(random_table(), random_table(dim=3), bootstrap=5)
