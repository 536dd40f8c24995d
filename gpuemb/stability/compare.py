"""Tables of vectors side by side: every measure of every pair, and of every word."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Int32
from gpuemb.core.checks import check_at_least, check_choice, check_neighbors
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.pictures.notebook import html_table
from gpuemb.stability.compared_tables import ComparedTables, null_of_pairs
from gpuemb.stability.measure_table import MEASURES, NEIGHBOR_MEASURES, check_measures, take
from gpuemb.stability.model_measures import pair_measures
from gpuemb.stability.questions.drift.changes import (
    ChangedWord,
    RowOverlaps,
    lost_and_gained,
    row_overlaps,
)
from gpuemb.stability.questions.hubs import mean_k_occurrence, stability_against_hubness
from gpuemb.stability.result import COLUMNS, PairMeasure, caution_of, row_of
from gpuemb.stability.statistics import Estimate, means_of_known
from gpuemb.uncertainty.draws import Draws

if TYPE_CHECKING:
    import pyarrow

PAIR = 2  # tables, whose rows are compared one by one


@result
class Comparison:
    """What several tables agree on.

    Attributes:
        runs: the ``S`` names of the tables.
        words: a pyarrow table, one row a word: ``word``, ``count`` where known, and the mean over all pairs
            of tables of each measure of words; with the overlap ``k_occurrence``, in how many words' lists of
            neighbors the word is, mean over tables.
        measures: each measure of pairs, with its ``(S, S)`` values and the mean over pairs.
        neighbors: how many neighbors were compared.
        rows: of two tables whose neighbors were compared, how far they agree about each row; else None.
        neighbor_ids: ``(S, V, k)`` of every word, where they were compared; else None.
        stability_against_hubness: rank correlation of the words' overlap and k-occurrence, with its interval
            over words; None where the overlap was not taken.
    """

    runs: tuple[str, ...]
    words: pyarrow.Table
    measures: tuple[PairMeasure, ...]
    neighbors: int
    rows: RowOverlaps | None = None
    neighbor_ids: Int32 | None = None
    stability_against_hubness: Estimate | None = None

    def __getitem__(self, measure: str) -> PairMeasure:
        """Return one measure of pairs by its name.

        Raises:
            ConfigError: it was not taken; those that were are named.
        """
        taken = tuple(one.measure for one in self.measures)
        check_choice("compare", "measure", measure, taken)
        return self.measures[taken.index(measure)]

    def _repr_html_(self) -> str:
        caption = f"Comparison of {len(self.runs)} tables over {self.words.num_rows:,} words"
        return html_table(caption, COLUMNS, map(row_of, self.measures), len(self.measures), self.caution)

    @property
    def caution(self) -> str:
        """The table and the pair that agree least, and what so few tables cannot show."""
        return caution_of(self.measures, self.runs)

    @door
    def changed(self, count: int = 10) -> tuple[ChangedWord, ...]:
        """Return the words or rows of two tables that keep the fewest neighbors, with those lost and gained.

        Args:
            count: how many at most.

        Raises:
            ConfigError: more than two tables, no neighbors were compared, or a negative count.
        """
        check_at_least("Comparison.changed", "count", count, 0)
        if self.rows is None or self.neighbor_ids is None:
            raise ConfigError(
                f"Comparison.changed: {len(self.runs)} tables"
                f"{', and no overlap of neighbors' if len(self.runs) == PAIR else ''}",
                needed="Lost and gained neighbors are those of two tables whose neighbors were compared.",
                remedy='compare([a, b], ["overlap"]); of several runs of each, drift({"old": …, "new": …}).',
            )
        names, (first, second) = self.words["word"].to_pylist(), self.neighbor_ids
        order = np.argsort(self.rows.overlap, kind="stable")[: min(count, self.rows.compared)]
        return tuple(
            ChangedWord(
                names[row],
                row,
                float(self.rows.overlap[row]),
                float(self.rows.chance[row]),
                math.nan,
                math.nan,
                *lost_and_gained(first[row][None], second[row][None], names),
            )
            for row in order.tolist()
        )

    @property
    def pairs(self) -> pyarrow.Table:
        """A pyarrow table, one row a pair of tables and measure; both directions of a directed measure."""
        import pyarrow

        rows = [
            (self.runs[a], self.runs[b], one.measure, one.preparation, float(one.values[a, b]))
            for one in self.measures
            for a, b in one.cells
        ]
        names = ("run_a", "run_b", "measure", "preparation", "value")
        columns = zip(*rows, strict=True) if rows else ((),) * len(names)
        return pyarrow.table(dict(zip(names, map(list, columns), strict=True)))


@door
def compare(
    stack: Any,
    measures: Any = "all",
    *,
    k: int = 10,
    permutations: int = 0,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Comparison:
    """Take every measure of every pair of tables, and of every word.

    Args:
        stack: an EmbeddingStack, a sequence of Embeddings or tables ``(V, d_s)`` over the same words, or an
            ``(S, V, d)`` array; row ``i`` is the same word in all. ``gpuemb.stack`` lines tables up by word.
        measures: ``"all"``, or names of measures; an unknown one is refused with the known ones.
        k: neighbors of a word that are compared.
        permutations: of the words of all tables but the first, for the p-value of the overlap; 0 for none.
        seed: of the named streams of permutations.
        progress: told of each measure, and of each permutation.

    Returns:
        ``.pairs`` and ``.words`` as pyarrow tables, and the ``(S, S)`` values of each measure, NaN with its
        ``reason`` where one does not exist. Where d differs, direct distance and unaligned cosine do not
        exist, and ``spread`` is left out.

    Raises:
        ShapeError: fewer than two tables, or tables of different words.
        ConfigError: an unknown measure, or ``k`` is not below the number of words.
        VocabularyError: tables that list other words; the first is named.
        DTypeError, NonFiniteError: as the tables require.

    Cost: for all, three passes ``V·(S·d)²``, one search of neighbors a table, four passes a pair; for a
    permutation, one count of shared neighbors.
    Source: Definitions §2-4.

    Example:
        >>> found = ge.compare([ge.Embedding(x, words), ge.Embedding(y, words)], ["rsa", "overlap"], k=5)
        >>> [(row["measure"], round(row["value"], 2)) for row in found.pairs.to_pylist()]
        [('rsa', 0.99), ('overlap', 0.89)]
    """
    asked = check_measures("compare", measures, MEASURES)
    draws = Draws("compare", permutations, seed=seed, progress=progress)
    given = NamedTables.of("compare", stack)
    if len(given.tables) < 2:
        raise ShapeError(
            f"compare: {len(given.tables)} table",
            needed="At least two tables over the same words are compared.",
            remedy="gpuemb.compare(gpuemb.stack([a, b]))",
        )
    if set(asked).intersection(NEIGHBOR_MEASURES):
        _check_neighbors(k, int(given.tables[0].shape[0]))
    given.check_finite()
    tables = ComparedTables(given, k, progress=progress)
    with progress.phase("comparing", len(asked)) as task:
        taken = take(tables, asked, task)
    null = None
    if draws and "overlap" in asked:
        null = means_of_known(null_of_pairs(tables.ids, draws).T)
    import pyarrow

    ids = tables.known_ids
    rows = row_overlaps(*ids) if ids is not None and len(ids) == PAIR and "overlap" in asked else None
    chances = {} if rows is None else {"overlap_by_chance": rows.chance, "p_value_by_chance": rows.p_value}
    columns, against = _names_of_words(stack, given) | taken.words | chances, None
    if "overlap" in asked:
        columns["k_occurrence"] = mean_k_occurrence(tables.ids)
        against = stability_against_hubness(tables.ids, tables.pairs)
    found = pair_measures(taken, given.names, overlap_null=null)
    return Comparison(tuple(given.names), pyarrow.table(columns), found, k, rows, ids, against)


def _check_neighbors(k: int, words: int) -> None:
    if words < 2:
        raise ConfigError(
            f"compare: the tables share {words} word, which has no neighbors",
            needed=f"{k} neighbors of a word are others that all tables have.",
            remedy="Match words without regard to case, stack(…, case='lower') or --case lower, or name "
            "measures that need no neighbors, such as cka.",
        )
    check_neighbors("compare", k, words - 1)


def _names_of_words(stack: Any, given: NamedTables) -> dict[str, Any]:
    first = stack[0] if isinstance(stack, (list, tuple)) else stack
    words, count = given.words, int(given.tables[0].shape[0])
    columns: dict[str, Any] = {"word": [str(i) for i in range(count)] if words is None else list(words)}
    if getattr(first, "counts", None) is not None:
        columns["count"] = first.counts
    return columns
