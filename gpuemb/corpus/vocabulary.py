"""Which words have a row, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gpuemb.core.arrays import Int64
from gpuemb.core.checks import check_at_least
from gpuemb.core.errors import VocabularyError


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words by count, most frequent first; equal counts in the order of the words.

    Attributes:
        words: the ``V`` words; a word's id is its position.
        counts: ``(V,)`` occurrences in the corpus.
        dropped_tokens: occurrences of words that did not make it into the vocabulary.
    """

    words: tuple[str, ...]
    counts: Int64
    dropped_tokens: int = 0

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Id of every word."""
        return {word: i for i, word in enumerate(self.words)}


def build_vocabulary(
    counts: Mapping[str, int], *, min_count: int = 1, max_words: int | None = None
) -> Vocabulary:
    """Keep the words seen at least ``min_count`` times, the ``max_words`` most frequent of them.

    Raises:
        VocabularyError: fewer than two words are left; the largest count is named.
    """
    check_at_least("vocabulary", "min_count", min_count, 1)
    check_at_least("vocabulary", "max_words", 2 if max_words is None else max_words, 2)
    kept = sorted(((n, word) for word, n in counts.items() if n >= min_count), key=lambda e: (-e[0], e[1]))
    kept = kept[:max_words]
    if len(kept) < 2:
        most = max(counts.values(), default=0)
        raise VocabularyError(
            f"vocabulary: {len(kept)} of {len(counts)} distinct words occur at least {min_count} times",
            needed="At least two words are needed: one word has no neighbor.",
            remedy=f"The most frequent word occurs {most} times: lower min_count, or bring more text.",
        )
    total = sum(counts.values())
    numbers = np.array([n for n, _ in kept], np.int64)
    return Vocabulary(tuple(word for _, word in kept), numbers, total - int(numbers.sum()))


def vocabulary_of(words: Sequence[str], counts: Mapping[str, int]) -> Vocabulary:
    """Use a given list of words, in the given order, with the counts of a corpus."""
    numbers = np.array([counts.get(word, 0) for word in words], np.int64)
    return Vocabulary(tuple(words), numbers, sum(counts.values()) - int(numbers.sum()))
