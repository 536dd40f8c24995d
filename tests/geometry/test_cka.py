"""Linear CKA equals the alignment of the two centered V×V kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import ShapeError
from gpuemb.geometry.cka import cka
from gpuemb.geometry.cross_grams import cross_grams

FEW_OR_FLAT = "the rows of one table are all equal, or all equally far apart, or there are fewer than 4"
TABLES = {
    "words": st.integers(3, 60),
    "dim": st.integers(1, 6),
    "other": st.integers(1, 6),
    "seed": st.integers(0, 999),
}


@settings(deadline=None)
@given(**TABLES, dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_cka_equals_the_alignment_of_centered_kernels(
    words: int, dim: int, other: int, seed: int, dtype: Any
) -> None:
    x, y = random_table(words, dim, seed, dtype=dtype), random_table(words, other, seed + 1, dtype=dtype)
    found = cka(x, y)
    bound = rounding.cka_error(x, y)
    assert abs(found.value - definitions.cka(x, y)) <= bound
    assert -bound <= found.value <= 1 + bound
    assert (found.measure, found.preparation, found.reason) == ("cka", "centered", "")
    assert float(found) == found.value


@settings(deadline=None)
@given(**TABLES, shift=st.floats(-100, 100))
def test_rotation_scale_and_translation_do_not_matter(
    words: int, dim: int, other: int, seed: int, shift: float
) -> None:
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    moved = 7.0 * x @ random_rotation(dim) + shift * np.arange(1, dim + 1)
    assert abs(cka(moved, y).value - cka(x, y).value) <= rounding.cka_error(moved, y) + rounding.cka_error(
        x, y
    )
    assert abs(cka(y, x).value - cka(x, y).value) <= rounding.cka_error(x, y)


@settings(deadline=None)
@given(**TABLES)
def test_a_table_agrees_with_itself(words: int, dim: int, other: int, seed: int) -> None:
    x = random_table(words, dim, seed)
    assert abs(cka(x, x @ random_rotation(dim)).value - 1) <= rounding.cka_error(x, x)


def test_rows_without_length_stay_and_are_counted() -> None:
    x, y = random_table(), random_table(dim=3, seed=1)
    x[2] = y[2] = y[9] = 0
    found = cka(x, y)
    assert abs(found.value - definitions.cka(x, y)) <= rounding.cka_error(x, y)
    assert found.zero_rows == 2


@pytest.mark.parametrize(
    "constant",
    [
        np.zeros((50, 3)),
        np.ones((50, 3)),
        np.full((50, 3), 0.1),
        np.full((50, 3), 0.1, np.float32),
        np.tile([0.1, -0.7, 1e6], (50, 1)),
        np.tile([0.1, -0.7, 1.3], (9001, 1)),
        np.ones((1, 3)),
    ],
    ids=["zeros", "ones", "tenths", "float32 tenths", "three numbers", "many rows", "one row"],
)
def test_equal_rows_have_no_alignment_and_say_so(constant: Any) -> None:
    other = random_table(len(constant))
    for found in (cka(constant, other), cka(other, constant), cka(constant, constant)):
        assert math.isnan(found.value)
        assert found.reason == "the rows of one table are all equal"


def test_a_table_of_all_pairs_holds_the_value_of_each() -> None:
    tables = [random_table(30, dim, seed) for seed, dim in enumerate((3, 5, 4))]
    found = cross_grams(tables, "centered").cka()
    np.testing.assert_array_equal(found, found.T)
    for s in range(3):
        for t in range(3):
            bound = rounding.cka_error(tables[s], tables[t])
            assert abs(found[s, t] - cka(tables[s], tables[t]).value) <= bound


def test_unequal_words_are_refused() -> None:
    with pytest.raises(ShapeError, match="X has 40 rows but Y has 41"):
        cka(random_table(), random_table(41))


@settings(deadline=None)
@given(**TABLES | {"words": st.integers(8, 60)}, dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_debiased_cka_is_the_cosine_of_double_centered_kernels(
    words: int, dim: int, other: int, seed: int, dtype: Any
) -> None:
    x, y = random_table(words, dim, seed, dtype=dtype), random_table(words, other, seed + 1, dtype=dtype)
    found = cka(x, y, debiased=True)
    assert abs(found.value - definitions.debiased_cka(x, y)) <= rounding.debiased_error(x, y)
    assert (found.measure, found.preparation, found.reason) == ("cka_debiased", "centered", "")


def test_on_well_conditioned_tables_debiased_cka_has_twelve_digits() -> None:
    x = random_table(200, 8, offset=0)
    y = x @ np.diag(np.arange(1.0, 9.0)) + random_table(200, 8, 1, offset=0)
    expected = definitions.debiased_cka(x, y)
    assert abs(cka(x, y, debiased=True).value - expected) <= 1e-12 * expected


@settings(deadline=None)
@given(**TABLES | {"words": st.integers(8, 60)}, shift=st.floats(-100, 100))
def test_rotation_scale_and_translation_do_not_matter_to_the_debiased(
    words: int, dim: int, other: int, seed: int, shift: float
) -> None:
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    moved = 7.0 * x @ random_rotation(dim) + shift * np.arange(1, dim + 1)
    expected = cka(x, y, debiased=True).value
    bound = rounding.debiased_error(moved, y) + rounding.debiased_error(x, y)
    assert abs(cka(moved, y, debiased=True).value - expected) <= bound
    order = np.random.default_rng(seed).permutation(words)
    assert abs(cka(x[order], y[order], debiased=True).value - expected) <= bound
    assert abs(cka(y, x, debiased=True).value - expected) <= bound
    assert abs(cka(x, 3 * x @ random_rotation(dim), debiased=True).value - 1) <= bound


def test_unrelated_tables_of_many_dimensions_are_near_zero_only_without_the_bias() -> None:
    found = [cka(random_table(60, 50, s), random_table(60, 50, 99 - s), debiased=True) for s in range(20)]
    values = [float(f) for f in found]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 0.05  # of ten deviations of a mean of 20 with spread below 0.02
    assert cka(random_table(60, 50), random_table(60, 50, 99)).value > 0.4


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("mean", [1e5, 1e8])
def test_a_mean_far_beyond_the_spread_costs_no_digits(mean: float, debiased: bool) -> None:
    x, y = random_table(300, 6, offset=0), random_table(300, 4, 1, offset=0)
    y[:, :2] += x[:, :2]
    far = x + mean * np.arange(1, 7)
    found = cka(far, y, debiased=debiased)
    near = far - mean * np.arange(1, 7)  # exact: what is left of x after its digits were cut
    expected = (definitions.debiased_cka if debiased else definitions.cka)(near, y)
    assert found.recomputed
    assert abs(found.value - expected) <= rounding.debiased_error(near, y)


@pytest.mark.parametrize("words", [1, 2, 3])
def test_three_words_are_too_few_for_the_unbiased_estimate(words: int) -> None:
    found = cka(random_table(words), random_table(words, seed=1), debiased=True)
    assert math.isnan(found.value)
    assert found.reason == FEW_OR_FLAT


@pytest.mark.parametrize(
    "flat",
    [np.zeros((50, 3)), np.full((50, 3), 0.1), np.eye(6), np.tile([0.1, -0.7, 1e6], (50, 1))],
    ids=["zeros", "tenths", "simplex", "three numbers"],
)
def test_rows_equally_far_apart_have_no_debiased_alignment(flat: Any) -> None:
    other = random_table(len(flat))
    for found in (cka(flat, other, debiased=True), cka(other, flat, debiased=True)):
        assert math.isnan(found.value)
        assert found.reason == FEW_OR_FLAT


def test_a_debiased_table_of_all_pairs_holds_the_value_of_each() -> None:
    tables = [random_table(30, dim, seed) for seed, dim in enumerate((3, 5, 4))]
    found = cross_grams(tables, "centered").cka(debiased=True)
    for s in range(3):
        for t in range(3):
            bound = rounding.debiased_error(tables[s], tables[t])
            assert abs(found[s, t] - definitions.debiased_cka(tables[s], tables[t])) <= bound
    np.testing.assert_array_equal(cross_grams(tables).cka(debiased=True), found)
