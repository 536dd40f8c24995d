"""Matrices of cosines: for words that were named, for an array that was given, or block after block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Table, tables
from tolerances import EPS64, assert_same_bits, assert_within, cosine_error

from gpuemb.core.errors import (
    ConfigError,
    DTypeError,
    MemoryBudgetError,
    NonFiniteError,
    ShapeError,
    VocabularyError,
)
from gpuemb.embeddings.model import Embedding
from gpuemb.neighbors import cosines
from gpuemb.neighbors.cosines import cosine_matrix, cosine_tiles
from gpuemb.neighbors.exact import nearest_neighbors

WORDS = [f"word{i}" for i in range(9)]


def table(words: int = 9, dim: int = 4, seed: int = 0, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(seed).standard_normal((words, dim)).astype(dtype)


def test_entries_are_cosines() -> None:
    x, y = table(7), table(5, seed=1, dtype=np.float64)
    unit = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in (np.float64(x), y)]
    bound = cosine_error(4) + (2 * 4 + 6) * EPS64  # as in test_exact
    assert_within(cosine_matrix(x, y).scores, unit[0] @ unit[1].T, bound)
    assert cosine_matrix(x).scores.shape == (7, 7)
    assert_within(np.diag(cosine_matrix(x).scores), 1.0, EPS64)


def test_scores_are_the_bits_of_nearest_neighbors() -> None:
    embedding = Embedding(table(), WORDS)
    matrix, lists = cosine_matrix(embedding), nearest_neighbors(embedding, 8)
    assert_same_bits(np.take_along_axis(matrix.scores, lists.ids, axis=1), lists.scores)
    assert matrix.words == matrix.columns == WORDS


@given(case=tables(max_words=40), tile_bytes=st.integers(1, 5000))
def test_blocks_of_any_size_are_the_matrix(case: Table, tile_bytes: int) -> None:
    other = case.like(7)
    whole = cosine_matrix(case.rows, other)
    blocks = list(cosine_tiles(case.rows, other, tile_bytes=tile_bytes))
    assert [block.start for block in blocks] == np.cumsum([0] + [len(b.scores) for b in blocks])[:-1].tolist()
    assert all(b.scores.nbytes <= max(tile_bytes, 7 * 8) for b in blocks)
    assert_same_bits(np.concatenate([b.scores for b in blocks]), whole.scores)


def test_blocks_carry_their_words() -> None:
    x, y = Embedding(table(), WORDS), Embedding(table(3, seed=1), ["a", "b", "c"])
    blocks = list(cosine_tiles(x, y, tile_bytes=4 * 3 * 8))
    assert [list(block.words or ()) for block in blocks] == [WORDS[:4], WORDS[4:8], WORDS[8:]]
    assert all(block.columns == ["a", "b", "c"] for block in blocks)
    assert next(cosine_tiles(x.vectors)).words is None


def test_named_words_alone_are_compared_in_their_order() -> None:
    x, y = Embedding(table(), WORDS), Embedding(table(seed=1), WORDS[::-1])
    asked = ["word5", "word0", "word7"]
    found, whole = cosine_matrix(x, y, words=asked), cosine_matrix(x, y)
    assert found.words == found.columns == asked
    assert_same_bits(found.scores, whole.scores[np.ix_([5, 0, 7], [3, 8, 1])])
    assert_same_bits(
        cosine_matrix(x, words=asked).scores, cosine_matrix(x).scores[np.ix_([5, 0, 7], [5, 0, 7])]
    )
    with pytest.raises(VocabularyError, match="'wrd5'"):
        cosine_matrix(x, words=["wrd5"])


def test_a_large_matrix_must_be_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cosines, "TILE_BYTES", 9 * 9 * 8 - 1)
    embedding = Embedding(table(), WORDS)
    with pytest.raises(
        MemoryBudgetError, match=r"9 × 9 cosines are 648 B\n.*must be asked for\.\n.*cosine_tiles"
    ):
        cosine_matrix(embedding)
    expected = cosine_matrix(embedding, words=WORDS).scores
    file = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, (9, 9))
    found = cosine_matrix(embedding, out=file)
    assert found.scores is file
    file.flush()
    assert_same_bits(np.load(tmp_path / "out.npy"), expected.astype(np.float32))


def test_work_that_does_not_fit_is_refused_at_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpuemb.core.memory.available_host_bytes", lambda: 100)
    for refused in (cosine_matrix, cosine_tiles):
        with pytest.raises(MemoryBudgetError, match=f"{refused.__name__}: needs 792 B"):
            refused(table())


def test_rows_without_length_have_no_cosine() -> None:
    x = table()
    x[4] = 0
    found = cosine_matrix(x).scores
    assert np.isnan(found[4]).all()
    assert np.isnan(found[:, 4]).all()
    assert np.isfinite(np.delete(np.delete(found, 4, 0), 4, 1)).all()


def test_another_library_gets_its_own_arrays_back() -> None:
    x = array_api_strict.asarray(table(dtype=np.float64))
    found = cosine_matrix(x).scores
    assert type(found) is type(x)
    assert_same_bits(np.from_dlpack(found), cosine_matrix(np.from_dlpack(x)).scores)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((table(), table(dim=3)), ShapeError, "x has 4 dimensions but y has 3"),
        ((np.ones((3, 2), int),), DTypeError, "x holds int64"),
        ((table(), np.full((2, 4), np.nan)), NonFiniteError, "y holds NaN"),
        ((np.full((2, 4), 1e200),), NonFiniteError, "entries near"),
        ((table(), None, np.empty((9, 8))), ShapeError, r"out is ndarray float64 \(9, 8\)"),
        ((table(), None, np.empty((9, 9), np.float16)), DTypeError, "out holds float16"),
        ((table(), None, [[0.0]]), ShapeError, "out is list"),
    ],
)
def test_tables_that_have_no_cosines_are_refused(arguments: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        cosine_matrix(*arguments)


@pytest.mark.parametrize("words", ["word1", []])
def test_words_are_a_list(words: Any) -> None:
    with pytest.raises((ConfigError, ShapeError), match="words = "):
        cosine_matrix(Embedding(table(), WORDS), words=words)
    with pytest.raises(DTypeError, match="x is an array"):
        cosine_matrix(table(), words=["word1"])


def test_a_block_has_some_size() -> None:
    with pytest.raises(ConfigError, match="tile_bytes = 0"):
        cosine_tiles(table(), tile_bytes=0)
