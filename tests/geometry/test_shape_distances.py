"""Angle and Bures distance equal those of the centered V×V kernels, and are metrics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import procrustes as scipy_procrustes

from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.procrustes import procrustes
from gpuemb.geometry.shape_distances import angular, bures

TABLES = {
    "words": st.integers(8, 60),
    "dim": st.integers(1, 6),
    "other": st.integers(1, 6),
    "seed": st.integers(0, 999),
}
MEASURES = {"angular": angular, "bures": bures}
ORACLES = {"angular": definitions.angular, "bures": definitions.bures}


def squared_error(x: Any, y: Any, measure: str) -> float:
    """Of the squared distance; the angle's tables are divided by their centered lengths."""
    bound = rounding.fidelity_error(x, y)
    if measure == "bures":
        return bound
    lengths = [float(np.sum(definitions.centered(table) ** 2)) for table in (x, y)]
    return bound / min(lengths)


def chord(value: float, measure: str) -> float:
    """The distance whose square is subtracted."""
    return 2 * math.sin(value / 2) if measure == "angular" else value


def assert_near(found: float, expected: float, x: Any, y: Any, measure: str) -> None:
    gap = abs(chord(found, measure) ** 2 - chord(expected, measure) ** 2)
    assert gap <= squared_error(x, y, measure)


@settings(deadline=None)
@given(**TABLES, measure=st.sampled_from(list(MEASURES)), dtype=st.sampled_from([np.float32, np.float64]))
def test_the_distances_are_those_of_the_centered_kernels(
    words: int, dim: int, other: int, seed: int, measure: str, dtype: Any
) -> None:
    x, y = random_table(words, dim, seed, dtype=dtype), random_table(words, other, seed + 1, dtype=dtype)
    found = MEASURES[measure](x, y)
    assert_near(found.value, ORACLES[measure](x, y), x, y, measure)
    assert (found.measure, found.preparation, found.reason) == (measure, "centered", "")
    assert 0 <= found.value <= (math.pi / 2 + 1e-12 if measure == "angular" else math.inf)


@pytest.mark.parametrize("measure", MEASURES)
def test_on_well_conditioned_tables_there_are_twelve_digits(measure: str) -> None:
    x, y = random_table(200, 8), random_table(200, 6, 1)
    y += 0.5 * x[:, :6]
    found, expected = MEASURES[measure](x, y), ORACLES[measure](x, y)
    assert not found.recomputed
    assert abs(found.value - expected) <= 1e-12 * expected


def test_scipys_disparity_is_the_squared_sine_of_the_angle() -> None:
    x, y = random_table(80, 4), random_table(80, 4, 1)
    y += x
    _, _, disparity = scipy_procrustes(x, y)
    assert abs(math.sin(angular(x, y).value) ** 2 - disparity) <= 1e-12


def test_bures_is_the_procrustes_distance_of_centered_tables() -> None:
    x, y = (definitions.centered(random_table(seed=seed)) for seed in (0, 1))
    assert abs(bures(x + 3, y - 1).value - procrustes(x, y).distance) <= 1e-12 * procrustes(x, y).distance


@settings(deadline=None)
@given(**TABLES, measure=st.sampled_from(list(MEASURES)), shift=st.floats(-10, 10))
def test_rotation_translation_and_the_order_of_words_do_not_matter(
    words: int, dim: int, other: int, seed: int, measure: str, shift: float
) -> None:
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    order = np.random.default_rng(seed).permutation(words)
    moved = x @ random_rotation(dim) + shift * np.arange(1, dim + 1)
    expected = MEASURES[measure](x, y).value
    assert_near(MEASURES[measure](moved, y).value, expected, moved, y, measure)
    assert_near(MEASURES[measure](x[order], y[order]).value, expected, x, y, measure)
    assert_near(MEASURES[measure](y, x).value, expected, x, y, measure)


def test_scale_moves_bures_alone() -> None:
    x, y = random_table(), random_table(dim=3, seed=1)
    assert abs(angular(7 * x, 0.1 * y).value - angular(x, y).value) <= 1e-12
    assert abs(bures(7 * x, 7 * y).value - 7 * bures(x, y).value) <= 1e-11
    assert abs(bures(7 * x, x).value - 6 * np.linalg.norm(definitions.centered(x))) <= 1e-11


@settings(deadline=None)
@given(**TABLES, third=st.integers(1, 6), measure=st.sampled_from(list(MEASURES)))
def test_they_are_metrics(words: int, dim: int, other: int, third: int, seed: int, measure: str) -> None:
    x, y, z = (random_table(words, d, seed + s) for s, d in enumerate((dim, other, third)))
    distance = MEASURES[measure]
    slack = math.sqrt(squared_error(x, y, measure))
    assert distance(x, z).value <= distance(x, y).value + distance(y, z).value + slack
    itself = distance(x, x @ random_rotation(dim))
    assert itself.recomputed
    assert itself.value <= rounding.vanished_distance(x) / (
        1 if measure == "bures" else float(np.linalg.norm(definitions.centered(x)))
    )


