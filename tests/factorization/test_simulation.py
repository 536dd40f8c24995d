"""The simulation of users who choose items of clusters: its law, its truth, its bits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2, kstest

import gpuemb as ge
from gpuemb.core import threads

UNLIKELY = 1e-6  # p-value of a right simulation: seeds are fixed


def test_lengths_follow_the_power_law() -> None:
    data = ge.simulate_interactions(20_000, 60, 3, most=20, seed=2)
    chances = np.arange(1, 21) ** -0.5
    expected = len(data.users) * chances / chances.sum()
    counts = np.bincount(np.diff(data.starts), minlength=21)
    assert counts[0] == 0
    assert chi2.sf(((counts[1:] - expected) ** 2 / expected).sum(), 19) > UNLIKELY


def test_single_choices_have_the_probability_of_preference_times_popularity() -> None:
    data = ge.simulate_interactions(50_000, 30, 4, most=1, seed=3)
    expected = (data.preferences[:, data.clusters] * data.popularity).sum(axis=0)
    assert (
        abs(expected.sum() - (len(data.users) * (np.bincount(data.clusters, minlength=4) > 0)).mean()) < 1e-6
    )
    common = expected >= 5
    statistic = ((data.item_counts - expected) ** 2 / expected)[common].sum()
    assert chi2.sf(statistic, common.sum()) > UNLIKELY


def test_popularity_falls_with_the_rank_in_each_cluster_and_sums_to_one() -> None:
    data = ge.simulate_interactions(10, 300, 3, exponents=(0.5, 2.0), seed=1)
    assert ((data.exponents >= 0.5) & (data.exponents <= 2.0)).all()
    for cluster in range(3):
        own = data.popularity[data.clusters == cluster]
        ranks = np.arange(1, len(own) + 1)
        np.testing.assert_allclose(own / own[0], ranks ** -data.exponents[cluster], rtol=1e-12)
        assert own.sum() == pytest.approx(1)


def test_preferences_and_shares_are_uniform_over_the_simplex() -> None:
    data = ge.simulate_interactions(5_000, 10, 3, most=1, seed=4)
    np.testing.assert_allclose(data.preferences.sum(axis=1), 1)
    assert kstest(data.preferences[:, 0], lambda x: 1 - (1 - x) ** 2).pvalue > UNLIKELY  # Beta(1, 2)
    assert data.cluster_shares.sum() == pytest.approx(1)


def test_concentration_makes_users_of_one_cluster_or_all_alike() -> None:
    one, alike = (ge.simulate_interactions(400, 30, 3, concentration=c).preferences for c in (0.01, 1e6))
    assert np.median(one.max(axis=1)) > 0.999
    assert abs(alike - 1 / 3).max() < 0.01


def test_every_user_may_choose_all_items_even_of_clusters_it_never_prefers() -> None:
    data = ge.simulate_interactions(50, 40, 4, most=40, exponents=(0, 10), concentration=0.01, seed=5)
    for user in range(50):
        own = data.columns[data.starts[user] : data.starts[user + 1]]
        assert (np.diff(own) > 0).all()
    assert data.matrix.max() == 1


@pytest.mark.parametrize("count", [2, 7])
def test_the_same_seed_has_the_same_bits_for_any_threads(count: int) -> None:
    with threads.limit(1):
        expected = ge.simulate_interactions(500, 100, seed=9)
    with threads.limit(count):
        assert ge.simulate_interactions(500, 100, seed=9) == expected
    assert ge.simulate_interactions(500, 100, seed=10) != expected


def test_one_user_one_item_one_cluster() -> None:
    data = ge.simulate_interactions(1, 1, 1)
    assert data.matrix.toarray().tolist() == [[1.0]]
    assert str(data) == "1 interactions of 1 users with 1 items (100% of all pairs)"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"users": 0}, "users = 0"),
        ({"clusters": 11}, "clusters = 11"),
        ({"most": 11}, "most = 11"),
        ({"most": 0}, "most = 0"),
        ({"seed": -1}, "seed = -1"),
        ({"concentration": float("nan")}, "concentration = nan"),
        ({"exponents": (1.5, 0.25)}, "exponents"),
        ({"exponents": (0.25,)}, "exponents"),
        ({"exponents": (0, float("inf"))}, "exponents"),
    ],
)
def test_impossible_simulations_are_refused(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ge.ConfigError, match=named):
        ge.simulate_interactions(**{"users": 5, "items": 10, **arguments})  # type: ignore[arg-type]


def test_a_simulation_beyond_the_memory_is_refused_before_it_begins() -> None:
    with pytest.raises(ge.MemoryBudgetError, match="simulate_interactions"):
        ge.simulate_interactions(2_000_000_000, 2_000_000_000)
