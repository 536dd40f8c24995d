"""How far cosines agree with what people say of pairs of words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int64, to_host
from gpuemb.core.doors import door, enter
from gpuemb.core.errors import ConfigError, VocabularyError
from gpuemb.core.results import result, shown
from gpuemb.embeddings.datasets import WordPairs
from gpuemb.embeddings.model import Embedding, named_table
from gpuemb.embeddings.spelling import other_forms
from gpuemb.uncertainty.ranks import spearman

LEAST_PAIRS = 2  # one pair has no order


@result
class SimilarityCorrelation:
    """How one table orders pairs of words.

    Attributes:
        value: Spearman's rank correlation of cosines and judgements, equal values sharing their mean
            rank; NaN where all of either are equal.
        covered: how many pairs the table has both words of; only they count.
        cosines: ``(P,)`` float64; NaN for a pair that is not covered, or a word of length zero.
        pairs: the judged pairs.
    """

    value: float
    covered: int
    cosines: Float64
    pairs: WordPairs

    def __float__(self) -> float:
        return self.value


@door
def similarity_correlation(x: Any, pairs: Any) -> SimilarityCorrelation:
    """Compare a table's cosines with people's judgements of the same pairs of words.

    A word is looked up as it stands, in lower case where the table does not have it so, and in the other
    Unicode form (NFC, NFD) of both.

    Args:
        x: an Embedding, or a data frame with words as its index.
        pairs: ``(word, word, judgement)`` of each pair, or what ``gpuemb.datasets.word_similarity`` and
            ``read_word_pairs`` return.

    Raises:
        VocabularyError: fewer than two pairs are covered.
        ConfigError: pairs that are not two words and a finite number.

    Cost: one dot product a pair, in float64. Source: Spearman (1904), Am. J. Psychol. 15, 72-101.

    Example:
        >>> pairs = (("w3", "w29"), ("w3", "w38"), ("w29", "w38"))
        >>> judged = ge.datasets.WordPairs("mine", pairs, np.array([9.0, 7.0, 2.0]))
        >>> found = ge.similarity_correlation(ge.Embedding(x, words), judged)
        >>> found.covered, round(found.value, 6)
        (3, 1.0)
    """
    x = enter("similarity_correlation", "x", named_table(x), Embedding)
    pairs = _judged("similarity_correlation", pairs)
    listed = [[_row(x, word) for word in pair] for pair in pairs.pairs]
    rows = np.array(listed, np.int64).reshape(-1, 2)
    known = (rows >= 0).all(axis=1)
    cosines = np.full(len(pairs), np.nan)
    cosines[known] = _cosines(x, rows[known])
    covered = np.isfinite(cosines)
    if covered.sum() < LEAST_PAIRS:
        raise VocabularyError(
            f"{x.name}: covers {covered.sum()} of the {len(pairs)} pairs of {pairs.name}",
            needed=f"At least {LEAST_PAIRS} pairs must have both of their words in the table.",
            remedy="Is it a table of the same language?",
        )
    value = spearman(cosines[covered], pairs.judgements[covered])
    return SimilarityCorrelation(value, int(covered.sum()), cosines, pairs)


def _judged(where: str, pairs: Any) -> WordPairs:
    """Return judged pairs as they came, or a list of ``(word, word, judgement)`` as such.

    Raises:
        ConfigError: neither; the first entry that is no such triple is named.
    """
    if isinstance(pairs, WordPairs):
        return pairs
    listed = enter(where, "pairs", pairs, Sequence)
    words, judgements = [], []
    for entry in listed:
        try:
            first, second, judgement = entry
            if not (isinstance(first, str) and isinstance(second, str) and math.isfinite(judgement)):
                raise ValueError
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(
                f"{where}: a pair is {shown(entry)}",
                needed="A pair is two words and a finite number, how similar people find them.",
                remedy="pairs=[('cat', 'dog', 7.5), …], or datasets.read_word_pairs(path).",
            ) from error
        words.append((first, second))
        judgements.append(float(judgement))
    return WordPairs("the list", tuple(words), np.array(judgements, np.float64))


def _row(embedding: Embedding, word: str) -> int:
    cases = (word, word.lower())
    forms = (*cases, *(form for case in cases for form in other_forms(case)))
    return next((embedding.key_to_index[form] for form in forms if form in embedding), -1)


def _cosines(embedding: Embedding, rows: Int64) -> Float64:
    sides = [to_host(embedding.vectors[side, :]).astype(np.float64) for side in rows.T]
    lengths = [np.linalg.norm(side, axis=1) for side in sides]
    with np.errstate(invalid="ignore"):  # a word of length zero has no cosine: NaN
        cosines: Float64 = (sides[0] * sides[1]).sum(axis=1) / (lengths[0] * lengths[1])
    return cosines
