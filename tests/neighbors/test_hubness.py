"""Hubs: against counts in plain Python, and lists drawn at random."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow import many_examples
from tolerances import assert_same_bits

import gpuemb as ge
from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, DTypeError, MemoryBudgetError, ShapeError, VocabularyError
from gpuemb.neighbors.evenness import evenness_by_chance

WORDS = [f"w{i}" for i in range(40)]


def table(seed: int = 0, rows: int = 40, dim: int = 6, shift: float = 1.0) -> Any:
    """Rows that share a direction, so that some are near to many."""
    return np.random.default_rng(seed).standard_normal((rows, dim)) + shift


def awkward() -> dict[str, tuple[Any, int]]:
    """Tables and k."""
    some = table(1, rows=12)
    zeros = some.copy()
    zeros[[0, 5, 11]] = 0
    one = np.zeros((4, 3))
    one[2] = 1
    return {
        "rows of zeros": (zeros, 3),
        "k as large as rows with a length": (zeros, 8),
        "lists that rows of zeros cut short": (zeros, 11),
        "k near V": (some, 10),
        "everybody in every list": (some, 11),
        "duplicates": (np.repeat(some[:3], 4, axis=0), 2),
        "all rows equal": (np.ones((7, 2)), 2),
        "two words": (some[:2], 1),
        "one word with a length": (one, 2),
        "no word with a length": (np.zeros((4, 3)), 2),
        "tiny norms": (some.astype(np.float32) * np.float32(1e-30), 3),
        "another byte order": (some.astype(">f8"), 3),
        "an Embedding": (ge.Embedding(some, WORDS[:12]), 3),
    }


def by_hand(ids: Any, known: Any, hub_size: float) -> dict[str, Any]:
    """The numbers of one run, as Definitions §3 writes them."""
    counts = [sum(row in one for one in ids.tolist()) for row in range(len(known))]
    kept = [count for count, there in zip(counts, known, strict=True) if there]
    total, n = sum(kept), len(kept)
    assert total == sum(counts)
    found: dict[str, Any] = {"counts": counts, "anti_hubs": kept.count(0)}
    found["anti_hub_share"] = kept.count(0) / n if n else math.nan
    found["hubs"] = [bool(total) and count >= hub_size * total / n for count in counts]
    nothing = dict.fromkeys(("skewness", "robin_hood", "hub_share"), math.nan)
    if not total:
        return found | nothing
    mean = total / n
    second = math.fsum((count - mean) ** 2 for count in kept) / n
    third = math.fsum((count - mean) ** 3 for count in kept) / n
    found["skewness"] = third / second**1.5 if second else math.nan
    found["robin_hood"] = math.fsum(abs(count - mean) for count in kept) / n / mean / 2
    found["hub_share"] = sum(c for c, hub in zip(counts, found["hubs"], strict=True) if hub) / total
    return found


def assert_by_hand(found: ge.Hubness, run: int, ids: Any, known: Any) -> None:
    for name, value in by_hand(ids, known, found.hub_size).items():
        measured = np.asarray(getattr(found, name)[run])
        if measured.dtype.kind == "f":
            np.testing.assert_allclose(measured, value, rtol=0, atol=1e-12, err_msg=name)
        else:
            np.testing.assert_array_equal(measured, value, err_msg=name)
    assert found.without_length[run] == len(known) - sum(known)


@pytest.mark.parametrize("case", awkward())
@pytest.mark.parametrize("hub_size", [1.0, 1.5, 2.0, 1e308, 2**70])  # of the last two there are no hubs
def test_every_number_is_its_definition(case: str, hub_size: float) -> None:
    x, k = awkward()[case]
    lists = ge.nearest_neighbors(x, k)
    found = ge.hubness(x, k, hub_size=hub_size)
    assert found.counts.shape == (1, len(lists.ids))
    assert_by_hand(found, 0, np.asarray(lists.ids), lists.candidates.known.tolist())
    again = ge.hubness(lists, hub_size=hub_size)
    assert_same_bits(again.counts, found.counts)
    assert again.k == found.k == k


@many_examples(60)
@given(seed=st.integers(0, 10**6), rows=st.integers(2, 12), k=st.integers(1, 11), zeros=st.floats(0, 0.6))
def test_any_small_table_is_as_by_hand(seed: int, rows: int, k: int, zeros: float) -> None:
    random = np.random.default_rng(seed)
    x = random.integers(-2, 3, (rows, 2)).astype(np.float64)
    x[random.random(rows) < zeros] = 0
    lists = ge.nearest_neighbors(x, min(k, rows - 1))
    found = ge.hubness(lists)
    assert_by_hand(found, 0, lists.ids, lists.candidates.known.tolist())


def test_even_lists_and_one_hub_have_the_values_known_in_advance() -> None:
    angles = np.arange(8) * math.pi / 4
    ring = ge.hubness(np.stack([np.cos(angles), np.sin(angles)], axis=1), 2)
    assert ring.counts.tolist() == [[2] * 8]
    assert ring.robin_hood.tolist() == ring.hub_share.tolist() == ring.anti_hub_share.tolist() == [0.0]
    assert math.isnan(ring.value)
    star = np.vstack([np.ones(5), np.eye(5)])  # row 0 is nearest to all, row 1 the first of equals
    found = ge.hubness(star, 1)
    assert found.counts.tolist() == [[5, 1, 0, 0, 0, 0]]
    assert found.robin_hood.tolist() == [4 / 6]
    assert found.anti_hubs.tolist() == [4]
    assert found.hub_share.tolist() == [5 / 6]
    assert found.largest(2) == [("0", 5.0), ("1", 1.0)]


def drawn(ask: Any, draws: int = 4000) -> Any:
    """Mean of anti-hubs, Robin Hood, hub share and skewness's moments over lists drawn at random."""
    random = np.random.default_rng(0)
    rows, k, itself = ask
    n, everything = rows, []
    for _ in range(draws):
        counts = np.zeros(n)
        for own in itself:
            others = np.delete(np.arange(n), own) if own is not None else np.arange(n)
            counts[random.choice(others, k, replace=False)] += 1
        everything.append(counts)
    counts = np.array(everything)
    mean = k * len(itself) / n
    deviations = counts - mean
    least = math.ceil(2 * mean)
    return [
        (deviations**3).mean() / (deviations**2).mean() ** 1.5,
        abs(deviations).mean() / (2 * mean),
        (counts == 0).mean(),
        np.where(counts >= least, counts, 0).mean() / mean,
    ]


