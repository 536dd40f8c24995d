"""Questions of words: the defined cosines, and the answers of gensim where it has the same question."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from strategies import Table, tables

import gpuemb as ge
from gpuemb.core.errors import ConfigError, DTypeError, ShapeError, VocabularyError
from gpuemb.embeddings.model import Embedding
from gpuemb.kernels.cosine_topk import cosine_topk

WORDS = [f"w{i}" for i in range(60)]


def table(words: int = 60, dim: int = 7, seed: int = 0, dtype: str = "float32") -> Embedding:
    vectors = np.random.default_rng(seed).standard_normal((words, dim)).astype(dtype)
    return Embedding(vectors, [f"w{i}" for i in range(words)])


def keyed(embedding: Embedding) -> Any:
    pytest.importorskip("gensim")
    return embedding.to_gensim()


@given(case=tables(max_words=40))
def test_similarity_and_rank_are_those_of_the_lists(case: Table) -> None:
    embedding = Embedding(case.rows, [f"w{i}" for i in range(case.words)])
    found = cosine_topk.reference(case.rows, case.words, case.rows[:1], np.array([0]))
    scores = {row: score for row, score in zip(found.ids[0], found.scores[0], strict=True) if row >= 0}
    for row in range(1, case.words):
        cosine = embedding.similarity("w0", f"w{row}")
        if row not in scores:
            assert math.isnan(cosine)
            assert embedding.rank("w0", f"w{row}") == 1
            continue
        assert cosine == np.clip(scores[row], -1, 1)
        closer = [f"w{i}" for i in sorted(scores) if np.clip(scores[i], -1, 1) > cosine]
        assert embedding.closer_than("w0", f"w{row}") == closer
        assert embedding.rank("w0", f"w{row}") == len(closer) + 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_several_words_are_combined_as_unit_rows(dtype: str) -> None:
    embedding = table(dtype=dtype)
    unit = embedding.vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    query = unit[1] + 0.5 * unit[2] - unit[3]
    cosines = unit @ query / np.linalg.norm(query)
    expected = [row for row in np.argsort(-cosines) if row not in (1, 2, 3)][:5]
    found = embedding.most_similar(["w1", ("w2", 0.5)], 5, negative="w3")
    assert [word for word, _ in found] == [f"w{row}" for row in expected]
    np.testing.assert_allclose([score for _, score in found], cosines[expected], atol=1e-6)


def test_a_vector_counts_as_it_is_and_excludes_nothing() -> None:
    embedding = table()
    vector = embedding["w1"].astype(np.float64) + 2 * embedding["w2"]
    assert embedding.most_similar([vector], 3) == embedding.most_similar(vector, 3)
    both = embedding.most_similar([embedding["w1"], embedding["w1"]], 2)
    assert both[0][0] == "w1"
    assert embedding.most_similar(negative=[("w1", 1.0)], k=2) == embedding.most_similar("w1", 2)


def test_only_the_first_rows_are_searched_where_asked() -> None:
    embedding = table()
    found = embedding.most_similar(["w1", "w50"], 9, restrict_vocab=10)
    assert {word for word, _ in found} == {f"w{i}" for i in range(10)} - {"w1"}
    with pytest.raises(ConfigError, match="k = 10 neighbors were asked for among 9"):
        embedding.most_similar(["w1", "w50"], 10, restrict_vocab=10)
    with pytest.raises(ConfigError, match="restrict_vocab = 0"):
        embedding.most_similar("w1", restrict_vocab=0)


def test_a_mean_is_weighted_and_of_the_table_s_dtype() -> None:
    embedding = table(dtype="float64")
    x = embedding.vectors
    mean = embedding.mean_vector(["w0", "w1", x[2]], [1.0, -2.0, 3.0], unit=False)
    np.testing.assert_allclose(mean, (x[0] - 2 * x[1] + 3 * x[2]) / 6, atol=1e-15)
    unit = embedding.mean_vector(["w0", "w1"])
    np.testing.assert_allclose(unit, (x[0] / np.linalg.norm(x[0]) + x[1] / np.linalg.norm(x[1])) / 2)
    assert table().mean_vector(["w0"]).dtype == np.float32


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda e: e.most_similar(), ConfigError, "nothing was asked for"),
        (lambda e: e.most_similar([]), ConfigError, "nothing was asked for"),
        (lambda e: e.most_similar("w01"), VocabularyError, "Did you mean"),
        (lambda e: e.most_similar(["w1", "w01"]), VocabularyError, "Did you mean"),
        (lambda e: e.most_similar([("w1", "much")]), ConfigError, "a weight"),
        (lambda e: e.most_similar([("w1", math.nan)]), ConfigError, "finite"),
        (lambda e: e.most_similar(["w1", 3]), ShapeError, "One word, or one vector"),
        (lambda e: e.similarity("w1", "W2"), VocabularyError, "Did you mean w2"),
        (lambda e: e.similarity("w1", None), DTypeError, "expected numbers"),
        (lambda e: e.doesnt_match(["w1"]), ConfigError, "doesnt_match: 1 words"),
        (lambda e: e.doesnt_match("w1"), ConfigError, "a list of words"),
        (lambda e: e.mean_vector([]), ShapeError, "0 words"),
        (lambda e: e.mean_vector(["w1"], [1.0, 2.0]), ShapeError, "1 words and 2 weights"),
        (lambda e: e.mean_vector(["w1"], [0.0]), ConfigError, "all weights are zero"),
    ],
)
def test_what_cannot_be_meant_is_refused(ask: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ask(table())


def test_a_zero_word_has_no_direction() -> None:
    vectors = table().vectors.copy()
    vectors[3] = 0
    embedding = Embedding(vectors, WORDS)
    assert math.isnan(embedding.similarity("w3", "w4"))
    for ask in (embedding.doesnt_match, embedding.mean_vector, embedding.most_similar):
        with pytest.raises(ConfigError, match="the vector of 'w3' is zero"):
            ask(["w3", "w4"])


def test_frames_come_back_as_the_same_table() -> None:
    embedding = table(9)
    pytest.importorskip("pandas")
    back = Embedding(embedding.to_pandas())
    assert list(back) == list(embedding)
    np.testing.assert_array_equal(back.vectors, embedding.vectors)


def test_frames_of_polars_come_back_as_the_same_table() -> None:
    pytest.importorskip("polars")
    embedding = table(9)
    frame = embedding.to_polars()
    back = Embedding(frame.drop("word").to_numpy(), frame["word"])
    assert list(back) == list(embedding)
    np.testing.assert_array_equal(back.vectors, embedding.vectors)


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, ask in (("pandas", "to_pandas"), ("polars", "to_polars"), ("gensim.models", "to_gensim")):
        monkeypatch.setitem(__import__("sys").modules, name, None)
        with pytest.raises(ConfigError, match=f"pip install {name.partition('.')[0]}"):
            getattr(table(), ask)()


class KeyedVectors:
    """What gensim's have, as far as an Embedding asks."""

    def __init__(self, vectors: Any, words: list[str], counts: Any) -> None:
        self.vectors, self.index_to_key, self.expandos = vectors, words, {"count": counts}

    def get_vecattr(self, key: str, attr: str) -> Any:
        return self.expandos[attr][self.index_to_key.index(key)]


