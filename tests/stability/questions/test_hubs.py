"""Stability against hubness: against counts by hand, and an interval that covers what fresh words give."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.stability.compare import compare
from gpuemb.stability.questions import hubs
from gpuemb.stability.questions.hubs import mean_k_occurrence, stability_against_hubness
from gpuemb.stability.statistics import compared_pairs

DESIGNS = ((200, 10, 3, 0.0), (200, 10, 3, 2.0), (300, 50, 5, 1.0), (2000, 100, 3, 0.5))
ROOM = 0.04  # of 300 repetitions a share of .95 is off by more once in 500


def runs(numbers: np.random.Generator, words: int, dim: int, count: int, shared: float) -> Any:
    """Runs over fresh words, some noisier than others; a direction that they share by degrees makes hubs."""
    truth = numbers.standard_normal((words, dim)) + shared * numbers.uniform(0, 1, (words, 1))
    noise = 0.5 * np.exp(0.5 * numbers.standard_normal((words, 1)))
    return truth + noise * numbers.standard_normal((count, words, dim))


def lists(tables: Any, k: int = 10) -> Any:
    """``(S, V, k)`` neighbors in some order, with ones that are in no list where a row is zero."""
    found = []
    for table in tables:
        lengths = np.linalg.norm(table, axis=1)
        unit = table / np.where(lengths > 0, lengths, 1)[:, None]
        scores = unit @ unit.T - 9 * np.eye(len(table)) - 9 * (lengths == 0)
        near = np.argpartition(-scores, k, axis=1)[:, :k]
        near[lengths == 0] = -1
        found.append(near)
    return np.stack(found).astype(np.int32)


@pytest.mark.parametrize("halves", [False, True])
def test_the_correlation_is_that_of_overlap_and_counts(halves: bool) -> None:
    tables = runs(np.random.default_rng(0), 150, 8, 4, 1.0)
    tables[1, [3, 77]] = 0
    ids, pairs = lists(tables, 6), compared_pairs(4, halves=halves)
    ids[2, 10, 4:] = -1
    overlaps = [neighbor_overlap(ids[list(pair)]).stability for pair in pairs]
    stability = np.nanmean(overlaps, axis=0)
    counts = [np.mean([(run == word).sum() for run in ids]) for word in range(150)]
    np.testing.assert_allclose(mean_k_occurrence(ids), counts)
    found = stability_against_hubness(ids, pairs)
    assert math.isclose(found.value, spearmanr(stability, counts).statistic, rel_tol=1e-12)
    assert -1 < found.low < found.value < found.high < 1


def test_without_a_block_its_words_are_in_no_list() -> None:
    ids = lists(runs(np.random.default_rng(1), 60, 5, 3, 1.0), 4)
    ids[0, 5] = -1
    block_of = np.random.default_rng(2).integers(0, 3, 60)
    whole, without = hubs._stabilities(ids, [(0, 1), (0, 2), (1, 2)], block_of, 3)
    np.testing.assert_allclose(whole, neighbor_overlap(ids).stability)
    for block in range(3):
        for word in range(60):
            kept = [{i for i in run[word].tolist() if i >= 0 and block_of[i] != block} for run in ids]
            shares = [len(a & b) / max(len(a), len(b)) for a, b in combinations(kept, 2) if a and b]
            expected = sum(shares) / len(shares) if shares else math.nan
            np.testing.assert_allclose(without[block, word], expected, rtol=1e-12)


def test_few_words_or_words_all_alike_have_no_correlation() -> None:
    tables = runs(np.random.default_rng(0), 90, 8, 2, 1.0)
    few = stability_against_hubness(lists(tables), [(0, 1)])
    ring = np.stack([(np.arange(200)[:, None] + [[1, 2, 3]]) % 200] * 2).astype(np.int32)
    nobody = np.full((2, 200, 3), -1, np.int32)
    for found in (
        few,
        stability_against_hubness(ring, [(0, 1)]),
        stability_against_hubness(nobody, [(0, 1)]),
    ):
        assert math.isnan(found.value)
        assert math.isnan(found.low)
        assert found.reason == hubs.NO_CORRELATION


@pytest.mark.parametrize(
    ("design", "repetitions"),
    [
        (DESIGNS[1], 60),
        *(pytest.param(one, 300 if one[0] < 2000 else 100, marks=pytest.mark.slow) for one in DESIGNS),
    ],
)
def test_intervals_cover_what_fresh_words_give_on_average(
    design: tuple[int, int, int, float], repetitions: int
) -> None:
    numbers, pairs = np.random.default_rng(7), list(combinations(range(design[2]), 2))
    found = [stability_against_hubness(lists(runs(numbers, *design)), pairs) for _ in range(repetitions)]
    truth = np.mean([one.value for one in found])
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert covered >= 0.95 - ROOM * math.sqrt(300 / repetitions)
    wide = np.mean([one.high - one.low for one in found]) / np.std([one.value for one in found])
    assert wide < 1.5 * 2 * 2.1  # t of 19 degrees of freedom


def test_a_comparison_has_both() -> None:
    tables = list(runs(np.random.default_rng(3), 120, 8, 3, 1.0))
    found = compare(tables, ["overlap", "rsa"], k=5)
    ids = np.stack([nearest_neighbors(table, 5).ids for table in tables])
    assert found.stability_against_hubness == stability_against_hubness(ids, [(0, 1), (0, 2), (1, 2)])
    np.testing.assert_allclose(found.words["k_occurrence"].to_numpy(), mean_k_occurrence(ids))
    assert compare(tables, "rsa").stability_against_hubness is None
