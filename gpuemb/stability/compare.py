"""Tables of vectors side by side: every measure of every pair, and of every word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.checks import check_choice, check_neighbors
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.geometry.grams.named_tables import NamedTables
from gpuemb.stability.pair_kinds import (
    DIRECTED,
    MEASURES,
    NEIGHBOR_MEASURES,
    PAIR_MEASURES,
    WORD_MEASURES,
    ComparedTables,
    PairKind,
)
from gpuemb.stability.result import PairMeasure
from gpuemb.stability.statistics import mean_over_pairs

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Comparison:
    """What several tables agree on.

    Attributes:
        runs: the ``S`` names of the tables.
        words: a pyarrow table, one row a word: ``word``, ``count`` where known, and the mean over all pairs
            of tables of each measure of words.
        measures: each measure of pairs, with its ``(S, S)`` values and the mean over pairs.
        neighbors: how many neighbors were compared.
    """

    runs: tuple[str, ...]
    words: pyarrow.Table
    measures: tuple[PairMeasure, ...]
    neighbors: int

    def __getitem__(self, measure: str) -> PairMeasure:
        """Return one measure of pairs by its name.

        Raises:
            ConfigError: it was not taken; those that were are named.
        """
        taken = tuple(one.measure for one in self.measures)
        check_choice("compare", "measure", measure, taken)
        return self.measures[taken.index(measure)]

    @property
    def pairs(self) -> pyarrow.Table:
        """A pyarrow table, one row a pair of tables and measure; both directions of a directed measure."""
        import pyarrow

        rows = [
            (self.runs[a], self.runs[b], one.measure, one.preparation, float(one.values[a, b]))
            for one in self.measures
            for a, b in (permutations if one.measure in DIRECTED else combinations)(range(len(self.runs)), 2)
        ]
        names = ("run_a", "run_b", "measure", "preparation", "value")
        columns = zip(*rows, strict=True) if rows else ((),) * len(names)
        return pyarrow.table(dict(zip(names, map(list, columns), strict=True)))


def compare(
    stack: Any, measures: str | Sequence[str] = "all", *, k: int = 10, progress: Progress = SILENT
) -> Comparison:
    """Take every measure of every pair of tables, and of every word.

    Args:
        stack: an EmbeddingStack, a sequence of Embeddings or tables ``(V, d_s)`` over the same words, or an
            ``(S, V, d)`` array; row ``i`` is the same word in all. ``gpuemb.stack`` lines tables up by word.
        measures: ``"all"``, or names out of ``gpuemb.stability.compare.MEASURES``.
        k: neighbors of a word that are compared.
        progress: told of each measure.

    Returns:
        ``.pairs`` and ``.words`` as pyarrow tables, and the ``(S, S)`` values of each measure, NaN with its
        ``reason`` where one does not exist. Where d differs, direct distance and unaligned cosine do not
        exist, and ``spread`` is left out.

    Raises:
        ShapeError: fewer than two tables, or tables of different words.
        ConfigError: an unknown measure, or ``k`` is not below the number of words.
        VocabularyError: tables that list other words; the first is named.
        DTypeError, NonFiniteError: as the tables require.

    Cost: for all, three passes ``V·(S·d)²``, one search of neighbors a table, four passes a pair.
    Source: Definitions §2-4.
    """
    asked = check_measures(measures)
    given = NamedTables.of("compare", stack)
    if len(given.tables) < 2:
        raise ShapeError(
            f"compare: {len(given.tables)} table",
            needed="At least two tables over the same words are compared.",
            remedy="gpuemb.compare(gpuemb.stack([a, b]))",
        )
    if set(asked).intersection(NEIGHBOR_MEASURES):
        _check_neighbors(k, len(given.tables[0]))
    given.check_finite()
    work = ComparedTables(given.tables, k, progress)
    taken, columns = [], _names_of_words(stack, given)
    with progress.phase("comparing", len(asked)) as task:
        for name in asked:
            if name in PAIR_MEASURES:
                taken.append(_pair_measure(name, PAIR_MEASURES[name], work, given.names))
            if name in WORD_MEASURES and (name != "spread" or work.alike):
                columns[name] = WORD_MEASURES[name](work)
            task.advance()
    import pyarrow

    return Comparison(tuple(given.names), pyarrow.table(columns), tuple(taken), k)


def check_measures(measures: str | Sequence[str]) -> tuple[str, ...]:
    """Return the measures that are asked for by name.

    Raises:
        ConfigError: one is not known, or they are no names.
    """
    asked = (measures,) if isinstance(measures, str) else tuple(measures)
    if any(not isinstance(name, str) for name in asked):
        raise ConfigError(
            f"compare: {type(measures).__name__} was given for measures",
            needed="Measures are asked for by their names; tables are given together, as the first argument.",
            remedy="compare([a, b]), or compare(stack([a, b]), ['rsa', 'cka']).",
        )
    if asked == ("all",):
        return MEASURES
    for name in asked:
        check_choice("compare", "measure", name, MEASURES)
    return asked


def _check_neighbors(k: int, words: int) -> None:
    if words < 2:
        raise ConfigError(
            f"compare: the tables share {words} word, which has no neighbors",
            needed=f"{k} neighbors of a word are others that all tables have.",
            remedy="Match words without regard to case, stack(…, case='lower') or --case lower, or name "
            "measures that need no neighbors, such as cka.",
        )
    check_neighbors("compare", k, words - 1)


def _pair_measure(name: str, kind: PairKind, work: ComparedTables, runs: Sequence[str]) -> PairMeasure:
    values = np.array(kind.take(work))
    chance = work.lists.chance if name == "overlap" else None
    estimate = mean_over_pairs((values + values.T) / 2 if name in DIRECTED else values)
    return PairMeasure(
        name,
        kind.title,
        kind.preparation,
        values,
        estimate,
        chance,
        kind.higher_is_closer,
        _reason(values, kind, runs),
    )


def _reason(values: Float64, kind: PairKind, runs: Sequence[str]) -> str:
    """Why pairs have no value; the first of them is named."""
    for a, b in combinations(range(len(runs)), 2):
        if np.isnan(values[a, b]):
            return f"{runs[a]} and {runs[b]}: {kind.missing}"
    return ""


def _names_of_words(stack: Any, given: NamedTables) -> dict[str, Any]:
    first = stack[0] if isinstance(stack, (list, tuple)) else stack
    words, count = given.words, len(given.tables[0])
    columns: dict[str, Any] = {"word": [str(i) for i in range(count)] if words is None else list(words)}
    if getattr(first, "counts", None) is not None:
        columns["count"] = first.counts
    return columns
