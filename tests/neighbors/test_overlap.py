"""How far runs agree about nearest neighbors: against sets and the definitions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow import many_examples
from tolerances import EPS64, assert_same_bits, sum_error

from gpuemb.core import threads
from gpuemb.core.arrays import Int32
from gpuemb.core.errors import ConfigError, DTypeError, MemoryBudgetError, ShapeError, VocabularyError
from gpuemb.embeddings.model import Embedding
from gpuemb.neighbors import overlap as module
from gpuemb.neighbors.chance import Shuffle
from gpuemb.neighbors.exact import Neighbors, nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.uncertainty.draws import order_of


@st.composite
def neighbor_lists(draw: st.DrawFn) -> Int32:
    """``(S, V, k)`` lists without duplicates, some of them short."""
    runs, words, k = draw(st.integers(2, 4)), draw(st.integers(2, 6)), draw(st.integers(1, 5))
    one = st.lists(st.integers(0, 7), max_size=k, unique=True).map(lambda ids: ids + [-1] * (k - len(ids)))
    lists = draw(st.lists(one, min_size=runs * words, max_size=runs * words))
    return np.array(lists, np.int32).reshape(runs, words, k)


@many_examples(150)
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


@many_examples(150)
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
    with pytest.raises(MemoryBudgetError, match=r"neighbor_overlap of 3 runs, 50 words: needs 7\.2 kB"):
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
    assert (found.value, found.undefined) == (1, 2)


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
    found = neighbor_overlap(np.zeros((2, 101, 10), np.int32))
    np.testing.assert_allclose(found.chance_per_word, np.full((1, 101), 10 / 100), rtol=4 * EPS64)
    assert abs(found.chance - 10 / 100) <= 101 * EPS64
    assert math.isnan(neighbor_overlap(np.zeros((2, 1, 1), np.int32)).chance)


def unrelated(case: str, seed: int) -> tuple[Neighbors, Neighbors]:
    """Neighbors in two random tables of 14 words, of which some have no length."""
    numbers = np.random.default_rng(seed)
    x, y = numbers.standard_normal((2, 14, 5))
    zeros: tuple[list[int], list[int]] = ([1, 2], [2, 3, 4, 5])
    if case == "fewer candidates than k":
        zeros = ([0, 1, 2, 3, 4, 5, 6, 7], [2, 3, 4])
    if case != "full tables":
        x[zeros[0]] = y[zeros[1]] = 0
    queries: Any = None
    if case == "queries are words":
        queries = [0, 3, 9, 1, 13]
    elif case == "queries are vectors":
        queries = numbers.standard_normal((4, 5))
    others = numbers.standard_normal((4, 5)) if case == "queries are vectors" else queries
    return nearest_neighbors(x, 6, queries=queries), nearest_neighbors(y, 6, queries=others)


CASES = [
    "full tables",
    "zero rows",
    "fewer candidates than k",
    "queries are words",
    "queries are vectors",
]


@pytest.mark.parametrize("case", CASES)
def test_chance_is_what_unrelated_tables_share_in_a_simulation(case: str) -> None:
    draws = 80
    found = [neighbor_overlap(*unrelated(case, seed)) for seed in range(draws)]
    overlaps = np.stack([one.per_word[0] for one in found])
    expected = found[0].chance_per_word[0]
    for one in found:
        np.testing.assert_array_equal(one.chance_per_word[0], expected)  # it depends on no cosine
        assert one.reason == ""
    np.testing.assert_array_equal(np.isnan(expected), np.isnan(overlaps).all(axis=0))
    known = np.isfinite(expected)
    deviation = overlaps[:, known].std(axis=0) / math.sqrt(draws)
    assert (np.abs(overlaps[:, known].mean(axis=0) - expected[known]) <= 5 * deviation).all()
    assert abs(np.nanmean(overlaps) - found[0].chance) <= 5 * np.nanmean(overlaps, axis=1).std() / math.sqrt(
        draws
    )
    assert abs(found[0].chance - expected[known].mean()) <= 64 * EPS64


@pytest.mark.parametrize("case", CASES)
def test_chance_is_the_formula_of_the_definitions(case: str) -> None:
    first, second = unrelated(case, 0)
    found = neighbor_overlap(first, second).chance_per_word[0]
    for query, value in enumerate(found):
        a, b = ({int(row) for row in np.flatnonzero(one.candidates.known)} for one in (first, second))
        if first.candidates.itself is not None:
            a, b = a - {int(first.candidates.itself[query])}, b - {int(first.candidates.itself[query])}
        k, other = (int((one.ids[query] >= 0).sum()) for one in (first, second))
        if not k * other:
            assert math.isnan(value)
        else:
            expected = k * other * len(a & b) / (len(a) * len(b)) / max(k, other)
            assert abs(value - expected) <= 8 * EPS64


def test_queries_do_not_make_the_table_small() -> None:
    tables = np.random.default_rng(0).standard_normal((2, 2001, 5))
    found = neighbor_overlap(*(nearest_neighbors(table, 10, queries=list(range(50))) for table in tables))
    assert abs(found.chance - 10 / 2000) <= 64 * EPS64
    ids = [nearest_neighbors(table, 10, queries=[0, 1, 2]).ids for table in tables]
    alone = neighbor_overlap(*ids)
    assert math.isnan(alone.chance)
    assert "pass what nearest_neighbors returns" in alone.reason
    with pytest.raises(ConfigError, match=r"permutations = 9 of lists from unknown candidates"):
        neighbor_overlap(*ids, permutations=9)
    beside = neighbor_overlap(nearest_neighbors(tables[0], 10, queries=[0, 1, 2]), ids[1])
    assert math.isnan(beside.chance)  # its candidates might be any


@pytest.mark.parametrize("case", CASES)
def test_a_permutation_is_the_search_in_the_permuted_table(case: str) -> None:
    """Rows of a table change places, the rows of queries among themselves, and neighbors are found anew."""
    numbers = np.random.default_rng(1)
    x, y = numbers.standard_normal((2, 14, 5))
    if case != "full tables":
        y[[2, 3, 4, 5]] = 0
    queries: Any = [0, 3, 9, 1, 13] if case == "queries are words" else None
    if case == "queries are vectors":
        queries = numbers.standard_normal((4, 5))
    first, second = (nearest_neighbors(table, 6, queries=queries) for table in (x, y))
    found = neighbor_overlap(first, second, permutations=9, seed=4)
    shuffle = Shuffle(second.ids, second.candidates, 1)
    null = []
    for draw in range(9):
        place = np.arange(14)
        for name, rows in zip(("words", "candidates"), shuffle.groups, strict=True):
            place[rows] = rows[shuffle._order(draw, 4, name, len(rows))]
        assert y[place].any(axis=1).tolist() == y.any(axis=1).tolist()
        null.append(neighbor_overlap(first, nearest_neighbors(y[place], 6, queries=queries)).value)
    if case == "full tables":
        np.testing.assert_array_equal(place, order_of(8, 14, 4))  # as of every other measure
    reached = sum(value >= found.value - 1e-12 for value in null)
    assert found.p_value == found.p_values[0] == (1 + reached) / 10
    assert abs(found.null_mean - np.mean(null)) <= 64 * EPS64
    assert found.permutations == 9


def test_p_values_of_unrelated_runs_are_rarely_small_and_of_related_runs_always() -> None:
    small = 0
    for seed in range(30):
        tables = np.random.default_rng(seed).standard_normal((3, 20, 4))
        near = tables[0] + 0.2 * tables[1]
        found = neighbor_overlap(
            *(nearest_neighbors(table, 3) for table in (tables[0], near, tables[2])), permutations=19
        )
        assert found.p_values[0] == 1 / 20
        small += int(found.p_values[1] <= 1 / 20)
    assert small <= 30 / 20 + 5 * math.sqrt(30 / 20)


def test_p_values_depend_on_the_seed_alone() -> None:
    numbers = np.random.default_rng(0)
    lists = [nearest_neighbors(table, 5) for table in numbers.standard_normal((4, 300, 10))]
    advanced: list[int] = []

    class Bar:
        def advance(self, amount: int = 1) -> None:
            advanced.append(amount)

        @contextmanager
        def phase(self, name: str, total: int | None = None) -> Iterator[Bar]:
            assert total == 30
            yield self

        def note(self, message: str) -> None:
            pass

    with threads.limit(1):
        alone = neighbor_overlap(*lists, permutations=30, progress=Bar())
    with threads.limit(3):
        together = neighbor_overlap(*lists, permutations=30)
    assert len(advanced) == 30
    assert (alone.p_value, alone.null_mean) == (together.p_value, together.null_mean)
    assert_same_bits(alone.p_values, together.p_values)
    assert neighbor_overlap(*lists, permutations=30, seed=1).null_mean != alone.null_mean
    assert math.isnan(neighbor_overlap(*lists).p_value)
    assert abs(alone.null_mean - alone.chance) < 0.1 * alone.chance


def test_lists_of_other_words_are_not_compared() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 9, 4))
    words = [f"w{i}" for i in range(9)]
    with pytest.raises(VocabularyError, match="query 1 is row 2 in run 0 but row 3 in run 2"):
        neighbor_overlap(*(nearest_neighbors(x, 2, queries=asked) for asked in ([0, 2], [0, 2], [0, 3])))
    with pytest.raises(VocabularyError, match="row 0 is 'w0' in run 0 but 'w8' in run 1"):
        neighbor_overlap(
            nearest_neighbors(Embedding(x, words), 2), nearest_neighbors(Embedding(y, words[::-1]), 2)
        )
    with pytest.raises(ShapeError, match="the table of run 0 has 9 rows but that of run 1 has 8"):
        neighbor_overlap(nearest_neighbors(x, 2, queries=[0]), nearest_neighbors(x[:8], 2, queries=[0]))
    with pytest.raises(ConfigError, match="permutations must be at least 0"):
        neighbor_overlap(nearest_neighbors(x, 2), nearest_neighbors(y, 2), permutations=-1)


def test_an_array_beside_neighbors_of_every_word_is_of_every_word() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 9, 4))
    first, second = nearest_neighbors(x, 2), nearest_neighbors(y, 2)
    whole = neighbor_overlap(first, second, permutations=5)
    mixed = neighbor_overlap(first, second.ids, permutations=5)
    assert (mixed.chance, mixed.p_value) == (whole.chance, whole.p_value)


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


@pytest.mark.parametrize("wrong", [2**32 + 1, 2**31, -2, -(2**32)])
def test_ids_that_would_wrap_are_refused(wrong: int) -> None:
    ids = np.array([[[1, 2], [0, 2], [0, 1]]] * 2, np.int64)
    assert float(neighbor_overlap(ids)) == 1
    ids[1, 0, 0] = wrong
    with pytest.raises(DTypeError, match=r"ids hold int64 from"):
        neighbor_overlap(ids)
