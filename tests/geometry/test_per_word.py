"""Each word's number equals the row of the V×V matrices that it is taken from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import EPS64, SAFETY, assert_within

from gpuemb.core.errors import NonFiniteError, ShapeError
from gpuemb.embeddings.model import Embedding
from gpuemb.geometry import per_word
from gpuemb.geometry.per_word import pip_per_word, second_order_cosine
from gpuemb.geometry.pip import pip_loss

TABLES = {
    "words": st.integers(2, 60),
    "dim": st.integers(1, 6),
    "other": st.integers(1, 6),
    "seed": st.integers(0, 999),
    "dtype": st.sampled_from([np.float16, np.float32, np.float64]),
}


def second_order_error(x: Any, y: Any) -> float:
    """Sums of V products of cosines, divided by lengths of at least 1: each word counts itself."""
    return SAFETY * EPS64 * (len(x) + x.shape[1] + y.shape[1]) * len(x)


@settings(deadline=None)
@given(**TABLES)
def test_pip_per_word_is_the_length_of_a_row_of_the_difference(
    words: int, dim: int, other: int, seed: int, dtype: Any
) -> None:
    x, y = random_table(words, dim, seed, dtype=dtype), random_table(words, other, seed + 1, dtype=dtype)
    found = pip_per_word(x, y)
    assert (found.shape, found.dtype) == ((words,), np.float64)
    assert_within(found**2, definitions.pip_per_word(x, y) ** 2, rounding.word_error(x, y))


@settings(deadline=None)
@given(**TABLES)
def test_second_order_cosine_compares_the_rows_of_both_cosine_matrices(
    words: int, dim: int, other: int, seed: int, dtype: Any
) -> None:
    x, y = random_table(words, dim, seed, dtype=dtype), random_table(words, other, seed + 1, dtype=dtype)
    found = second_order_cosine(x, y)
    bound = second_order_error(x, y)
    assert (found.shape, found.dtype) == ((words,), np.float64)
    assert_within(found, definitions.second_order_cosine(x, y), bound)
    assert (np.abs(found) <= 1 + bound).all()


def test_on_well_conditioned_tables_there_are_twelve_digits() -> None:
    x, y = random_table(200, 8), random_table(200, 6, 1)
    y += x[:, :6]
    np.testing.assert_allclose(pip_per_word(x, y), definitions.pip_per_word(x, y), rtol=1e-12)
    expected = definitions.second_order_cosine(x, y)
    assert_within(second_order_cosine(x, y), expected, 1e-12)


def test_the_squares_of_all_words_are_that_of_the_loss() -> None:
    x, y = random_table(100), random_table(100, 3, 1)
    loss = pip_loss(x, y).value
    assert abs(math.sqrt(np.sum(pip_per_word(x, y) ** 2)) - loss) <= 1e-12 * loss


def test_the_length_of_a_tile_changes_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = random_table(100), random_table(100, 3, 1)
    expected = pip_per_word(x, y), second_order_cosine(x, y), pip_per_word(x, x + 1e-9)
    monkeypatch.setattr(per_word, "rows_per_tile", lambda _: 7)
    found = pip_per_word(x, y), second_order_cosine(x, y), pip_per_word(x, x + 1e-9)
    for piece, whole in zip(found, expected, strict=True):
        np.testing.assert_allclose(piece, whole, rtol=1e-13)


def test_rotation_and_the_order_of_words_do_not_matter() -> None:
    x, y = random_table(80), random_table(80, 3, 1)
    order = np.random.default_rng(0).permutation(80)
    turned = x @ random_rotation(5)
    np.testing.assert_allclose(pip_per_word(turned[order], y[order]), pip_per_word(x, y)[order], rtol=1e-12)
    lengths = np.random.default_rng(1).uniform(0.1, 10, (80, 1))
    stretched = (turned * lengths)[order]
    assert_within(second_order_cosine(stretched, y[order]), second_order_cosine(x, y)[order], 1e-12)
    assert np.abs(pip_per_word(2 * x, y) - pip_per_word(x, y)).min() > 1e-3
    assert_within(second_order_cosine(y, x), second_order_cosine(x, y), 1e-12)


@pytest.mark.parametrize("noise", [1e-2, 1e-4, 1e-6, 1e-9])
def test_words_of_nearly_equal_tables_keep_six_digits(noise: float) -> None:
    x = random_table(300, 6)
    y = x + noise * random_table(300, 6, 1)
    step = y - x  # exact up to the last bit of y
    expected = np.linalg.norm(x @ step.T + step @ x.T + step @ step.T, axis=1)
    found = pip_per_word(x, y)
    turned = pip_per_word(x @ random_rotation(6), y)
    for value in (found, turned):
        assert_within(value, expected, np.maximum(1e-6 * expected, rounding.triangle_word_error(x, y)))


def test_the_same_table_differs_in_no_word() -> None:
    x = random_table(300, 6)
    assert pip_per_word(x, x).max() <= rounding.triangle_word_error(x, x).max()
    assert_within(second_order_cosine(x, x @ random_rotation(6)), 1.0, second_order_error(x, x))


def test_words_without_length_have_no_cosine_and_a_pip() -> None:
    x, y = random_table(), random_table(dim=3, seed=1)
    x[2] = y[2] = y[9] = 0
    found = second_order_cosine(x, y)
    assert np.flatnonzero(np.isnan(found)).tolist() == [2, 9]
    kept = [row for row in range(40) if row not in (2, 9)]
    expected = definitions.second_order_cosine(x[kept], y[kept])
    assert_within(found[kept], expected, second_order_error(x, y))
    np.testing.assert_allclose(pip_per_word(x, y), definitions.pip_per_word(x, y), rtol=1e-12)
    assert pip_per_word(x, y)[2] == 0


def test_one_word_agrees_with_itself() -> None:
    one = random_table(1)
    assert second_order_cosine(one, -one).tolist() == [pytest.approx(1, abs=1e-15)]
    assert pip_per_word(one, 2 * one)[0] == pytest.approx(3 * np.sum(one**2), rel=1e-14)


@pytest.mark.parametrize("measure", [pip_per_word, second_order_cosine], ids=lambda f: f.__name__)
def test_bad_tables_are_refused(measure: Any) -> None:
    x = random_table()
    with pytest.raises(ShapeError, match="X has 40 rows but Y has 41"):
        measure(x, random_table(41))
    broken = random_table(3)
    table = Embedding(broken, ["a", "b", "c"])
    broken[1, 0] = np.nan
    with pytest.raises(NonFiniteError, match="row 1"):
        measure(random_table(3), table)
