"""Assignments of runs to groups: each once, the observed one first."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gpuemb.stability.questions.drift.labelings import Labelings


@pytest.mark.parametrize(
    ("sizes", "possible"), [((5, 5), 126), ((2, 2), 3), ((3, 5), 56), ((1, 4), 5), ((2, 1), 3)]
)
def test_all_assignments_are_there_once_and_the_observed_one_is_first(
    sizes: tuple[int, int], possible: int
) -> None:
    found = Labelings.of(sizes, 1000)
    assert len(found) == found.possible == possible
    assert found.exact
    assert found.first[0].tolist() == [True] * sizes[0] + [False] * sizes[1]
    splits = {
        frozenset([frozenset(np.flatnonzero(row)), frozenset(np.flatnonzero(~row))]) for row in found.first
    }
    assert len(splits) == possible
    assert (found.first.sum(axis=1) == sizes[0]).all()
    assert found.smallest == 1 / possible


def test_a_sample_begins_with_the_observed_one_and_depends_on_its_seed() -> None:
    found, again, other = (Labelings.of((9, 9), 50, seed) for seed in (1, 1, 2))
    assert len(found) == 50
    assert not found.exact
    assert found.first[0].tolist() == [True] * 9 + [False] * 9
    assert (found.first == again.first).all()
    assert (found.first != other.first).any()
    assert (found.first.sum(axis=1) == 9).all()


def test_weights_are_those_of_the_means_they_stand_for() -> None:
    labelings = Labelings.of((2, 3), 100)
    distances = np.random.default_rng(0).random((5, 5))
    between, within = labelings.weights()
    values = np.array([distances[pair] for pair in combinations(range(5), 2)])
    for number, first in enumerate(labelings.first):
        one, two = np.flatnonzero(first), np.flatnonzero(~first)
        across = [distances[min(a, b), max(a, b)] for a in one for b in two]
        inside = [np.mean([distances[p] for p in combinations(group, 2)]) for group in (one, two)]
        assert np.isclose(values @ between[number], np.mean(across))
        assert np.isclose(values @ within[number], np.mean(inside))


def test_a_group_of_one_run_has_no_spread_of_its_own() -> None:
    _, within = Labelings.of((1, 3), 100).weights()
    assert within[0].tolist() == [0, 0, 0, 1 / 3, 1 / 3, 1 / 3]
