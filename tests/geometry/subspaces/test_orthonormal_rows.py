"""Permuted words span what the permuted rows span, whatever the condition of the tables."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given
from hypothesis import strategies as st

from gpuemb.core.errors import DeviceError
from gpuemb.geometry.cca import cca, pwcca, svcca
from gpuemb.geometry.eigenspace import eigenspace_instability, eigenspace_overlap
from gpuemb.geometry.resampling.prepared_pair import on_cpu
from gpuemb.uncertainty.draws import order_of

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


def one_permutation(measure: str, x: Any, y: Any, seed: int, **options: Any) -> float:
    """A mean over one permutation is its value."""
    return float(MEASURES[measure](x, y, permutations=1, blocks=0, seed=seed, **options).null_mean)


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


@given(
    words=st.integers(6, 60),
    dim=st.integers(1, 6),
    other=st.integers(1, 6),
    seed=st.integers(0, 999),
    measure=st.sampled_from(["cca", "pwcca", "overlap", "instability"]),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_a_permutation_is_the_measure_of_the_permuted_rows(
    words: int, dim: int, other: int, seed: int, measure: str, dtype: Any
) -> None:
    x, y = random_table(words, dim, seed, dtype=dtype), random_table(words, other, seed + 1, dtype=dtype)
    moved = y[order_of(0, words, seed)]
    assert abs(one_permutation(measure, x, y, seed) - ORACLES[measure](x, moved)) <= error(measure, x, moved)


@pytest.mark.parametrize("measure", MEASURES)
def test_well_conditioned_permutations_are_right_to_twelve_digits(measure: str) -> None:
    x = random_table(300, 8, offset=0.1)
    y = x[:, :6] + random_table(300, 6, 1, offset=0.1)
    for seed in range(5):
        expected = ORACLES[measure](x, y[order_of(0, 300, seed)])
        assert abs(one_permutation(measure, x, y, seed) - expected) <= PROMISED * expected


@pytest.mark.parametrize("condition", [1.0, 1e3, 4e4, 1e6, 1e8])
@pytest.mark.parametrize("measure", ["cca", "overlap", "instability"])
def test_the_square_of_a_condition_enters_no_permutation(condition: float, measure: str) -> None:
    x, y = steep(condition), random_table(300, 4, 1)
    y[:, :2] += 300 * (x @ random_rotation(5, 3)[:, :2])
    moved = y[order_of(0, 300, 1)]
    bound = rounding.span_error(x, moved, recomputed=True, mean=measure in CENTERED)
    assert abs(one_permutation(measure, x, y, 1) - ORACLES[measure](x, moved)) <= bound
    assert abs(one_permutation(measure, x, y, 1) - MEASURES[measure](x, moved).value) <= 2 * bound


def test_a_mean_far_beyond_the_spread_costs_a_permutation_no_digits() -> None:
    x, y = random_table(200, 5), random_table(200, 4, 1)
    y += x[:, :4]
    far = x + 1e7 * np.arange(1, 6)
    near, moved = far - 1e7 * np.arange(1, 6), y[order_of(0, 200, 3)]
    bound = rounding.span_error(near, moved, recomputed=False, mean=True)
    assert abs(one_permutation("cca", far, y, 3) - ORACLES["cca"](near, moved)) <= bound


@pytest.mark.parametrize("measure", ["cca", "overlap", "instability"])
def test_duplicate_and_empty_columns_add_no_direction_to_a_permutation(measure: str) -> None:
    x, y = random_table(80, 4), random_table(80, 5, 1)
    wide = np.concatenate([x, x[:, ::2], np.zeros((80, 1))], axis=1)
    options = {"anchors": (x, y)} if measure == "instability" else {}
    found = one_permutation(measure, wide, y, 2, **options)
    assert abs(found - one_permutation(measure, x, y, 2, **options)) <= error(measure, x, y)


@pytest.mark.parametrize("measure", MEASURES)
def test_fewer_words_than_dimensions_agree_by_chance(measure: str) -> None:
    found = MEASURES[measure](random_table(5, 9), random_table(5, 7, 1), permutations=30)
    best = 0.0 if measure == "instability" else 1.0
    assert abs(found.value - best) <= 1e-12
    assert abs(found.null_mean - best) <= 1e-12
    assert found.p_value == 1.0
    assert found.gated <= 1e-9 or math.isnan(found.gated)


@pytest.mark.parametrize("anchors", [(7, 3), (2, 2)])
def test_anchors_stay_while_the_words_of_y_are_permuted(anchors: tuple[int, int]) -> None:
    x, y = random_table(50, 4), random_table(50, 5, 1)
    given = [random_table(50, dim, seed) for seed, dim in enumerate(anchors, 2)]
    oracle = partial(definitions.eigenspace_instability, alpha=2)
    found = one_permutation("instability", x, y, 4, anchors=given, alpha=2)
    assert abs(found - oracle(x, y[order_of(0, 50, 4)], given)) <= 1e-12


@pytest.mark.parametrize("noise", [1e-3, 1e-5, 1e-7])
def test_an_instability_that_sums_would_cancel_is_still_held_against_chance(noise: float) -> None:
    x = random_table(300, 6, offset=0)
    found = eigenspace_instability(x, x + noise * random_table(300, 6, 1, offset=0), permutations=99)
    assert found.p_value == 0.01
    assert found.value < found.null_mean
    assert found.undefined == (0 if noise == 1e-3 else found.blocks)  # Grams have no digits left of it


def test_what_is_told_of_pwcca_is_of_its_value() -> None:
    x, y = random_table(60, 5), random_table(60, 3, 1)
    there, back = (pwcca(*pair, permutations=30) for pair in ((x, y), (y, x)))
    assert there.reverse == pytest.approx(back.value, abs=1e-12)
    assert there.interval != back.interval
    assert there.null_mean != back.null_mean


def test_permutations_are_made_on_the_cpu() -> None:
    class OnGpu:
        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 0

    with pytest.raises(DeviceError, match=r"cca: .* on cuda:0 were asked for[^$]*asnumpy"):
        on_cpu("cca", OnGpu())
