"""Planted variance components are recovered: of the vocabulary, of words, and of settings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from slow import cases
from stability.questions.planted import coverage, planted_pairs, planted_runs, unit_rows

from gpuemb.stability.questions.causes.components import Component, ratio_of, share_of, word_intervals
from gpuemb.stability.questions.evidence import PairsOfRuns, variances

SHARES = {"init": 0.6, "order": 0.3, "bootstrap": 0.1}
SIMULATIONS = 400


def drawn(numbers: np.random.Generator, runs: int, words: int = 60) -> list[Component]:
    of_words = numbers.gamma(2.0, 0.5, words)
    return [
        Component(cause, cause, planted_pairs(numbers, runs, share, of_words / of_words.mean()))
        for cause, share in SHARES.items()
    ]


@pytest.mark.parametrize("runs", cases(5, slow=(3, 10)))
def test_the_interval_of_a_share_holds_the_planted_one(runs: int) -> None:
    numbers, hits = np.random.default_rng(runs), {cause: [] for cause in SHARES}
    for _ in range(SIMULATIONS):
        components = drawn(numbers, runs)
        for one in components:
            share = share_of(one, components)
            hits[one.cause].append(share.low <= SHARES[one.cause] <= share.high)
    assert all(0.92 <= coverage(found) <= 0.985 for found in hits.values()), hits


def test_shares_add_up_and_causes_that_change_nothing_have_none() -> None:
    components = drawn(np.random.default_rng(0), 5)
    nothing = Component("sampling", "sampling", PairsOfRuns([(0, 1), (0, 2), (1, 2)], np.zeros((3, 60))))
    everything = [*components, nothing]
    shares = [share_of(one, everything) for one in everything]
    assert math.isclose(sum(one.value for one in shares), 1.0)
    assert shares[-1].value == 0
    assert [one.value for one in shares[:-1]] == [share_of(one, components).value for one in components]
    assert math.isnan(ratio_of(components, [nothing]).value)


def test_the_interval_of_a_word_holds_its_planted_variance() -> None:
    numbers, hits, of_words = np.random.default_rng(4), [], np.linspace(0.2, 2.0, 25)
    for _ in range(150):
        low, high = word_intervals(planted_pairs(numbers, 6, 0.1, of_words))
        hits += ((low <= 0.1 * of_words) & (0.1 * of_words <= high)).tolist()
    assert 0.92 <= coverage(hits) <= 0.985


def test_the_sum_of_causes_that_add_up_is_their_joint_variance() -> None:
    """Rows with two independent noises vary by the sum of their squares; rotations change nothing."""
    numbers = np.random.default_rng(5)
    mean = unit_rows(numbers, 400, 8)
    words = [str(word) for word in range(len(mean))]
    pairs = [(a, b) for a in range(6) for b in range(a + 1, 6)]

    def of(spread: float) -> Component:
        return Component(
            "init", "init", PairsOfRuns(pairs, variances(planted_runs(numbers, 6, mean, spread), words))
        )

    first, second, both = of(0.03), of(0.04), of(0.05)
    together = ratio_of([both], [first, second])
    assert together.low <= 1 <= together.high
    assert math.isclose(together.value, 1, abs_tol=0.05)
    share = share_of(second, [first, second])
    assert math.isclose(share.value, 16 / 25, abs_tol=0.02)
