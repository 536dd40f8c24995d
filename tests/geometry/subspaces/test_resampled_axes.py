"""Spaces of permuted and resampled words are those that the drawn rows span, whatever their condition."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from geometry import definitions, resamples, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.arrays import Int64
from gpuemb.core.errors import DeviceError
from gpuemb.geometry.cca import cca, pwcca, svcca
from gpuemb.geometry.eigenspace import eigenspace_instability, eigenspace_overlap
from gpuemb.geometry.resampling.prepared_pair import on_cpu, order_of, weights_of

MEASURES = {
    "cca": cca,
    "pwcca": pwcca,
    "svcca": svcca,
    "overlap": eigenspace_overlap,
    "instability": eigenspace_instability,
}
ORACLES = {
    "cca": lambda x, y: float(definitions.canonical(x, y).mean()),
    "pwcca": definitions.pwcca,
    "svcca": definitions.svcca,
    "overlap": definitions.eigenspace_overlap,
    "instability": definitions.eigenspace_instability,
}
CENTERED = ("cca", "pwcca", "svcca")
PROMISED = 1e-12  # relative, on well-conditioned float64 input


def drawn(words: int, seed: int) -> Int64:
    """The rows of the first resample, each as often as it is drawn."""
    return resamples.repeated(weights_of(0, words, seed))


def one_resample(measure: str, x: Any, y: Any, seed: int, **options: Any) -> float:
    """An interval of one resample is its value, twice."""
    low, high = MEASURES[measure](x, y, bootstrap=1, seed=seed, **options).interval
    assert low == high or math.isnan(low)
    return float(low)


def one_permutation(measure: str, x: Any, y: Any, seed: int, **options: Any) -> float:
    """A mean over one permutation is its value."""
    return float(MEASURES[measure](x, y, permutations=1, seed=seed, **options).null_mean)


def error(measure: str, x: Any, y: Any) -> float:
    """What sums of the rows of X and Y may err by; of PWCCA's directions, by that over their gap."""
    bound = rounding.span_error(x, y, recomputed=False, mean=measure in CENTERED)
    if measure != "pwcca":
        return bound
    squares = np.append(definitions.canonical(x, y) ** 2, 0.0)
    return bound * (1 + 1 / max(float(np.abs(np.diff(squares)).min()), 1e-12))


def steep(condition: float, words: int = 300, dim: int = 5, seed: int = 0) -> Any:
    """A centered table of singular values from 1 down to the inverse of the condition."""
    left = np.linalg.qr(definitions.centered(random_table(words, dim, seed)))[0]
    return left * np.logspace(0, -math.log10(condition), dim) @ random_rotation(dim, seed)


