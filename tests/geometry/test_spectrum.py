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

from gpuemb.core.errors import ConfigError
from gpuemb.counts.power_law import fit_power_law
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.spectrum import Spectrum, spectrum, spectrum_distance
from gpuemb.uncertainty.draws import deal
from gpuemb.uncertainty.intervals import SHARE, jackknife_interval

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
    assert float(spectrum_distance(first, second)) == float(spectrum_distance(second, first)) == distance


def test_a_spectrum_without_variance_is_at_no_distance() -> None:
    found = spectrum_distance(spread(1, 1), spread(0, 0))
    assert math.isnan(found.value)
    assert found.reason == "the rows are all equal"


@settings(deadline=None)
@given(**TABLES)
def test_isotropy_is_that_of_the_steps_of_its_paper(words: int, dim: int, seed: int) -> None:
    x = random_table(words, dim + 1, seed)
    expected = definitions.iso_score(definitions.eigenvalues(x))
    assert abs(spectrum(x).iso_score - expected) <= (dim + 1) * relative_error(x)


@settings(deadline=None)
@given(**TABLES)
def test_the_correlation_matrix_has_a_spectrum_of_its_own(words: int, dim: int, seed: int) -> None:
    x = random_table(words, dim, seed) * np.logspace(0, 2, dim) + 1
    found = spectrum(x).correlation
    assert found is not None
    values = np.linalg.eigvalsh(np.atleast_2d(np.corrcoef(x, rowvar=False)))[::-1]
    variances = definitions.centered(x).var(axis=0) * words
    bound = rounding.eigenvalue_error(x / np.sqrt(variances))
    assert_within(found.eigenvalues, values, bound)
    assert abs(found.eigenvalues.sum() - dim) <= bound * dim
    assert found.correlation is None
    stretched = spectrum(7 * x * np.arange(1, dim + 1) - 3).correlation
    assert stretched is not None
    assert_within(stretched.eigenvalues, found.eigenvalues, 20 * bound)


def test_on_a_well_conditioned_table_every_number_has_twelve_digits() -> None:
    x = random_table(300, 6, offset=0) * np.linspace(1, 2, 6)
    found = spectrum(x)
    for values, part in (
        (definitions.eigenvalues(x), found),
        (np.linalg.eigvalsh(np.corrcoef(x, rowvar=False))[::-1], found.correlation),
    ):
        assert part is not None
        shares, roots = values / values.sum(), np.sqrt(values) / np.sqrt(values).sum()
        expected = [
            values.sum() ** 2 / (values**2).sum(),
            definitions.iso_score(values),
            math.exp(-np.sum(roots * np.log(roots))),
            math.exp(-np.sum(shares * np.log(shares))),
        ]
        numbers = [part.participation_ratio, part.iso_score, part.effective_rank, part.entropy_rank]
        np.testing.assert_allclose(numbers, expected, rtol=1e-12)
        np.testing.assert_allclose(part.eigenvalues, values, rtol=1e-12)
        assert part.entropy_rank <= part.effective_rank


def test_the_exponent_is_of_the_ranks_that_are_named() -> None:
    x = random_table(400, 12, offset=0)
    left = np.linalg.qr(definitions.centered(x))[0]
    laws = spectrum(left * np.arange(1.0, 13.0) ** -0.75)  # λ_r = r^-1.5
    assert laws.zipf is not None
    assert laws.zipf.ranks == (1, 6)
    assert abs(laws.zipf.exponent - 1.5) <= 1e-12
    found = spectrum(x, ranks=(4, 11)).zipf
    assert found is not None
    assert found == fit_power_law(spectrum(x).eigenvalues, (4, 11))
    assert found != spectrum(x).zipf


@pytest.mark.parametrize("ranks", [(0, 4), (2, 3), (5, 2), (1, 6)])
def test_ranks_that_are_no_range_are_refused(ranks: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="rank"):
        spectrum(random_table(), ranks=ranks)


def test_a_constant_column_has_no_correlation_and_says_so() -> None:
    x = random_table()
    x[:, 3] = 0.1
    found = spectrum(x)
    assert found.reason == ""
    assert found.eigenvalues[-1] <= rounding.eigenvalue_error(x)
    assert found.correlation is not None
    assert found.correlation.reason == "column 3 is constant"
    assert found.correlation.zipf is not None
    assert found.correlation.zipf.reason == "column 3 is constant"
    numbers = found.correlation.participation_ratio, found.correlation.effective_rank
    assert np.isnan([*numbers, found.correlation.iso_score, found.correlation.entropy_rank]).all()
    assert np.isnan(found.correlation.eigenvalues).all()


