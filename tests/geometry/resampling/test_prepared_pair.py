"""The sums of permuted and resampled words equal those of rows that really stand there so often."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from geometry import definitions, resamples, rounding
from geometry.definitions import random_table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tolerances import assert_same_bits

from gpuemb.core.arrays import Int64
from gpuemb.geometry.cka import CKA, DEBIASED_CKA, cka
from gpuemb.geometry.grams.build import pair_sums
from gpuemb.geometry.grams.pair_sums import PairSums, Preparation
from gpuemb.geometry.measure import MeasureOfSums
from gpuemb.geometry.measure.measured import measured
from gpuemb.geometry.pip import PIP_LOSS
from gpuemb.geometry.procrustes import PROCRUSTES_DISTANCE
from gpuemb.geometry.resampling.prepared_pair import prepare_pair
from gpuemb.geometry.rsa import RSA, rsa
from gpuemb.uncertainty.draws import Draws, order_of, weights_of

CASES = {
    "words": st.integers(6, 40),
    "dim": st.integers(2, 6),
    "other": st.integers(2, 6),
    "seed": st.integers(0, 999),
}
Plain: TypeAlias = Callable[..., float]
MEASURES: dict[str, tuple[MeasureOfSums, Plain, Plain, Plain]] = {
    "rsa": (RSA, resamples.rsa, definitions.rsa, rounding.rsa_error),
    "cka": (CKA, resamples.cka, definitions.cka, rounding.cka_error),
}
MORE: dict[str, tuple[MeasureOfSums, Plain, Plain]] = {
    "debiased cka": (DEBIASED_CKA, resamples.debiased_cka, resamples.plain_debiased_cka),
    "pip": (PIP_LOSS, resamples.pip, definitions.pip),
    "procrustes": (
        PROCRUSTES_DISTANCE,
        lambda x, y, weights: math.nan,  # no copies: a map has no resamples
        lambda x, y: definitions.procrustes(x, y).distance,
    ),
}
ALL = {name: case[:3] for name, case in (MEASURES | MORE).items()}  # type: ignore[operator]
PREPARATIONS: tuple[Preparation, ...] = ("raw", "unit", "centered")
PROMISED = 1e-12  # relative, on well-conditioned float64 input


def some_weights(words: int, seed: int) -> Int64:
    """A bootstrap's weights, with one word that has most copies and at least four words."""
    weights = weights_of(0, words, seed)
    weights[seed % words] += 3 * words
    weights[(seed + np.arange(1, 5)) % words] += 1
    return weights


@pytest.mark.parametrize("name", MEASURES)
@settings(deadline=None)
@given(**CASES)
def test_weights_give_what_repeated_rows_give_without_their_copies(
    name: str, words: int, dim: int, other: int, seed: int
) -> None:
    measure, repeated, _, error = MEASURES[name]
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    weights = some_weights(words, seed)
    rows = resamples.repeated(weights)
    found = measure.value(*prepare_pair("test", x, y, measure.preparation).resampled(weights))
    assert abs(found - repeated(x, y, weights)) <= len(rows) * error(x[rows], y[rows])


@pytest.mark.parametrize("name", ALL)
def test_well_conditioned_draws_are_right_to_twelve_digits(name: str) -> None:
    measure, repeated, plain = ALL[name]
    x = random_table(300, 8, offset=0.1)
    y = x + random_table(300, 8, 1, offset=0.1)
    pair = prepare_pair("test", x, y, measure.preparation)
    base, own = pair.resampled(np.ones(300, np.int64))
    for draw in range(5):
        weights, order = weights_of(draw, 300, 7), order_of(draw, 300, 7)
        if measure.of_word_pairs:
            assert_allclose(measure.value(*pair.resampled(weights)), repeated(x, y, weights), rtol=PROMISED)
        assert_allclose(
            measure.value(*pair.permuted(order, base, own)), plain(x, y[order]), rtol=PROMISED, atol=1e-14
        )


@pytest.mark.parametrize("name", MEASURES)
@settings(deadline=None)
@given(**CASES)
def test_a_permutation_gives_what_permuted_rows_give(
    name: str, words: int, dim: int, other: int, seed: int
) -> None:
    measure, _, plain, error = MEASURES[name]
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    pair = prepare_pair("test", x, y, measure.preparation)
    order = order_of(3, words, seed)
    found = measure.value(*pair.permuted(order, *pair.resampled(np.ones(words, np.int64))))
    assert abs(found - plain(x, y[order])) <= error(x, y)


def fields_of(sums: PairSums) -> dict[str, Any]:
    return {name: np.asarray(getattr(sums, name)) for name in PairSums.__dataclass_fields__}


