"""Drift of words: what is planted is found, what is not is not, and every number is its definition."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from stability.questions.definitions import effect, planted, statistics_of_all_labelings

import gpuemb as ge
from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, GpuembError, NonFiniteError, ShapeError, VocabularyError
from gpuemb.stability.questions.drift.changes import chance_of_rows, lost_and_gained
from gpuemb.stability.questions.drift.labelings import Labelings
from gpuemb.stability.questions.drift.word_tests import WordTests, word_tests

WORDS, DIM = 60, 6


def judged(distances: np.ndarray, sizes: tuple[int, int]) -> WordTests:
    return word_tests(distances, Labelings.of(sizes, 1000), np.arange(len(distances)), 1.0)


def groups(drifted: int = 3, runs: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    base = draw.standard_normal((WORDS, DIM))
    both = base + 0.15 * draw.standard_normal((2 * runs, WORDS, DIM))
    both[runs:, :drifted] *= -1
    turns = [np.linalg.qr(draw.standard_normal((DIM, DIM)))[0] for _ in range(2 * runs)]
    both = np.stack([run @ turn for run, turn in zip(both, turns, strict=True)]).astype(np.float32)
    return {"old": both[:runs], "new": both[runs:]}


@pytest.mark.parametrize("sizes", [(3, 3), (2, 3), (1, 4)])
def test_statistics_and_p_values_are_those_of_loops_over_labelings(sizes: tuple[int, int]) -> None:
    distances = planted(12, 2, sizes, 1)
    distances[5] = distances[4]  # equal words
    distances[7] = 0.0  # a word that never changes
    found, expected = judged(distances, sizes), statistics_of_all_labelings(distances, sizes)
    np.testing.assert_allclose(found.statistic, expected[:, 0], rtol=1e-9, atol=1e-12)
    pool = np.sort(expected.ravel())
    for word, own in enumerate(expected):
        assert found.own_p_value[word] == (own >= own[0] - 1e-9).mean()
        assert math.isclose(found.p_value[word], (pool >= own[0] - 1e-9).mean())
    first, second = list(range(sizes[0])), list(range(sizes[0], sum(sizes)))
    square = np.zeros((sum(sizes), sum(sizes)))
    square[np.triu_indices(sum(sizes), 1)] = distances[3]
    np.testing.assert_allclose((found.between[3], found.within[3]), effect(square, first, second))
    assert found.own_p_value[7] == 1


def test_a_word_without_a_distance_in_some_pair_is_not_tested_and_changes_no_other() -> None:
    distances = planted(12, 2, (3, 3), 1)
    whole = judged(distances[1:], (3, 3))
    distances[0, 4] = np.nan
    found = judged(distances, (3, 3))
    for name in ("between", "effect", "low", "high", "p_value", "own_p_value"):
        values = getattr(found, name)
        assert np.isnan(values[0])
        np.testing.assert_allclose(values[1:], getattr(whole, name), rtol=1e-12)
    assert math.isclose(found.ratio.value, whole.ratio.value, rel_tol=1e-12)
    assert math.isclose(found.share.value, whole.share.value, rel_tol=1e-12)


def test_drifted_words_are_found_and_false_discoveries_are_held_down() -> None:
    false, power, any_false = [], [], []
    for seed in range(40):
        for drifted in (0, 30):
            found = judged(planted(120, drifted, (5, 5), seed, common=0.4), (5, 5))
            drift = ge.benjamini_hochberg(found.p_value, "words").discovered
            if drifted:
                false.append(drift[drifted:].sum() / max(1, drift.sum()))
                power.append(drift[:drifted].mean())
            else:
                any_false.append(drift.any())
    assert np.mean(false) <= 0.05
    assert np.mean(any_false) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 40)  # two standard errors
    assert np.mean(power) > 0.8


def test_where_no_word_drifted_p_values_are_uniform_and_the_share_is_none() -> None:
    found = [judged(planted(200, 0, (4, 4), seed), (4, 4)) for seed in range(40)]
    own = np.concatenate([one.own_p_value for one in found])
    pooled = np.concatenate([one.p_value for one in found])
    for level in (5 / 35, 10 / 35, 20 / 35):
        error = 3 * math.sqrt(level * (1 - level) / len(own))
        assert abs((own <= level + 1e-9).mean() - level) < error
        assert abs((pooled <= level).mean() - level) < error
    shares = [one.share.value for one in found]
    assert np.mean(shares) < 0.06


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(4, 4), (3, 6)])
@pytest.mark.parametrize("common", [0.0, 0.4])
def test_intervals_hold_what_fresh_runs_give_on_average(sizes: tuple[int, int], common: float) -> None:
    found = [judged(planted_again(seed, sizes, common), sizes) for seed in range(200)]
    effects = np.stack([one.effect for one in found])
    held = [(one.low <= effects.mean(axis=0)) & (effects.mean(axis=0) <= one.high) for one in found]
    assert 0.92 <= np.mean(held) <= 0.98
    for name in ("ratio", "share", "mean"):
        estimates = [getattr(one, name) for one in found]
        truth = np.mean([one.value for one in estimates])
        assert np.mean([one.low <= truth <= one.high for one in estimates]) >= 0.92, name


def planted_again(seed: int, sizes: tuple[int, int], common: float) -> np.ndarray:
    """Distances of fresh runs of the same words."""
    draw, words = np.random.default_rng((seed, 1)), np.random.default_rng(7)
    lengths, away = np.exp(0.3 * words.standard_normal((200, 1, 1))), words.standard_normal((200, 1, 8))
    runs = sum(sizes)
    vectors = draw.standard_normal((200, runs, 8)) + common * draw.standard_normal((1, runs, 8))
    vectors[:40, sizes[0] :] += 1.5 * away[:40]
    vectors *= lengths
    first, second = np.transpose(list(combinations(range(runs), 2)))
    found: np.ndarray = 1 - np.exp(-((vectors[:, first] - vectors[:, second]) ** 2).mean(axis=2) / 4)
    return found


def test_bands_pool_words_of_like_frequency_alone() -> None:
    quiet, loud = planted(500, 0, (4, 4), 1) / 100, planted(500, 0, (4, 4), 2)
    both = judged(np.concatenate([quiet, loud]), (4, 4))
    np.testing.assert_allclose(both.p_value[:500], judged(quiet, (4, 4)).p_value)
    shuffled = np.arange(1000).reshape(2, 500).T.ravel()  # a frequent and a rare word in turns
    again = word_tests(
        np.concatenate([quiet, loud])[shuffled], Labelings.of((4, 4), 1000), np.argsort(shuffled), 1.0
    )
    np.testing.assert_allclose(again.p_value, both.p_value[shuffled])


def test_drift_finds_turned_words_by_every_measure() -> None:
    found = ge.drift(groups(), k=5)
    assert found.labelings == 35
    assert found.exact
    for one in found.measures:
        assert set(np.flatnonzero(one.drifted)) >= {0, 1, 2}, one.measure
        assert one.ratio.low > 1
        assert one.p_value_of_all == 1 / 35
    assert set(np.flatnonzero(found["aligned_cosine"].drifted)) == {0, 1, 2}  # other words keep their places
    assert {word.row for word in found.changed(3, "aligned_cosine")} == {0, 1, 2}
    table = found.words
    assert table.column_names[:3] == ["word", "overlap_between", "overlap_within"]
    assert table.num_rows == WORDS


def test_distances_are_those_of_the_front_door() -> None:
    runs = groups()
    found = ge.drift(runs, k=5)
    lists = [ge.nearest_neighbors(table, 5) for group in runs.values() for table in group]
    overlaps = ge.neighbor_overlap(*lists).per_word
    pairs = list(combinations(range(8), 2))
    across = [place for place, (a, b) in enumerate(pairs) if (a < 4) != (b < 4)]
    np.testing.assert_allclose(found["overlap"].between, 1 - overlaps[across].mean(axis=0))
    moved = [
        np.asarray(ge.semantic_displacement(runs["old"][a], runs["new"][b - 4]).per_word)
        for a, b in pairs
        if a < 4 <= b
    ]
    np.testing.assert_allclose(found["aligned_cosine"].between, np.mean(moved, axis=0), atol=1e-6)
    local = [ge.second_order(runs["old"][a], runs["new"][b - 4]).per_word for a, b in pairs if a < 4 <= b]
    np.testing.assert_allclose(found["second_order"].between, 1 - np.mean(local, axis=0), atol=1e-12)


def test_the_same_bits_for_any_number_of_threads() -> None:
    found = []
    for count in (1, 2, 7):
        with threads.limit(count):
            found.append(ge.drift(groups(), k=5))
    assert found[0] == found[1] == found[2]


def test_a_word_without_a_vector_in_one_run_is_untested_and_named() -> None:
    runs = groups()
    runs["new"][2, 9] = 0.0
    found = ge.drift(runs, k=5)
    for one in found.measures:
        assert np.isnan(one.p_value[9])
        assert one.undefined == 1
        assert not one.drifted[9]
    assert "1 words have no distance" in found.caution
    assert 9 not in {word.row for word in found.changed(100)}


def test_few_runs_say_what_they_cannot_show() -> None:
    runs = groups(runs=2)
    found = ge.drift(runs, "overlap", k=5)
    assert found.labelings == 3
    assert found.smallest_p_value == 1 / 3
    assert not found["overlap"].drifted.any()
    assert "no word can be found at a rate of false discoveries below 0.33" in found.caution
    assert math.isnan(found["overlap"].share.low)
    assert "an interval needs 3" in found["overlap"].share.reason
    against_many = ge.drift({"old": runs["old"][:1], "new": runs["new"]}, "overlap", k=5)
    assert against_many.labelings == 3


def test_embeddings_are_matched_by_their_words() -> None:
    runs = groups()
    names = [f"w{i}" for i in range(WORDS)]
    old = [ge.Embedding(run, names, counts=np.arange(WORDS, 0, -1)) for run in runs["old"]]
    new = ge.EmbeddingStack(runs["new"][:, ::-1].copy(), names[::-1])
    found = ge.drift({"old": old, "new": new}, "overlap", k=5)
    plain = ge.drift(runs, "overlap", k=5)
    np.testing.assert_array_equal(found["overlap"].effect, plain["overlap"].effect)
    assert found.vocabulary[:2] == ["w0", "w1"]
    assert found.runs[1] == ("new run 0", "new run 1", "new run 2", "new run 3")
    assert found.words["count"].to_pylist()[:2] == [60, 59]


def test_lost_and_gained_neighbors_are_ordered_by_how_many_runs_list_them() -> None:
    names = list("abcdefgh")
    lost, gained = lost_and_gained(
        np.array([[1, 2, 3], [1, 2, 4]], np.int32), np.array([[1, 5, 6], [1, 5, -1]], np.int32), names
    )
    assert lost == (("c", 1.0, 0.0), ("d", 0.5, 0.0), ("e", 0.5, 0.0))
    assert gained == (("f", 1.0, 0.0), ("g", 0.5, 0.0))


def test_the_chance_of_rows_is_that_of_lists_drawn_at_random() -> None:
    draw = np.random.default_rng(0)
    table = draw.standard_normal((12, 3)).astype(np.float32)
    table[4] = 0.0
    first = np.asarray(ge.nearest_neighbors(table, 3).ids)
    second = np.asarray(ge.nearest_neighbors(draw.standard_normal((12, 3)).astype(np.float32), 3).ids)
    found = chance_of_rows(first, second)
    assert np.isnan(found[4])
    word = 0
    shared = len(set(first[word]) & set(second[word]))
    others = [row for row in range(12) if row != word]
    drawn = [len(set(first[word]) & set(some)) >= shared for some in combinations(others, 3)]
    assert math.isclose(found[word], float(np.mean(drawn)))


@pytest.mark.parametrize(
    ("given", "options", "error", "said"),
    [
        ([1, 2], {}, ShapeError, "two names"),
        ({"a": np.ones((2, 4, 2))}, {}, ShapeError, "Two groups"),
        ({"a": np.ones((1, 4, 2)), "b": np.ones((1, 4, 2))}, {}, ShapeError, "noise"),
        ({"a": np.ones((2, 4, 2)), "b": 3}, {}, ShapeError, "group b"),
        ({"a": np.ones((2, 4, 2)), "b": np.ones((2, 5, 2))}, {}, ShapeError, "rows"),
        ({"a": np.ones((2, 4, 2)), "b": np.ones((2, 4, 2))}, {"k": 4}, ConfigError, "k must be"),
        ({"a": np.ones((2, 4, 2)), "b": np.ones((2, 4, 2))}, {"measures": "overlp"}, ConfigError, "overlap"),
        ({"a": np.ones((2, 4, 2)), "b": np.ones((2, 4, 2))}, {"rate": 1.0}, ConfigError, "between 0 and 1"),
        ({"a": np.full((2, 4, 2), np.nan), "b": np.ones((2, 4, 2))}, {"k": 1}, NonFiniteError, "finite"),
        (
            {"a": [ge.Embedding(np.eye(2), ["x", "y"])] * 2, "b": [ge.Embedding(np.eye(2), ["z", "u"])]},
            {"k": 1},
            VocabularyError,
            "share",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(
    given: Any, options: dict[str, Any], error: type[GpuembError], said: str
) -> None:
    with pytest.raises(error, match=said):
        ge.drift(given, **options)


def test_two_tables_alone_name_the_rows_that_changed_and_what_chance_would_share() -> None:
    runs = groups()
    found = ge.compare([runs["old"][0], runs["new"][0]], ["overlap", "rsa"], k=5)
    rows = found.rows
    assert rows is not None
    lists = [ge.nearest_neighbors(run[0], 5) for run in runs.values()]
    expected = ge.neighbor_overlap(*lists)
    np.testing.assert_array_equal(rows.overlap, expected.per_word[0])
    np.testing.assert_allclose(rows.chance, expected.chance_per_word[0])
    assert rows.compared == WORDS
    assert rows.kept_half == np.mean(rows.overlap >= 0.5)
    assert rows.beyond_chance == rows.kept.discovered.mean() > 0.5
    changed = found.changed(3)
    assert {word.row for word in changed} == {0, 1, 2}
    assert [name for name, *_ in changed[0].lost] == [str(i) for i in lists[0].ids[changed[0].row]]
    assert found.words["p_value_by_chance"].to_numpy().tolist() == rows.p_value.tolist()
    with pytest.raises(ConfigError, match="3 tables"):
        ge.compare([*runs["old"][:3]], "overlap", k=5).changed()
    with pytest.raises(ConfigError, match="no overlap"):
        ge.compare([*runs["old"][:2]], "rsa", k=5).changed()