@pytest.mark.parametrize(
    ("rows", "k", "itself"),
    [
        (8, 2, tuple(range(8))),
        (6, 1, (0, 1, 1)),  # some rows, one twice
        (5, 2, (None,) * 7),  # vectors, which leave no row out
    ],
    ids=["every row", "some rows", "vectors"],
)
def test_chance_is_what_lists_drawn_at_random_give(rows: int, k: int, itself: tuple[int | None, ...]) -> None:
    x = table(3, rows=rows)
    asked = x[:1].repeat(len(itself), axis=0) if itself[0] is None else list(itself)
    found = ge.hubness(ge.nearest_neighbors(x, k, queries=asked))
    measured = [
        found.chance_skewness[0],
        found.chance_robin_hood[0],
        found.chance_anti_hub_share[0],
        found.chance_hub_share[0],
    ]
    np.testing.assert_allclose(measured, drawn((rows, k, itself)), atol=0.03)


def test_chance_of_full_lists_is_the_binomial() -> None:
    found = ge.hubness(table(), 5)
    n, p = 39, 5 / 39
    np.testing.assert_allclose(found.chance_skewness, (1 - 2 * p) / math.sqrt(n * p * (1 - p)), rtol=1e-12)
    np.testing.assert_allclose(found.chance_anti_hub_share, (1 - p) ** n, rtol=1e-12)
    mass = [math.comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
    spread = math.fsum(abs(c - 5) * share for c, share in enumerate(mass))
    np.testing.assert_allclose(found.chance_robin_hood, spread / 10, rtol=1e-12)
    taken = math.fsum(c * share for c, share in enumerate(mass) if c >= 10)
    np.testing.assert_allclose(found.chance_hub_share, taken / 5, rtol=1e-12)


def test_rows_of_zeros_take_no_part_in_chance() -> None:
    x = table(rows=20)
    padded = np.concatenate([x[:7], np.zeros((30, 6)), x[7:]])
    whole, part = ge.hubness(x, 4), ge.hubness(padded, 4)
    for name in ("skewness", "robin_hood", "anti_hub_share", "hub_share"):
        assert_same_bits(getattr(part, name), getattr(whole, name))
        assert_same_bits(getattr(part, f"chance_{name}"), getattr(whole, f"chance_{name}"))
    assert part.without_length.tolist() == [30]


def test_chance_of_everybody_in_every_list_has_no_skewness() -> None:
    found = ge.hubness(table(rows=6), 5)
    assert math.isnan(found.value)
    assert math.isnan(found.chance_skewness[0])
    assert found.chance_robin_hood[0] == found.chance_anti_hub_share[0] == found.robin_hood[0] == 0


def test_data_of_many_dimensions_have_hubs_and_lists_at_random_have_none() -> None:
    """Beside its expectation, the skewness of one draw of lists at random."""
    found = ge.hubness(table(rows=400, dim=50), 10)
    assert found.value > 3 * found.chance_skewness[0] > 0
    assert found.hub_share[0] > 3 * found.chance_hub_share[0]
    random = np.random.default_rng(0)
    lists = ge.nearest_neighbors(table(rows=400, dim=50), 10)
    at_random = np.array([random.choice(np.delete(np.arange(400), own), 10, False) for own in range(400)])
    lists.ids[...] = at_random
    even = ge.hubness(lists)
    assert abs(even.value - even.chance_skewness[0]) < 5 * math.sqrt(6 / 400)
    assert abs(even.robin_hood[0] - even.chance_robin_hood[0]) < 0.02


def runs() -> list[ge.Embedding]:
    x = table()
    noise = [0.1 * np.random.default_rng(seed).standard_normal(x.shape) for seed in range(3)]
    return [ge.Embedding(x + each, WORDS, name=f"seed {s}") for s, each in enumerate(noise)]


def test_runs_have_a_value_each_and_agree_as_their_ranks_do() -> None:
    stack = ge.stack(runs())
    found = ge.hubness(stack, 4)
    assert found.runs == ("seed 0", "seed 1", "seed 2")
    alone = [ge.hubness(run, 4) for run in runs()]
    for run, one in enumerate(alone):
        assert_same_bits(found.counts[run], one.counts[0])
        assert found.skewness[run] == one.value
        assert one.agreement.shape == (0,)
        assert math.isnan(one.mean_agreement)
    assert found.value == pytest.approx(np.mean([one.value for one in alone]))
    expected = []
    for a, b in combinations(found.counts.tolist(), 2):
        ranks = [[sum(o < c for o in run) + sum(o == c for o in run) / 2 for c in run] for run in (a, b)]
        expected.append(np.corrcoef(ranks)[0, 1])
    np.testing.assert_allclose(found.agreement, expected, atol=1e-12)
    assert found.mean_agreement == pytest.approx(np.mean(expected))
    lists = [ge.nearest_neighbors(run, 4) for run in runs()]
    array = np.stack([run.vectors for run in runs()])
    for other in (ge.hubness(lists), ge.hubness(runs(), 4), ge.hubness(array, 4)):
        assert_same_bits(other.counts, found.counts)
        assert_same_bits(other.agreement, found.agreement)
    same = ge.hubness([lists[0], lists[0]])
    assert same.agreement.tolist() == pytest.approx([1.0])
    assert same.hubs_in_common == 1


def test_the_table_names_words_with_their_counts_the_largest_first() -> None:
    found = ge.hubness(runs(), 4)
    rows = found.table.to_pylist()
    assert [row["count"] for row in rows] == sorted((row["count"] for row in rows), reverse=True)
    assert sorted(row["word"] for row in rows) == sorted(WORDS)
    for row in rows:
        column = found.counts[:, WORDS.index(row["word"])]
        assert row["count"] == pytest.approx(column.mean())
        assert (row["lowest"], row["highest"]) == (column.min(), column.max())
        assert row["hub_in"] == (column >= 8).sum()
    assert found.largest(3) == [(row["word"], row["count"]) for row in rows[:3]]
    assert len(found.largest(1000)) == 40
    assert ge.hubness(table(), 4).table.column("word").to_pylist()[:1] == [
        str(int(np.argmax(ge.hubness(table(), 4).counts)))
    ]
    hubs = [row["hub_in"] for row in rows if row["hub_in"]]
    assert found.hubs_in_common == hubs.count(3) / len(hubs)


def test_a_row_that_one_run_has_no_length_for_is_in_no_agreement() -> None:
    x = table()
    gone = x.copy()
    gone[3] = 0
    found = ge.hubness([x, gone, gone], 4)
    assert found.without_length.tolist() == [0, 1, 1]
    assert found.agreement[2] == pytest.approx(1)
    lost = [ge.hubness(np.zeros((4, 2)), 1), ge.hubness([np.zeros((4, 2)), table(rows=4)], 1)]
    assert math.isnan(lost[0].value)
    assert np.isnan(lost[1].agreement).all()


def test_finished_lists_may_be_cut() -> None:
    lists = ge.nearest_neighbors(table(), 9)
    assert_same_bits(ge.hubness(lists, 4).counts, ge.hubness(table(), 4).counts)
    assert_same_bits(ge.hubness(lists, 4).chance_skewness, ge.hubness(table(), 4).chance_skewness)
    shorter = ge.nearest_neighbors(table(), 5)
    assert ge.hubness([lists, shorter], 5).mean_agreement == pytest.approx(1)
    with pytest.raises(ShapeError, match="lists of 9 neighbors in run 0 but of 5 in run 1"):
        ge.hubness([lists, shorter])
    with pytest.raises(ConfigError, match="k = 10"):
        ge.hubness(lists, 10)


def test_lists_of_some_queries_count_those_alone() -> None:
    x = ge.Embedding(table(), WORDS)
    lists = ge.nearest_neighbors(x, 3, queries=["w3", "w9", "w3"])
    found = ge.hubness(lists)
    assert_by_hand(found, 0, lists.ids, [True] * 40)
    assert found.counts.sum() == 9
    with pytest.raises(VocabularyError, match="hubness: query 0 is row 3 in run 0 but row 4 in run 1"):
        ge.hubness([lists, ge.nearest_neighbors(x, 3, queries=["w4", "w9", "w3"])])


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_number_of_threads_changes_no_bit(workers: int) -> None:
    expected = ge.hubness(runs(), 4)
    with threads.limit(workers):
        assert ge.hubness(runs(), 4) == expected


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ge.hubness(table(rows=1)), ConfigError, "at least two words"),
        (lambda: ge.hubness(table(), 0), ConfigError, "k = 0"),
        (lambda: ge.hubness(table(), 40), ConfigError, "among 39 candidates"),
        (lambda: ge.hubness(table(), 2, hub_size=0.5), ConfigError, "hub_size = 0.5"),
        (lambda: ge.hubness(table(), 2, hub_size=math.nan), ConfigError, "hub_size = nan"),
        (lambda: ge.hubness(table(), 2, hub_size=math.inf), ConfigError, "hub_size = inf"),
        (lambda: ge.hubness("glove.npy"), DTypeError, "gpuemb.load"),
        (lambda: ge.hubness(table().astype(int), 2), DTypeError, "float"),
        (lambda: ge.hubness([]), ShapeError, "V words"),
        (lambda: ge.hubness(np.ones((0, 6, 3)), 2), ShapeError, "EmbeddingStack"),
        (lambda: ge.hubness([table(), table(rows=30)], 2), ShapeError, "run 1"),
        (
            lambda: ge.hubness([runs()[0], ge.Embedding(table(), WORDS[::-1])], 2),
            VocabularyError,
            "hubness: row 0 is 'w0' in run 0 but 'w39' in run 1",
        ),
        (lambda: ge.hubness(table(), 2).largest(0), ConfigError, "count = 0"),
    ],
)
def test_what_cannot_be_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_memory_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = ge.nearest_neighbors(table(), 3)
    monkeypatch.setattr("gpuemb.core.memory.available_host_bytes", lambda: 100)
    with pytest.raises(MemoryBudgetError, match="hubness of 1 runs, 40 rows"):
        ge.hubness(lists)


def test_it_prints_in_one_line_and_equals_itself() -> None:
    found = ge.hubness(table(), 3)
    assert repr(found).startswith("Hubness(")
    assert "\n" not in repr(found)
    assert found == ge.hubness(table(), 3) != ge.hubness(table(1), 3)
    assert float(found) == found.value


def test_the_chance_of_no_lists_is_no_number() -> None:
    lists = ge.nearest_neighbors(np.zeros((3, 2)), 1)
    found = evenness_by_chance(lists.candidates.known, lists.candidates, np.zeros(3, np.int64), 0)
    assert all(math.isnan(value) for value in found)
