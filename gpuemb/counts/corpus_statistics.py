"""What a corpus is, in numbers: entropy of its words, information of its contexts, Zipf's law."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.checks import check_at_least, check_choice
from gpuemb.core.doors import door
from gpuemb.core.errors import DTypeError
from gpuemb.core.results import result, shown
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.count_spectrum import count_spectrum
from gpuemb.counts.information import NATS, InformationUnit, mutual_information
from gpuemb.counts.power_law import LEAST_RANKS, PowerLaw, fit_power_law, no_power_law
from gpuemb.counts.table import CountTable

WHERE = "corpus_statistics"
SPECTRUM = 100  # singular values whose law is fitted
FREQUENT = 10  # occurrences: below, frequencies are small integers that many words share
ROUNDING = 2.0**-20  # of the largest singular value: smaller ones are rounding


@result
class CorpusStatistics:
    """A corpus in numbers; prints as lines. Entropies are in ``unit``; NaN or None: not known of this source.

    Attributes:
        tokens: in the corpus, words outside the vocabulary left out; None of counts that do not know.
        documents: with a word of the vocabulary; None as well.
        dropped_tokens: words outside the vocabulary.
        words: in the vocabulary ``V``.
        once: words that occur once.
        unit: ``nat`` or ``bit``.
        word_entropy: ``H(W) = −Σ P(w) log P(w)`` of the words' own frequencies.
        perplexity: ``exp H(W)``: how many equally frequent words would have that entropy.
        largest_entropy: ``log V``, of equally frequent words.
        marginal_entropy: ``H`` of the counts' row sums, the words as often as they stand in a window.
        context_entropy: ``H`` of the column sums, the contexts.
        conditional_entropy: ``H(W|C) = −Σ P(w,c) log P(w|c)`` of the counts.
        mutual_information: ``I(W;C) = H(W) − H(W|C)`` of the counts, W as often as in windows.
        conditional_perplexity: ``exp H(W|C)``.
        frequency_law: Zipf's law of the words' frequencies, over the ranks it names.
        spectrum_law: the law of the counts' largest singular values.
    """

    tokens: int | None
    documents: int | None
    dropped_tokens: int
    words: int
    once: int
    unit: InformationUnit
    word_entropy: float
    perplexity: float
    largest_entropy: float
    marginal_entropy: float
    context_entropy: float
    conditional_entropy: float
    mutual_information: float
    conditional_perplexity: float
    frequency_law: PowerLaw
    spectrum_law: PowerLaw

    def as_mapping(self) -> dict[str, Any]:
        """Return it for JSON: laws as their exponents, and None for what is not known."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        numbers = {name: float(v) if isinstance(v, PowerLaw) else v for name, v in values.items()}
        return {name: None if v != v else v for name, v in numbers.items()}

    def __str__(self) -> str:
        size = "" if self.tokens is None else f"{self.tokens:,} tokens in {self.documents:,} documents, "
        lines = [
            f"{size}{self.words:,} words, {self.once:,} of them once; "
            f"{self.dropped_tokens:,} tokens left out",
            f"H(W)    {self.word_entropy:.4f} {self.unit} of at most {self.largest_entropy:.4f}; "
            f"perplexity {self.perplexity:,.1f}",
        ]
        if not math.isnan(self.conditional_entropy):
            lines += [
                f"H(W|C)  {self.conditional_entropy:.4f} {self.unit}, in windows: H(W) "
                f"{self.marginal_entropy:.4f}, H(C) {self.context_entropy:.4f}; perplexity "
                f"{self.conditional_perplexity:,.1f}",
                f"I(W;C)  {self.mutual_information:.4f} {self.unit}",
            ]
        lines.append(f"Zipf    frequencies: {self.frequency_law}")
        if not math.isnan(self.conditional_entropy):
            lines.append(f"        singular values of the counts: {self.spectrum_law}")
        return "\n".join(lines)


