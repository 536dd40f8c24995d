"""Two corpora cut into parts of equal length that share no document, over the words of all parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.errors import ConfigError, VocabularyError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.training.sources import of_documents

LEAST_WORDS = 2  # one word has no neighbor


@dataclass(frozen=True, eq=False)
class Parts:
    """What the runs of a drift are trained on.

    Attributes:
        tokens: of every part, those of the first corpus first, over one vocabulary; counts are the part's.
        words: of the vocabulary, by their count in all parts.
        counts: ``(V,)`` in all parts.
        part_tokens: tokens of a part, about, before words are left out.
        left_out: words of both corpora that some part has too seldom.
    """

    tokens: tuple[Tokens, ...]
    words: tuple[str, ...]
    counts: Int64
    part_tokens: int
    left_out: int


def parts_of(
    corpora: Mapping[str, Tokens], parts: int, *, min_count: int, max_words: int = 0, seed: int = 0
) -> Parts:
    """Deal the documents of two corpora to parts, a run each.

    Documents stand in random order; a part is a stretch of them with as many tokens as every other, up to
    one document: of the shorter corpus at most one is left over. A word is kept where every part has it
    ``min_count`` times. Where both corpora are drawn from one source, all parts are alike, so that every
    assignment of them to two groups is as likely as the observed one.

    Args:
        corpora: two, by name, each over a vocabulary of its own.
        parts: of each.
        min_count: smallest count of a word in every part.
        max_words: most words, the most frequent; 0 for all.
        seed: of the named streams of documents.

    Raises:
        ConfigError: fewer documents than parts.
        VocabularyError: fewer than two words are in all parts.
        MemoryBudgetError: counts of words in parts do not fit.
    """
    budget = min(len(tokens) for tokens in corpora.values()) // parts
    documents = [_dealt(name, tokens, parts, budget, seed) for name, tokens in corpora.items()]
    number: dict[str, int] = {}
    for tokens in corpora.values():
        for word in tokens.vocabulary.words:
            number.setdefault(word, len(number))
    places = [
        np.array([number[word] for word in tokens.vocabulary.words], np.int64) for tokens in corpora.values()
    ]
    MemoryPlan(
        "drift: counts of words in parts", {"counts": buffer((2 * parts, len(number)), np.int64)}
    ).require()
    counts = np.zeros((2 * parts, len(number)), np.int64)
    texts = []
    for group, (tokens, dealt) in enumerate(zip(corpora.values(), documents, strict=True)):
        for part, chosen in enumerate(dealt):
            text = of_documents(tokens, chosen)
            texts.append(text)
            own = np.bincount(text.ids, minlength=len(tokens.vocabulary))
            counts[group * parts + part, places[group]] = own
    kept, words = _kept(counts, list(number), min_count, max_words)
    row = np.full(len(number), -1, np.int32)
    row[kept] = np.arange(len(kept), dtype=np.int32)
    shared = len(set.intersection(*[{*tokens.vocabulary.words} for tokens in corpora.values()]))
    recoded = tuple(
        _recoded(text, row[places[place // parts]], Vocabulary(words, counts[place, kept]))
        for place, text in enumerate(texts)
    )
    return Parts(recoded, words, counts[:, kept].sum(axis=0), budget, shared - len(kept))


def _dealt(name: str, tokens: Tokens, parts: int, budget: int, seed: int) -> list[Int64]:
    """Return the documents of each part, ascending."""
    lengths = np.diff(tokens.starts)
    order = stream(seed, "drift", "documents", name).permutation(tokens.documents)
    ends = np.cumsum(lengths[order])
    part = np.minimum((ends - 1) // max(budget, 1), parts)  # what is left over is in no part
    dealt = [np.sort(order[(part == one) & (lengths[order] > 0)]) for one in range(parts)]
    if budget < 1 or not all(map(len, dealt)):
        raise ConfigError(
            f"drift: {name} has {tokens.documents:,} documents and {len(tokens):,} tokens for {parts} parts",
            needed="Every part has documents of its own, and as many tokens as every other.",
            remedy="Use fewer parts, more text, or documents='line' where a document is a file.",
        )
    return dealt


def _kept(counts: Int64, words: list[str], min_count: int, max_words: int) -> tuple[Int64, tuple[str, ...]]:
    """Return places of the words that all parts have, most frequent first."""
    found = np.flatnonzero((counts >= min_count).all(axis=0))
    total = counts.sum(axis=0)
    order = sorted(found.tolist(), key=lambda place: (-int(total[place]), words[place]))
    order = order[: max_words or None]
    if len(order) < LEAST_WORDS:
        raise VocabularyError(
            f"drift: {len(order)} words occur {min_count} times in every one of {len(counts)} parts",
            needed="At least two words are needed: one word has no neighbor.",
            remedy="Use fewer parts, a lower min_count, or more text.",
        )
    return np.array(order, np.int64), tuple(words[place] for place in order)


def _recoded(text: Tokens, row: Int32, vocabulary: Vocabulary) -> Tokens:
    """Return a text over another vocabulary; words outside it are left out."""
    ids = row[text.ids] if len(text) else text.ids
    there = ids >= 0
    ends = np.concatenate([[0], np.cumsum(there)])
    return Tokens(
        np.ascontiguousarray(ids[there]),
        ends[text.starts],
        vocabulary,
        text.unicode_version,
        text.tokenizer,
    )
