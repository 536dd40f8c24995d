"""A fraction of the documents is a corpus of its own, nested in larger fractions."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from corpus.texts import random_documents

from gpuemb.core.errors import VocabularyError
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens, read_corpus
from gpuemb.stability.config import TextConfig
from gpuemb.stability.graph import MAIN, Context
from gpuemb.stability.kept.samples import sample_of
from gpuemb.stability.units.text import TakeSample, arrays_of, sample_source, text_unit
from gpuemb.stability.units.training import _spread

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
    found = sample_of(tokens, fraction, MIN_COUNT)
    assert found.tokens.vocabulary.words == alone.vocabulary.words
    np.testing.assert_array_equal(found.tokens.ids, alone.ids)
    np.testing.assert_array_equal(found.tokens.starts, alone.starts)
    np.testing.assert_array_equal(found.tokens.vocabulary.counts, alone.vocabulary.counts)


def test_smaller_fractions_are_inside_larger_ones(tokens: Tokens) -> None:
    def of(fraction: float) -> np.ndarray:
        sample = sample_of(tokens, fraction, 1)
        assert sample.rows is not None
        found = np.zeros(len(tokens.vocabulary), int)
        found[sample.rows] = sample.tokens.vocabulary.counts
        return found

    counts = [of(fraction) for fraction in (0.1, 0.3, 0.9)]
    assert all((a <= b).all() for a, b in pairwise(counts))


def test_all_documents_are_the_corpus_itself(tokens: Tokens) -> None:
    whole = sample_of(tokens, 1.0, MIN_COUNT)
    assert whole.tokens is tokens
    assert whole.rows is None


def test_words_that_a_sample_lacks_have_rows_of_zeros(tokens: Tokens) -> None:
    sample = TakeSample(0.1, MIN_COUNT).run({"text": arrays_of(tokens)}, frozenset([MAIN]), Context())[MAIN]
    rows = sample["rows"].tolist()
    table = _spread(np.ones((len(rows), 3), np.float32), sample)
    assert table.shape == (len(tokens.vocabulary), 3)
    assert np.flatnonzero(table.any(axis=1)).tolist() == sorted(rows)


def test_digests_tell_fractions_and_counts_apart(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("one two")
    text = text_unit((str(tmp_path / "text.txt"),), TextConfig(min_count=1))
    asked = [(0.1, 1), (0.3, 1), (0.3, 2), (1.0, 1)]
    assert len({sample_source(text, *one).kept for one in asked}) == len(asked)


def test_a_sample_without_frequent_words_is_refused(tokens: Tokens) -> None:
    with pytest.raises(
        VocabularyError, match=r"of the 1 documents of fraction 0\.01, 0 words occur 50 times"
    ):
        sample_of(tokens, 0.01, 50)
