"""Which words have a row, in which order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import ConfigError, VocabularyError
from gpuemb.corpus.vocabulary import build_vocabulary, vocabulary_of

COUNTS = st.dictionaries(st.text("abcä'", min_size=1, max_size=4), st.integers(1, 5), min_size=2)


def in_order(counts: dict[str, int]) -> list[str]:
    """Words by count descending, then by word, by selecting the first again and again."""
    left, found = dict(counts), []
    while left:
        most = max(left.values())
        found.append(min(word for word, count in left.items() if count == most))
        del left[found[-1]]
    return found


@settings(deadline=None)
@given(counts=COUNTS)
def test_words_come_by_count_then_by_word(counts: dict[str, int]) -> None:
    vocabulary = build_vocabulary(counts)
    assert list(vocabulary.words) == in_order(counts)
    assert vocabulary.counts.tolist() == [counts[word] for word in vocabulary.words]


@settings(deadline=None)
@given(counts=COUNTS, min_count=st.integers(1, 3), max_words=st.integers(2, 6))
def test_rare_words_go_first_and_the_limit_keeps_the_most_frequent(
    counts: dict[str, int], min_count: int, max_words: int
) -> None:
    expected = [word for word in in_order(counts) if counts[word] >= min_count][:max_words]
    if len(expected) < 2:
        with pytest.raises(VocabularyError):
            build_vocabulary(counts, min_count=min_count, max_words=max_words)
        return
    vocabulary = build_vocabulary(counts, min_count=min_count, max_words=max_words)
    assert list(vocabulary.words) == expected
    assert vocabulary.dropped_tokens == sum(counts.values()) - sum(counts[word] for word in expected)


@settings(deadline=None)
@given(counts=COUNTS)
def test_an_id_is_the_position_of_its_word(counts: dict[str, int]) -> None:
    vocabulary = build_vocabulary(counts)
    assert [vocabulary.ids[word] for word in vocabulary.words] == list(range(len(vocabulary)))


def test_too_few_frequent_words_are_refused_with_the_largest_count() -> None:
    with pytest.raises(VocabularyError, match=r"1 of 3 distinct words.*at least 5") as refusal:
        build_vocabulary({"the": 7, "a": 4, "of": 1}, min_count=5)
    assert "most frequent word occurs 7 times" in str(refusal.value)


@pytest.mark.parametrize("options", [{"min_count": 0}, {"max_words": 1}, {"max_words": -3}])
def test_impossible_limits_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))} = "):
        build_vocabulary({"a": 2, "b": 1}, **options)


def test_a_given_list_keeps_its_order_and_counts_what_it_leaves_out() -> None:
    vocabulary = vocabulary_of(["b", "never", "a"], {"a": 3, "b": 1, "c": 5})
    assert vocabulary.words == ("b", "never", "a")
    assert vocabulary.counts.tolist() == [1, 0, 3]
    assert vocabulary.dropped_tokens == 5
