"""Small corpora from a seeded random process, for every package with text or counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gpuemb.corpus.tokens import Tokens
from gpuemb.corpus.vocabulary import Vocabulary, build_vocabulary
from gpuemb.kernels.tokenize.string_table import StringTable, places_of

TOPICS = 4  # groups of co-occurring words: without them there is nothing to learn


def random_documents(
    documents: int = 300, words: int = 60, *, seed: int = 0, shortest: int = 4, longest: int = 16
) -> list[list[str]]:
    """Draw documents of one topic each; frequent words are common to all topics."""
    numbers = np.random.default_rng(seed)
    names = [f"w{i:02d}" for i in range(words)]
    general = 1.0 / (np.arange(words) + 3.0)
    found = []
    for _ in range(documents):
        own = general * np.where(np.arange(words) % TOPICS == numbers.integers(TOPICS), 8.0, 1.0)
        length = int(numbers.integers(shortest, longest + 1))
        found.append([names[i] for i in numbers.choice(words, length, p=own / own.sum())])
    return found


def random_text(documents: int = 300, words: int = 60, *, seed: int = 0, longest: int = 16) -> str:
    """The same as the lines of a file."""
    drawn = random_documents(documents, words, seed=seed, longest=longest)
    return "".join(" ".join(document) + "\n" for document in drawn)


def tokens_of(documents: Sequence[Sequence[int]], words: int) -> Tokens:
    """Make a corpus of word ids; word ``i`` is called ``w<i>``."""
    ids = np.array([word for document in documents for word in document], np.int32)
    starts = np.concatenate([[0], np.cumsum([len(document) for document in documents])]).astype(np.int64)
    counts = np.bincount(ids, minlength=words).astype(np.int64)
    return Tokens(ids, starts, Vocabulary(tuple(f"w{i:02d}" for i in range(words)), counts))


def random_tokens(documents: int = 300, words: int = 60, *, seed: int = 0) -> Tokens:
    """:func:`random_documents` as word ids, in the order of the names."""
    drawn = random_documents(documents, words, seed=seed)
    return tokens_of([[int(name[1:]) for name in document] for document in drawn], words)


def vocabulary_of(
    counts: Mapping[str, int],
    *,
    min_count: int = 1,
    max_words: int | None = None,
    given: Iterable[str] | None = None,
) -> Vocabulary:
    """Build the vocabulary of counted words; check it against the ids."""
    spellings, text = StringTable(), np.frombuffer("".join(f"{word}\n" for word in counts).encode(), np.uint8)
    spellings.number(text, places_of(text))
    numbers = np.array(list(counts.values()), np.int64)
    found, ids = build_vocabulary(spellings, numbers, min_count=min_count, max_words=max_words, given=given)
    assert ids.tolist() == [found.ids.get(word, -1) for word in counts]
    return found
