"""Eigenspace overlap and instability equal their printed formulas with V×V projectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.eigenspace import eigenspace_instability, eigenspace_overlap
from gpuemb.geometry.measure.measured import Similarity

TABLES = {
    "words": st.integers(14, 60),
    "dim": st.integers(1, 6),
    "other": st.integers(1, 6),
    "seed": st.integers(0, 999),
}
MEASURES = {"overlap": eigenspace_overlap, "instability": eigenspace_instability}
ORACLES = {
    "overlap": definitions.eigenspace_overlap,
    "instability": definitions.eigenspace_instability,
}


def error(x: Any, y: Any, found: Similarity) -> float:
    return rounding.span_error(x, y, recomputed=found.recomputed, mean=False)


def steep(condition: float, words: int = 300, dim: int = 6, seed: int = 0) -> Any:
    """A table of singular values from 1 down to the inverse of the condition."""
    left = np.linalg.qr(random_table(words, dim, seed))[0]
    return left * np.logspace(0, -math.log10(condition), dim) @ random_rotation(dim, seed)


@settings(deadline=None)
@given(**TABLES, measure=st.sampled_from(list(MEASURES)), dtype=st.sampled_from([np.float32, np.float64]))
def test_the_measures_are_those_of_the_projectors(
    words: int, dim: int, other: int, seed: int, measure: str, dtype: Any
) -> None:
    x, y = random_table(words, dim, seed, dtype=dtype), random_table(words, other, seed + 1, dtype=dtype)
    found = MEASURES[measure](x, y)
    bound = error(x, y, found)
    assert abs(found.value - ORACLES[measure](x, y)) <= bound
    assert -bound <= found.value <= 1 + bound
    assert (found.measure, found.preparation, found.reason) == (f"eigenspace_{measure}", "raw", "")


@settings(deadline=None)
@given(**TABLES, alpha=st.integers(1, 4))
def test_instability_takes_the_anchors_it_is_given(
    words: int, dim: int, other: int, seed: int, alpha: int
) -> None:
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    anchors = random_table(words, 7, seed + 2), random_table(words, 3, seed + 3)
    found = eigenspace_instability(x, y, anchors=anchors, alpha=alpha)
    expected = definitions.eigenspace_instability(x, y, anchors, alpha)
    bound = error(x, y, found) + rounding.span_error(*anchors, recomputed=found.recomputed, mean=False)
    assert abs(found.value - expected) <= bound
    own = eigenspace_instability(x, y, anchors=(x, y), alpha=alpha)
    assert abs(own.value - eigenspace_instability(x, y, alpha=alpha).value) <= error(x, y, own)


@pytest.mark.parametrize("measure", MEASURES)
def test_on_well_conditioned_tables_there_are_twelve_digits(measure: str) -> None:
    x, y = random_table(200, 8), random_table(200, 6, 1)
    y += 0.3 * x[:, :6]
    found, expected = MEASURES[measure](x, y), ORACLES[measure](x, y)
    assert not found.recomputed
    assert abs(found.value - expected) <= 1e-12 * expected


@settings(deadline=None)
@given(**TABLES)
def test_maps_and_the_order_of_words_do_not_matter_but_translation_does(
    words: int, dim: int, other: int, seed: int
) -> None:
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    order = np.random.default_rng(seed).permutation(words)
    mapped = x @ (random_rotation(dim) * np.linspace(1, 2, dim))
    expected = eigenspace_overlap(x, y)
    bound = error(mapped, y, expected) + error(x, y, expected)
    assert abs(eigenspace_overlap(mapped, y).value - expected.value) <= bound
    assert abs(eigenspace_overlap(y, x).value - expected.value) <= bound
    anchored = eigenspace_instability(x, y, anchors=(x, y))
    again = eigenspace_instability(mapped, y, anchors=(x, y))
    assert abs(again.value - anchored.value) <= bound + error(mapped, y, again)
    turned = 7 * x @ random_rotation(dim)
    for measure in MEASURES.values():
        value = measure(x, y).value
        assert abs(measure(turned[order], 7 * y[order]).value - value) <= 2 * bound
    assert abs(eigenspace_overlap(x + 3, y).value - expected.value) > bound


def test_instability_weighs_the_leading_axes() -> None:
    x = np.eye(9)[:, :3] * [10, 1, 1]
    lost_first, lost_last = np.eye(9)[:, 1:3], np.eye(9)[:, :2]
    anchors = (x, x)
    assert eigenspace_instability(x, lost_first, anchors=anchors).value > 0.99
    assert eigenspace_instability(x, lost_last, anchors=anchors).value < 1e-5
    assert eigenspace_instability(x, lost_last, anchors=anchors, alpha=0).value == pytest.approx(1 / 3)


@pytest.mark.parametrize("condition", [1e3, 9e4, 1e6, 1e8, 1e10])
@pytest.mark.parametrize("measure", MEASURES)
def test_the_error_stays_within_its_bound_at_any_condition(condition: float, measure: str) -> None:
    x, y = steep(condition), steep(condition, seed=1)
    y += 0.5 * x
    found = MEASURES[measure](x, y)
    assert found.recomputed or condition < 1e5
    assert abs(found.value - ORACLES[measure](x, y)) <= error(x, y, found)


def test_past_a_condition_of_a_million_the_rows_are_better_than_the_gram() -> None:
    x = steep(1e8)
    y = x @ (random_rotation(6, 5) * np.linspace(1, 2, 6))  # the same space
    gram = x.T @ x
    white = x @ np.linalg.inv(np.linalg.cholesky(gram + 1e-17 * np.eye(6))).T
    assert np.abs(white.T @ white - np.eye(6)).max() > 1e-3  # what a Gram would have made of it
    found = eigenspace_overlap(x, y)
    assert found.recomputed
    assert abs(found.value - 1) <= error(x, y, found) < 1e-3


@pytest.mark.parametrize("noise", [1e-3, 1e-5, 1e-7])
def test_instability_of_nearly_equal_tables_keeps_six_digits(noise: float) -> None:
    x = random_table(300, 6, offset=0)
    step = noise * random_table(300, 6, 1, offset=0)
    found = eigenspace_instability(x, x + step)
    step = (x + step) - x
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    outside = step - left @ (left.T @ step)  # to first order (P − P̃)u_j = −(outside) v_j / σ_j
    gaps = np.sum((outside @ right.T / singular) ** 2, axis=0)
    expected = np.sum(singular**6 * gaps) / np.sum(singular**6)
    assert found.recomputed == (noise < 1e-3)
    assert abs(found.value - expected) <= max(10 * noise, 1e-6) * expected  # the next order


def test_duplicate_and_empty_columns_add_no_direction() -> None:
    x, y = random_table(80, 4), random_table(80, 5, 1)
    wide = np.concatenate([x, x[:, ::2], np.zeros((80, 1))], axis=1)
    found = eigenspace_overlap(wide, y)
    assert found.recomputed
    assert abs(found.value - eigenspace_overlap(x, y).value) <= error(x, y, eigenspace_overlap(x, y))
    assert abs(eigenspace_overlap(wide, x).value - 1) <= error(x, x, found)


def test_fewer_words_than_dimensions_span_everything() -> None:
    x, y = random_table(5, 9), random_table(5, 7, 1)
    assert abs(eigenspace_overlap(x, y).value - 1) <= error(x, y, eigenspace_overlap(x, y))
    assert eigenspace_instability(x, y).value <= 1e-25
    assert eigenspace_overlap(np.ones((1, 3)), -np.ones((1, 2))).value == pytest.approx(1, abs=1e-15)


def test_rows_without_length_stay_and_are_counted() -> None:
    x, y = random_table(), random_table(dim=3, seed=1)
    x[2] = y[2] = y[9] = 0
    found = eigenspace_overlap(x, y)
    assert found.zero_rows == 2
    assert abs(found.value - definitions.eigenspace_overlap(x, y)) <= error(x, y, found)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_table_of_zeros_spans_nothing_and_says_so(measure: Any) -> None:
    nothing, other = np.zeros((40, 3)), random_table()
    for found in (measure(nothing, other), measure(other, nothing), measure(nothing, nothing)):
        assert math.isnan(found.value)
        assert found.reason == "one table is zero throughout"


@pytest.mark.parametrize("measure", MEASURES)
def test_a_table_of_all_pairs_holds_the_value_of_each(measure: str) -> None:
    tables = [random_table(60, dim, seed) for seed, dim in enumerate((3, 5, 4))]
    found = getattr(cross_grams(tables), f"eigenspace_{measure}")()
    np.testing.assert_array_equal(found, found.T)
    assert np.diag(found).tolist() == [1.0 if measure == "overlap" else 0.0] * 3
    for s, t in ((0, 1), (2, 1)):
        assert abs(found[s, t] - MEASURES[measure](tables[s], tables[t]).value) <= 1e-12


def test_a_table_of_all_pairs_takes_what_cancels_from_the_rows() -> None:
    x = random_table(60, 4)
    tables = [x, x + 1e-7 * random_table(60, 4, 1), steep(1e7, 60, 4)]
    grams = cross_grams(tables)
    found = grams.eigenspace_instability()
    for s, t in ((0, 1), (1, 2)):
        expected = eigenspace_instability(tables[s], tables[t])
        assert expected.recomputed
        assert found[s, t] == expected.value


@pytest.mark.parametrize("anchors", [[], [random_table()], [random_table()] * 3])
def test_anchors_are_two(anchors: Any) -> None:
    with pytest.raises(ConfigError, match=f"{len(anchors)} anchors were given"):
        eigenspace_instability(random_table(), random_table(seed=1), anchors=anchors)


def test_bad_arguments_are_refused() -> None:
    x = random_table()
    with pytest.raises(ConfigError, match="alpha = -1"):
        eigenspace_instability(x, x, alpha=-1)
    with pytest.raises(ConfigError, match="alpha = -1"):
        cross_grams([x, x]).eigenspace_instability(alpha=-1)
    with pytest.raises(ShapeError, match="X has 40 rows but anchor Ẽ has 41"):
        eigenspace_instability(x, x, anchors=(x, random_table(41)))
