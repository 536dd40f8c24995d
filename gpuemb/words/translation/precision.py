"""How many words of a dictionary are translated right, and how sure that share is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.checks import check_at_least
from gpuemb.core.doors import whole_number
from gpuemb.core.errors import ConfigError
from gpuemb.core.results import result, shown
from gpuemb.uncertainty.intervals import wilson_interval
from gpuemb.words.translation.pairs import PairRows

if TYPE_CHECKING:
    import pyarrow


@result
class TranslationPrecision:
    """Share of words with a right translation among their nearest words of the target; prints as a table.

    A word counts once, and any of its translations is right. Words that one table has not do not count.

    Attributes:
        value: precision at the first of ``at``.
        at: numbers of nearest words.
        precisions: share of the counted words at each.
        intervals: of each, Wilson's: of the share of all words of which these are a random sample.
        confidence: of the intervals.
        words: the ``n`` words that count.
        ranks: ``(n,)`` rank of the first right word, from 1; 0 where it is beyond the last of ``at``.
        answers: ``(n,)`` nearest word of each; empty where its vector is zero.
        given: how many words the dictionary translates.
        unknown_source: its words that the source has not.
        unknown_target: its translations that the target has not.
        among_seeds: how many of the words the map was fitted on, with one of these translations.
        metric: of the search.
    """

    value: float
    at: tuple[int, ...]
    precisions: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    confidence: float
    words: tuple[str, ...]
    ranks: Int64
    answers: tuple[str, ...]
    given: int
    unknown_source: tuple[str, ...]
    unknown_target: tuple[str, ...]
    among_seeds: int
    metric: str

    def __float__(self) -> float:
        return self.value

    @property
    def coverage(self) -> float:
        """Share of the words of the dictionary that count."""
        return len(self.words) / self.given

    @property
    def table(self) -> pyarrow.Table:
        """A pyarrow table, one row a word: ``word``, ``answer``, ``rank`` (null where none is right)."""
        import pyarrow

        ranks = pyarrow.array(self.ranks, mask=np.equal(self.ranks, 0))
        return pyarrow.table({"word": list(self.words), "answer": list(self.answers), "rank": ranks})

    def __str__(self) -> str:
        lines = [f"nearest  precision  {self.confidence:.0%} interval"]
        for count, share, (low, high) in zip(self.at, self.precisions, self.intervals, strict=True):
            lines.append(f"{count:>7}  {share:>9.3f}  [{low:.3f}, {high:.3f}]")
        lines.append(
            f"{self.metric}; {len(self.words):,} of {self.given:,} words count ({self.coverage:.1%})"
        )
        if self.among_seeds:
            lines.append(f"{self.among_seeds:,} of them the map was fitted on: their share is no test.")
        return "\n".join(lines)


def check_at(where: str, at: Sequence[int], most: int) -> tuple[int, ...]:
    """Return the numbers of nearest words, ascending.

    Raises:
        ConfigError: no numbers, or one that is below 1 or above the number of words.
    """
    whole = [whole_number(number, None) for number in at]
    if not whole or None in whole:
        raise ConfigError(
            f"{where}: at = {shown(at)}",
            needed="Precision is at one number of nearest words or more.",
            remedy="at=(1, 5, 10)",
        )
    numbers = tuple(sorted(set(whole)))
    check_at_least(where, "at", numbers[0], 1)
    if numbers[-1] > most:
        raise ConfigError(
            f"{where}: at = {numbers[-1]}, but the target has {most:,} words",
            needed="A word of the target is nearest, one of the nearest two, and so on.",
            remedy=f"Give at=({', '.join(str(n) for n in numbers if n <= most) or 1},).",
        )
    return numbers


def tested_words(looked: PairRows) -> list[tuple[str, int, set[int]]]:
    """Return each word once: its row of the source, and the rows of the target that translate it."""
    rows: dict[str, tuple[int, set[int]]] = {}
    for (word, _), (row, other) in zip(looked.known, looked.rows.tolist(), strict=True):
        rows.setdefault(word, (row, set()))[1].add(other)
    return [(word, row, others) for word, (row, others) in rows.items()]


def judged(
    looked: PairRows,
    ids: Int32,
    at: tuple[int, ...],
    seeds: Sequence[tuple[str, str]],
    targets: Sequence[str],
    metric: str,
    confidence: float,
) -> TranslationPrecision:
    """Judge the lists of :func:`tested_words`, in their order."""
    tested = tested_words(looked)
    ranks = np.zeros(len(tested), np.int64)
    for number, (_, _, right) in enumerate(tested):
        hits = np.flatnonzero(np.isin(ids[number], list(right)))
        ranks[number] = hits[0] + 1 if len(hits) else 0
    hits_at = [int(((ranks > 0) & (ranks <= count)).sum()) for count in at]
    shares = tuple(hits / len(tested) for hits in hits_at)
    fitted = frozenset(seeds)
    seen = {word for word, other in looked.known if (word, other) in fitted}
    return TranslationPrecision(
        shares[0],
        at,
        shares,
        tuple(wilson_interval(hits, len(tested), confidence) for hits in hits_at),
        confidence,
        tuple(word for word, _, _ in tested),
        ranks,
        tuple(targets[row] if row >= 0 else "" for row in ids[:, 0].tolist()),
        len({word for word, _ in looked.given.pairs}),
        looked.unknown_source,
        looked.unknown_target,
        len(seen),
        metric,
    )