@pytest.mark.parametrize("preparation", PREPARATIONS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_sum_is_that_of_the_rows_as_drawn(preparation: Preparation, dtype: Any) -> None:
    """Against ``cross_grams`` of the rows themselves: repeated, and permuted."""
    x, y = random_table(3000, 4, dtype=dtype), random_table(3000, 3, 1, dtype=dtype)
    x[5] = 0
    pair = prepare_pair("test", x, y, preparation)
    kept = np.arange(3000) if preparation != "unit" else np.delete(np.arange(3000), 5)
    weights, order = weights_of(0, pair.words, 1), order_of(0, pair.words, 1)
    base, own = pair.resampled(np.ones(pair.words, np.int64))
    drawn = kept[resamples.repeated(weights)]
    for found, expected in (
        (base, pair_sums("test", x, y, preparation)),
        (pair.resampled(weights)[0], pair_sums("test", x[drawn], y[drawn], preparation)),
        (pair.permuted(order, base, own)[0], pair_sums("test", x[kept], y[kept[order]], preparation)),
    ):
        largest = 3000 * float(np.linalg.norm(np.float64(x), axis=1).max()) ** 2
        for name, value in fields_of(expected).items():
            if name != "zeros":
                bound = rounding.SAFETY * rounding.EPS64 * 3000 * largest**2
                np.testing.assert_allclose(getattr(found, name), value, rtol=0, atol=bound, err_msg=name)


@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_own_terms_are_those_of_the_prepared_rows(preparation: Preparation) -> None:
    x, y = random_table(50, 4), random_table(50, 3, 1)
    weights = weights_of(0, 50, 2)
    rows = resamples.repeated(weights)
    prepared = [np.float64(table) for table in (x, y)]
    if preparation == "unit":
        prepared = [table / np.linalg.norm(table, axis=1, keepdims=True) for table in prepared]
    if preparation == "centered":
        prepared = [table - table[rows].mean(axis=0) for table in prepared]
    kappa, ell = (np.sum(table**2, axis=1) for table in prepared)
    own = prepare_pair("test", x, y, preparation).resampled(weights)[1]
    for power in (1, 2, 3):
        w = weights.astype(float) ** power
        assert_allclose(own.counts[power - 1], w.sum(), rtol=PROMISED)
        assert_allclose(own.lengths[power - 1], [w @ kappa, w @ ell], rtol=PROMISED)
        expected = [[w @ kappa**2, w @ (kappa * ell)], [w @ (kappa * ell), w @ ell**2]]
        assert_allclose(own.products[power - 1], expected, rtol=PROMISED)


def test_tables_as_they_are_have_no_copies() -> None:
    for preparation in PREPARATIONS:
        pair = prepare_pair("test", random_table(), random_table(dim=3, seed=1), preparation)
        base, own = pair.resampled(np.ones(40, np.int64))
        assert_same_bits(own.products[1], own.products[0])
        moved = pair.permuted(order_of(0, 40, 0), base, own)[1]
        assert_same_bits(moved.products[1], moved.products[0])


@pytest.mark.parametrize(("measure", "front"), [(RSA, rsa), (CKA, cka)])
def test_the_value_of_all_weights_one_is_the_measure(measure: MeasureOfSums, front: Any) -> None:
    x, y = random_table(500, 7), random_table(500, 5, 1)
    pair = prepare_pair("test", x, y, measure.preparation)
    found = measure.value(*pair.resampled(np.ones(500, np.int64)))
    assert_allclose(found, front(x, y).value, rtol=PROMISED, atol=1e-14)


@pytest.mark.parametrize("measure", [RSA, CKA], ids=lambda m: m.name)
def test_a_resample_of_one_word_has_no_value(measure: MeasureOfSums) -> None:
    weights = np.zeros(40, np.int64)
    weights[7] = 40
    pair = prepare_pair("test", random_table(), random_table(seed=1), measure.preparation)
    assert np.isnan(measure.value(*pair.resampled(weights)))


def test_draws_are_permutations_and_as_many_words_as_there_are() -> None:
    orders = [order_of(draw, 30, 5) for draw in range(3)]
    weights = [weights_of(draw, 30, 5) for draw in range(3)]
    for order in orders:
        assert sorted(order) == list(range(30))
    assert [int(w.sum()) for w in weights] == [30, 30, 30]
    assert len({order.tobytes() for order in orders} | {w.tobytes() for w in weights}) == 6
    assert order_of(0, 30, 6).tobytes() != orders[0].tobytes()


@pytest.mark.parametrize("measure", [PIP_LOSS, PROCRUSTES_DISTANCE], ids=lambda m: m.name)
def test_a_distance_that_is_lost_in_rounding_has_no_value(measure: MeasureOfSums) -> None:
    x = random_table()
    near = prepare_pair("test", x, x * (1 + 1e-9), measure.preparation)
    assert np.isnan(measure.value(*near.resampled(weights_of(0, 40, 0))))


def test_unrelated_tables_have_a_debiased_cka_around_zero() -> None:
    """Its mean over permutations is 0 but for chance; the biased one's is not."""
    x, y = random_table(60, 20), random_table(60, 20, 1)
    found = measured(DEBIASED_CKA, x, y, Draws("test", permutations=200))
    assert abs(found.null_mean) < 0.02 < 0.1 < cka(x, y, permutations=200).null_mean


def test_the_distance_of_equal_tables_is_closer_than_chance() -> None:
    x = random_table(60, 5)
    for measure, bootstrap in ((PIP_LOSS, 99), (PROCRUSTES_DISTANCE, 0)):
        found = measured(measure, x, x + 0.1 * random_table(60, 5, 1), Draws("test", 99, bootstrap))
        assert found.p_value == 0.01
        assert 0.5 < found.gated < found.chance_adjusted < 1
        assert 0 < found.interval[0] < found.interval[1] < found.null_mean