class Model:
    """What a whole model of gensim has."""

    def __init__(self, vectors: KeyedVectors) -> None:
        self.wv = vectors


def test_vectors_of_gensim_bring_their_words_and_counts_to_every_function() -> None:
    embedding = table(9)
    vectors = KeyedVectors(embedding.vectors, list(embedding), np.arange(9, 0, -1))
    for one in (vectors, Model(vectors)):
        named = Embedding(one)
        assert list(named) == list(embedding)
        assert named.counts is not None
        assert named.counts.tolist() == [*range(9, 0, -1)]
        assert ge.nearest_neighbors(one, 2, queries=["w1"]).named(0) == embedding.most_similar("w1", 2)
    assert list(ge.stack([vectors, embedding]).index_to_key) == list(embedding)


def test_vectors_go_to_gensim_and_come_back() -> None:
    embedding = Embedding(table().vectors, WORDS, np.arange(60, 0, -1))
    vectors = keyed(embedding)
    back = Embedding(vectors)
    assert list(back) == WORDS
    np.testing.assert_array_equal(back.vectors, embedding.vectors)
    assert back.counts is not None
    assert back.counts.tolist() == [*range(60, 0, -1)]
    assert vectors.get_vecattr("w2", "count") == 58


@pytest.mark.parametrize("seed", range(3))
def test_the_answers_are_those_of_gensim(seed: int) -> None:
    embedding = table(seed=seed)
    vectors = keyed(embedding)
    assert embedding.similarity("w1", "w2") == pytest.approx(float(vectors.similarity("w1", "w2")), abs=1e-6)
    assert embedding.closer_than("w1", "w2") == vectors.closer_than("w1", "w2")
    assert embedding.rank("w1", "w2") == vectors.rank("w1", "w2")
    assert embedding.doesnt_match(WORDS[:9]) == vectors.doesnt_match(WORDS[:9])
    for positive, negative in ((["w1"], []), (["w1", "w2"], ["w3"]), ([("w1", 0.3), "w5"], [("w7", -2.0)])):
        ours = embedding.most_similar(positive, 7, negative=negative, restrict_vocab=50)
        theirs = vectors.most_similar(positive, negative, topn=7, restrict_vocab=50)
        assert [word for word, _ in ours] == [word for word, _ in theirs]
        np.testing.assert_allclose([c for _, c in ours], [c for _, c in theirs], atol=1e-6)
    for weights, unit in ((None, True), ([1.0, -2.0], False)):
        np.testing.assert_allclose(
            embedding.mean_vector(WORDS[:2], weights, unit=unit),
            vectors.get_mean_vector(WORDS[:2], weights, pre_normalize=unit),
            atol=1e-6,
        )
