"""What second-order similarity finds: of every word across tables, of pairs of words within one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.checks import check_at_least
from gpuemb.core.doors import door
from gpuemb.core.results import result
from gpuemb.uncertainty.results import Uncertainty

if TYPE_CHECKING:
    import pyarrow


@result
class SecondOrder(Uncertainty):
    """How far each word keeps its similarities to its neighbors in another table.

    Attributes:
        value: mean of ``per_word`` over the words that have one.
        per_word: ``(Q,)`` second-order cosine of each word; 1 where nothing changed. NaN for a word
            without length in either table.
        words: the ``Q`` words.
        compared: ``(Q,)`` how many words its profiles hold: between k where both tables list the same
            neighbors, and 2k.
        k: neighbors of a list.
        tables: names of the two.
        dropped: how many words each table has that the other has not.
    """

    value: float
    per_word: Float64
    words: Sequence[str]
    compared: Int64
    k: int
    tables: tuple[str, str]
    dropped: tuple[int, int]

    def __float__(self) -> float:
        return self.value

    @property
    def change(self) -> Float64:
        """``(Q,)`` one minus ``per_word``: Hamilton's measure of local neighborhood change."""
        return 1 - self.per_word

    @property
    def without_value(self) -> int:
        """How many words have no number."""
        return int(np.isnan(self.per_word).sum())

    @property
    def table(self) -> pyarrow.Table:
        """A pyarrow table, one row a word, most changed first.

        Its columns are ``word``, ``second_order``, ``change`` and ``compared``. Equal ones stand in the order
        of ``words``, those without a number last.
        """
        import pyarrow

        order = np.argsort(self.per_word, kind="stable")
        columns = {
            "word": [self.words[row] for row in order.tolist()],
            "second_order": self.per_word[order],
            "change": self.change[order],
            "compared": self.compared[order],
        }
        return pyarrow.table(columns)

    @door
    def most_changed(self, count: int = 10) -> list[tuple[str, float]]:
        """Return the words of lowest second-order cosine, with it; the first of equal ones first.

        Args:
            count: of words; fewer where fewer have a number.

        Raises:
            ConfigError: ``count`` is below 1.
        """
        check_at_least("SecondOrder.most_changed", "count", count, 1)
        return self._named(np.argsort(self.per_word, kind="stable"), count)

    @door
    def least_changed(self, count: int = 10) -> list[tuple[str, float]]:
        """Return the words of highest second-order cosine, as :meth:`most_changed`.

        Args:
            count: of words; fewer where fewer have a number.
        """
        check_at_least("SecondOrder.least_changed", "count", count, 1)
        return self._named(np.argsort(-self.per_word, kind="stable"), count)

    def _named(self, order: Int64, count: int) -> list[tuple[str, float]]:
        known = order[: len(order) - self.without_value][:count]
        return [(self.words[row], float(self.per_word[row])) for row in known.tolist()]


@result
class SecondOrderPairs:
    """Second-order cosines of pairs of words of one table.

    Attributes:
        values: ``(P,)`` of each pair; NaN where a word has no length, or neither has neighbors.
        pairs: the ``P`` pairs.
        compared: ``(P,)`` how many words the profiles of each pair hold.
        cosines: ``(P,)`` the cosine of the two words themselves.
        k: neighbors of a list.
    """

    values: Float64
    pairs: tuple[tuple[str, str], ...]
    compared: Int64
    cosines: Float64
    k: int

    @property
    def value(self) -> float:
        """Mean over the pairs that have one."""
        return mean_of_profiles(self.values)

    def __float__(self) -> float:
        return self.value

    @property
    def table(self) -> pyarrow.Table:
        """A pyarrow table, one row a pair.

        Its columns are ``first``, ``second``, ``second_order``, ``cosine`` and ``compared``.
        """
        import pyarrow

        first, second = zip(*self.pairs, strict=True)
        columns = {"first": list(first), "second": list(second), "second_order": self.values}
        return pyarrow.table({**columns, "cosine": self.cosines, "compared": self.compared})


def mean_of_profiles(values: Float64) -> float:
    """Return the mean over the words, or pairs, that have a number; NaN where none has."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan
