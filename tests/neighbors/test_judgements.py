"""Cosines against people's judgements: SciPy's own correlation, ties and missing words included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from tolerances import EPS64

from gpuemb.core.errors import VocabularyError
from gpuemb.embeddings.datasets import WordPairs
from gpuemb.embeddings.model import Embedding
from gpuemb.neighbors.judgements import similarity_correlation

WORDS = [f"w{i}" for i in range(8)]


@given(
    seed=st.integers(0, 999),
    rows=st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3)), min_size=3, max_size=30
    ),
)
def test_the_value_is_scipys(seed: int, rows: list[tuple[int, int, int]]) -> None:
    vectors = np.random.default_rng(seed).standard_normal((8, 3))
    pairs = WordPairs(
        "drawn", tuple((f"w{a}", f"W{b}") for a, b, _ in rows), np.array([j for *_, j in rows], float)
    )
    known = [row for row, (a, b, _) in enumerate(rows) if a < 8 and b < 8]
    judged = pairs.judgements[known]
    assume(len(known) > 1 and len(set(judged)) > 1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = np.array([unit[rows[row][0]] @ unit[rows[row][1]] for row in known])
    found = similarity_correlation(Embedding(vectors, WORDS), pairs)
    assert found.covered == len(known)
    assert np.flatnonzero(np.isfinite(found.cosines)).tolist() == known
    np.testing.assert_allclose(found.cosines[known], cosines, rtol=0, atol=16 * EPS64)
    if len(set(found.cosines[known])) == 1:
        assert np.isnan(found.value)
        return
    expected = spearmanr(found.cosines[known], judged).statistic
    assert float(found) == pytest.approx(expected, abs=64 * EPS64)


def test_words_are_looked_up_as_they_stand_before_lower_case() -> None:
    table = Embedding(np.array([[1.0, 0], [0, 1], [1, 1], [0, 0]]), ["a", "A", "b", "zero"])
    pairs = WordPairs("cases", (("A", "b"), ("B", "a"), ("a", "A"), ("a", "zero")), np.arange(4.0))
    found = similarity_correlation(table, pairs)
    np.testing.assert_allclose(found.cosines, [0.5**0.5, 0.5**0.5, 0, np.nan])
    assert found.covered == 3


def test_one_pair_has_no_order() -> None:
    pairs = WordPairs("few", (("w0", "w1"), ("w0", "x")), np.arange(2.0))
    with pytest.raises(VocabularyError, match="covers 1 of the 2 pairs of few"):
        similarity_correlation(Embedding(np.eye(8), WORDS), pairs)
