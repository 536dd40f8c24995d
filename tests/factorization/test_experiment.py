"""The experiment with known clusters: solutions side by side, their order, their scores."""

from __future__ import annotations

import numpy as np
import pytest

import gpuemb as ge
from gpuemb.factorization.experiment import SHOWN
from gpuemb.factorization.panels import ordered_items, solutions

NAMES = ["shrinkage", "identity", "inverse-shrinkage", "objective 2", "original-space"]


@pytest.fixture(scope="module")
def found() -> ge.CosineExperiment:
    return ge.cosine_experiment([3, 1], users=1500, items=80, clusters=3, most=20, rank=12, penalty=400.0)


def test_every_solution_of_every_seed_has_the_scores_of_its_own_cosines(found: ge.CosineExperiment) -> None:
    assert [one.name for one in found.panels] == NAMES
    for place, seed in enumerate(found.seeds):
        data = ge.simulate_interactions(1500, 80, 3, most=20, seed=seed)
        factors = ge.factorize(data, 12, 400.0)
        for row, name in enumerate(NAMES):
            two = name == "objective 2"
            one = factors.at(20.0, objective=2) if two else factors.rescale(name)
            scores = ge.scores_of_clusters(one.item_cosine(), data.clusters)
            for score in ("within", "between", "adjusted_rand", "nearest_in_own"):
                value = found.values(score)[row, place]
                assert value == pytest.approx(getattr(scores, score), abs=2e-6), (name, score)
            assert found.ranks[row, place] == one.effective_rank


def test_panels_are_the_cosines_of_the_first_seed_by_cluster_and_popularity(
    found: ge.CosineExperiment,
) -> None:
    first = found.first
    assert first == ge.simulate_interactions(1500, 80, 3, most=20, seed=3)
    sizes = np.bincount(first.clusters)[found.clusters]
    assert (np.diff(sizes) <= 0).all()
    for cluster in range(3):
        own = found.items[found.clusters == cluster]
        assert (np.diff(first.popularity[own]) <= 0).all()
        assert (np.diff(np.flatnonzero(found.clusters == cluster)) == 1).all()
    expected = ge.factorize(first, 12, 400.0).item_cosine()[np.ix_(found.items, found.items)]
    np.testing.assert_allclose(found.panels[1].cosines, expected, atol=1e-6)


def test_the_table_has_a_row_for_each_solution_and_seed(found: ge.CosineExperiment) -> None:
    rows = found.table.to_pylist()
    assert [(row["solution"], row["seed"]) for row in rows] == [(name, s) for name in NAMES for s in (3, 1)]
    assert [row["within"] for row in rows] == found.values("within").ravel().tolist()
    with pytest.raises(ge.ConfigError, match="score"):
        found.values("outside")


def test_the_facts_of_the_paper_at_its_size() -> None:
    found = ge.cosine_experiment([0])
    within = dict(zip(NAMES, found.values("within")[:, 0], strict=True))
    assert within["shrinkage"] < 0.5 < within["identity"] < within["inverse-shrinkage"] < 0.9
    assert within["objective 2"] > 0.95
    assert 4 <= found.ranks[NAMES.index("objective 2"), 0] <= 6  # of 50: only σ > 100
    assert (found.values("nearest_in_own") > 0.9).all()


def test_a_penalty_that_leaves_no_axis_has_no_scores() -> None:
    found = ge.cosine_experiment([0], users=200, items=30, rank=5, penalty=10.0, second_penalty=1e6)
    assert found.ranks[3, 0] == 0
    assert np.isnan(found.values("within")[3, 0])
    assert np.isnan(found.panels[3].cosines).all()
    assert np.isfinite(found.values("within")[[0, 1, 2, 4], 0]).all()


def test_many_items_are_thinned_evenly() -> None:
    clusters = np.repeat([0, 1], [3000, 1000])
    popularity = np.concatenate([np.arange(3000), np.arange(1000)]).astype(float)
    kept = ordered_items(clusters, popularity.tolist(), SHOWN)
    assert len(kept) == len({*kept}) == SHOWN
    assert np.count_nonzero(clusters[kept] == 0) == 750
    assert kept[0] == 2999
    assert (np.diff(popularity[kept[:750]]) < 0).all()


def test_the_penalty_of_objective_2_is_the_root_or_its_own() -> None:
    factors = ge.factorize(np.eye(6) + 1, 3, 4.0)
    assert [one.penalty for _, _, one in solutions(factors)] == [4.0, 4.0, 4.0, 2.0, 4.0]
    assert [one.penalty for _, _, one in solutions(factors, 0.5)][3] == 0.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "seeds"),
        ({"clusters": 1}, "clusters = 1"),
        ({"rank": 31}, "rank"),
        ({"penalty": -1.0}, "penalty"),
        ({"second_penalty": -1.0}, "penalty"),
    ],
)
def test_impossible_experiments_are_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ge.ConfigError, match=said):
        ge.cosine_experiment(**{"seeds": [0], "users": 50, "items": 30, "rank": 3, **arguments})  # type: ignore[arg-type]
