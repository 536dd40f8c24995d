"""Every word's exact nearest neighbors: what may be asked, and what is answered."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow import many_examples
from tolerances import EPS64, assert_same_bits, assert_within, cosine_error

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.core.checks import LARGEST_SQUARE
from gpuemb.core.errors import ConfigError, DTypeError, NonFiniteError, ShapeError, VocabularyError
from gpuemb.embeddings.model import Embedding, EmbeddingStack
from gpuemb.kernels.cosine_topk import cosine_topk
from gpuemb.neighbors.exact import nearest_neighbors

WORDS = [f"word{i}" for i in range(9)]


def table(words: int = 9, dim: int = 4, seed: int = 0, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(seed).standard_normal((words, dim)).astype(dtype)


def plain_cosines(rows: Any, queries: Any) -> Float64:
    """Cosines as everybody writes them down."""
    unit, asked = (
        x / np.linalg.norm(x, axis=1, keepdims=True) for x in (np.float64(rows), np.float64(queries))
    )
    return asked @ unit.T


@many_examples(60)
@given(
    seed=st.integers(0, 999),
    words=st.integers(2, 30),
    dim=st.integers(1, 40),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
    data=st.data(),
)
def test_lists_hold_the_words_of_highest_cosine_best_first(
    seed: int, words: int, dim: int, dtype: Any, data: st.DataObject
) -> None:
    rows = table(words, dim, seed, dtype)
    k = data.draw(st.integers(1, words - 1))
    found = nearest_neighbors(rows, k)
    cosines = plain_cosines(rows, rows)
    np.fill_diagonal(cosines, -math.inf)
    expected = -np.sort(-cosines, axis=1)[:, :k]
    plain = (2 * dim + 6) * EPS64  # two lengths, two divisions and a sum of products in plain_cosines
    assert_within(found.scores, expected, cosine_error(dim) + plain)
    assert_within(found.scores, np.take_along_axis(cosines, found.ids, axis=1), cosine_error(dim) + plain)
    assert (np.diff(found.scores, axis=1) <= 0).all()
    assert all(len(set(row)) == k for row in found.ids.tolist())


@many_examples(40)
@given(seed=st.integers(0, 999), zero=st.booleans())
def test_the_public_door_answers_what_the_definition_says_bit_for_bit(seed: int, zero: bool) -> None:
    rows = table(12, 5, seed)
    rows[7] = rows[2]  # equal scores come in row order
    rows[4] *= not zero
    found, expected = nearest_neighbors(rows, 5), cosine_topk.reference(rows, 5)
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores.clip(-1, 1))  # the defined score may round past 1
    assert found.without_length == int(zero)
    assert found.certified + found.refined + found.recomputed == len(rows) - int(zero)


@pytest.mark.parametrize("threads_used", [2, 3])
def test_the_number_of_threads_changes_no_bit(threads_used: int) -> None:
    rows = table(700, 20)
    with threads.limit(1):
        alone = nearest_neighbors(rows, 10)
    with threads.limit(threads_used):
        together = nearest_neighbors(rows, 10)
    assert_same_bits(together.ids, alone.ids)
    assert_same_bits(together.scores, alone.scores)


def test_words_and_row_numbers_ask_the_same_and_leave_themselves_out() -> None:
    embedding = Embedding(table(), WORDS)
    everyone = nearest_neighbors(embedding, 8)
    asked: list[Any] = [["word5", "word0"], [5, 0], np.array([5, 0])]
    for queries in asked:
        found = nearest_neighbors(embedding, 8, queries=queries)
        assert_same_bits(found.ids, everyone.ids[[5, 0]])
        assert_same_bits(found.scores, everyone.scores[[5, 0]])
    assert 5 not in found.ids[0]


def test_vectors_ask_without_leaving_anything_out() -> None:
    rows = table()
    found = nearest_neighbors(rows, 9, queries=rows[[5, 0]])
    assert found.ids[:, 0].tolist() == [5, 0]
    assert sorted(found.ids[0].tolist()) == list(range(9))


def test_neighbors_have_the_names_of_the_words() -> None:
    embedding = Embedding(table(), WORDS)
    found = nearest_neighbors(embedding, 2)
    assert found.named(3) == embedding.most_similar("word3", 2)
    assert nearest_neighbors(embedding.vectors, 2).named(3)[0][0] == str(found.ids[3, 0])


def test_lists_of_another_run_change_nothing() -> None:
    rows, other = table(700, 20), table(700, 20, seed=1)
    expected = nearest_neighbors(rows, 10)
    earlier = nearest_neighbors(rows + 0.1 * other, 10)
    guesses: list[Any] = [earlier, earlier.ids, earlier.ids.astype(np.int64), np.full((700, 0), -1)]
    for warm_start in guesses:
        found = nearest_neighbors(rows, 10, warm_start=warm_start)
        assert_same_bits(found.ids, expected.ids)
        assert_same_bits(found.scores, expected.scores)
    asked = nearest_neighbors(rows, 10, queries=[3, 5], warm_start=earlier.ids[[3, 5]])
    assert_same_bits(asked.ids, expected.ids[[3, 5]])


@pytest.mark.parametrize(
    ("warm_start", "error", "message"),
    [
        (np.zeros((8, 2), np.int32), ShapeError, r"warm_start is ndarray \(8, 2\)"),
        ([[1]] * 8, ShapeError, "warm_start is list"),
        (np.zeros((9, 2)), DTypeError, "warm_start holds float64"),
        (np.zeros((9, 2), np.uint8), DTypeError, "warm_start holds uint8"),
        (np.full((9, 2), 9), ShapeError, "warm_start rows run from 9 to 9"),
        (np.full((9, 2), -2), ShapeError, "warm_start rows run from -2 to -2"),
        (np.full((9, 2), 2**32), ShapeError, "warm_start rows run from 4294967296"),
    ],
)
def test_warm_start_rows_that_are_no_rows_are_refused(warm_start: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        nearest_neighbors(table(), 2, warm_start=warm_start)


def test_rows_without_length_have_no_neighbors_and_are_nobodys() -> None:
    rows = table()
    rows[[2, 6]] = 0
    found = nearest_neighbors(rows, 8)
    assert found.without_length == 2
    assert (found.ids[[2, 6]] == -1).all()
    assert np.isnan(found.scores[[2, 6]]).all()
    others = [0, 1, 3, 4, 5, 7, 8]
    assert not np.isin(found.ids[others], [2, 6]).any()
    assert (found.ids[others, 6:] == -1).all()  # six candidates are left
    assert found.named(2) == []
    assert len(found.named(0)) == 6


@pytest.mark.parametrize("k", [0, -1, 9])
def test_only_as_many_neighbors_as_there_are_can_be_asked_for(k: int) -> None:
    with pytest.raises(ConfigError, match=f"k = {k} neighbors were asked for among 8 candidates"):
        nearest_neighbors(table(), k)


@pytest.mark.parametrize("k", [1.5, "3", None, True])
def test_k_is_a_whole_number(k: Any) -> None:
    with pytest.raises(ConfigError, match=rf"k = {k!r}\n  k is an integer"):
        nearest_neighbors(table(), k)
    with pytest.raises(ConfigError, match="k is an integer"):
        Embedding(table(), WORDS).most_similar("word1", k)


def test_what_is_no_table_says_how_to_get_one() -> None:
    with pytest.raises(DTypeError, match=r"(.|\n)*gpuemb\.load\('glove\.npy'\)"):
        nearest_neighbors("glove.npy", 2)
    run = Embedding(table(), WORDS)
    with pytest.raises(ShapeError, match=r"a stack of 2 runs(.|\n)*for run in stack"):
        nearest_neighbors(EmbeddingStack((run.vectors, run.vectors), WORDS), 2)


@pytest.mark.parametrize("query", [3, 1.5, np.int64(3)])
def test_one_number_is_no_list_of_queries(query: Any) -> None:
    with pytest.raises(ShapeError, match="A list of words or row numbers"):
        nearest_neighbors(table(), 2, queries=query)


def test_numbers_beyond_float16_are_named_as_such() -> None:
    with np.errstate(over="ignore"):
        rows = (1e5 * table()).astype(np.float16)
    with pytest.raises(NonFiniteError, match=r"float16 ends at 65,504"):
        nearest_neighbors(rows, 2)


def test_a_vector_has_one_candidate_more_than_a_word() -> None:
    assert nearest_neighbors(table(), 9, queries=table()[:1]).ids.shape == (1, 9)
    with pytest.raises(ConfigError, match="among 9 candidates"):
        nearest_neighbors(table(), 10, queries=table()[:1])
    with pytest.raises(ConfigError, match="among 8 candidates"):
        nearest_neighbors(table(), 9, queries=[0])


def test_a_table_of_one_word_has_no_neighbors_to_offer() -> None:
    with pytest.raises(ConfigError, match="at least two words"):
        nearest_neighbors(table(1), 1)


def test_an_empty_list_of_queries_is_refused() -> None:
    with pytest.raises(ShapeError, match="the list of queries is empty"):
        nearest_neighbors(table(), 2, queries=[])


def test_an_unknown_word_gives_the_nearest_spelling() -> None:
    with pytest.raises(VocabularyError, match="'wrd3'") as refusal:
        nearest_neighbors(Embedding(table(), WORDS), 2, queries=["wrd3"])
    assert "word3" in str(refusal.value)


def test_words_cannot_be_asked_of_an_array() -> None:
    with pytest.raises(DTypeError, match="'word3' is a word, but the table is an array"):
        nearest_neighbors(table(), 2, queries=["word3"])


@pytest.mark.parametrize("row", [9, -1])
def test_a_row_that_is_not_there_is_refused(row: int) -> None:
    with pytest.raises(ShapeError, match=f"row {row} of 9"):
        nearest_neighbors(table(), 2, queries=[row])


def test_queries_of_another_length_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"queries are \(2, 3\) float32, the table \(9, 4\) float32"):
        nearest_neighbors(table(), 2, queries=table(2, 3))


def test_queries_of_another_dtype_are_refused() -> None:
    with pytest.raises(DTypeError, match=r"float64.*float32"):
        nearest_neighbors(table(), 2, queries=table(2, dtype=np.float64))


def test_one_vector_is_not_taken_for_row_numbers() -> None:
    rows = np.abs(table())  # its numbers could be rows, cut to whole ones
    for vector in (rows[3], rows[3].tolist(), list(rows[3])):
        with pytest.raises((ShapeError, DTypeError)):
            nearest_neighbors(rows, 2, queries=vector)


def test_one_word_is_not_taken_for_its_letters() -> None:
    letters = Embedding(table(3), ["a", "b", "ab"])
    found = nearest_neighbors(letters, 2, queries=["ab"])
    try:
        same = nearest_neighbors(letters, 2, queries="ab")
    except (ShapeError, DTypeError, VocabularyError):
        return
    assert_same_bits(same.ids, found.ids)


def test_queries_that_are_not_finite_are_refused() -> None:
    queries = table(3)
    queries[1, 2] = np.nan
    with pytest.raises(NonFiniteError, match="row 1 is the first"):
        nearest_neighbors(table(), 2, queries=queries)


def test_tables_that_are_not_finite_name_the_word() -> None:
    rows = table()
    rows[4, 0] = np.inf
    with pytest.raises(NonFiniteError, match="row 4 is the first"):
        nearest_neighbors(rows, 2)


@pytest.mark.parametrize(("rows", "error"), [(np.ones((3, 2), int), DTypeError), (np.ones(3), ShapeError)])
def test_only_float_matrices_have_neighbors(rows: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        nearest_neighbors(rows, 1)


@pytest.mark.parametrize("scale", [10 * LARGEST_SQUARE, 0.01 / LARGEST_SQUARE])
def test_float64_rows_whose_squares_leave_its_range_are_refused(scale: float) -> None:
    rows = np.ones((4, 3))
    rows[2] = scale
    with pytest.raises(NonFiniteError, match="row 2 has entries near"):
        nearest_neighbors(rows, 2)
    with pytest.raises(NonFiniteError, match="row 2 has entries near"):
        nearest_neighbors(np.ones((4, 3)), 2, queries=rows)
