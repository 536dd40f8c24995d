"""The documents that a model of a study is trained on: all of them, or a nested fraction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Int64
from gpuemb.core.errors import VocabularyError
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.training.sources import of_documents

LEAST_WORDS = 2  # one word has no neighbor


@dataclass(frozen=True, eq=False)
class Sample:
    """What a model is trained on, and where its words stand in the vocabulary of the study.

    Attributes:
        tokens: the text, with ids of its own vocabulary.
        rows: ``(V_sample,)`` row of each word of the sample in the study; None where both are the same.
    """

    tokens: Tokens
    rows: Int64 | None = None


def sample_of(tokens: Tokens, fraction: float, min_count: int) -> Sample:
    """Return a fraction of the documents as a corpus of its own.

    The documents of a smaller fraction are among those of a larger one: one random order is fixed, and a
    fraction is its beginning. Words are kept as in reading a corpus: those that occur ``min_count`` times in
    the sample, most frequent first, so that training it is training on those documents alone.

    Args:
        tokens: the whole corpus.
        fraction: of the documents, above 0, at most 1.
        min_count: smallest count of a word in the sample.

    Raises:
        VocabularyError: fewer than two words are that frequent.
        MemoryBudgetError: the sample does not fit.

    Cost: two passes over the tokens of the sample.
    """
    if fraction == 1:
        return Sample(tokens)
    count = max(1, round(fraction * tokens.documents))
    chosen = stream(0, "fraction", "documents").permutation(tokens.documents)[:count]
    part = of_documents(tokens, np.sort(chosen))
    counts = np.bincount(part.ids, minlength=len(tokens.vocabulary))
    words = tokens.vocabulary.words
    rows = sorted(np.flatnonzero(counts >= min_count).tolist(), key=lambda row: (-counts[row], words[row]))
    if len(rows) < LEAST_WORDS:
        raise VocabularyError(
            f"study: of the {count:,} documents of fraction {fraction:g}, {len(rows)} words occur"
            f" {min_count} times",
            needed="At least two words are needed: one word has no neighbor.",
            remedy="Use a larger fraction, a lower min_count, or more text.",
        )
    kept = np.array(rows, np.int64)
    vocabulary = Vocabulary(
        tuple(words[row] for row in rows), counts[kept], int(counts.sum() - counts[kept].sum())
    )
    return Sample(_renumbered(part, kept, vocabulary), kept)


def _renumbered(part: Tokens, rows: Int64, vocabulary: Vocabulary) -> Tokens:
    """Return the tokens with ids of the sample's own words, others and empty documents left out."""
    ids = np.full(len(part.vocabulary), -1, np.int32)
    ids[rows] = np.arange(len(rows), dtype=np.int32)
    found = ids[part.ids]
    kept = found >= 0
    ends = np.concatenate([[0], np.cumsum(kept)])[part.starts]
    return Tokens(found[kept], np.unique(ends), vocabulary, part.unicode_version, part.tokenizer)