@settings(deadline=None)
@given(words=st.integers(8, 60), dim=st.integers(1, 6), seed=st.integers(0, 999))
def test_the_procrustes_distance_is_a_metric(words: int, dim: int, seed: int) -> None:
    x, y, z = (random_table(words, dim, seed + s) for s in range(3))
    first, second, whole = procrustes(x, y).distance, procrustes(y, z).distance, procrustes(x, z).distance
    assert whole <= (first + second) * (1 + 1e-12)
    assert abs(procrustes(y, x).distance - first) <= 1e-12 * first
    assert procrustes(x, x @ random_rotation(dim)).distance <= rounding.vanished_distance(x)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("noise", [1e-3, 1e-5, 1e-9])
def test_nearly_equal_shapes_keep_six_digits(measure: str, noise: float) -> None:
    x = definitions.centered(random_table(500, 6, offset=0))
    gap = definitions.centered(random_table(500, 6, 1, offset=0))
    left, _, _ = np.linalg.svd(x, full_matrices=False)
    gap -= left @ (left.T @ gap)  # across the space of x: XᵀY = XᵀX, and the best rotation stays
    found = MEASURES[measure](x @ random_rotation(6), x + noise * gap + 5)
    assert found.recomputed == (noise < 1e-4)
    length, step = float(np.linalg.norm(x)), noise * float(np.linalg.norm(gap))
    expected = step if measure == "bures" else math.atan(step / length)
    assert abs(found.value - expected) <= 1e-6 * expected


@pytest.mark.parametrize("measure", MEASURES)
def test_nearly_equal_shapes_of_unequal_dimensions_are_told_either_way(measure: str) -> None:
    x = random_table(200, 3, offset=0)
    wide = np.concatenate([x, 1e-7 * random_table(200, 2, 1, offset=0)], axis=1) @ random_rotation(5)
    expected = 1e-7 * float(np.linalg.norm(definitions.centered(random_table(200, 2, 1, offset=0))))
    # what the two columns have in common with x turns the rotation: less than a tenth is lost to it
    for found in (MEASURES[measure](x, wide), MEASURES[measure](wide, x)):
        value = found.value * (1 if measure == "bures" else np.linalg.norm(definitions.centered(x)))
        assert found.recomputed
        assert 0.9 * expected <= value <= expected * (1 + 1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_rounding_of_a_far_mean_is_no_distance(measure: str) -> None:
    near = np.round(random_table(500, 4, offset=0) * 2.0**20) / 2.0**20
    far = near + 2.0**27  # exact; its mean is not, by up to 7e-9 a word
    y = near + 1e-9 * random_table(500, 4, 1, offset=0)
    found, expected = MEASURES[measure](far, y), MEASURES[measure](near, y)
    assert found.recomputed
    assert expected.recomputed
    assert abs(found.value - expected.value) <= 1e-6 * expected.value


@pytest.mark.parametrize("measure", MEASURES)
def test_a_mean_far_beyond_the_spread_costs_no_digits(measure: str) -> None:
    x, y = random_table(300, 6, offset=0), random_table(300, 4, 1, offset=0)
    far = x + 1e8 * np.arange(1, 7)
    near = far - 1e8 * np.arange(1, 7)
    found = MEASURES[measure](far, y)
    assert found.recomputed
    assert_near(found.value, ORACLES[measure](near, y), near, y, measure)


def test_tables_without_anything_in_common_are_at_a_right_angle() -> None:
    x, y = np.zeros((8, 1)), np.zeros((8, 1))
    x[:, 0], y[:, 0] = [1, -1] * 4, [1, 1, -1, -1] * 2
    assert angular(x, y).value == pytest.approx(math.pi / 2, abs=1e-15)
    assert bures(x, y).value == 4


@pytest.mark.parametrize("constant", [np.zeros((50, 3)), np.full((50, 3), 0.1), np.ones((1, 3))])
def test_equal_rows_have_no_angle_and_a_bures_distance(constant: Any) -> None:
    other = random_table(len(constant))
    for found in (angular(constant, other), angular(other, constant), angular(constant, constant)):
        assert math.isnan(found.value)
        assert found.reason == "the rows of one table are all equal"
    expected = float(np.linalg.norm(definitions.centered(other)))
    assert abs(bures(constant, other).value - expected) <= 1e-12 * max(expected, 1)
    assert bures(constant, constant).value == 0


def test_rank_short_tables_and_duplicate_columns_keep_their_distance() -> None:
    x, y = random_table(60, 3), random_table(60, 2, 1)
    doubled = np.concatenate([x, x], axis=1) / math.sqrt(2)  # the same kernel
    for measure in MEASURES:
        expected = MEASURES[measure](x, y).value
        assert_near(MEASURES[measure](doubled, y).value, expected, x, y, measure)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_table_of_all_pairs_holds_the_value_of_each(measure: str) -> None:
    tables = [random_table(60, dim, seed) for seed, dim in enumerate((3, 5, 4, 5))]
    tables.append(tables[0] + 1e-8 * random_table(60, 3, 9))
    grams = cross_grams(tables, "centered")
    found = getattr(grams, measure)()
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), np.zeros(5))
    for s, t in ((0, 1), (2, 1), (1, 3), (0, 4)):
        assert abs(found[s, t] - MEASURES[measure](tables[s], tables[t]).value) <= 1e-12
    np.testing.assert_array_equal(getattr(cross_grams(tables), measure)(), found)
