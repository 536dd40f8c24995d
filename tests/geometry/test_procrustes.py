"""The best rotation of one table onto another: against SciPy, and where distances cancel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given, settings
from hypothesis import strategies as st
from slow import many_examples
from tolerances import EPS64, assert_same_bits, assert_within, orthogonality_error

from gpuemb.core.errors import DTypeError, NonFiniteError, ShapeError
from gpuemb.embeddings.model import Embedding
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.per_word import aligned_cosines
from gpuemb.geometry.pip import PIP_LOSS, pip_loss
from gpuemb.geometry.procrustes import PROCRUSTES_DISTANCE, procrustes
from gpuemb.geometry.rotations.pair_distances import DIRECT_DISTANCE

SHAPES = {"words": st.integers(8, 60), "dim": st.integers(1, 6), "seed": st.integers(0, 999)}


def noise(x: Any, size: float) -> Any:
    """Noise of about ``size`` beside entries of about 1."""
    return size * np.random.default_rng(len(x)).standard_normal(x.shape)


@settings(deadline=None)
@given(**SHAPES, dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_rotation_and_distance_are_those_of_the_definition(
    words: int, dim: int, seed: int, dtype: Any
) -> None:
    x = random_table(words, dim, seed, dtype=dtype)
    y = (x @ random_rotation(dim, seed) + noise(x, 0.3)).astype(dtype)
    found, expected = procrustes(x, y), definitions.procrustes(x, y)
    assert_within(found.rotation, expected.rotation, rounding.rotation_error(expected.singular, x, y))
    assert_within(found.rotation.T @ found.rotation, np.eye(dim), orthogonality_error(dim))
    assert_within(found.singular_values, expected.singular, rounding.squared_error(x, y))
    assert abs(found.distance**2 - expected.distance**2) <= rounding.squared_error(x, y)
    length = float(np.linalg.norm(np.float64(y)))
    assert abs(found.relative_distance * length - found.distance) <= words * dim * EPS64 * found.distance
    assert float(found) == found.value == found.distance
    assert (found.rank, found.unique, found.reason) == (dim, True, "")
    assert found.smallest_to_largest == found.singular_values[-1] / found.singular_values[0]
    assert (found.scale, found.means, found.orthonormal) == (1.0, None, "rows and columns")


@settings(deadline=None)
@given(**SHAPES)
def test_a_rotated_table_is_at_distance_zero(words: int, dim: int, seed: int) -> None:
    x, rotation = random_table(words, dim, seed), random_rotation(dim, seed)
    found = procrustes(x, x @ rotation)
    assert found.distance <= rounding.vanished_distance(x)
    assert found.recomputed
    assert_within(found.rotation, rotation, rounding.rotation_error(found.singular_values, x, x))
    assert pip_loss(x, x @ rotation).value <= rounding.vanished_pip(x)


@settings(deadline=None)
@given(**SHAPES)
def test_identical_tables_are_at_distance_zero(words: int, dim: int, seed: int) -> None:
    x = random_table(words, dim, seed)
    assert procrustes(x, x).distance <= rounding.vanished_distance(x)
    assert pip_loss(x, x).value <= rounding.vanished_pip(x)
    assert cross_grams([x, x]).direct()[0, 1] == 0


@many_examples(150)
@given(
    **SHAPES,
    exponent=st.floats(-9, -1),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    turned=st.booleans(),
)
def test_distances_hold_six_digits_however_near_the_tables_are(
    words: int, dim: int, seed: int, exponent: float, scale: float, turned: bool
) -> None:
    x = scale * random_table(words, dim, seed)
    base = x @ random_rotation(dim, seed) if turned else x
    y = base + noise(x, scale * 10**exponent)
    aligned = definitions.procrustes(x, y)
    truth = {
        "direct": float(np.linalg.norm(x - y)),
        "procrustes": aligned.distance,
        "pip": definitions.pip_of_difference(base, y - base),
    }
    grams = cross_grams([x, y])
    found = {
        "direct": grams.direct(),
        "procrustes": grams.procrustes().distance,
        "pip": grams.pip_loss(),
    }
    for name, expected in truth.items():
        value = found[name]
        assert value[0, 1] == value[1, 0]
        assert abs(value[0, 1] - expected) <= rounding.PROMISED * expected, name
    assert abs(procrustes(x, y).distance - truth["procrustes"]) <= rounding.PROMISED * truth["procrustes"]
    assert pip_loss(x, y).value == found["pip"][0, 1]
    assert_same_bits(grams.procrustes_distance(), found["procrustes"])


@pytest.mark.parametrize(("size", "recomputed"), [(1e-7, True), (1e-5, True), (1e-2, False), (1.0, False)])
def test_only_nearly_equal_pairs_are_recomputed(size: float, recomputed: bool) -> None:
    x = random_table()
    assert procrustes(x, x + noise(x, size)).recomputed is recomputed


def test_recomputed_pairs_are_counted() -> None:
    x = random_table()
    tables = [x, x + noise(x, 1e-6), random_table(seed=1), x @ random_rotation(5)]
    grams = cross_grams(tables)
    near = [(0, 1), (0, 3), (1, 3)]
    assert grams.procrustes().recomputed == 3
    for measure, expected in ((PROCRUSTES_DISTANCE, near), (PIP_LOSS, near), (DIRECT_DISTANCE, near[:1])):
        found = grams.take(measure)
        assert list(zip(*np.nonzero(np.triu(found.recomputed)), strict=True)) == expected
        assert (found.recomputed == found.recomputed.T).all()
        assert not found.values.diagonal().any()


def test_one_table_has_no_pairs() -> None:
    found = cross_grams([random_table()]).procrustes()
    assert found.distance.tolist() == [[0.0]]
    assert (found.recomputed, found.rotation.shape) == (0, (0, 5, 5))


def test_a_short_rank_says_that_the_rotation_is_one_of_many() -> None:
    x = random_table()
    x[:, 3] = x[:, 4] = 0
    found = procrustes(x, random_table(seed=1))
    assert (found.rank, found.unique) == (3, False)
    assert found.reason == "XᵀY has rank 3 of 5: along the other directions any map is as good"
    assert found.smallest_to_largest <= EPS64
    assert_within(found.rotation.T @ found.rotation, np.eye(5), orthogonality_error(5))


def test_tables_of_zeros_are_at_distance_zero_of_each_other() -> None:
    zero, x = np.zeros((6, 3)), random_table(6, 3)
    assert procrustes(zero, zero).distance == 0
    nothing = procrustes(x, zero)
    assert math.isnan(nothing.relative_distance)
    assert nothing.reason.endswith("Y has no length: no distance is relative to it")
    assert (nothing.rank, procrustes(zero, zero).rank) == (0, 0)
    assert math.isnan(nothing.smallest_to_largest)
    length = float(np.linalg.norm(x))
    assert abs(procrustes(x, zero).distance - length) <= 6 * EPS64 * length


def test_transform_rotates_in_the_dtype_of_its_input() -> None:
    x, y = random_table(dtype=np.float32), random_table(seed=1, dtype=np.float32)
    found = procrustes(Embedding(x, [f"w{i}" for i in range(40)]), y)
    moved = found.transform(x)
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved, (np.float64(x) @ found.rotation).astype(np.float32))


@settings(deadline=None)
@given(**SHAPES)
def test_aligned_cosines_are_those_of_the_definition(words: int, dim: int, seed: int) -> None:
    x, y = random_table(words, dim, seed), random_table(words, dim, seed + 1)
    rotation = random_rotation(dim, seed)
    bound = (
        6 * dim + 8
    ) * EPS64  # a rotated entry, a dot product and two lengths, here and in the definition
    assert_within(aligned_cosines(x, y, rotation), definitions.aligned_cosines(x, y, rotation), bound)
    assert_within(aligned_cosines(x, y), definitions.aligned_cosines(x, y, np.eye(dim)), bound)


def test_a_row_without_length_has_no_aligned_cosine() -> None:
    x, y = random_table(), random_table(seed=1)
    x[3] = 0
    y[7] = 0
    found = aligned_cosines(x, y, random_rotation(5))
    assert np.flatnonzero(np.isnan(found)).tolist() == [3, 7]


def test_unequal_words_say_how_to_align() -> None:
    with pytest.raises(ShapeError, match="X has 40 rows but Y has 39") as refusal:
        procrustes(random_table(), random_table(39))
    assert "stack([a, b])" in str(refusal.value)


def test_numbers_that_are_not_finite_name_table_and_row() -> None:
    bad = random_table()
    bad[3, 1] = math.nan
    with pytest.raises(NonFiniteError, match="Y holds NaN or infinity; row 3"):
        procrustes(random_table(), bad)


def test_integers_are_refused() -> None:
    with pytest.raises(DTypeError, match="X holds int64"):
        procrustes(np.ones((3, 2), np.int64), random_table(3, 2))