@door
def corpus_statistics(
    source: Any,
    *,
    unit: InformationUnit = "nat",
    ranks: tuple[int, int] | None = None,
    spectrum: int = SPECTRUM,
) -> CorpusStatistics:
    """Say what a corpus is: its size, the entropy of its words, what contexts tell of words, Zipf's law.

    Args:
        source: Tokens of :func:`gpuemb.read_corpus`, or counts of :func:`gpuemb.count_cooccurrences`, which
            know contexts too.
        unit: of entropies, ``nat`` or ``bit``.
        ranks: first and last rank of Zipf's law of frequencies; by default from 1 to the last rank whose
            word occurs ten times, where the law is not yet one of small integers.
        spectrum: largest singular values of the counts whose law is fitted; 0 for none.

    Raises:
        DTypeError: neither tokens nor counts.
        ConfigError: an unknown unit, or ranks that no word has.

    Cost: a logarithm a word and a stored pair, and ``10·spectrum`` products with the counts.
    Source: Shannon (1948); Zipf (1949); Definitions §1.

    Example:
        >>> tokens = ge.read_corpus("pets.txt")
        >>> print(ge.corpus_statistics(tokens, unit="bit", ranks=(1, 5)))
        54 tokens in 9 documents, 10 words, 0 of them once; 0 tokens left out
        H(W)    3.1699 bit of at most 3.3219; perplexity 9.0
        Zipf    frequencies: 0.4108 [0.1321, 1.525] at 95%, R² 0.7094, ranks 1 to 5
    """
    check_choice(WHERE, "unit", unit, tuple(NATS))
    check_at_least(WHERE, "spectrum", spectrum, 0)
    if not isinstance(source, (Tokens, CountTable)):
        raise DTypeError(
            f"{WHERE}: {shown(source)} was given",
            needed="Tokens or counts are needed.",
            remedy="read_corpus(source) reads a text, count_cooccurrences(tokens) counts it.",
        )
    vocabulary, made = source.vocabulary, None if isinstance(source, Tokens) else source.provenance
    own = _entropy(vocabulary.counts.astype(np.float64), unit)
    pairs = source if isinstance(source, CountTable) and source.total else None
    inner = _of_pairs(pairs, unit)
    tokens = len(source) if isinstance(source, Tokens) else made.tokens if made else None
    documents = source.documents if isinstance(source, Tokens) else made.documents if made else None
    return CorpusStatistics(
        tokens,
        documents,
        vocabulary.dropped_tokens,
        len(vocabulary),
        int((vocabulary.counts == 1).sum()),
        unit,
        own,
        math.exp(own * NATS[unit]),
        math.log(len(vocabulary)) / NATS[unit] if len(vocabulary) else math.nan,
        *inner,
        math.exp(inner[2] * NATS[unit]),
        _frequencies(vocabulary.counts, ranks),
        _spectrum(pairs, spectrum),
    )


def _entropy(amounts: Float64, unit: InformationUnit) -> float:
    """``−Σ p log p`` of amounts; NaN of none."""
    total = float(amounts.sum())
    shares = amounts[amounts > 0] / total if total > 0 else np.array([math.nan])
    return abs(float(-(shares * np.log(shares)).sum())) / NATS[unit]


def _of_pairs(counts: CountTable | None, unit: InformationUnit) -> tuple[float, float, float, float]:
    """Entropies of words and contexts, of words given their context, and the mutual information."""
    if counts is None:
        return (math.nan,) * 4
    columns = counts.column_sums.astype(np.float64)
    shares = counts.rows.data / columns[counts.rows.indices]
    given = abs(float(-(counts.rows.data / counts.total * np.log(shares)).sum())) / NATS[unit]
    words = _entropy(counts.row_sums.astype(np.float64), unit)
    return words, _entropy(columns, unit), given, float(mutual_information(counts, unit=unit))


def _frequencies(counts: Any, ranks: tuple[int, int] | None) -> PowerLaw:
    ordered = np.sort(counts)[::-1]
    if ranks is not None:
        return fit_power_law(ordered, ranks)
    last = int((ordered >= FREQUENT).sum())
    if last < LEAST_RANKS:
        return no_power_law((1, last), f"{last} words occur {FREQUENT} times: three or more are needed")
    return fit_power_law(ordered, (1, last))


def _spectrum(counts: CountTable | None, k: int) -> PowerLaw:
    k = 0 if counts is None else min(k, len(counts.vocabulary))
    if counts is None or k < LEAST_RANKS:
        return no_power_law((1, k), "no counts" if counts is None else "fewer than three singular values")
    values = count_spectrum(counts, k).values
    return fit_power_law(values, (1, k), missing="nan", zero=float(values[0]) * ROUNDING)
