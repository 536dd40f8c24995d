"""Pointwise mutual information."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens, tokens_of
from counts.dense import ppmi as dense_ppmi
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.arrays import Float64
from gpuemb.core.errors import ConfigError
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.counts.pmi import ppmi

EPS = float(np.finfo(np.float64).eps)
WORDS = 6


def rounding(expected: Float64, words: int) -> float:
    """Bound of the difference of two logarithms of one ratio.

    The ratio is made of a few products, two sums of ``words`` terms and a power, each of relative
    error ``eps``; the logarithm turns that into an absolute error and adds ``eps`` of itself.
    """
    return (2 * words + 16) * EPS * (1 + float(np.abs(expected).max(initial=0)))


@settings(deadline=None)
@given(
    documents=st.lists(st.lists(st.integers(0, WORDS - 2), min_size=2, max_size=9), min_size=1, max_size=6),
    side=st.sampled_from(["both", "left", "right"]),
    shift=st.sampled_from([1.0, 2.0, 5.0]),
    smoothing=st.sampled_from([1.0, 0.75, 0.5]),
)
def test_ppmi_equals_its_dense_definition(
    documents: list[list[int]], side: Any, shift: float, smoothing: float
) -> None:
    counts = count_cooccurrences(tokens_of(documents, WORDS), 3, side=side)
    found = ppmi(counts, shift=shift, smoothing=smoothing).toarray()
    expected = dense_ppmi(counts.to_float().toarray(), shift, smoothing)
    np.testing.assert_allclose(found, expected, rtol=0, atol=rounding(expected, WORDS))


def test_a_larger_corpus_keeps_only_positive_pairs_in_row_order() -> None:
    counts = count_cooccurrences(random_tokens(), 5)
    found = ppmi(counts, smoothing=0.75)
    assert (found.data > 0).all()
    assert found.has_sorted_indices
    expected = dense_ppmi(counts.to_float().toarray(), 1.0, 0.75)
    np.testing.assert_allclose(found.toarray(), expected, rtol=0, atol=rounding(expected, 60))


def test_a_word_that_met_nobody_has_an_empty_row() -> None:
    found = ppmi(count_cooccurrences(tokens_of([[0, 1], [2], [1, 0]], 3), 2)).toarray()
    assert found.shape == (3, 3)
    assert not found[2].any()
    assert not found[:, 2].any()


def test_counts_without_a_pair_have_an_empty_ppmi() -> None:
    found = ppmi(count_cooccurrences(tokens_of([[0], [1]], 2), 2))
    assert (found.shape, found.nnz) == ((2, 2), 0)


def test_a_shift_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"shift = 0\.5"):
        ppmi(count_cooccurrences(tokens_of([[0, 1]], 2), 1), shift=0.5)
