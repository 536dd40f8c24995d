"""Second-order similarity: against the definition in plain Python, on awkward tables, for any tile."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from strategies import ORDINARY, awkward_rows
from tolerances import assert_same_bits

import gpuemb as ge
from gpuemb.core import threads
from gpuemb.core.errors import (
    ConfigError,
    DTypeError,
    MemoryBudgetError,
    NonFiniteError,
    ShapeError,
    VocabularyError,
)
from gpuemb.neighbors.chance import Shuffle
from gpuemb.words import profiles

WORDS = [f"w{i}" for i in range(40)]


def reference(x: Any, y: Any, i: int, j: int, near: set[int]) -> tuple[float, int]:
    """Definitions §3: the cosine of both words' similarities to the words of a union of neighbors."""

    def cosine(table: Any, a: int, b: int) -> float:
        one, other = table[a].astype(np.float64).tolist(), table[b].astype(np.float64).tolist()
        size = math.sqrt(math.fsum(v * v for v in one)) * math.sqrt(math.fsum(v * v for v in other))
        return math.fsum(v * w for v, w in zip(one, other, strict=True)) / size if size else math.nan

    profile = [(cosine(x, i, n), cosine(y, j, n)) for n in sorted(near - {-1})]
    profile = [(s, t) for s, t in profile if s == s and t == t]
    size = math.sqrt(math.fsum(s * s for s, _ in profile)) * math.sqrt(math.fsum(t * t for _, t in profile))
    value = math.fsum(s * t for s, t in profile) / size if size else math.nan
    return value, len(profile)


def table(seed: int = 0, rows: int = 40, dim: int = 6) -> Any:
    return np.random.default_rng(seed).standard_normal((rows, dim))


@pytest.mark.parametrize("kind", [*ORDINARY, "huge and tiny"])
@pytest.mark.parametrize(("dtype", "other", "k"), [("float32", "float64", 3), (">f8", "float16", 22)])
def test_across_tables_each_word_is_its_definition(kind: str, dtype: str, other: str, k: int) -> None:
    x = awkward_rows(kind, "float64" if dtype == ">f8" else dtype, 23, 5, 0).astype(dtype)
    y = awkward_rows(kind, other, 23, 7, 1)
    found = ge.second_order(x, y, k=k)
    lists = [ge.nearest_neighbors(each, k).ids.tolist() for each in (x, y)]
    wanted = [reference(x, y, i, i, {*lists[0][i], *lists[1][i]}) for i in range(23)]
    np.testing.assert_allclose(found.per_word, [value for value, _ in wanted], rtol=0, atol=1e-12)
    assert found.compared.tolist() == [words for _, words in wanted]
    assert found.without_value == sum(value != value for value, _ in wanted)
    some = ge.second_order(x, y, ["7", "3", "7"], k=k)
    assert_same_bits(some.per_word, found.per_word[[7, 3]])


@pytest.mark.parametrize("kind", ["gaussian", "zero rows", "duplicates", "all zero"])
def test_within_a_table_each_pair_is_its_definition(kind: str) -> None:
    x = awkward_rows(kind, "float32", 12, 5, 3)
    one = ge.Embedding(x, WORDS[:12])
    found = ge.second_order(one, words=WORDS[:12], k=4)
    lists = ge.nearest_neighbors(x, 4).ids.tolist()
    rows = [(one.row(a), one.row(b)) for a, b in found.pairs]
    wanted = [reference(x, x, i, j, {*lists[i], *lists[j]}) for i, j in rows]
    np.testing.assert_allclose(found.values, [value for value, _ in wanted], rtol=0, atol=1e-12)
    assert found.compared.tolist() == [words for _, words in wanted]
    matrix = ge.cosine_matrix(x).scores
    np.testing.assert_allclose(found.cosines, [matrix[pair] for pair in rows], rtol=0, atol=1e-12)
    named = ge.second_order(one, words=[("w5", "w2"), ("w2", "w5"), ("w1", "w1")], k=4)
    assert_same_bits(named.values[0], named.values[1])
    assert named.values[2] == pytest.approx(1) or math.isnan(named.values[2])


