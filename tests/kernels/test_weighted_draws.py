"""Draws without replacement: the law against enumeration and the reference, the same bits for any threads."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, chi2_contingency
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.device import CPU, Device
from gpuemb.core.errors import ConfigError
from gpuemb.kernels.weighted_draws import weighted_draws

KERNEL = weighted_draws
UNLIKELY = 1e-6  # p-value of a right sampler: seeds are fixed, so a test fails always or never
USERS = 60_000


def together(preference: list[float], popularity: list[float], draws: int) -> tuple[Any, ...]:
    """Many users of one preference; items alternate between clusters."""
    clusters = (np.arange(len(popularity)) % len(preference)).astype(np.int32)
    return np.tile(preference, (USERS, 1)), clusters, np.array(popularity), np.full(USERS, draws, np.int64)


CASES = {
    "unlike": ([0.2, 0.8], [0.7, 0.5, 0.3, 0.5], 4),
    "steep": ([1.0], [1e3, 10.0, 1.0, 0.1, 1e-3], 3),
    "like": ([0.5, 0.5], [1.0, 1.0, 1.0, 1.01, 0.99], 3),
    "one block": ([1.0], [1.0, 1.2, 1.5, 1.9, 1.05], 4),  # popularity of one binary exponent
    "two blocks": ([1.0], [1.0, 1.2, 1.5, 1.9, 2.5, 3.9], 3),
    "rare cluster": ([1e-3, 1.0], [1.0, 1.0, 2.0, 3.0, 4.0], 4),
    "one item": ([2.0], [3.0], 1),
}


@pytest.mark.parametrize("name", CASES)
def test_sequences_of_draws_have_the_probabilities_of_an_enumeration(name: str, device: Device) -> None:
    preferences, clusters, popularity, lengths = together(*CASES[name])
    draws = int(lengths[0])
    found = weighted_draws.on(device)(preferences, clusters, popularity, lengths, 7).reshape(USERS, draws)
    weights, sequences = (
        preferences[0, clusters] * popularity,
        list(permutations(range(len(clusters)), draws)),
    )
    expected = np.array([USERS * chance(weights, one) for one in sequences])
    base = len(clusters) ** np.arange(draws)
    counts = np.array([np.count_nonzero(found @ base == np.array(one) @ base) for one in sequences])
    assert counts.sum() == USERS
    common = expected >= 5
    expected, counts = (
        np.append(x[common], x[~common].sum()) for x in (expected, counts)
    )  # rare ones as one
    statistic = float(((counts - expected) ** 2 / np.maximum(expected, 1)).sum())
    assert chi2.sf(statistic, max(1, common.sum() - 1)) > UNLIKELY


def chance(weights: Float64, sequence: tuple[int, ...]) -> float:
    """Probability that items are drawn in this order."""
    found, left = 1.0, weights.sum()
    for item in sequence:
        found *= weights[item] / left
        left -= weights[item]
    return found


def test_first_and_last_draws_and_sets_of_long_lists_are_distributed_as_those_of_the_reference(
    device: Device,
) -> None:
    numbers = np.random.default_rng(3)
    clusters = numbers.integers(0, 3, 40).astype(np.int32)
    popularity = np.arange(1, 41) ** -1.4
    users = 4_000
    preferences = np.tile(numbers.dirichlet(np.ones(3)), (users, 1))
    lengths = np.full(users, 25, np.int64)
    arguments = preferences, clusters, popularity, lengths
    runs: list[Callable[..., Int32]] = [weighted_draws.on(device), weighted_draws.reference]
    one, other = (run(*arguments, 11).reshape(users, 25) for run in runs)
    for place in (0, 1, 12, 24, slice(None)):
        table = np.array([np.bincount(x[:, place].ravel(), minlength=40) for x in (one, other)])
        table = table[:, table.sum(axis=0) >= 10]
        assert chi2_contingency(table).pvalue > UNLIKELY
    pairs = [np.count_nonzero((x < 20).sum(axis=1)[:, None] == np.arange(21), axis=0) for x in (one, other)]
    table = np.array(pairs)[:, np.sum(pairs, axis=0) >= 10]
    assert chi2_contingency(table).pvalue > UNLIKELY


@given(
    users=st.integers(0, 30),
    items=st.integers(1, 60),
    clusters=st.integers(1, 6),
    exponent=st.sampled_from([0.0, 0.25, 1.5, 10.0]),
    seed=st.integers(0, 99),
)
def test_every_user_draws_different_items_up_to_all_of_them(
    users: int, items: int, clusters: int, exponent: float, seed: int, device: Device
) -> None:
    arguments = fields(users, items, clusters, exponent, seed)
    lengths = arguments[3]
    for run in (weighted_draws.on(device), weighted_draws.reference):
        drawn = run(*arguments, seed)
        assert drawn.dtype == np.int32
        assert len(drawn) == lengths.sum()
        for own in np.split(drawn, np.cumsum(lengths)[:-1]) if users else []:
            assert len({*own}) == len(own)
            assert ((own >= 0) & (own < items)).all()


def fields(
    users: int, items: int, clusters: int, exponent: float, seed: int
) -> tuple[Float64, Int32, Float64, Int64]:
    """Users of any preferences; some clusters may be empty, some lists are whole."""
    numbers = np.random.default_rng([users, items, clusters, seed])
    lengths = numbers.integers(0, items + 1, users)
    lengths[: users // 3] = items
    return (
        np.maximum(numbers.dirichlet(np.full(clusters, 0.3), users), 1e-90),
        numbers.integers(0, clusters, items).astype(np.int32),
        np.arange(1, items + 1) ** -exponent,
        lengths.astype(np.int64),
    )


@pytest.mark.parametrize("count", [2, 7])
def test_the_number_of_threads_and_the_other_users_change_no_draw(count: int) -> None:
    arguments = fields(300, 200, 5, 1.5, 1)
    with threads.limit(1):
        expected = weighted_draws.on(CPU)(*arguments, 5)
    with threads.limit(count):
        assert_same_bits(weighted_draws.on(CPU)(*arguments, 5), expected)
    preferences, clusters, popularity, lengths = arguments
    some = weighted_draws.on(CPU)(preferences[:40], clusters, popularity, lengths[:40], 5)
    assert_same_bits(some, expected[: len(some)])
    assert not np.array_equal(weighted_draws.on(CPU)(*arguments, 6), expected)


def test_weights_and_lengths_that_no_law_has_are_refused(device: Device) -> None:
    valid = fields(3, 4, 2, 1.0, 0)
    for place, wrong in ((0, 0.0), (0, np.nan), (2, -1.0), (2, np.inf), (3, 5), (3, -1)):
        arguments = [np.array(x) for x in valid]
        arguments[place].flat[0] = wrong
        for run in (weighted_draws.on(device), weighted_draws.reference):
            with pytest.raises(ConfigError, match="weighted_draws"):
                run(*arguments, 0)  # type: ignore[arg-type]
