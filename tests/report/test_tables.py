"""The table of words holds every word and gives back what was packed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from gpuemb.report import tables
from gpuemb.report.packing import packed, unpacked
from gpuemb.report.tables import frequency_bands, listed_models, listed_words, word_table
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.training.recipes import PPMISVD, GloVe

Build = Callable[..., StudyResult]
GLOVE = ModelConfig(GloVe(dim=12))
SVD = ModelConfig(PPMISVD(dim=12), vary="bootstrap", seeds=(3, 4, 5))


def lists(table: tables.WordTable, model: int, result: StudyResult) -> tuple[NDArray[Any], NDArray[Any]]:
    """Ids of the listed words, and of their neighbors ``(S, L, k)``, as the page reads them."""
    _, (listed, places) = unpacked(table.neighbors[model])
    none = np.iinfo(places.dtype).max
    ids = np.where(places == none, -1, places.astype(np.int64))
    runs, _, k = result.models[model].neighbor_ids.shape
    return listed, ids.reshape(-1, runs, k).transpose(1, 0, 2)


def with_overlap(model: ModelResult, overlap: NDArray[Any]) -> ModelResult:
    return replace(model, words=replace(model.words, overlap=overlap))


def test_what_is_packed_comes_back() -> None:
    arrays = [
        np.arange(3, dtype=">i2"),
        np.zeros((2, 3)),
        np.empty(0, np.uint32),
        np.array([np.nan, np.inf, -0.0], np.float32),
        np.arange(12, dtype=np.uint16).reshape(3, 4).T,
    ]
    header, back = unpacked(packed({"words": ["\ud83d", "</script>", "\u2028", "é"]}, arrays))
    assert header == {"words": ["\ud83d", "</script>", "\u2028", "é"]}
    for array, found in zip(arrays, back, strict=True):
        assert_array_equal(found, array.ravel())
        assert found.dtype == array.dtype.newbyteorder("<")


def test_neighbors_come_back_as_they_were(build: Build) -> None:
    result = build(GLOVE, SVD, words=200, zero_rows=(5, 190))
    table = word_table(result)
    for m, model in enumerate(result.models):
        listed, ids = lists(table, m, result)
        assert_array_equal(listed, np.arange(200))
        assert_array_equal(ids, model.neighbor_ids)
    assert (lists(table, 0, result)[1][0, 5] == -1).all()


def test_more_words_than_two_bytes_can_number_take_four(build: Build) -> None:
    result = build(GLOVE, words=60)
    size = 70_000
    ids = np.random.default_rng(0).integers(0, size, (5, size, 2)).astype(np.int32)
    ids[2, 7] = -1
    model = result.models[0]
    words = replace(
        model.words,
        **{
            name: np.resize(getattr(model.words, name), size)
            for name in model.words.__dataclass_fields__
            if name != "more"
        },
    )
    vocabulary = replace(
        result.vocabulary, words=tuple(f"w{i}" for i in range(size)), counts=np.arange(size, 0, -1)
    )
    large = replace(result, vocabulary=vocabulary, models=(replace(model, neighbor_ids=ids, words=words),))
    table = word_table(large)
    assert unpacked(table.neighbors[0])[1][1].dtype == np.uint32
    assert_array_equal(lists(table, 0, large)[1], ids)
    assert len(table.words) < 1_000_000


def test_where_lists_do_not_fit_the_ends_and_the_most_frequent_words_have_theirs(build: Build) -> None:
    result = build(GLOVE, SVD, words=2_000, k=2)
    overlap = np.linspace(0.2, 0.8, 2_000)
    overlap[[900, 1_400, 1_700]] = 0.0, 1.0, np.nan
    result = replace(result, models=tuple(with_overlap(model, overlap) for model in result.models))
    a_word = 2 * 2 * (5 + 3)
    assert len(listed_words(listed_models(result), len(result.vocabulary), 2_000 * a_word)) == 2_000
    few = listed_words(listed_models(result), len(result.vocabulary), 1_100 * a_word)
    assert len(few) == 1_100
    known = np.flatnonzero(np.isfinite(overlap))
    ends = {*known[np.argsort(overlap[known])[:500]], *known[np.argsort(-overlap[known])[:500]]}
    others = [word for word in range(2_000) if word not in ends]
    assert set(few) == ends | set(others[:100])
    assert {900, 1_400} <= set(few.tolist())
    assert 1_700 not in few
    assert len(listed_words(listed_models(result), len(result.vocabulary), 0)) == 0
    table = word_table(result, neighbor_bytes=1_100 * a_word)
    listed, ids = lists(table, 1, result)
    assert_array_equal(listed, few)
    assert_array_equal(ids, result.models[1].neighbor_ids[:, few])
    assert len(unpacked(table.words)[0]["words"]) == 2_000


def test_every_word_has_its_measures_to_three_decimals(build: Build) -> None:
    result = build(GLOVE, SVD, words=100, zero_rows=(4,))
    first = replace(result.models[0].words, more={"spread": np.linspace(0, 90, 100)})
    result = replace(result, models=(replace(result.models[0], words=first), result.models[1]))
    header, (counts, *values) = unpacked(word_table(result).words)
    assert header["words"] == list(result.vocabulary.words)
    assert_array_equal(counts, result.vocabulary.counts)
    for packed_model, model in zip(header["models"], result.models, strict=True):
        of = {
            column["key"]: (values.pop(0), column["scale"])
            for column in packed_model["columns"]
            if column["title"] and column["meaning"]
        }
        words = model.words
        shown = {
            "stability": words.overlap,
            "lowest": words.overlap_low,
            "aligned": words.aligned_cosine,
            "everywhere": np.where(np.isfinite(words.overlap), words.neighbors_in_all_runs, np.nan),
        }
        for name, wanted in shown.items():
            found, scale = of[name]
            assert_allclose(np.where(found == tables.NO_VALUE, np.nan, found / scale), wanted, atol=0.0005)
        if words.more:
            assert_array_equal(of["spread"][0], words.more["spread"].astype(np.float32))
    assert not values
    assert json.dumps(header, allow_nan=False)


def test_bands_hold_every_rank_once() -> None:
    assert frequency_bands(9) == []
    for size in (10, 11, 101, 7_982):
        bands = frequency_bands(size)
        assert [first for first, _ in bands] == [1, *(last + 1 for _, last in bands[:-1])]
        assert bands[-1][1] == size
        assert max(b - a for a, b in bands) - min(b - a for a, b in bands) <= 1
