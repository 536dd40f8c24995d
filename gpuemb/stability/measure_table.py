"""The table of measures: everything that can be asked of tables over the same words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuemb.core.arrays import to_host
from gpuemb.core.checks import check_choice
from gpuemb.core.errors import ConfigError
from gpuemb.core.progress import Task
from gpuemb.geometry.consensus import consensus_of
from gpuemb.geometry.measure import Description, Measure, PairTable
from gpuemb.geometry.measures import MEASURES as GEOMETRY
from gpuemb.geometry.per_word import pip_of_words, second_order_of_words
from gpuemb.stability.compared_tables import ComparedTables
from gpuemb.uncertainty.intervals import CORRELATION, SHARE

NO_LENGTH = "no word has a length in both tables"
NO_NEIGHBORS = "no word has neighbors in both tables"


@dataclass(frozen=True, eq=False)
class PairMeasureKind:
    """A measure of pairs of tables, and how it is taken."""

    about: Description
    take: Callable[[ComparedTables], PairTable]


@dataclass(frozen=True, eq=False)
class WordMeasureKind:
    """A measure of words: its name, one sentence of meaning, and how ``(V,)`` of it are taken."""

    name: str
    meaning: str
    take: Callable[[ComparedTables], Any]
    one_width: bool = False  # whether it needs tables of the same number of dimensions


def _of_geometry(measure: Measure) -> PairMeasureKind:
    return PairMeasureKind(measure, lambda tables: tables.grams.take(measure))


def _of_lists(name: str, title: str, meaning: str) -> PairMeasureKind:
    about = Description(
        name=name, title=title, meaning=meaning, preparation="unit", possible=SHARE, missing=NO_NEIGHBORS
    )
    return PairMeasureKind(
        about,
        lambda tables: PairTable.of(
            tables.lists.pairs[name], chance=tables.chance if name == "overlap" else None
        ),
    )


COSINES = (
    PairMeasureKind(
        Description(
            name="unaligned_cosine",
            title="Mean cosine without rotation",
            meaning="Mean cosine of a word’s two vectors as they stand, without any rotation.",
            preparation="unit",
            possible=CORRELATION,
            missing=f"the tables differ in dimensions, or {NO_LENGTH}",
        ),
        lambda tables: PairTable.of(tables.unaligned_cosines.pairs),
    ),
    PairMeasureKind(
        Description(
            name="aligned_cosine",
            title="Mean cosine after the best rotation",
            meaning="Mean cosine of a word’s two vectors after the best rotation or reflection.",
            preparation="unit",
            possible=CORRELATION,
            missing=NO_LENGTH,
        ),
        lambda tables: PairTable.of(tables.aligned_cosines.pairs),
    ),
)
LISTS = (
    _of_lists(
        "overlap",
        "Overlap of the nearest neighbors",
        "Share of a word’s nearest neighbors that both runs list; its mean over all pairs of runs is the"
        " stability of the word.",
    ),
    _of_lists(
        "jaccard",
        "Jaccard of the nearest neighbors",
        "Neighbors that both runs list as a share of those that either lists; below the overlap, which counts"
        " one list.",
    ),
    _of_lists(
        "rank_biased_overlap",
        "Rank-biased overlap of the neighbors",
        "Overlap of the first 1, 2, 3, … neighbors, each depth weighing 0.9 of the one before: agreement on"
        " the nearest counts most.",
    ),
    _of_lists(
        "average_overlap",
        "Average overlap of the neighbors",
        "Overlap of the first 1, 2, 3, … neighbors, averaged over all depths alike.",
    ),
    _of_lists(
        "rank_similarity",
        "Rank similarity of the neighbors",
        "How equal the ranks of the shared neighbors are, near ones counting most; 1 where all have the same"
        " ranks and are the first, 0 where none is shared.",
    ),
)
DISTANCES, STRUCTURE = (tuple(map(_of_geometry, part)) for part in (GEOMETRY[:4], GEOMETRY[4:]))
PAIR_MEASURES = {kind.about.name: kind for kind in (*DISTANCES, *COSINES, *LISTS, *STRUCTURE)}
WORD_MEASURES = {
    kind.name: kind
    for kind in (
        WordMeasureKind(
            "overlap", "Mean overlap over pairs of runs: the word’s stability.", lambda t: t.lists.stability
        ),
        WordMeasureKind(
            "lowest_overlap", "Overlap in the pair of runs that agrees least.", lambda t: t.lists.lowest
        ),
        WordMeasureKind(
            "neighbors_in_all",
            "How many words are among the nearest neighbors in every run.",
            lambda t: t.lists.in_all_runs,
        ),
        WordMeasureKind(
            "joint_reliability",
            "Neighbors in every run as a share of the neighbors in any run.",
            lambda t: t.lists.joint_reliability,
        ),
        WordMeasureKind(
            "unaligned_cosine", "Mean cosine without rotation.", lambda t: t.unaligned_cosines.words
        ),
        WordMeasureKind(
            "aligned_cosine", "Mean cosine after the best rotation.", lambda t: t.aligned_cosines.words
        ),
        WordMeasureKind(
            "second_order_cosine",
            "Mean cosine of the word’s similarities to all words in two runs.",
            lambda t: t.per_word(lambda a, b: second_order_of_words(t.grams.prepared("unit"), a, b)).words,
        ),
        WordMeasureKind(
            "pip_per_word",
            "Mean length of the difference of the word’s inner products with all words.",
            lambda t: t.per_word(lambda a, b: pip_of_words(t.grams, a, b)).words,
        ),
        WordMeasureKind(
            "spread",
            "Root mean square distance of the word’s rotated vectors to their mean.",
            lambda t: to_host(consensus_of(t.tables, t.grams.products, None).spread),
            one_width=True,
        ),
    )
}
MEASURES = tuple(dict.fromkeys([*PAIR_MEASURES, *WORD_MEASURES]))
NEIGHBOR_MEASURES = (
    *(kind.about.name for kind in LISTS),
    "lowest_overlap",
    "neighbors_in_all",
    "joint_reliability",
)
STUDY = (  # what a study takes when nothing is asked
    "direct_distance",
    "procrustes_distance",
    "unaligned_cosine",
    "aligned_cosine",
    *(kind.about.name for kind in LISTS),
    "rsa",
    "cka",
    "pip_loss",
    "spectrum_distance",
)


@dataclass(frozen=True, eq=False)
class Taken:
    """Measures of compared tables: of pairs, and ``(V,)`` of words."""

    pairs: dict[str, PairTable]
    words: dict[str, Any]


def take(tables: ComparedTables, asked: Iterable[str], task: Task) -> Taken:
    """Take measures of every pair of tables and of every word.

    Args:
        tables: what is compared.
        asked: names out of ``MEASURES``; one that is of pairs and of words is taken of both.
        task: advances by one for each.
    """
    found = Taken({}, {})
    for name in asked:
        if name in PAIR_MEASURES:
            found.pairs[name] = PAIR_MEASURES[name].take(tables)
        if name in WORD_MEASURES and (tables.one_width or not WORD_MEASURES[name].one_width):
            found.words[name] = np.asarray(WORD_MEASURES[name].take(tables))
        task.advance()
    return found


def check_measures(where: str, measures: Any, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return the measures that are asked for by name; ``default`` for None, all for ``"all"``.

    Raises:
        ConfigError: one is not known, or they are no names.
    """
    if measures is None:
        return default
    asked = (measures,) if isinstance(measures, str) else measures
    if not isinstance(asked, (list, tuple)) or not all(isinstance(name, str) for name in asked):
        raise ConfigError(
            f"{where}: {type(measures).__name__} was given for measures",
            needed="Measures are asked for by their names; tables are given together, as the first argument.",
            remedy="compare([a, b]), or compare(stack([a, b]), ['rsa', 'cka']).",
        )
    if tuple(asked) == ("all",):
        return MEASURES
    for name in asked:
        check_choice(where, "measure", name, MEASURES)
    return tuple(dict.fromkeys(asked))
