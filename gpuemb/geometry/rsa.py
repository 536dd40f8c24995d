"""Representational similarity: correlation of the cosines of all pairs of words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Any, Literal, TypeAlias, Unpack

from gpuemb.core.checks import check_choice
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.geometry.cosine_moments import FLOAT32_LOST, Centers, cosine_moments, directions_around_means
from gpuemb.geometry.grams.digits import NEARLY_EQUAL
from gpuemb.geometry.grams.float32_bounds import PairErrors
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.geometry.measure import Measure, MeasureOfSums, PairTable
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
        The correlation in ``.value``, from the rows less their means where these hide it (``.recomputed``);
        NaN with its reason where all cosines of a table are equal, or nearer to 1 than 1e-9. Streamed ranks
        have no interval.

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


@dataclass(frozen=True, kw_only=True, eq=False)
class RsaMeasure(MeasureOfSums):
    """RSA; where the mean of the rows hides the variance of the cosines, from the rows less their means.

    Attributes:
        centers: what was subtracted from the rows; None: nothing was.
    """

    centers: Centers | None = None

    def value(self, sums: PairSums, own: OwnTerms | None = None) -> float:
        """Return the correlation from sums of rows of length 1, less ``centers``."""
        found = cosine_moments(sums, own, self.centers)
        return math.nan if found is None else found.correlation

    def pair_table(self, grams: Grams) -> PairTable:
        """Return the correlation of every pair of runs; see :meth:`Measure.table`."""
        found = PairTable.of(grams.table(self.value, rsa_error))
        for s, t in combinations_with_replacement(range(grams.runs), 2):
            own = grams.of_pair(s, t)
            around = self._around_means(own, (s, t) if own is grams else (0, 1))
            if around is not None:
                measure, rows = around
                products = Grams.of(rows.sums("float64"), rows, "raw", forced=True)
                found.values[s, t] = found.values[t, s] = measure.of_products(products)
                found.recomputed[s, t] = found.recomputed[t, s] = True
        return found

    def settled(self, given: NamedTables, grams: Grams) -> tuple[Measure, NamedTables, Rows]:
        """Return the measure with its rows as it sums them; see :meth:`Measure.settled`."""
        around = self._around_means(grams, (0, 1))
        if around is None:
            return super().settled(given, grams)
        measure, rows = around
        return measure, NamedTables(given.where, given.names, rows.tables(), None, {"finite", "range"}), rows

    def _around_means(self, grams: Grams, pair: tuple[int, int]) -> tuple[RsaMeasure, Rows] | None:
        """The measure of rows less their means, and those rows; None where sums have digits enough."""
        moments = cosine_moments(grams.found_pair(*pair))
        lost = NEARLY_EQUAL if grams.images is None else FLOAT32_LOST
        if grams.source is None or moments is None or not moments.hidden(lost):
            return None
        rows, centers = directions_around_means(grams.source.of(pair))
        return replace(self, centers=centers, preparation="raw"), rows


def rsa_error(sums: PairSums, errors: PairErrors) -> float:
    """Bound of the error of the Pearson correlation of all cosines; NaN where it does not exist."""
    found = cosine_moments(sums)
    if found is None:
        return math.nan
    x, y, cross = (error / (sums.rows * (sums.rows - 1)) for error in errors.squares())
    first, second = found.variances
    if min(first - x, second - y) <= 0:
        return math.inf
    return cross / math.sqrt(first * second) + x / first + y / second


RSA = RsaMeasure(
    name="rsa",
    title="RSA (Pearson, all word pairs)",
    meaning="Correlation, over all pairs of words, of their cosines in one run with those in the other; no"
    " rotation can change it.",
    preparation="unit",
    possible=CORRELATION,
    missing=NO_VARIANCE,
    of_word_pairs=True,
)
