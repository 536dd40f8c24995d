"""RSA equals the correlation of the two V×V tables of cosines, which never exist."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import GpuembError, ShapeError
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.grams.digits import PROMISED
from gpuemb.geometry.rsa import rsa

TABLES = {
    "words": st.integers(4, 60),
    "dim": st.integers(2, 6),
    "other": st.integers(2, 6),
    "seed": st.integers(0, 999),
}


@settings(deadline=None)
@given(**TABLES, dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_rsa_equals_the_correlation_of_all_cosines(
    words: int, dim: int, other: int, seed: int, dtype: Any
) -> None:
    x, y = random_table(words, dim, seed, dtype=dtype), random_table(words, other, seed + 1, dtype=dtype)
    found = rsa(x, y)
    assert abs(found.value - definitions.rsa(x, y)) <= rounding.rsa_error(x, y)
    assert (found.measure, found.preparation, found.zero_rows, found.reason) == ("rsa", "unit", 0, "")
    assert float(found) == found.value


@settings(deadline=None)
@given(**TABLES)
def test_rotations_and_lengths_of_rows_do_not_matter(words: int, dim: int, other: int, seed: int) -> None:
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    lengths = np.random.default_rng(seed).uniform(0.1, 1000, (words, 1))
    changed = rsa(lengths * x @ random_rotation(dim), -3.0 * y @ random_rotation(other, 1))
    assert abs(changed.value - rsa(x, y).value) <= rounding.rsa_error(x, y)
    assert abs(rsa(y, x).value - rsa(x, y).value) <= rounding.rsa_error(x, y)


@settings(deadline=None)
@given(**TABLES)
def test_a_table_agrees_with_itself(words: int, dim: int, other: int, seed: int) -> None:
    x = random_table(words, dim, seed)
    assert abs(rsa(x, x @ random_rotation(dim)).value - 1) <= rounding.rsa_error(x, x)


@settings(deadline=None)
@given(**TABLES, zeros=st.sets(st.integers(0, 9), max_size=5))
def test_rows_without_length_are_left_out_and_counted(
    words: int, dim: int, other: int, seed: int, zeros: set[int]
) -> None:
    x, y = random_table(words + 8, dim, seed), random_table(words + 8, other, seed + 1)
    for row in zeros:
        (x if row % 2 else y)[row] = 0
    kept = [row for row in range(words + 8) if row not in zeros]
    found = rsa(x, y)
    assert abs(found.value - definitions.rsa(x[kept], y[kept])) <= rounding.rsa_error(x[kept], y[kept])
    assert found.zero_rows == len(zeros)


def parallel(words: int) -> Any:
    return np.arange(1, words + 1)[:, None] * np.array([[0.1, -0.7, 1.3]])


@pytest.mark.parametrize(
    "constant",
    [
        np.full((50, 3), 0.1),
        np.full((50, 3), 0.1, np.float32),
        parallel(50),
        np.eye(50),
        random_table(50, 1, offset=9.0),
        np.zeros((50, 3)),
        np.eye(50, 3) * (np.arange(50) < 1)[:, None],
    ],
    ids=["equal rows", "equal float32 rows", "parallel", "orthogonal", "one sign", "zeros", "one word left"],
)
def test_equal_cosines_have_no_correlation_and_say_so(constant: Any) -> None:
    for found in (rsa(constant, random_table(50)), rsa(random_table(50), constant), rsa(constant, constant)):
        assert math.isnan(found.value)
        assert found.reason == "all cosines of one table are equal, or nearer to 1 than 1e-9"


@pytest.mark.parametrize("words", [1, 2])
def test_fewer_than_two_pairs_have_no_correlation(words: int) -> None:
    assert math.isnan(rsa(random_table(words), random_table(words, seed=1)).value)


def test_cosines_that_differ_little_still_have_a_correlation() -> None:
    """A strong common direction: all cosines are within 1e-4 of 1."""
    x, y = random_table(offset=300.0), random_table(seed=1)
    found = rsa(x, y)
    assert abs(found.value - definitions.rsa(x, y)) <= rounding.rsa_error(x, y)


def exact_rsa(x: Any, y: Any) -> tuple[float, float]:
    """The correlation in longdouble, and the smaller of one less the mean cosines."""
    lists = []
    for table in (x, y):
        rows = table.astype(np.longdouble)
        rows /= np.sqrt((rows * rows).sum(axis=1, keepdims=True))
        lists.append((rows @ rows.T)[np.triu_indices(len(rows), 1)])
    a, b = (values - values.mean() for values in lists)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())), float(1 - max(map(np.mean, lists)))


def shifted(words: int, dim: int, shift: float, dtype: Any) -> tuple[Any, Any]:
    """Two tables that share half their variance, all rows moved far along one direction."""
    x = random_table(words, dim, 5, offset=0.0)
    y = x + random_table(words, dim, 6, offset=0.0)
    return (x + shift).astype(dtype), (y + np.linspace(0.5, 1, dim) * shift).astype(dtype)


@pytest.mark.parametrize("shift", [0.0, 3.0, 100.0, 1e3, 1e4, 2.5e4])
@pytest.mark.parametrize(("dim", "dtype"), [(12, np.float64), (12, np.float32), (140, np.float32)])
def test_a_large_common_part_costs_no_digits(shift: float, dim: int, dtype: Any) -> None:
    """Six digits while one less the mean cosine is 1e-9 or more, alone and among others."""
    x, y = shifted(200, dim, shift, dtype)
    expected, gap = exact_rsa(x, y)
    assert gap >= 1e-9
    found = rsa(x, y, permutations=9, blocks=20)
    assert abs(found.value - expected) <= PROMISED
    assert found.interval[0] < found.value < found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.3
    assert found.p_value == 0.1
    assert found.recomputed == (shift >= 100)
    assert abs(float(rsa(x, y, bootstrap=20).value) - expected) <= PROMISED
    among = cross_grams([x, y, random_table(200, 7)]).rsa()
    assert abs(among[0, 1] - expected) <= PROMISED


def test_one_large_column_costs_no_digits() -> None:
    x, y = (random_table(300, 40, seed, offset=0.0) for seed in (1, 2))
    x[:, 3] += 5e4
    expected, _ = exact_rsa(x, y)
    assert abs(rsa(x, y).value - expected) <= PROMISED
    assert rsa(x, x).value == 1.0


def test_cosines_nearer_to_one_than_a_billionth_are_equal() -> None:
    x, y = shifted(100, 10, 1e5, np.float64)
    assert exact_rsa(x, y)[1] < 1e-9
    found = rsa(x, y)
    assert math.isnan(found.value)
    assert found.reason == "all cosines of one table are equal, or nearer to 1 than 1e-9"


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_lengths_that_cannot_be_squared_are_no_silent_number(scale: float) -> None:
    x, y = random_table(), random_table(seed=1)
    try:
        found = rsa(scale * x, y).value
    except GpuembError:
        return
    assert abs(found - rsa(x, y).value) <= rounding.rsa_error(x, y)


def test_a_table_of_all_pairs_holds_the_value_of_each() -> None:
    tables = [random_table(30, dim, seed) for seed, dim in enumerate((3, 5, 4))]
    found = cross_grams(tables, "unit").rsa()
    assert found.shape == (3, 3)
    np.testing.assert_array_equal(found, found.T)
    for s in range(3):
        for t in range(3):
            bound = rounding.rsa_error(tables[s], tables[t])
            assert abs(found[s, t] - rsa(tables[s], tables[t]).value) <= bound


def test_unequal_words_are_refused() -> None:
    with pytest.raises(ShapeError, match="X has 40 rows but Y has 41"):
        rsa(random_table(), random_table(41))
