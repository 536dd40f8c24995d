"""Scores against known clusters: definitions by loops, no seed, no order."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tolerances import EPS64, SAFETY, assert_within

import gpuemb as ge
from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.errors import ConfigError, DTypeError, NonFiniteError, ShapeError
from gpuemb.factorization.clusters import adjusted_rand


def unit_cosines(rows: Float64) -> Float64:
    lengths = np.linalg.norm(rows, axis=1)
    with np.errstate(invalid="ignore"):
        return np.clip(rows @ rows.T / np.outer(lengths, lengths), -1, 1)


def planted(seed: int, items: int = 40, clusters: int = 4, noise: float = 0.3) -> tuple[Float64, Int64]:
    numbers = np.random.default_rng(seed)
    labels = numbers.integers(0, clusters, items)
    labels[: 2 * clusters] = np.repeat(np.arange(clusters), 2)[: len(labels)]
    labels.sort()
    return np.eye(clusters)[labels] + noise * numbers.standard_normal((items, clusters)) / 3, labels


@given(seed=st.integers(0, 2**31), items=st.integers(4, 25), clusters=st.integers(2, 4))
def test_means_and_nearest_are_those_of_loops(seed: int, items: int, clusters: int) -> None:
    rows, labels = planted(seed, items, clusters, noise=3.0)
    cosines = unit_cosines(rows)
    found = ge.scores_of_clusters(cosines, labels)
    own = [cosines[i, j] for i, j in combinations(range(items), 2) if labels[i] == labels[j]]
    others = [cosines[i, j] for i, j in combinations(range(items), 2) if labels[i] != labels[j]]
    bound = SAFETY * EPS64 * items
    if own:
        assert_within(found.within, np.mean(own), bound)
    else:
        assert math.isnan(found.within)
    assert_within(found.between, np.mean(others), bound)
    np.fill_diagonal(cosines, -2)
    assert found.nearest_in_own == np.mean(labels[cosines.argmax(axis=1)] == labels)


@given(seed=st.integers(0, 2**31))
def test_separate_clusters_are_found_in_any_order(seed: int) -> None:
    rows, labels = planted(seed, noise=0.1)
    order = np.random.default_rng(seed).permutation(len(rows))
    one = ge.scores_of_clusters(unit_cosines(rows), labels)
    other = ge.scores_of_clusters(unit_cosines(rows[order]), [f"c{label}" for label in labels[order]])
    assert one.adjusted_rand == other.adjusted_rand == one.nearest_in_own == other.nearest_in_own == 1
    assert_within(one.within, other.within, SAFETY * EPS64 * len(rows))
    assert list(one.found) == list(labels)


def test_equal_cosines_find_nothing() -> None:
    labels = np.repeat([0, 1, 2], [5, 3, 2])
    for noise in (0.0, 1e-15):
        cosines = np.ones((10, 10)) - noise * np.random.default_rng(0).random((10, 10))
        found = ge.scores_of_clusters(cosines, labels)
        assert (found.adjusted_rand, set(found.found)) == (0, {0})
        assert_within(found.nearest_in_own, found.nearest_by_chance, SAFETY * EPS64)
        assert_within(found.nearest_by_chance, (5 * 4 + 3 * 2 + 2) / 90, SAFETY * EPS64)


def test_the_identity_finds_no_clusters() -> None:
    found = ge.scores_of_clusters(np.eye(30), np.arange(30) % 3)
    assert (found.within, found.between) == (0, 0)
    assert_within(found.nearest_in_own, found.nearest_by_chance, SAFETY * EPS64)


def test_items_without_a_cosine_are_left_out_and_counted() -> None:
    rows, labels = planted(1)
    whole = ge.scores_of_clusters(unit_cosines(rows), labels)
    rows, labels = np.insert(rows, 7, 0, axis=0), np.insert(labels, 7, 2)
    found = ge.scores_of_clusters(unit_cosines(rows), labels)
    assert (found.undefined, found.found[7]) == (1, -1)
    assert (found.within, found.between, found.nearest_in_own) == (
        whole.within,
        whole.between,
        whole.nearest_in_own,
    )


@given(
    one=st.lists(st.integers(0, 3), min_size=2, max_size=12),
    seed=st.integers(0, 2**31),
)
def test_the_adjusted_rand_index_counts_pairs(one: list[int], seed: int) -> None:
    first = np.unique(one, return_inverse=True)[1].astype(np.int64)
    second = np.random.default_rng(seed).permutation(first)
    pairs = list(combinations(range(len(first)), 2))
    same = np.array([[first[i] == first[j], second[i] == second[j]] for i, j in pairs])
    both, a, b = (same.all(axis=1)).sum(), *same.sum(axis=0)
    expected, most = a * b / len(pairs), (a + b) / 2
    wanted = 1.0 if expected == most else (both - expected) / (most - expected)
    assert_within(adjusted_rand(first, second), wanted, SAFETY * EPS64 * len(pairs))
    assert adjusted_rand(first, first) == 1


def test_one_cluster_against_several_is_zero_and_not_nan() -> None:
    assert adjusted_rand(np.zeros(6, np.int64), np.array([0, 0, 1, 1, 2, 2])) == 0


@pytest.mark.parametrize(
    ("cosines", "labels", "error", "message"),
    [
        (np.ones((3, 2)), [0, 1, 1], ShapeError, r"cosines are float64 \(3, 2\)"),
        (np.eye(3), [0, 1], ShapeError, r"\(2,\) for 3 items"),
        (np.eye(3), [0, 0, 0], ConfigError, "3 items with cosines in 1 clusters"),
        (np.eye(3), [0.5, 1, 1], DTypeError, "labels hold float64"),
        (np.eye(3), [None, 1, 1], DTypeError, "labels hold object"),
        (np.eye(2), [0, 1], ConfigError, "2 items"),
        (3 * np.eye(3), [0, 1, 1], NonFiniteError, "items 0 and 0 is 3.0"),
        (np.where(np.eye(3) > 0, 1, np.nan), [0, 1, 1], NonFiniteError, "items 0 and 1 is nan"),
    ],
)
def test_what_is_no_matrix_of_cosines_is_refused(
    cosines: Float64, labels: list[int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ge.scores_of_clusters(cosines, labels)
