"""The words of a vocabulary and their order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from corpus.texts import vocabulary_of
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import ConfigError, StorageError, VocabularyError
from gpuemb.corpus.vocabulary import Vocabulary, words_of

WORDS = st.text("abcä😀'", min_size=1, max_size=4)
LONG_WORDS = st.tuples(st.sampled_from(["prefixes", "préfixe", "prefix"]), WORDS).map("".join)
COUNTS = st.dictionaries(st.one_of(WORDS, LONG_WORDS), st.integers(1, 5), min_size=2)


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
    vocabulary = vocabulary_of(counts)
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
            vocabulary_of(counts, min_count=min_count, max_words=max_words)
        return
    vocabulary = vocabulary_of(counts, min_count=min_count, max_words=max_words)
    assert list(vocabulary.words) == expected
    assert vocabulary.dropped_tokens == sum(counts.values()) - sum(counts[word] for word in expected)


@settings(deadline=None)
@given(counts=COUNTS)
def test_an_id_is_the_position_of_its_word(counts: dict[str, int]) -> None:
    vocabulary = vocabulary_of(counts)
    assert [vocabulary.ids[word] for word in vocabulary.words] == list(range(len(vocabulary)))


def test_too_few_frequent_words_are_refused_with_the_largest_count() -> None:
    with pytest.raises(VocabularyError, match=r"1 of 3 distinct words.*at least 5") as refusal:
        vocabulary_of({"the": 7, "a": 4, "of": 1}, min_count=5)
    assert "most frequent word occurs 7 times" in str(refusal.value)


@pytest.mark.parametrize("options", [{"min_count": 0}, {"max_words": 1}, {"max_words": -3}])
def test_impossible_limits_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))} = "):
        vocabulary_of({"a": 2, "b": 1}, **options)


@settings(deadline=None)
@given(counts=COUNTS, data=st.data())
def test_a_given_list_is_ordered_by_count_like_any_other(counts: dict[str, int], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from([*counts, "never", "", "a\nb"])))
    expected = [word for word in in_order(counts) if word in chosen]
    if len(expected) < 2:
        with pytest.raises(VocabularyError, match="in the given list"):
            vocabulary_of(counts, given=chosen)
        return
    vocabulary = vocabulary_of(counts, given=chosen)
    assert list(vocabulary.words) == expected
    assert vocabulary.dropped_tokens == sum(counts.values()) - sum(counts[word] for word in expected)


def test_given_words_are_a_list_a_vocabulary_or_the_first_of_each_line_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("the 22\n\nof\t3\r\ncafé\n", "utf-8-sig")
    assert list(words_of(tmp_path / "words.txt")) == ["the", "of", "café"]
    assert list(words_of(str(tmp_path / "words.txt"))) == ["the", "of", "café"]
    assert words_of(["b", "a"]) == ["b", "a"]
    assert words_of(Vocabulary(("b", "a"), np.array([2, 1]))) == ("b", "a")
    with pytest.raises(StorageError, match=r"no\.txt cannot be read"):
        words_of(tmp_path / "no.txt")