@settings(deadline=None)
@given(
    words=st.integers(6, 60),
    dim=st.integers(1, 6),
    other=st.integers(1, 6),
    seed=st.integers(0, 999),
    measure=st.sampled_from(["cca", "pwcca", "overlap", "instability"]),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_a_draw_is_the_measure_of_the_drawn_rows(
    words: int, dim: int, other: int, seed: int, measure: str, dtype: Any
) -> None:
    """Six words that are drawn anew are often fewer than the dimensions: then they span everything."""
    x, y = random_table(words, dim, seed, dtype=dtype), random_table(words, other, seed + 1, dtype=dtype)
    rows, order = drawn(words, seed), order_of(0, words, seed)
    for found, first, second in (
        (one_resample(measure, x, y, seed), x[rows], y[rows]),
        (one_permutation(measure, x, y, seed), x, y[order]),
    ):
        assert abs(found - ORACLES[measure](first, second)) <= error(measure, first, second)


@pytest.mark.parametrize("measure", MEASURES)
def test_well_conditioned_draws_are_right_to_twelve_digits(measure: str) -> None:
    x = random_table(300, 8, offset=0.1)
    y = x[:, :6] + random_table(300, 6, 1, offset=0.1)
    for seed in range(5):
        rows, order = drawn(300, seed), order_of(0, 300, seed)
        expected = ORACLES[measure](x[rows], y[rows])
        assert abs(one_resample(measure, x, y, seed) - expected) <= PROMISED * expected
        expected = ORACLES[measure](x, y[order])
        assert abs(one_permutation(measure, x, y, seed) - expected) <= PROMISED * expected


@pytest.mark.parametrize("condition", [1e3, 4e4, 1e6, 1e8, 1e10])
@pytest.mark.parametrize("measure", ["cca", "overlap", "instability"])
def test_the_square_of_a_condition_enters_no_draw(condition: float, measure: str) -> None:
    x, y = steep(condition), random_table(300, 4, 1)
    y[:, :2] += 300 * (x @ random_rotation(5, 3)[:, :2])
    rows, order = drawn(300, 1), order_of(0, 300, 1)
    for found, first, second in (
        (one_resample(measure, x, y, 1), x[rows], y[rows]),
        (one_permutation(measure, x, y, 1), x, y[order]),
    ):
        bound = rounding.span_error(first, second, recomputed=True, mean=measure in CENTERED)
        assert abs(found - ORACLES[measure](first, second)) <= bound


def test_svcca_cuts_each_draw_where_its_own_variance_says() -> None:
    x = random_table(60, 6) * np.logspace(0, -2, 6)
    y = x @ random_rotation(6) + 0.3 * random_table(60, 6, 1)
    for seed in range(10):
        rows = drawn(60, seed)
        for share in (0.8, 0.99):
            expected = definitions.svcca(x[rows], y[rows], share)
            assert abs(one_resample("svcca", x, y, seed, share=share) - expected) <= 1e-11


def test_a_mean_far_beyond_the_spread_costs_a_draw_no_digits() -> None:
    x, y = random_table(200, 5), random_table(200, 4, 1)
    y += x[:, :4]
    far = x + 1e7 * np.arange(1, 6)
    near, rows = far - 1e7 * np.arange(1, 6), drawn(200, 3)
    bound = rounding.span_error(near[rows], y[rows], recomputed=False, mean=True)
    assert abs(one_resample("cca", far, y, 3) - ORACLES["cca"](near[rows], y[rows])) <= bound


@pytest.mark.parametrize("measure", ["cca", "overlap", "instability"])
def test_duplicate_and_empty_columns_add_no_direction_to_a_draw(measure: str) -> None:
    x, y = random_table(80, 4), random_table(80, 5, 1)
    wide = np.concatenate([x, x[:, ::2], np.zeros((80, 1))], axis=1)
    options = {"anchors": (x, y)} if measure == "instability" else {}
    for draw in (one_resample, one_permutation):
        found, expected = draw(measure, wide, y, 2, **options), draw(measure, x, y, 2, **options)
        assert abs(found - expected) <= error(measure, x, y)


@pytest.mark.parametrize("measure", MEASURES)
def test_fewer_words_than_dimensions_agree_by_chance(measure: str) -> None:
    found = MEASURES[measure](random_table(5, 9), random_table(5, 7, 1), permutations=30, bootstrap=30)
    best = 0.0 if measure == "instability" else 1.0
    assert abs(found.value - best) <= 1e-12
    assert abs(found.null_mean - best) <= 1e-12
    assert found.p_value == 1.0
    assert found.gated <= 1e-9 or math.isnan(found.gated)
    kinds = [np.count_nonzero(weights_of(draw, 5, 0)) for draw in range(30)]
    assert found.undefined == (sum(kind < 2 for kind in kinds) if measure in CENTERED else 0)


@pytest.mark.parametrize("measure", CENTERED)
def test_a_resample_of_one_word_has_no_value(measure: str) -> None:
    found = MEASURES[measure](random_table(2, 3), random_table(2, 2, 1), bootstrap=40)
    kinds = [np.count_nonzero(weights_of(draw, 2, 0)) for draw in range(40)]
    assert found.undefined == kinds.count(1) > 0


@pytest.mark.parametrize("anchors", [(7, 3), (2, 2)])
def test_anchors_stay_while_the_words_of_y_are_permuted_and_are_drawn_with_them(
    anchors: tuple[int, int],
) -> None:
    x, y = random_table(50, 4), random_table(50, 5, 1)
    given = [random_table(50, dim, seed) for seed, dim in enumerate(anchors, 2)]
    rows, order = drawn(50, 4), order_of(0, 50, 4)
    options = {"anchors": given, "alpha": 2}
    oracle = partial(definitions.eigenspace_instability, alpha=2)
    found = one_permutation("instability", x, y, 4, **options)
    assert abs(found - oracle(x, y[order], given)) <= 1e-12
    found = one_resample("instability", x, y, 4, **options)
    assert abs(found - oracle(x[rows], y[rows], [table[rows] for table in given])) <= 1e-12


@pytest.mark.parametrize("noise", [1e-3, 1e-5, 1e-7])
def test_an_instability_that_sums_would_cancel_is_taken_from_the_drawn_rows(noise: float) -> None:
    x = random_table(300, 6, offset=0)
    y = x + noise * random_table(300, 6, 1, offset=0)
    rows = drawn(300, 2)
    expected = eigenspace_instability(x[rows], y[rows]).value
    assert abs(one_resample("instability", x, y, 2) - expected) <= rounding.PROMISED * expected
    found = eigenspace_instability(x, y, permutations=99, bootstrap=20)
    assert (found.p_value, found.undefined) == (0.01, 0)
    assert 0 < found.interval[0] <= found.interval[1] < found.null_mean


def test_what_draws_tell_of_pwcca_is_of_its_value() -> None:
    x, y = random_table(60, 5), random_table(60, 3, 1)
    there, back = (pwcca(*pair, bootstrap=30) for pair in ((x, y), (y, x)))
    assert there.reverse == pytest.approx(back.value, abs=1e-12)
    assert there.interval != back.interval


def test_draws_are_made_on_the_cpu() -> None:
    class OnGpu:
        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 0

    with pytest.raises(DeviceError, match=r"cca: .* on cuda:0 were asked for[^$]*asnumpy"):
        on_cpu("cca", OnGpu())