def test_a_rotated_and_scaled_table_keeps_all_and_a_moved_word_is_found() -> None:
    x = table(rows=200, dim=10)
    turned = np.linalg.qr(table(1, 10, 10))[0] * 3
    same = ge.second_order(x, x @ turned, k=5)
    np.testing.assert_allclose(same.per_word, 1, atol=1e-12)
    assert (same.compared == 5).all()
    moved = x @ turned
    moved[7] = -moved[7]
    found = ge.second_order(x, moved, k=5, permutations=19)
    assert found.most_changed(1)[0] == ("7", pytest.approx(-1, abs=0.01))
    assert found.p_value == 1 / 20
    assert found.change[7] == 1 - found.per_word[7]
    assert found.table.column("word")[0].as_py() == "7"
    most = found.least_changed(400)  # equal ones by row
    assert len(most) == 200
    assert most == sorted(most, key=lambda pair: (-pair[1], int(pair[0])))


@pytest.mark.slow
def test_unrelated_tables_are_as_similar_as_their_permutations() -> None:
    shared = 1.0  # directions in common: cosines are positive, and chance is high
    values = [
        ge.second_order(table(2 * s) + shared, table(2 * s + 1) + shared, k=5, permutations=19)
        for s in range(12)
    ]
    assert 0.2 < np.mean([found.p_value for found in values]) < 0.8
    assert np.mean([found.null_mean for found in values]) > 0.7
    assert abs(np.mean([found.chance_adjusted for found in values])) < 0.1


def test_a_permutation_of_words_is_that_of_the_table() -> None:
    x, y = table(0), table(1)
    lists = ge.nearest_neighbors(y, 4)
    shuffle = Shuffle(lists.ids, lists.candidates, 1)
    order = shuffle.moved_from(0, 5)
    assert sorted(order.tolist()) == list(range(40))
    assert ge.second_order(x, y, k=4, permutations=1, seed=5).null_mean == pytest.approx(
        ge.second_order(x, y[order], k=4).value, abs=1e-14
    )


def test_no_tile_and_no_number_of_threads_changes_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = table(0, 300, 17).astype(np.float32), table(1, 300, 5)
    found = ge.second_order(x, y, k=10)
    for count, size in ((1, 1), (2, 1 << 14), (7, 1 << 16)):
        monkeypatch.setattr(profiles, "TILE_BYTES", size)
        with threads.limit(count):
            assert_same_bits(ge.second_order(x, y, k=10).per_word, found.per_word)


def test_more_pairs_than_fit_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpuemb.core.memory.available_host_bytes", lambda: 10_000)
    with pytest.raises(MemoryBudgetError, match="780 profiles"):
        ge.second_order(ge.Embedding(table(), WORDS), words=WORDS, k=3)


def test_vocabularies_are_joined_by_word() -> None:
    x, y = table(0), table(1)
    one, other = ge.Embedding(x, WORDS), ge.Embedding(y[:30:-1], WORDS[:30:-1])
    found = ge.second_order(one, other, k=3)
    assert list(found.words) == WORDS[31:]
    assert found.dropped == (31, 0)
    assert_same_bits(found.per_word, ge.second_order(x[31:], y[31:], k=3).per_word)


NONSENSE: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ((table(),), {}, DTypeError, "an array has none"),
    ((ge.Embedding(table(), WORDS),), {}, ConfigError, "list of words"),
    ((ge.Embedding(table(), WORDS),), {"words": ["w1"]}, ConfigError, "two words or more"),
    ((ge.Embedding(table(), WORDS),), {"words": ["w1", ("w2", "w3")]}, ConfigError, "two words or more"),
    ((ge.Embedding(table(), WORDS),), {"words": ["w1", "w_2"]}, VocabularyError, "w2"),
    ((ge.Embedding(table(), WORDS),), {"words": ["w1", "w2"], "k": 40}, ConfigError, "k = 40"),
    (
        (ge.Embedding(table(), WORDS),),
        {"words": ["w1", "w2"], "permutations": 3},
        ConfigError,
        "second table",
    ),
    ((table(), table()), {"k": 40}, ConfigError, "second_order: k = 40"),
    ((table(), table(0, 39)), {}, ShapeError, "39"),
    ((table(), table() * np.nan), {}, NonFiniteError, "NaN"),
    (
        (ge.Embedding(table(), WORDS), ge.Embedding(table(), [*map(str, range(40))])),
        {},
        VocabularyError,
        "none",
    ),
    ((ge.Embedding(table(), WORDS), ge.Embedding(table(), WORDS)), {"words": "w1"}, ConfigError, "w1"),
    ((ge.stack([table(), table(1)]),), {}, ShapeError, "stack\\[0\\], stack\\[1\\]"),
]


@pytest.mark.parametrize(("tables", "options", "error", "message"), NONSENSE)
def test_what_cannot_be_compared_is_refused(
    tables: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ge.second_order(*tables, **options)
