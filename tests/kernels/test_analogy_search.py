"""Answers of analogies: the reference's, bit for bit, for any data, tile and number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Table, tables
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.device import CPU
from gpuemb.kernels.analogy_search import METHODS, Method, analogy_search
from gpuemb.kernels.analogy_search import cpu as cpu_kernel

KERNEL = analogy_search
methods = st.sampled_from(METHODS)


def asked(case: Table, seed: int, questions: int = 12, spread: int = 1) -> tuple[Any, ...]:
    """Rows, words, questions and groups of ``spread`` rows each."""
    numbers = np.random.default_rng(seed)
    rows = numbers.choice(case.words, min(case.words, 7), replace=False)
    groups = np.arange(case.words) // spread
    places = numbers.integers(0, len(rows), (questions, 3))
    return case.rows, case.rows[rows], places, groups, groups[rows]


@given(
    case=tables(max_words=200),
    seed=st.integers(0, 99),
    k=st.integers(1, 6),
    method=methods,
    spread=st.integers(1, 3),
)
def test_answers_are_the_reference_s_bit_for_bit(
    case: Table, seed: int, k: int, method: Method, spread: int
) -> None:
    given_ = asked(case, seed, spread=spread)
    found, expected = (
        search(*given_, k, method) for search in (analogy_search.on(CPU), analogy_search.reference)
    )
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["gaussian", "tied", "clusters"])
def test_no_tile_head_or_thread_changes_a_bit(
    kind: str, method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_ = asked(Table(kind, "float32", 3000, 20, 5), 1, questions=40)
    expected = analogy_search.reference(*given_, 3, method)
    for workers, tile, head in ((1, 1 << 19, 2048), (2, 64, 1), (7, 1 << 10, 100), (2, 1 << 12, 5000)):
        monkeypatch.setattr(cpu_kernel, "TILE", tile)
        monkeypatch.setattr(cpu_kernel, "HEAD", head)
        with threads.limit(workers):
            found = analogy_search.on(CPU)(*given_, 3, method)
        assert_same_bits(found.ids, expected.ids)
        assert_same_bits(found.scores, expected.scores)


def test_a_question_with_a_zero_word_and_an_empty_list_have_no_answers() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 3))
    rows[1] = 0
    numbers = np.arange(5)
    for method in METHODS:
        found = analogy_search.on(CPU)(
            rows, rows, np.array([[0, 1, 2], [0, 2, 3]]), numbers, numbers, 5, method
        )
        assert found.ids[0].tolist() == [-1] * 5
        assert np.isnan(found.scores[0]).all()
        assert found.ids[1].tolist() == [4, -1, -1, -1, -1]
        none = analogy_search.on(CPU)(rows, rows, np.zeros((0, 3), np.int64), numbers, numbers, 1, method)
        assert none.ids.shape == (0, 1)


def test_a_difference_without_length_has_no_direction() -> None:
    rows = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    rows[4] = 2 * rows[2]  # the direction of c itself
    rows[1] = 4 * rows[0]  # b is a
    numbers = np.arange(6)
    questions = np.array([[0, 3, 2], [0, 1, 2]])
    found = analogy_search.on(CPU)(rows, rows, questions, numbers, numbers, 6, "PairDirection")
    assert set(found.ids[0].tolist()) == {1, 5, -1}
    assert found.ids[1].tolist() == [-1] * 6


def test_the_planted_answer_is_found_by_every_method() -> None:
    numbers = np.random.default_rng(1)
    words = numbers.standard_normal((400, 30))
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    offset = 0.6 * numbers.standard_normal(30) / 30**0.5
    words[200:] = words[:200] + offset + 1e-3 * numbers.standard_normal((200, 30))
    groups = np.arange(400)
    questions = np.stack([np.arange(100), np.arange(200, 300), np.arange(100, 200)], axis=1)
    for method in METHODS:
        found = analogy_search.on(CPU)(words, words, questions, groups, groups, 1, method)
        assert np.mean(found.ids[:, 0] == np.arange(300, 400)) > 0.9
