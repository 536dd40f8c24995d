"""RSA of a list of words: both matrices of cosines, and their correlations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpuemb.core.arrays import Array, like, native
from gpuemb.core.results import result
from gpuemb.embeddings.word_list import MissingWord, word_list
from gpuemb.geometry.measure.measured import Similarity
from gpuemb.geometry.ranks.matrix_correlation import (
    NO_VARIANCE,
    cosines_of,
    matrix_pair,
    plan_matrices,
    uncertainty_of_matrices,
)
from gpuemb.uncertainty.draws import Draws


@result(kw_only=True)
class WordListSimilarity(Similarity):
    """The cosines of a list of words in two tables, and their correlations.

    ``value`` is the requested correlation; all three are here.

    Attributes:
        words: the ``n`` words, or row numbers, that are compared, in the order of the request.
        missing: words that a table lacks, with the closest spellings.
        without_length: words whose row is zero in a table: they have no cosine.
        cosines_x: ``(n, n)`` float64 cosines in X.
        cosines_y: ``(n, n)`` in Y.
        difference: ``(n, n)`` those of X less those of Y.
        upper_x: ``(n(n−1)/2,)`` the entries above the diagonal of ``cosines_x``, row after row.
        upper_y: the same of Y.
        mean_x: mean of ``upper_x``.
        mean_y: mean of ``upper_y``.
        pearson: correlation of ``upper_x`` and ``upper_y``.
        spearman: that of their ranks, equal ones sharing their mean.
        kendall: Kendall's τ-b of them.
    """

    words: tuple[str | int, ...]
    missing: tuple[MissingWord, ...]
    without_length: tuple[str | int, ...]
    cosines_x: Array
    cosines_y: Array
    difference: Array
    upper_x: Array
    upper_y: Array
    mean_x: float
    mean_y: float
    pearson: float
    spearman: float
    kendall: float


def rsa_of_words(
    x: Any, y: Any, words: Sequence[str] | Sequence[int], method: str, draws: Draws
) -> WordListSimilarity:
    """Compare two tables on a list of words; see :func:`gpuemb.geometry.rsa.rsa`."""
    chosen = word_list(draws.where, x, y, words)
    plan_matrices(draws.where, len(chosen.words)).require()
    cosines = [cosines_of(native(rows)) for rows in (chosen.x, chosen.y)]
    pair = matrix_pair(cosines[0], cosines[1], max(rows.shape[1] for rows in (chosen.x, chosen.y)))
    pearson, spearman, tau = (pair.correlation(which) for which in ("pearson", "spearman", "kendall"))
    value = {"pearson": pearson, "spearman": spearman, "kendall": tau}[method]
    found = WordListSimilarity(
        value,
        f"rsa {method}",
        "unit",
        len(chosen.without_length),
        NO_VARIANCE if math.isnan(value) else "",
        words=chosen.words,
        missing=chosen.missing,
        without_length=chosen.without_length,
        cosines_x=like(cosines[0], chosen.x),
        cosines_y=like(cosines[1], chosen.x),
        difference=like(cosines[0] - cosines[1], chosen.x),
        upper_x=like(pair.x, chosen.x),
        upper_y=like(pair.y, chosen.x),
        mean_x=float(pair.x.mean()),
        mean_y=float(pair.y.mean()),
        pearson=pearson,
        spearman=spearman,
        kendall=tau,
    )
    return uncertainty_of_matrices(pair, method, value, draws).onto(found)
