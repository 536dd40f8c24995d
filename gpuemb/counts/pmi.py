"""Pointwise mutual information of pairs, and ratios of co-occurrence probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.checks import check_at_least, check_at_most
from gpuemb.core.doors import door
from gpuemb.core.memory import tiles
from gpuemb.core.results import result
from gpuemb.counts.table import CountTable, Word, csr_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TILE = 1 << 18  # pairs of a task
LARGEST_SMOOTHING = 16.0  # counts below 2⁶³ to this power, and their sums, stay inside float64


@result
class PairInformation:
    """A measure of the pairs that co-occur; all others have one value, which is not the sparse matrix's 0.

    Attributes:
        matrix: ``(V, V)`` float64 CSR of the pairs that co-occur, zeros stored too; nats, or a share.
        absent: value of every other pair: −∞ for PMI, −1 for NPMI.
        name: ``PMI`` or ``NPMI``.
        counts: those it was computed from.
    """

    matrix: csr_matrix
    absent: float
    name: str
    counts: CountTable

    def of(self, i: Word, j: Word) -> float:
        """Return the measure of one pair, words or ids.

        Raises:
            VocabularyError: a word is not counted.
        """
        row, column = self.counts.id_of(i), self.counts.id_of(j)
        place = self.counts.place(row, column)
        return self.absent if place is None else float(self.matrix.data[place])


@result
class Ratios:
    """Ratio of each probe's probability near one word and near another; prints as a table.

    Attributes:
        first, second: the two words.
        probes: the ``K`` probe words.
        given_first: ``(K,)`` ``P(probe | first)``; all NaN if ``first`` has no contexts.
        given_second: ``(K,)`` the same of ``second``.
        values: ``(K,)`` their ratios: inf if the probe is near ``first`` only, NaN if near neither.
    """

    first: str
    second: str
    probes: tuple[str, ...]
    given_first: Float64
    given_second: Float64
    values: Float64

    def __str__(self) -> str:
        width = max(map(len, ("probe", *self.probes)))
        heads = [f"P(·|{self.first})", f"P(·|{self.second})", "ratio"]
        wide = [max(9, len(head)) for head in heads]
        lines = [f"{'probe':<{width}}  " + "  ".join(f"{h:>{w}}" for h, w in zip(heads, wide, strict=True))]
        for probe, *numbers in zip(
            self.probes, self.given_first, self.given_second, self.values, strict=True
        ):
            cells = [f"{number:>{w}.3g}" for number, w in zip(numbers, wide, strict=True)]
            said = "  neither met it" if math.isnan(numbers[2]) else ""
            said = f"  {self.second} never met it" if math.isinf(numbers[2]) else said
            lines.append(f"{probe:<{width}}  " + "  ".join(cells) + said)
        return "\n".join(lines)


def ratios(counts: CountTable, i: Word, j: Word, probes: Sequence[Word]) -> Ratios:
    """Return ``P(k|i) / P(k|j)`` of every probe ``k``.

    Raises:
        VocabularyError: a word is not counted.

    Source: Pennington (2014), table 1; Definitions §1.
    """
    of_first, of_second = (np.array([counts.conditional(word, k) for k in probes]) for word in (i, j))
    with np.errstate(divide="ignore", invalid="ignore"):  # 0/0 and x/0 are answers here
        values = of_first / of_second
    first, second, *names = (counts.vocabulary.words[counts.id_of(word)] for word in (i, j, *probes))
    return Ratios(first, second, tuple(names), of_first, of_second, values)


def pmi(counts: CountTable, *, smoothing: float = 1.0) -> PairInformation:
    """Pointwise mutual information ``log(P(i,j) / (P(i) P(j)))`` of the pairs that co-occur, in nats.

    Args:
        counts: symmetric or one-sided counts.
        smoothing: the context's probability is ``∝ X_·j^smoothing``; 1 changes nothing.

    Cost: one logarithm a stored pair. Source: Levy, Goldberg and Dagan (2015); Definitions §1.
    """
    return PairInformation(csr_of(counts.rows, _pmi_of_pairs(counts, smoothing)), -math.inf, "PMI", counts)


def npmi(counts: CountTable, *, smoothing: float = 1.0) -> PairInformation:
    """PMI divided by ``−log P(i,j)``: 1 for words that occur only together, −1 for pairs that never co-occur.

    NaN if there is only one pair (0/0). Arguments and cost as :func:`pmi`. Source: Bouma (2009).
    """
    surprise = -np.log(counts.rows.data / counts.total)
    with np.errstate(divide="ignore", invalid="ignore"):  # −log P is 0 for the only pair
        values = np.where(surprise == 0, np.nan, _pmi_of_pairs(counts, smoothing) / surprise)
    return PairInformation(csr_of(counts.rows, values), -1.0, "NPMI", counts)


@door
def ppmi(counts: CountTable, *, shift: float = 1.0, smoothing: float = 1.0) -> csr_matrix:
    """Positive pointwise mutual information ``max(0, log(P(i,j) / (P(i) P(j))) − log shift)``.

    Args:
        counts: symmetric or one-sided counts.
        shift: 1 is plain PPMI; word2vec with ``m`` negative samples corresponds to ``m``.
        smoothing: the context's probability is ``∝ X_·j^smoothing``; 1 changes nothing.

    Returns:
        ``(V, V)`` float64 CSR in nats; pairs that never co-occur have PMI −∞ and are absent, like all that
        are not positive.

    Cost: one logarithm a stored pair. Source: Levy, Goldberg and Dagan (2015); Definitions §1.

    Example:
        >>> counts = ge.count_cooccurrences(ge.read_corpus("pets.txt"), window=2)
        >>> table = ge.ppmi(counts)
        >>> round(float(table[counts.id_of("cat"), counts.id_of("sat")]), 3)
        0.336
    """
    from scipy.sparse import csr_matrix

    check_at_least("ppmi", "shift", shift, 1)
    values = _pmi_of_pairs(counts, smoothing) - np.log(shift)
    positive = values > 0
    kept = np.concatenate([[0], np.cumsum(positive)])[counts.rows.indptr]
    shape = (len(counts.vocabulary),) * 2
    return csr_matrix((values[positive], counts.rows.indices[positive], kept), shape=shape)


def _pmi_of_pairs(counts: CountTable, smoothing: float) -> Float64:
    """PMI of every stored pair, in the order of the rows."""
    check_at_least("pmi", "smoothing", smoothing, 0)
    check_at_most("pmi", "smoothing", smoothing, LARGEST_SMOOTHING)
    words = counts.row_sums.astype(np.float64)
    contexts = counts.column_sums.astype(np.float64) ** smoothing
    contexts /= contexts.sum() if counts.total else 1.0
    rows, columns, pmi = rows_of(counts), counts.rows.indices, np.empty(counts.nonzeros)

    def fill(cut: tuple[int, int]) -> None:
        part = slice(*cut)
        np.multiply(words[rows[part]], contexts[columns[part]], out=pmi[part])
        np.divide(counts.rows.data[part], pmi[part], out=pmi[part])
        np.log(pmi[part], out=pmi[part])

    threads.run(fill, tiles(counts.nonzeros, TILE))
    return pmi


def rows_of(counts: CountTable) -> Int64:
    """Return the row of every stored pair."""
    return np.repeat(np.arange(len(counts.vocabulary)), np.diff(counts.rows.indptr))
