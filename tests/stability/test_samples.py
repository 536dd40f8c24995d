"""A fraction of the documents is a corpus of its own, nested in larger fractions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from corpus.texts import random_documents

from gpuemb.core.errors import VocabularyError
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens, read_corpus
from gpuemb.stability.kept.samples import sample_of

MIN_COUNT = 4


@pytest.fixture(scope="module")
def documents() -> list[list[str]]:
    return random_documents(60, 60, seed=3)


@pytest.fixture(scope="module")
def tokens(documents: list[list[str]]) -> Tokens:
    return read_corpus(documents, min_count=MIN_COUNT)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.99])
def test_a_sample_is_the_corpus_of_its_documents(
    documents: list[list[str]], tokens: Tokens, fraction: float
) -> None:
    kept = np.sort(stream(0, "fraction", "documents").permutation(60)[: round(fraction * 60)])
    alone = read_corpus([documents[i] for i in kept], min_count=MIN_COUNT)
    found = sample_of(tokens, "key", fraction, MIN_COUNT)
    assert found.tokens.vocabulary.words == alone.vocabulary.words
    np.testing.assert_array_equal(found.tokens.ids, alone.ids)
    np.testing.assert_array_equal(found.tokens.starts, alone.starts)
    np.testing.assert_array_equal(found.tokens.vocabulary.counts, alone.vocabulary.counts)


def test_smaller_fractions_are_inside_larger_ones(tokens: Tokens) -> None:
    def of(fraction: float) -> np.ndarray:
        sample = sample_of(tokens, "key", fraction, 1)
        assert sample.rows is not None
        found = np.zeros(len(tokens.vocabulary), int)
        found[sample.rows] = sample.tokens.vocabulary.counts
        return found

    counts = [of(fraction) for fraction in (0.1, 0.3, 0.9)]
    assert all((a <= b).all() for a, b in pairwise(counts))


def test_all_documents_are_the_corpus_itself(tokens: Tokens) -> None:
    whole = sample_of(tokens, "key", 1.0, MIN_COUNT)
    assert whole.tokens is tokens
    assert whole.key == "key"
    assert whole.rows is None


def test_words_that_a_sample_lacks_have_rows_of_zeros(tokens: Tokens) -> None:
    sample = sample_of(tokens, "key", 0.1, MIN_COUNT)
    assert sample.rows is not None
    vectors = np.ones((len(sample.rows), 3), np.float32)
    table = sample.spread(vectors)
    assert table.shape == (len(tokens.vocabulary), 3)
    assert np.flatnonzero(table.any(axis=1)).tolist() == sorted(sample.rows.tolist())


def test_keys_tell_fractions_apart(tokens: Tokens) -> None:
    assert len({sample_of(tokens, "key", fraction, 1).key for fraction in (0.1, 0.3, 1.0)}) == 3


def test_a_sample_without_frequent_words_is_refused(tokens: Tokens) -> None:
    with pytest.raises(
        VocabularyError, match=r"of the 1 documents of fraction 0\.01, 0 words occur 50 times"
    ):
        sample_of(tokens, "key", 0.01, 50)
