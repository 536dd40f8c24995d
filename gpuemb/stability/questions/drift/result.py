"""What drifted between two groups of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.checks import check_at_least, check_choice
from gpuemb.core.doors import door
from gpuemb.core.results import result
from gpuemb.pictures.notebook import html_table
from gpuemb.stability.questions.drift.changes import ChangedWord, lost_and_gained
from gpuemb.stability.statistics import ENOUGH_RUNS, Discoveries, Estimate, mean_of_known

if TYPE_CHECKING:
    import pyarrow


COLUMNS = ("between", "within", "effect", "low", "high", "p_value", "own_p_value", "q_value", "drifted")


@result
class DriftMeasure:
    """One distance, of every word and of all; NaN for a word that has none in some pair of runs.

    Attributes:
        measure: ``"overlap"``, ``"second_order"`` or ``"aligned_cosine"``.
        title: the same for people.
        meaning: of the distance, one sentence.
        between: ``(V,)`` mean distance over pairs of runs of two groups.
        within: ``(V,)`` the same of pairs within a group, the mean of both groups.
        effect: ``(V,)`` between − within: how far a word drifted beyond the noise of its runs.
        low: ``(V,)`` lower end of its 95 % interval over runs; NaN below three runs in a group.
        high: ``(V,)`` upper end.
        statistic: ``(V,)`` the effect over ``within`` plus a constant of words of like frequency.
        p_value: ``(V,)`` share of statistics, of words of like frequency under all labelings of the runs,
            that are at least the word's: for a rate of false discoveries.
        own_p_value: ``(V,)`` the same of the word's own statistics: exact, and coarse where runs are few.
        discoveries: Benjamini-Hochberg over all words, of ``p_value``.
        share: of words that drifted, so far as that can be seen.
        ratio: mean distance between over mean distance within.
        mean: of the effect.
        p_value_of_all: of the mean effect, from the labelings.
        chance: distance of unrelated tables, where it is known in closed form, else NaN.
    """

    measure: str
    title: str
    meaning: str
    between: Float64
    within: Float64
    effect: Float64
    low: Float64
    high: Float64
    statistic: Float64
    p_value: Float64
    own_p_value: Float64
    discoveries: Discoveries
    share: Estimate
    ratio: Estimate
    mean: Estimate
    p_value_of_all: float
    chance: float

    @property
    def q_value(self) -> Float64:
        """``(V,)`` adjusted p-values; NaN where untested."""
        return self.discoveries.adjusted

    @property
    def drifted(self) -> NDArray[np.bool_]:
        """``(V,)`` whether a word is a discovery at the rate that was asked for."""
        return self.discoveries.discovered

    @property
    def undefined(self) -> int:
        """Words without a distance in some pair of runs: a run has no vector or no neighbors of them."""
        return self.discoveries.untested


@result
class Drift:
    """Two groups of runs against each other, beyond the differences within each.

    Attributes:
        groups: their names.
        runs: names of the runs of each.
        vocabulary: the ``V`` words, or row numbers.
        counts: ``(V,)`` of the words, None where unknown.
        neighbors: how many of each word are compared.
        neighbor_ids: ``(S, V, k)`` of all runs, those of the first group first.
        labelings: assignments of the runs to groups that were compared, the observed one included.
        exact: whether these are all.
        measures: one result each.
    """

    groups: tuple[str, str]
    runs: tuple[tuple[str, ...], tuple[str, ...]]
    vocabulary: Sequence[str]
    counts: Int64 | None
    neighbors: int
    neighbor_ids: Int32
    labelings: int
    exact: bool
    measures: tuple[DriftMeasure, ...]

    def __getitem__(self, measure: str) -> DriftMeasure:
        """Return one measure by its name.

        Raises:
            ConfigError: it was not taken; those that were are named.
        """
        taken = tuple(one.measure for one in self.measures)
        check_choice("drift", "measure", measure, taken)
        return self.measures[taken.index(measure)]

    def _repr_html_(self) -> str:
        caption = f"Drift of {len(self.vocabulary):,} words from {self.groups[0]} to {self.groups[1]}"
        columns = ("measure", "words found", "between", "within", "ratio", "p of all words")
        rows = [
            (
                one.title,
                one.discoveries.count,
                mean_of_known(one.between),
                mean_of_known(one.within),
                one.ratio.value,
                one.p_value_of_all,
            )
            for one in self.measures
        ]
        return html_table(caption, columns, rows, len(rows), self.caution)

    @property
    def value(self) -> float:
        """Share of words that drifted by the first measure."""
        return self.measures[0].share.value

    def __float__(self) -> float:
        return self.value

    @property
    def smallest_p_value(self) -> float:
        """What neither a word's own p-value nor an adjusted one of many words can be below."""
        return 1 / self.labelings

    @property
    def words(self) -> pyarrow.Table:
        """A pyarrow table, one row a word: ``word``, ``count`` where known, and all numbers of a measure."""
        import pyarrow

        columns: dict[str, object] = {"word": pyarrow.array(list(self.vocabulary), pyarrow.string())}
        if self.counts is not None:
            columns["count"] = self.counts
        for one in self.measures:
            columns |= {f"{one.measure}_{name}": getattr(one, name) for name in COLUMNS}
        return pyarrow.table(columns)

    @property
    def caution(self) -> str:
        """What so few runs cannot show, and what is in the differences within groups."""
        first, second = map(len, self.runs)
        said = []
        rate = self.measures[0].discoveries.rate
        if self.smallest_p_value > rate:
            said.append(
                f"{first} against {second} runs have {self.labelings} labelings: no word can be found at a"
                f" rate of false discoveries below {self.smallest_p_value:.2g}; 4 against 4 have 35."
            )
        if min(first, second) < ENOUGH_RUNS:
            said.append(f"{first} and {second} runs cannot show rare bad ones: {ENOUGH_RUNS} would.")
        untested = max(one.undefined for one in self.measures)
        if untested:
            said.append(f"{untested:,} words have no distance in some pair of runs, and are not tested.")
        return " ".join(said)

    @door
    def changed(self, count: int = 10, measure: str = "") -> tuple[ChangedWord, ...]:
        """Return the words that drifted most: least p-value first, then the largest effect.

        Args:
            count: how many at most.
            measure: by which; the first one by default.

        Raises:
            ConfigError: a negative count, or a measure that was not taken.
        """
        check_at_least("Drift.changed", "count", count, 0)
        one = self[measure] if measure else self.measures[0]
        order = np.lexsort((-one.effect, one.p_value))
        known = [int(row) for row in order[: count + one.undefined] if np.isfinite(one.effect[row])]
        return tuple(self._changed_word(row, one) for row in known[:count])

    def _changed_word(self, row: int, one: DriftMeasure) -> ChangedWord:
        cut = len(self.runs[0])
        first, second = self.neighbor_ids[:cut, row], self.neighbor_ids[cut:, row]
        lost, gained = lost_and_gained(first, second, self.vocabulary)
        named = {each.measure: each for each in self.measures}
        overlap = named.get("overlap")
        within = float("nan") if overlap is None else 1 - float(overlap.within[row])
        return ChangedWord(
            self.vocabulary[row],
            row,
            _mean_overlap(first, second),
            self.neighbors / max(1, len(self.vocabulary) - 1),
            within,
            float(one.q_value[row]),
            lost,
            gained,
        )


def _mean_overlap(first: Int32, second: Int32) -> float:
    """Mean over pairs of runs of two groups of the share of neighbors that their lists share."""
    sizes = [np.maximum((lists >= 0).sum(axis=1), 1) for lists in (first, second)]
    shared = [[np.isin(a[a >= 0], b).sum() for b in second] for a in first]
    return float((np.array(shared) / np.maximum.outer(*sizes)).mean())
