"""How far runs agree about nearest neighbors: against sets and the definitions."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import assert_same_bits, sum_error

from gpuemb.core import threads
from gpuemb.core.arrays import Int32
from gpuemb.core.errors import ConfigError, DTypeError, MemoryBudgetError, ShapeError
from gpuemb.neighbors import overlap as module
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap


@st.composite
def neighbor_lists(draw: st.DrawFn) -> Int32:
    """``(S, V, k)`` lists without duplicates, some of them short."""
    runs, words, k = draw(st.integers(2, 4)), draw(st.integers(2, 6)), draw(st.integers(1, 5))
    one = st.lists(st.integers(0, 7), max_size=k, unique=True).map(lambda ids: ids + [-1] * (k - len(ids)))
    lists = draw(st.lists(one, min_size=runs * words, max_size=runs * words))
    return np.array(lists, np.int32).reshape(runs, words, k)


@settings(deadline=None, max_examples=150)
@given(ids=neighbor_lists())
def test_overlap_is_the_arithmetic_of_sets(ids: Int32) -> None:
    found = neighbor_overlap(ids)
    runs, words, k = ids.shape
    for word in range(words):
        lists = [set(ids[run, word].tolist()) - {-1} for run in range(runs)]
        assert found.in_all_runs[word] == len(set.intersection(*lists))
        expected = [
            len(a & b) / max(len(a), len(b)) if a and b else math.nan for a, b in combinations(lists, 2)
        ]
        np.testing.assert_array_equal(found.per_word[:, word], expected)
        known = [value for value in expected if not math.isnan(value)]
        np.testing.assert_array_equal(found.lowest[word], min(known, default=math.nan))
    assert found.k == k


def definitions(a: list[int], b: list[int], p: float) -> tuple[float, float, float]:
    """Rank-biased overlap, average overlap and rank similarity as Definitions §3 writes them."""
    if not a or not b:
        return math.nan, math.nan, math.nan
    k = max(len(a), len(b))
    at = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, k + 1)]
    biased = at[k - 1] * p**k + (1 - p) / p * math.fsum(at[d - 1] * p**d for d in range(1, k + 1))
    ranks = [(a.index(j) + 1, b.index(j) + 1) for j in set(a) & set(b)]
    near = math.fsum(2 / ((1 + abs(r - q)) * (r + q)) for r, q in ranks)
    return (
        biased,
        math.fsum(at) / k,
        near / math.fsum(1 / i for i in range(1, len(ranks) + 1)) if ranks else 0,
    )


@settings(deadline=None, max_examples=150)
@given(ids=neighbor_lists(), persistence=st.floats(0.05, 0.95))
def test_every_measure_is_its_definition(ids: Int32, persistence: float) -> None:
    found = neighbor_overlap(ids, persistence=persistence)
    runs, words, k = ids.shape
    bound = sum_error(2 * k + 1, 1.0)
    for word in range(words):
        lists = [[one for one in ids[run, word].tolist() if one >= 0] for run in range(runs)]
        common, union = set.intersection(*map(set, lists)), set.union(*map(set, lists))
        expected = len(common) / len(union) if all(lists) else math.nan
        np.testing.assert_array_equal(found.joint_reliability[word], expected)
        for pair, (a, b) in enumerate(combinations(lists, 2)):
            shares = len(set(a) & set(b)) / len(set(a) | set(b)) if a and b else math.nan
            np.testing.assert_array_equal(found.jaccard[pair, word], shares)
            measured = [
                measure[pair, word]
                for measure in (found.rank_biased, found.average_overlap, found.rank_similarity)
            ]
            np.testing.assert_allclose(measured, definitions(a, b, persistence), rtol=0, atol=bound)
    assert found.persistence == persistence


@settings(deadline=None)
@given(ids=neighbor_lists())
def test_measures_keep_their_order(ids: Int32) -> None:
    """Jaccard is at most overlap, all lie between 0 and 1, and those that exist do so together."""
    found = neighbor_overlap(ids)
    known = np.isfinite(found.per_word)
    slack = sum_error(2 * found.k + 1, 1.0)
    for measure in (found.jaccard, found.rank_biased, found.average_overlap, found.rank_similarity):
        np.testing.assert_array_equal(np.isfinite(measure), known)
        assert ((measure[known] >= 0) & (measure[known] <= 1 + slack)).all()
        np.testing.assert_array_equal(measure[known] > 0, found.per_word[known] > 0)
    assert (found.jaccard[known] <= found.per_word[known]).all()


def test_joint_reliability_is_not_the_mean_of_jaccard() -> None:
    ids = np.array([[[1, 2]], [[1, 3]], [[1, 4]]], np.int32)
    found = neighbor_overlap(ids)
    np.testing.assert_array_equal(found.jaccard, [[1 / 3]] * 3)
    np.testing.assert_array_equal(found.joint_reliability, [1 / 4])
    assert found.wendlandt == 50


@pytest.mark.parametrize("workers", [2, 3])
def test_the_number_of_threads_changes_no_bit(workers: int) -> None:
    numbers = np.random.default_rng(0)
    ids = numbers.permuted(np.tile(np.arange(12), (5, 9000, 1)), axis=2)[:, :, :6].astype(np.int32)
    with threads.limit(1):
        alone = neighbor_overlap(ids)
    with threads.limit(workers):
        together = neighbor_overlap(ids)
    for name in ("per_word", "jaccard", "rank_biased", "average_overlap", "rank_similarity"):
        assert_same_bits(getattr(together, name), getattr(alone, name))
    assert_same_bits(together.joint_reliability, alone.joint_reliability)


@pytest.mark.parametrize("persistence", [0, 1, -0.1, math.nan])
def test_a_persistence_that_is_no_share_is_refused(persistence: float) -> None:
    with pytest.raises(ConfigError, match="persistence = "):
        neighbor_overlap(np.zeros((2, 3, 1), np.int32), persistence=persistence)


def test_measures_that_do_not_fit_the_memory_are_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpuemb.core.memory.available_host_bytes", lambda: 1000)
    monkeypatch.setattr(module, "overlap_kernel", None)  # not reached
    with pytest.raises(MemoryBudgetError, match=r"neighbor_overlap of 3 runs, 50 words: needs 6\.0 kB"):
        neighbor_overlap(np.zeros((3, 50, 1), np.int32))


@settings(deadline=None)
@given(ids=neighbor_lists(), data=st.data())
def test_the_order_inside_a_list_does_not_matter_to_sets(ids: Int32, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(ids.shape[2])))
    found, ordered = neighbor_overlap(ids[..., order]), neighbor_overlap(ids)
    for name in ("per_word", "jaccard", "joint_reliability", "in_all_runs"):
        np.testing.assert_array_equal(getattr(found, name), getattr(ordered, name))


def test_a_word_without_neighbors_in_a_run_has_no_overlap_there() -> None:
    ids = np.array([[[1], [0]], [[1], [-1]], [[1], [0]]], np.int32)
    found = neighbor_overlap(ids)
    np.testing.assert_array_equal(found.per_word, [[1, math.nan], [1, 1], [1, math.nan]])
    np.testing.assert_array_equal(found.stability, [1, 1])
    np.testing.assert_array_equal(found.lowest, [1, 1])
    assert found.value == 1


def test_a_word_without_neighbors_anywhere_has_no_stability() -> None:
    found = neighbor_overlap(np.full((2, 3, 2), -1, np.int32))
    assert np.isnan(found.stability).all()
    assert np.isnan(found.lowest).all()
    assert math.isnan(float(found))
    assert found.in_all_runs.tolist() == [0, 0, 0]


def test_the_value_is_the_mean_over_words_and_pairs() -> None:
    ids = np.array([[[1, 2], [0, 2], [0, 1]], [[1, 2], [2, 3], [3, 4]]], np.int32)
    assert neighbor_overlap(ids).per_word.tolist() == [[1, 0.5, 0]]
    assert float(neighbor_overlap(ids)) == neighbor_overlap(ids).value == 0.5


def test_chance_is_the_share_of_neighbors_among_the_others() -> None:
    assert neighbor_overlap(np.zeros((2, 101, 10), np.int32)).chance == 10 / 100
    assert math.isnan(neighbor_overlap(np.zeros((2, 1, 1), np.int32)).chance)


def test_independent_lists_share_as_much_as_chance() -> None:
    numbers = np.random.default_rng(0)
    words, k = 400, 20
    found = neighbor_overlap(
        *(numbers.standard_normal((words, words)).argsort(axis=1)[:, :k].astype(np.int32) for _ in range(2))
    )
    # |N ∩ N'| is hypergeometric: its variance is below k·p, and words are independent
    deviation = math.sqrt(k * (k / words) / words) / k
    assert abs(found.value - k / words) < 6 * deviation


def test_results_arrays_and_stacks_are_compared_alike() -> None:
    tables = np.random.default_rng(0).standard_normal((3, 30, 6))
    found = [nearest_neighbors(table, 5) for table in tables]
    ids = np.stack([entry.ids for entry in found])
    expected = neighbor_overlap(ids).per_word
    assert expected.shape == (3, 30)
    for lists in (found, list(ids)):
        np.testing.assert_array_equal(neighbor_overlap(*lists).per_word, expected)
    alike = neighbor_overlap(found[0], found[0])
    assert alike.value == 1
    assert alike.in_all_runs.tolist() == [5] * 30


@pytest.mark.parametrize(
    ("lists", "error", "message"),
    [
        ([np.zeros((4, 2), np.int32)], ShapeError, "1 runs"),
        (
            [np.zeros((4, 2), np.int32), np.zeros((5, 2), np.int32)],
            ShapeError,
            "run 0 has 4 rows but run 1 has 5",
        ),
        ([np.zeros((4, 2), np.int32), np.zeros((4, 3), np.int32)], ShapeError, "lists of 2 and 3 neighbors"),
        ([np.zeros((101, 4, 2), np.int32)], ShapeError, "101 runs with k = 2\n.* 100 runs"),
        ([np.zeros((2, 4, 257), np.int32)], ShapeError, "2 runs with k = 257\n.* at most 256"),
        ([np.zeros((4, 2)), np.zeros((4, 2))], DTypeError, "ids hold float64"),
    ],
)
def test_lists_that_cannot_be_compared_are_refused(lists: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        neighbor_overlap(*lists)
