"""How a table's variance is spread over directions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import EPS64, assert_within

from gpuemb.geometry.spectrum import Spectrum, spectrum, spectrum_distance

TABLES = {"words": st.integers(12, 60), "dim": st.integers(1, 6), "seed": st.integers(0, 999)}


def relative_error(x: Any) -> float:
    """Error of every eigenvalue relative to the smallest: what ratios of them inherit, a few times."""
    return x.shape[1] * rounding.eigenvalue_error(x) / float(definitions.eigenvalues(x)[-1])


@settings(deadline=None)
@given(**TABLES, dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_eigenvalues_are_those_of_the_centered_gram(words: int, dim: int, seed: int, dtype: Any) -> None:
    x = random_table(words, dim, seed, dtype=dtype)
    found = spectrum(x).eigenvalues
    assert_within(found, definitions.eigenvalues(x), rounding.eigenvalue_error(np.float64(x)))
    assert (np.diff(found) <= 0).all()
    assert (found >= 0).all()


@settings(deadline=None)
@given(**TABLES)
def test_the_numbers_are_those_of_the_definition(words: int, dim: int, seed: int) -> None:
    x = random_table(words, dim, seed)
    values = definitions.eigenvalues(x)
    ratio = values.sum() ** 2 / (values**2).sum()
    shares = np.sqrt(values) / np.sqrt(values).sum()
    rank = math.exp(-np.sum(shares * np.log(shares)))
    bound = dim * relative_error(x)  # each number is at most d, each of its ratios errs relatively
    found = spectrum(x)
    assert abs(found.participation_ratio - ratio) <= bound
    assert abs(found.effective_rank - rank) <= bound
    if dim == 1:
        assert math.isnan(found.iso_score)
    else:
        assert abs(found.iso_score - (ratio - 1) / (dim - 1)) <= bound


@settings(deadline=None)
@given(**TABLES, shift=st.floats(-10, 10))
def test_rotation_and_translation_do_not_matter_and_scale_moves_all_eigenvalues(
    words: int, dim: int, seed: int, shift: float
) -> None:
    x = random_table(words, dim, seed)
    moved = 2.0 * x @ random_rotation(dim) + shift
    bound = rounding.eigenvalue_error(moved) + rounding.eigenvalue_error(2 * x)
    assert_within(spectrum(moved).eigenvalues, 4.0 * spectrum(x).eigenvalues, bound)


def test_equal_variance_everywhere_is_isotropic() -> None:
    found = spectrum(np.concatenate([np.eye(4), -np.eye(4)]))
    bound = 16 * EPS64  # four equal numbers: a handful of roundings
    assert abs(found.participation_ratio - 4) <= bound
    assert abs(found.effective_rank - 4) <= bound
    assert abs(found.iso_score - 1) <= bound


def test_variance_in_one_direction_has_one_participant() -> None:
    x = np.zeros((6, 3))
    x[:, 1] = [-1, 1, -1, 1, -1, 1]
    found = spectrum(x)
    assert found.eigenvalues.tolist() == [6, 0, 0]
    assert (found.participation_ratio, found.effective_rank, found.iso_score) == (1, 1, 0)


@pytest.mark.parametrize(
    "constant",
    [
        np.zeros((50, 3)),
        np.ones((50, 3)),
        np.full((50, 3), 0.1),
        np.tile([0.1, -0.7, 1e6], (50, 1)),
        np.ones((1, 3)),
    ],
    ids=["zeros", "ones", "tenths", "three numbers", "one row"],
)
def test_a_constant_table_has_no_spread(constant: Any) -> None:
    found = spectrum(constant)
    assert math.isnan(found.participation_ratio)
    assert math.isnan(found.effective_rank)
    assert math.isnan(found.iso_score)


def spread(*eigenvalues: float) -> Spectrum:
    return Spectrum(np.array(eigenvalues), math.nan, math.nan, math.nan)


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        (spread(3, 1), spread(6, 2), 0),
        (spread(1, 0), spread(0.5, 0.5), 0.5),
        (spread(1), spread(0.5, 0.25, 0.25), 0.5),
        (spread(2, 2, 0), spread(4), 0.5),
    ],
)
def test_the_distance_of_spectra_compares_shares(first: Spectrum, second: Spectrum, distance: float) -> None:
    assert spectrum_distance(first, second) == spectrum_distance(second, first) == distance


def test_a_spectrum_without_variance_is_at_no_distance() -> None:
    assert math.isnan(spectrum_distance(spread(1, 1), spread(0, 0)))
