"""One table of word vectors: what it refuses, and what it answers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import EPS64, cosine_error

from gpuemb.core.errors import ConfigError, DTypeError, NonFiniteError, ShapeError, VocabularyError
from gpuemb.embeddings.model import Embedding

FRUIT = ["apple", "banana", "cherry", "date"]


def table(words: int = 4, dim: int = 3, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((words, dim)).astype(np.float32)


def test_a_word_has_its_row() -> None:
    vectors = table()
    embedding = Embedding(vectors, FRUIT, np.arange(4))
    assert len(embedding) == 4
    assert embedding.dim == 3
    assert "cherry" in embedding
    assert "cherries" not in embedding
    np.testing.assert_array_equal(embedding["cherry"], vectors[2])
    assert embedding.rows(["date", "apple"]) == [3, 0]
    assert embedding.key_to_index == {word: row for row, word in enumerate(FRUIT)}


@pytest.mark.parametrize(
    ("words", "counts", "message"),
    [(FRUIT[:3], None, "4 vectors but 3 words"), (FRUIT, np.ones(5), "5 counts but 4 words")],
)
def test_lengths_that_disagree_are_refused(words: list[str], counts: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Embedding(table(), words, counts)


@pytest.mark.parametrize("vectors", [np.ones(4), np.ones((4, 2, 2)), np.ones((4, 0))])
def test_vectors_are_rows_of_numbers(vectors: Any) -> None:
    with pytest.raises(ShapeError, match="has shape"):
        Embedding(vectors, FRUIT)


@pytest.mark.parametrize("dtype", [np.int64, np.complex128, np.bool_])
def test_numbers_that_are_not_real_and_floating_are_refused(dtype: Any) -> None:
    with pytest.raises(DTypeError, match=np.dtype(dtype).name):
        Embedding(np.ones((4, 2), dtype), FRUIT)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_word_that_is_not_finite_is_named(bad: float) -> None:
    vectors = table()
    vectors[1, 2] = vectors[3, 0] = bad
    with pytest.raises(NonFiniteError, match=r"row 1, the word 'banana'"):
        Embedding(vectors, FRUIT)


def test_a_word_listed_twice_is_named() -> None:
    with pytest.raises(VocabularyError, match="'apple' is listed more than once"):
        Embedding(table(), ["apple", "banana", "apple", "date"])


def test_an_unknown_word_gives_the_nearest_spelling() -> None:
    embedding = Embedding(table(), FRUIT, name="fruit")
    with pytest.raises(VocabularyError, match=r"fruit: the word 'chery' is not among its 4 words") as refusal:
        embedding["chery"]
    assert "Did you mean cherry?" in str(refusal.value)


@pytest.mark.parametrize("asked", [4, -5, 1.5, None, [], [0, 1], slice("a", "b"), True])
def test_what_is_no_word_is_told_where_rows_are(asked: Any) -> None:
    embedding = Embedding(table(), FRUIT, name="fruit")
    with pytest.raises(ConfigError, match=r"fruit: .* is not a word") as refusal:
        embedding[asked]
    assert "embedding[['king', 'queen']]" in str(refusal.value)


def test_rows_lists_of_words_and_iteration_are_those_of_the_table() -> None:
    vectors = table()
    embedding = Embedding(vectors, FRUIT)
    np.testing.assert_array_equal(embedding[1], vectors[1])
    np.testing.assert_array_equal(embedding[-1], vectors[3])
    np.testing.assert_array_equal(embedding[["date", "apple", "date"]], vectors[[3, 0, 3]])
    assert list(embedding) == FRUIT
    with pytest.raises(VocabularyError, match="'fig' is not among"):
        embedding[["apple", "fig"]]


@pytest.mark.parametrize("rows", [slice(2), slice(1, None), slice(None, None, -2), slice(-1, None)])
def test_a_slice_is_a_table_with_everything_of_its_words(rows: slice) -> None:
    vectors, counts = table(), np.array([9, 7, 5, 3])
    part = Embedding(vectors, FRUIT, counts, "fruit", ranks=np.array([1, 2, 3, 4]))[rows]
    np.testing.assert_array_equal(part.vectors, vectors[rows])
    assert (list(part), part.name) == (FRUIT[rows], "fruit")
    assert part.counts is not None
    assert part.ranks is not None
    assert part.counts.tolist() == counts[rows].tolist()
    assert part.ranks.tolist() == [1, 2, 3, 4][rows]


def test_a_slice_without_rows_is_refused() -> None:
    with pytest.raises(ShapeError, match="rows 4 to 4 of 4 words are none"):
        Embedding(table(), FRUIT)[9:]


def test_a_table_prints_its_shape() -> None:
    assert repr(Embedding(table(), FRUIT, name="fruit")) == "Embedding('fruit', 4 words × 3, float32)"


@settings(deadline=None)
@given(seed=st.integers(0, 999), words=st.integers(3, 12), dim=st.integers(1, 20))
def test_the_most_similar_words_are_those_of_highest_cosine(seed: int, words: int, dim: int) -> None:
    vectors = table(words, dim, seed).astype(np.float64)
    embedding = Embedding(vectors, [f"w{i}" for i in range(words)])
    k = words - 1
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = {f"w{i}": cosine for i, cosine in enumerate(unit @ unit[0]) if i > 0}
    found = embedding.most_similar("w0", k)
    assert {word for word, _ in found} == set(expected)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    plain = (2 * dim + 6) * EPS64  # the expected cosine here: two lengths, two divisions, one sum of products
    assert all(abs(score - expected[word]) <= plain + cosine_error(dim) for word, score in found)


@pytest.mark.parametrize("k", [0, -1, 4])
def test_no_more_similar_words_are_promised_than_there_are(k: int) -> None:
    with pytest.raises(ConfigError, match=f"k = {k} neighbors"):
        Embedding(table(), FRUIT).most_similar("apple", k)


def test_a_word_without_length_has_no_similar_words() -> None:
    vectors = table()
    vectors[1] = 0
    embedding = Embedding(vectors, FRUIT)
    assert embedding.most_similar("banana", 3) == []
    assert {word for word, _ in embedding.most_similar("apple", 3)} == {"cherry", "date"}


def test_truncation_keeps_the_first_dimensions() -> None:
    embedding = Embedding(table(), FRUIT, name="fruit")
    short = embedding.truncate(2)
    np.testing.assert_array_equal(short.vectors, embedding.vectors[:, :2])
    assert (short.index_to_key, short.name) == (FRUIT, "fruit")


def test_truncation_cannot_add_dimensions_or_take_all() -> None:
    with pytest.raises(ShapeError, match=r"truncate\(4\) of 3 dimensions"):
        Embedding(table(), FRUIT).truncate(4)
    with pytest.raises(ConfigError, match="dim = 0"):
        Embedding(table(), FRUIT).truncate(0)
