"""The table of words holds the right words and gives back what was packed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from gpuemb.report.page import embedded
from gpuemb.report.tables import chosen_words, word_table
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.result import StudyResult
from gpuemb.training.recipes import PPMISVD, GloVe

Build = Callable[..., StudyResult]
GLOVE = ModelConfig(GloVe(dim=12))
SVD = ModelConfig(PPMISVD(dim=12), vary="bootstrap", seeds=(3, 4, 5))


def unpacked(data: dict[str, Any], model: int, result: StudyResult) -> NDArray[np.int64]:
    """Ids of neighbors ``(S, rows, k)`` as the page reads them."""
    packed = data["models"][model]
    width, k, runs = packed["bytes"], packed["k"], len(packed["runs"])
    places = np.frombuffer(base64.b64decode(packed["neighbors"]), f"<u{width}")
    ids = np.array([*(result.vocabulary.ids[word] for word in data["words"]), -1])
    none = np.iinfo(f"u{width}").max
    found = ids[np.where(places == none, len(ids) - 1, places.astype(np.int64))]
    return found.reshape(-1, runs, k).transpose(1, 0, 2)


def test_neighbors_come_back_as_they_were(build: Build) -> None:
    result = build(GLOVE, SVD, words=200, zero_rows=(5, 190))
    table = word_table(result, most_frequent=50, least_stable=20)
    data = json.loads(embedded(table.data))
    for m, model in enumerate(result.models):
        assert_array_equal(unpacked(data, m, result), model.neighbor_ids[:, table.rows])
        assert data["models"][m]["bytes"] == 2
    assert (unpacked(data, 0, result)[0, 5] == -1).all()


def test_more_words_than_two_bytes_can_number_take_four(build: Build) -> None:
    result = build(GLOVE, words=60)
    size = 70_000
    ids = np.random.default_rng(0).integers(0, size, (5, size, 2)).astype(np.int32)
    ids[2, 7] = -1
    model = result.models[0]
    words = replace(
        model.words,
        **{name: np.resize(getattr(model.words, name), size) for name in model.words.__dataclass_fields__},
    )
    vocabulary = replace(
        result.vocabulary, words=tuple(f"w{i}" for i in range(size)), counts=np.arange(size, 0, -1)
    )
    large = replace(result, vocabulary=vocabulary, models=(replace(model, neighbor_ids=ids, words=words),))
    table = word_table(large, most_frequent=size, least_stable=10)
    assert table.data["models"][0]["bytes"] == 4
    assert_array_equal(unpacked(table.data, 0, large), ids)


def test_the_most_frequent_and_the_least_stable_words_are_chosen(build: Build) -> None:
    result = build(GLOVE, words=100)
    overlap = np.full(100, 0.9)
    overlap[[60, 70, 80, 90]] = 0.1, 0.1, 0.05, np.nan
    model = replace(result.models[0], words=replace(result.models[0].words, overlap=overlap))
    result = replace(result, models=(model,))
    assert chosen_words(result, most_frequent=3, least_stable=2).tolist() == [0, 1, 2, 60, 80]
    assert chosen_words(result, most_frequent=0, least_stable=99).tolist() == [
        i for i in range(100) if i != 90
    ]


def test_each_model_brings_its_least_stable_words(build: Build) -> None:
    result = build(GLOVE, SVD, words=100)
    models = []
    for model, worst in zip(result.models, (40, 50), strict=True):
        overlap = np.full(100, 0.9)
        overlap[worst] = 0.0
        models.append(replace(model, words=replace(model.words, overlap=overlap)))
    assert chosen_words(replace(result, models=tuple(models)), most_frequent=1, least_stable=1).tolist() == [
        0,
        40,
        50,
    ]


def test_a_word_without_a_vector_has_nulls_and_a_rank(build: Build) -> None:
    result = build(GLOVE, words=100, zero_rows=(4,))
    data = json.loads(embedded(word_table(result).data))
    model = data["models"][0]
    for name in ("stability", "lowest", "aligned", "everywhere"):
        assert model[name][4] is None
        assert model[name][5] is not None
    assert data["ranks"][4] == 5
    assert data["counts"][4] == result.vocabulary.counts[4]


def test_measures_are_those_of_the_row_to_three_decimals(build: Build) -> None:
    result = build(GLOVE, SVD, words=100)
    table = word_table(result, most_frequent=10, least_stable=10)
    for packed, model in zip(table.data["models"], result.models, strict=True):
        np.testing.assert_allclose(packed["stability"], model.words.overlap[table.rows], atol=0.0005)
        np.testing.assert_allclose(packed["lowest"], model.words.overlap_low[table.rows], atol=0.0005)
        np.testing.assert_allclose(packed["aligned"], model.words.aligned_cosine[table.rows], atol=0.0005)
        assert packed["everywhere"] == model.words.neighbors_in_all_runs[table.rows].tolist()
    words = [table.data["words"][place] for place in table.data["rows"]]
    assert words == [result.vocabulary.words[i] for i in table.rows]
    assert len(set(table.data["words"])) == len(table.data["words"])