def test_a_constant_table_says_why_it_has_no_numbers() -> None:
    found = spectrum(np.full((50, 3), 0.1))
    assert found.reason == "the rows are all equal"
    assert math.isnan(found.entropy_rank)
    assert found.zipf is not None
    assert found.zipf.reason == "the rows are all equal"


def test_duplicate_columns_double_the_spectrum_and_halve_its_rank() -> None:
    x = random_table(100, 3)
    found = spectrum(np.concatenate([x, x], axis=1))
    bound = rounding.eigenvalue_error(np.concatenate([x, x], axis=1))
    assert_within(found.eigenvalues, [*2 * definitions.eigenvalues(x), 0, 0, 0], bound)
    assert found.zipf is not None
    assert found.zipf.reason == ""  # ranks 1 to 3
    past = spectrum(np.concatenate([x, x], axis=1), ranks=(1, 5)).zipf
    assert past is not None
    assert past.reason == "the value of rank 4 is zero"


@pytest.mark.parametrize("mean", [1e5, 1e8])
def test_a_mean_far_beyond_the_spread_costs_no_digits(mean: float) -> None:
    x = random_table(300, 5, offset=0) + mean * np.arange(1, 6)
    near = x - mean * np.arange(1, 6)
    found = spectrum(x)
    assert found.recomputed
    assert_within(found.eigenvalues, definitions.eigenvalues(near), rounding.eigenvalue_error(near))


def test_all_runs_have_their_spectra_and_distances() -> None:
    tables = [random_table(60, dim, seed) * np.linspace(1, 3, dim) for seed, dim in enumerate((3, 5, 4))]
    grams = cross_grams(tables, "centered")
    alone = [spectrum(table) for table in tables]
    for found, expected in zip(grams.spectra(), alone, strict=True):
        np.testing.assert_allclose(found.eigenvalues, expected.eigenvalues, rtol=1e-12)
    own = [one.correlation for one in alone]
    for parts, found in (
        (alone, grams.spectrum_distance()),
        (own, grams.spectrum_distance(correlation=True)),
    ):
        np.testing.assert_array_equal(np.diag(found), np.zeros(3))
        np.testing.assert_array_equal(found, found.T)
        for s, t in ((0, 1), (2, 1)):
            assert abs(found[s, t] - float(spectrum_distance(parts[s], parts[t]))) <= 1e-12
    for found, expected in zip(cross_grams(tables).spectra(), grams.spectra(), strict=True):
        np.testing.assert_array_equal(found.eigenvalues, expected.eigenvalues)


def plain_distance(x: Any, y: Any, *, correlation: bool) -> float:
    if correlation:
        values = [np.linalg.eigvalsh(np.corrcoef(table, rowvar=False))[::-1] for table in (x, y)]
    else:
        values = [definitions.eigenvalues(table) for table in (x, y)]
    shares = [np.pad(v / v.sum(), (0, 5 - len(v))) for v in values]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


@pytest.mark.parametrize("correlation", [False, True])
def test_tables_have_a_distance_of_spectra_and_an_interval(correlation: bool) -> None:
    x, y = random_table(200, 5) * np.linspace(1, 2, 5), random_table(200, 4, 1)
    found = spectrum_distance(x, y, correlation=correlation)
    assert abs(found.value - plain_distance(x, y, correlation=correlation)) <= 1e-12
    parts = (spectrum(x), spectrum(y))
    assert spectrum_distance(*parts, correlation=correlation).value == found.value
    kept = [np.delete(np.arange(200), block) for block in deal(200, 20, 3)]
    left_out = np.array([plain_distance(x[rows], y[rows], correlation=correlation) for rows in kept])
    expected = jackknife_interval(found.value, left_out, SHARE)
    drawn = spectrum_distance(x, y, correlation=correlation, seed=3)
    np.testing.assert_allclose(drawn.interval, expected, rtol=1e-9)
    assert math.isnan(spectrum_distance(*parts, correlation=correlation).interval[0])


def test_a_constant_column_has_a_distance_but_none_of_correlations() -> None:
    x = random_table()
    x[:, 3] = 0.1
    assert spectrum_distance(x, random_table(seed=1)).undefined == 0
    found = spectrum_distance(x, random_table(seed=1), correlation=True)
    assert math.isnan(found.value)
    assert found.reason == "the rows of one table are all equal, or a column is constant"
    assert np.isnan(found.interval).all()


def test_what_cannot_be_drawn_of_spectra_is_said() -> None:
    x = random_table()
    with pytest.raises(ConfigError, match="does not depend on the order of words"):
        spectrum_distance(x, x, permutations=5)
    with pytest.raises(ConfigError, match="bootstrap of two spectra"):
        spectrum_distance(spectrum(x), spectrum(x), bootstrap=5)
