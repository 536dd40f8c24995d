"""A table prepared once answers as one that is prepared for every question."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Table, tables
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.errors import (
    ConfigError,
    DTypeError,
    MemoryBudgetError,
    NonFiniteError,
    ShapeError,
    VocabularyError,
)
from gpuemb.embeddings.model import Embedding
from gpuemb.neighbors import index as module
from gpuemb.neighbors.exact import Neighbors, nearest_neighbors
from gpuemb.neighbors.index import CosineIndex

WORDS = [f"word{i}" for i in range(9)]


def table(words: int = 9, dim: int = 4, seed: int = 0, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(seed).standard_normal((words, dim)).astype(dtype)


def assert_same_lists(found: Neighbors, expected: Neighbors) -> None:
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)
    assert found.words == expected.words
    assert found.without_length == expected.without_length
    assert {field.name for field in fields(found)} == {field.name for field in fields(expected)}


@given(case=tables(max_words=300), data=st.data())
def test_answers_are_those_of_nearest_neighbors(case: Table, data: st.DataObject) -> None:
    """Ties, duplicates, zero rows, one word, huge and tiny norms included."""
    index, strangers = CosineIndex(case.rows), case.like(3)
    k = data.draw(st.integers(1, min(case.words, 20)))
    assert_same_lists(index.search(strangers, k), nearest_neighbors(case.rows, k, queries=strangers))
    if case.words > k:
        asked = data.draw(st.lists(st.integers(0, case.words - 1), min_size=1, max_size=4))
        assert_same_lists(index.search(asked, k), nearest_neighbors(case.rows, k, queries=asked))


@pytest.mark.parametrize("k", [1, 2, 15, 16, 40, 999])
def test_large_tables_full_of_ties_are_answered_in_row_order(k: int) -> None:
    rows = np.random.default_rng(0).integers(-1, 2, (1029, 5)).astype(np.float32)
    assert_same_lists(CosineIndex(rows).search([3, 700], k), nearest_neighbors(rows, k, queries=[3, 700]))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("few", [0, 10**9])
def test_both_filters_and_any_threads_give_the_same_bits(
    workers: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, asked = table(700, 20), table(30, 20, seed=1)
    expected = nearest_neighbors(rows, 10, queries=asked)
    monkeypatch.setattr(module, "FEW_QUERIES", few)
    with threads.limit(workers):
        assert_same_lists(CosineIndex(rows).search(asked, 10), expected)


def test_words_exclude_themselves_and_vectors_nothing() -> None:
    embedding = Embedding(table(), WORDS)
    index = CosineIndex(embedding)
    assert index.words == WORDS
    assert len(index) == 9
    assert index.search(["word5"], 3).named(0) == embedding.most_similar("word5", 3)
    assert index.search(embedding.vectors[5:6], 1).named(0)[0][0] == "word5"
    other = Embedding(table(2, seed=1), ["a", "b"])
    assert_same_lists(index.search(other, 9), nearest_neighbors(embedding, 9, queries=other.vectors))


def test_every_row_is_asked_without_queries() -> None:
    assert_same_lists(CosineIndex(table()).search(None, 4), nearest_neighbors(table(), 4))


@pytest.mark.parametrize(
    ("queries", "k", "error", "message"),
    [
        ([], 2, ShapeError, "CosineIndex.search: the list of queries is empty"),
        (["wrd3"], 2, VocabularyError, "'wrd3'.*\n.*\n.*word3"),
        ([9], 2, ShapeError, "CosineIndex.search: row 9 of 9"),
        (["word1"], 9, ConfigError, "CosineIndex.search: k = 9 .* among 8 candidates"),
        (["word1"], 0, ConfigError, "k = 0"),
        (table(2, 3), 2, ShapeError, r"queries are \(2, 3\)"),
        (table(2, dtype=np.float64), 2, DTypeError, "float64.*float32"),
        (np.full((1, 4), np.inf, np.float32), 2, NonFiniteError, "row 0 is the first"),
        ("word1", 2, ShapeError, "queries are 'word1'"),
    ],
)
def test_questions_without_an_answer_are_refused(queries: Any, k: int, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        CosineIndex(Embedding(table(), WORDS)).search(queries, k)


def test_tables_that_have_no_cosines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for bad, error in ((np.ones(3), ShapeError), (np.ones((2, 2), int), DTypeError)):
        with pytest.raises(error, match="CosineIndex"):
            CosineIndex(bad)
    with pytest.raises(NonFiniteError, match="entries near"):
        CosineIndex(np.full((2, 3), 1e200))
    monkeypatch.setattr("gpuemb.core.memory.available_host_bytes", lambda: 100)
    with pytest.raises(MemoryBudgetError, match=r"CosineIndex: needs \d+ B"):
        CosineIndex(table())
