"""The words of a sentence in any case and number, and the correlations of their similarities."""

from __future__ import annotations

import numpy as np
import pytest
from stability.questions.planted import coverage

from gpuemb.core.errors import VocabularyError
from gpuemb.stability.questions.sentence.lookup import words_of_text
from gpuemb.stability.questions.sentence.question import two_sample_interval

CASED = ("The", "the", "London", "Paris", "may", "May", "résumé", "don't", "LONDON")


def found(
    text: str, vocabulary: tuple[str, ...] = CASED, tokenizer: str = "default"
) -> list[tuple[str, int, str]]:
    return [(one.written, one.times, one.found) for one in words_of_text(text, vocabulary, tokenizer)]


def test_a_sentence_in_lower_case_is_found_in_a_cased_vocabulary() -> None:
    assert found("the may london paris") == [
        ("the", 1, "the"),
        ("may", 1, "may"),
        ("london", 1, "London"),
        ("paris", 1, "Paris"),
    ]


def test_a_sentence_with_capitals_is_found_in_a_lower_case_vocabulary() -> None:
    assert found("The cat, THE dog and the Cat.", ("the", "cat", "dog", "and")) == [
        ("The", 3, "the"),
        ("cat", 2, "cat"),
        ("dog", 1, "dog"),
        ("and", 1, "and"),
    ]


def test_exact_spellings_stay_apart_in_a_cased_vocabulary() -> None:
    assert found("The the May may LONDON London london") == [
        ("The", 1, "The"),
        ("the", 1, "the"),
        ("May", 1, "May"),
        ("may", 1, "may"),
        ("LONDON", 1, "LONDON"),
        ("London", 2, "London"),
    ]


def test_missing_words_are_told_with_what_is_spelled_alike() -> None:
    words = words_of_text("The london pariss xyzzy May", CASED)
    assert [(one.written, one.found) for one in words[2:4]] == [("pariss", ""), ("xyzzy", "")]
    close = words_of_text("the may london mayonaise", ("the", "may", "london", "mayonnaise", "mayor"))[3]
    assert close.closest == ("mayonnaise",)


def test_accents_and_apostrophes_are_those_of_the_tokenizer() -> None:
    assert [word for _, _, word in found("Re\u0301sume\u0301 don't London.")] == ["résumé", "don't", "London"]
    assert [word for _, _, word in found("a, b c", ("a,", "b", "c"), "whitespace")] == ["a,", "b", "c"]


@pytest.mark.parametrize("text", ["", "London", "London london LONDON paris", "one two three four"])
def test_fewer_than_three_known_words_are_refused(text: str) -> None:
    with pytest.raises(VocabularyError, match="words are in the vocabulary"):
        words_of_text(text, ("London", "paris"))


def test_the_interval_over_the_runs_of_two_models_holds_their_mean() -> None:
    numbers, hits = np.random.default_rng(0), []
    for _ in range(400):
        a, b = numbers.normal(0, 0.2, 5), numbers.normal(0, 0.1, 4)
        values = np.tanh(0.8 + a[:, None] + b + numbers.normal(0, 0.02, (5, 4)))
        one = two_sample_interval(values)
        hits.append(one.low <= TRUTH <= one.high)
    assert 0.92 <= coverage(hits) <= 0.985


TRUTH = float(
    np.tanh(0.8 + np.random.default_rng(1).normal(0, np.sqrt(0.2**2 + 0.1**2 + 0.02**2), 10**6)).mean()
)
