"""Representational similarity: correlation of the cosines of all pairs of words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, Unpack

from gpuemb.core.arrays import namespace_of
from gpuemb.core.checks import check_choice
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.geometry.grams.float32_bounds import PairErrors
from gpuemb.geometry.grams.pair_sums import PairSums, varies
from gpuemb.geometry.measure import SumsMeasure
from gpuemb.geometry.measure.measured import Similarity, measured
from gpuemb.geometry.ranks.matrix_correlation import METHODS, NO_VARIANCE
from gpuemb.geometry.ranks.vocabulary_spearman import MATRIX_BYTES, spearman_of_vocabulary
from gpuemb.geometry.ranks.word_list_rsa import rsa_of_words
from gpuemb.geometry.resampling.own_terms import OwnTerms
from gpuemb.uncertainty.draws import Draws, Resampling
from gpuemb.uncertainty.intervals import CORRELATION

Method: TypeAlias = Literal["pearson", "spearman", "kendall"]


@door
def rsa(
    x: Any,
    y: Any,
    words: Sequence[str] | Sequence[int] | None = None,
    *,
    method: Method = "pearson",
    matrix_bytes: int = MATRIX_BYTES,
    **resampling: Unpack[Resampling],
) -> Similarity:
    """Correlate the cosines of all pairs of words in ``x`` with those in ``y``.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        words: compare these only: words of two Embeddings (each looked up in its own table), or row numbers.
            The result is then a :class:`~gpuemb.geometry.ranks.word_list_rsa.WordListSimilarity`, with both
            matrices, all three correlations, and the words that a table lacks.
        method: ``pearson``; ``spearman``, equal cosines sharing their mean rank; ``kendall``, τ-b, of a list
            of words only. Both take cosines that agree to 2⁻⁴⁰ as equal.
        matrix_bytes: Spearman of a whole vocabulary whose matrices and ranks take more is streamed through
            fine bins of the cosines; ``error_bound`` then says how far the exact value may be.
        resampling: see :class:`gpuemb.Resampling`.

    Returns:
        The correlation in ``.value``; NaN with its reason where all cosines of a table are equal. Streamed
        ranks have no interval.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words, and ``words`` is None; or fewer than three of ``words``
            are in both tables and have a length.
        ConfigError: an unknown method, a negative number of draws, a word listed twice; Kendall of a whole
            vocabulary, or draws of streamed ranks.
        MemoryBudgetError: the matrices of the list do not fit.

    Cost: Pearson ``V·(d + d')²`` flops and no ``V×V`` matrix, as many again for the interval; Spearman
    ``2·V²·(d + d')`` flops and a few steps a pair, 128 bytes a pair unless streamed.
    Source: Kriegeskorte (2008); Definitions §4, §5.

    Example:
        >>> found = ge.rsa(x, y, permutations=99)
        >>> round(found.value, 2), found.p_value
        (0.99, 0.01)
        >>> low, high = found.interval
        >>> low < found.value < high
        True
    """
    check_choice("rsa", "method", method, METHODS)
    draws = Draws("rsa", **resampling)
    if words is not None:
        return rsa_of_words(x, y, words, method, draws)
    if method == "kendall":
        raise ConfigError(
            "rsa: Kendall's correlation of a whole vocabulary was asked for",
            needed="It sorts all pairs of words, so it needs a list of them.",
            remedy="Name the words with words=[…], or ask for method='spearman', which can be streamed.",
        )
    if method == "spearman":
        return spearman_of_vocabulary(x, y, draws, matrix_bytes)
    return measured(RSA, x, y, draws)


def pearson_rsa(sums: PairSums, own: OwnTerms | None = None) -> float:
    """Return the correlation from the sums of unit rows; two copies of a word are no pair."""
    xp = namespace_of(sums.cross)
    words = sums.rows
    alone = words if own is None else float(own.counts[1])  # Σw²: what a word's copies, all of length 1, add
    pairs = words * words - alone
    if pairs <= 0:
        return math.nan
    mean_a = (float(xp.sum(sums.sum_x**2)) - alone) / pairs
    mean_b = (float(xp.sum(sums.sum_y**2)) - alone) / pairs
    square_a = (float(xp.sum(sums.gram_x**2)) - alone) / pairs
    square_b = (float(xp.sum(sums.gram_y**2)) - alone) / pairs
    product = (float(xp.sum(sums.cross**2)) - alone) / pairs
    variance_a, variance_b = square_a - mean_a**2, square_b - mean_b**2
    if not varies(variance_a, square_a, alone / pairs) or not varies(variance_b, square_b, alone / pairs):
        return math.nan
    return (product - mean_a * mean_b) / math.sqrt(variance_a * variance_b)


def rsa_error(sums: PairSums, errors: PairErrors) -> float:
    """Bound of the error of the Pearson correlation of all cosines; NaN where it does not exist."""
    xp = namespace_of(sums.cross)
    pairs = sums.rows * (sums.rows - 1)
    if pairs == 0:
        return math.nan
    variances = []
    for gram, column_sums in ((sums.gram_x, sums.sum_x), (sums.gram_y, sums.sum_y)):
        mean = (float(xp.sum(column_sums**2)) - sums.rows) / pairs
        variances.append((float(xp.sum(gram**2)) - sums.rows) / pairs - mean**2)
    x, y, cross = (error / pairs for error in errors.squares())
    if min(variances[0] - x, variances[1] - y) <= 0:
        return math.inf
    return cross / math.sqrt(variances[0] * variances[1]) + x / variances[0] + y / variances[1]


RSA = SumsMeasure(
    name="rsa",
    title="RSA (Pearson, all word pairs)",
    meaning="Correlation, over all pairs of words, of their cosines in one run with those in the other; no"
    " rotation can change it.",
    preparation="unit",
    possible=CORRELATION,
    missing=NO_VARIANCE,
    of_word_pairs=True,
    of_sums=pearson_rsa,
    error=rsa_error,
)
