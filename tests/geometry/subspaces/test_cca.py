"""Canonical correlations equal the cosines between the spaces that an SVD of the rows finds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import ConfigError
from gpuemb.geometry.cca import cca, pwcca, svcca
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.measure.measured import Similarity
from gpuemb.geometry.subspaces.axes import axes_of_gram, leading

TABLES = {
    "words": st.integers(14, 60),
    "dim": st.integers(1, 6),
    "other": st.integers(1, 6),
    "seed": st.integers(0, 999),
}
MEASURES = {"cca": cca, "svcca": svcca, "pwcca": pwcca}


def related(words: int = 200, dim: int = 8, other: int = 6, *, seed: int = 0) -> tuple[Any, Any]:
    """Two tables with a few directions in common."""
    x = random_table(words, dim, seed)
    return x, x @ random_table(dim, other, seed + 1) + random_table(words, other, seed + 2)


def error(x: Any, y: Any, found: Similarity) -> float:
    return rounding.span_error(x, y, recomputed=found.recomputed, mean=True)


def steep(condition: float, words: int = 300, dim: int = 5, seed: int = 0) -> Any:
    """A centered table of singular values from 1 down to the inverse of the condition."""
    left = np.linalg.qr(definitions.centered(random_table(words, dim, seed)))[0]
    return left * np.logspace(0, -math.log10(condition), dim) @ random_rotation(dim, seed)


@settings(deadline=None)
@given(**TABLES, dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_cca_is_the_mean_cosine_between_the_columns_spaces(
    words: int, dim: int, other: int, seed: int, dtype: Any
) -> None:
    x, y = random_table(words, dim, seed, dtype=dtype), random_table(words, other, seed + 1, dtype=dtype)
    found = cca(x, y)
    assert abs(found.value - definitions.canonical(x, y).mean()) <= error(x, y, found)
    assert (found.measure, found.preparation, found.reason, found.recomputed) == (
        "cca",
        "centered",
        "",
        False,
    )


@settings(deadline=None)
@given(**TABLES)
def test_pwcca_weights_by_the_columns_of_either_side(words: int, dim: int, other: int, seed: int) -> None:
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    found = pwcca(x, y)
    apart = correlation_gap(x, y)
    for value, first, second in ((found.value, x, y), (found.reverse, y, x)):
        bound = error(x, y, found) * (1 + 1 / apart)  # a direction turns by the error over its gap
        assert abs(value - definitions.pwcca(first, second)) <= bound


def correlation_gap(x: Any, y: Any) -> float:
    """The least gap of a correlation to the others and to zero: how far directions are known."""
    squares = np.append(definitions.canonical(x, y) ** 2, 0.0)
    return float(max(np.abs(np.diff(squares)).min(), 1e-12)) if len(squares) > 2 else 1.0


@pytest.mark.parametrize("measure", MEASURES)
def test_on_well_conditioned_tables_there_are_twelve_digits(measure: str) -> None:
    x, y = related()
    oracle = {
        "cca": lambda: definitions.canonical(x, y).mean(),
        "svcca": lambda: definitions.svcca(x, y),
        "pwcca": lambda: definitions.pwcca(x, y),
    }[measure]
    found = MEASURES[measure](x, y)
    assert not found.recomputed
    assert abs(found.value - oracle()) <= 1e-12 * oracle()


def test_svcca_leaves_out_what_carries_a_hundredth() -> None:
    x, y = related()
    thin = np.concatenate([x, 1e-2 * random_table(200, 3, 7)], axis=1)
    assert abs(svcca(thin, y).value - definitions.svcca(thin, y)) <= 1e-12
    assert abs(svcca(thin, y).value - cca(x, y).value) <= 1e-2  # the axes turn a little towards the columns
    assert abs(svcca(thin, y, share=1).value - cca(thin, y).value) <= error(thin, y, cca(thin, y))
    assert svcca(thin, y, share=0.5).value != svcca(thin, y).value


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, math.nan])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="svcca: share ="):
        svcca(*related(), share=share)
    with pytest.raises(ConfigError, match="svcca: share ="):
        cross_grams(list(related()), "centered").svcca(share=share)


def test_a_cut_at_a_share_held_exactly_keeps_no_more() -> None:
    equal = axes_of_gram(np.eye(100))  # 99 of 100 equal axes hold 99 %, to the last bit or not
    assert leading(equal, 0.99).rank == 99
    assert leading(equal, 0.991).rank == leading(equal, 1.0).rank == leading(equal, None).rank == 100
    assert leading(equal, 1e-9).rank == 1


@settings(deadline=None)
@given(**TABLES, shift=st.floats(-10, 10))
def test_maps_translations_and_the_order_of_words_do_not_matter(
    words: int, dim: int, other: int, seed: int, shift: float
) -> None:
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    order = np.random.default_rng(seed).permutation(words)
    turned = 7.0 * x @ random_rotation(dim) + shift * np.arange(1, dim + 1)
    mapped = x @ (random_rotation(dim) * np.linspace(1, 2, dim)) + shift
    expected = cca(x, y)
    for moved in (turned, mapped):
        bound = error(moved, y, expected) + error(x, y, expected)
        assert abs(cca(moved, y).value - expected.value) <= bound
        assert abs(cca(moved[order], y[order]).value - expected.value) <= bound
    assert abs(cca(y, x).value - expected.value) <= error(x, y, expected)
    assert abs(cca(x, mapped).value - 1) <= error(mapped, x, expected)


def test_pwcca_keeps_to_what_it_promises() -> None:
    x, y = related()
    expected, bound = pwcca(x, y), 1e-11
    moved = y @ np.diag(np.arange(1.0, 7.0)) @ random_rotation(6) + 3
    assert abs(pwcca(x, moved).value - expected.value) <= bound
    assert abs(pwcca(5 * x + 2, y).value - expected.value) <= bound
    assert abs(pwcca(y, x).reverse - expected.value) <= bound
    assert abs(pwcca(x, y @ random_rotation(6)).reverse - expected.reverse) > 1e-6
    assert abs(pwcca(x, x @ random_rotation(8)).value - 1) <= bound


def test_svcca_does_not_see_rotation_scale_and_translation() -> None:
    x, y = related()
    x = x * np.logspace(0, -2, 8)
    moved = 3 * x @ random_rotation(8) + np.arange(8)
    assert abs(svcca(moved, y).value - svcca(x, y).value) <= 1e-11
    stretched = x @ np.diag(np.logspace(-2, 0, 8))
    assert abs(svcca(stretched, y).value - svcca(x, y).value) > 1e-6


@pytest.mark.parametrize("condition", [1e3, 4e4, 1e6, 1e8, 1e10])
@pytest.mark.parametrize("measure", ["cca", "pwcca"])
def test_the_error_stays_within_its_bound_at_any_condition(condition: float, measure: str) -> None:
    x, y = steep(condition), random_table(300, 4, 1)
    y[:, :2] += 300 * (x @ random_rotation(5, 3)[:, :2])
    found = MEASURES[measure](x, y)
    assert found.recomputed == (condition > 1e5)
    expected = definitions.canonical(x, y).mean() if measure == "cca" else definitions.pwcca(x, y)
    gap = 1.0 if measure == "cca" else correlation_gap(x, y)
    assert abs(found.value - expected) <= error(x, y, found) * (1 + 1 / gap)


@pytest.mark.parametrize("mean", [1e2, 1e9])
def test_a_mean_far_beyond_the_spread_is_seen_and_the_rows_are_read(mean: float) -> None:
    x, y = related()
    far = x + mean * np.arange(1, 9)
    near = far - mean * np.arange(1, 9)
    for measure, oracle in (
        (cca, lambda a, b: definitions.canonical(a, b).mean()),
        (svcca, definitions.svcca),
    ):
        found = measure(far, y)
        assert found.recomputed
        bound = rounding.span_error(near, y, recomputed=False, mean=True)  # of rows moved to their means
        assert abs(found.value - oracle(near, y)) <= bound


def test_the_length_of_the_mean_counts_in_the_condition() -> None:
    x, y = steep(1e3), random_table(300, 4, 1)
    assert not cca(x, y).recomputed
    moved = x + 10  # 300 times the spread: the Gram of what is left is less exact by its square
    found = cca(moved, y)
    assert found.recomputed
    assert abs(found.value - definitions.canonical(moved, y).mean()) <= error(moved, y, found)


def test_duplicate_and_empty_columns_add_no_direction() -> None:
    x, y = related()
    wide = np.concatenate([x, x[:, ::2], np.zeros((200, 2)), np.full((200, 1), 0.1)], axis=1)
    found = cca(wide, y)
    assert found.recomputed
    assert abs(found.value - cca(x, y).value) <= error(x, y, cca(x, y))


def test_fewer_words_than_dimensions_span_everything() -> None:
    found = cca(random_table(6, 9), random_table(6, 3, 1))
    assert abs(found.value - 1) <= error(random_table(6, 9), random_table(6, 3, 1), found)


def test_rows_without_length_stay_and_are_counted() -> None:
    x, y = related()
    x[2] = y[2] = y[9] = 0
    found = cca(x, y)
    assert found.zero_rows == 2
    assert abs(found.value - definitions.canonical(x, y).mean()) <= error(x, y, found)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
@pytest.mark.parametrize(
    "constant",
    [np.zeros((50, 3)), np.full((50, 3), 0.1), np.tile([0.1, -0.7, 1e6], (50, 1)), np.ones((1, 3))],
    ids=["zeros", "tenths", "three numbers", "one word"],
)
def test_equal_rows_have_no_correlation_and_say_so(measure: Any, constant: Any) -> None:
    other = random_table(len(constant))
    for found in (measure(constant, other), measure(other, constant), measure(constant, constant)):
        assert math.isnan(found.value)
        assert found.reason == "the rows of one table are all equal"


@pytest.mark.parametrize("measure", MEASURES)
def test_a_table_of_all_pairs_holds_the_value_of_each(measure: str) -> None:
    tables = [random_table(60, dim, seed) for seed, dim in enumerate((3, 5, 4))]
    found = getattr(cross_grams(tables, "centered"), measure)()
    np.testing.assert_array_equal(np.diag(found), [1, 1, 1])
    for s, t in ((0, 1), (2, 1), (2, 0)):
        expected = MEASURES[measure](tables[s], tables[t]).value
        assert abs(found[s, t] - expected) <= 1e-12
    if measure != "pwcca":
        np.testing.assert_array_equal(found, found.T)


def test_a_table_of_all_pairs_reads_the_rows_it_needs() -> None:
    tables = [random_table(300, 4), steep(1e7), np.full((300, 2), 0.5)]
    grams = cross_grams(tables, "centered")
    assert (grams.conditions() > 1e5).tolist() == [False, True, True]
    found = grams.cca()
    assert abs(found[0, 1] - cca(tables[0], tables[1]).value) <= 1e-15
    assert np.isnan(found[2]).all()
    assert np.isnan(found[:, 2]).all()


def test_products_of_another_preparation_have_the_same_measures() -> None:
    raw, centered = (cross_grams(list(related()), made) for made in ("raw", "centered"))
    for name in MEASURES:
        np.testing.assert_array_equal(getattr(raw, name)(), getattr(centered, name)())
