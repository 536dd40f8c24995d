"""Whether words differ between two groups of runs by more than runs of one group do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gpuemb.core.arrays import Int64, device_of
from gpuemb.core.checks import check_at_least, check_at_most, check_choice, check_neighbors
from gpuemb.core.device import require
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import shown
from gpuemb.embeddings.model import Embedding, EmbeddingStack, named_table
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.embeddings.stack import stack
from gpuemb.stability.compared_tables import ComparedTables, chance_of_pairs
from gpuemb.stability.questions.drift.distances import KINDS, DriftKind, plan_distances
from gpuemb.stability.questions.drift.labelings import Labelings
from gpuemb.stability.questions.drift.result import Drift, DriftMeasure
from gpuemb.stability.questions.drift.word_tests import BAND, word_tests
from gpuemb.stability.statistics import benjamini_hochberg, mean_of_known

WHERE = "drift"
MEASURES = tuple(KINDS)
PERMUTATIONS = 999
MOST_PERMUTATIONS = 100_000  # statistics of a band are words times labelings


@door
def drift(
    groups: Any,
    measures: Any = "all",
    *,
    k: int = 10,
    rate: float = 0.05,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Drift:
    """Test which words differ between two groups of runs by more than runs of one group do.

    A distance of a word is taken in every pair of runs. What counts is the mean over pairs of two groups less
    the mean within groups, against all assignments of the runs to groups of these sizes (a sample of them
    where they are more than ``permutations``), pooled over words of like frequency: see
    :func:`gpuemb.stability.questions.drift.word_tests.word_tests`.

    The runs of a group must differ by all that is to count as noise. Seeds of one training on one text tell
    whether two *texts* differ beyond training; to tell whether their *sources* do, each run needs documents
    of its own: :func:`gpuemb.corpus_drift`. Bootstrap samples share documents, and so do not hold the noise
    of the text: the difference of two samples of one source would count as drift.

    Args:
        groups: a mapping from two names to runs, each an EmbeddingStack, an ``(S, V, d)`` array, or a
            sequence of Embeddings or of arrays over the same words. Of Embeddings the words that all share
            are compared; of arrays, row ``i`` is the same word.
        measures: ``"all"``, or some of ``"overlap"`` (of the ``k`` nearest neighbors), ``"second_order"``
            (local, 25 neighbors) and ``"aligned_cosine"``.
        k: neighbors of a word that are compared.
        rate: largest expected share of false discoveries among the words that drifted.
        permutations: labelings of the runs beside the observed one, at most.
        seed: of the named stream that samples labelings.
        progress: told of each run's neighbors and each measure.

    Returns:
        Distances between and within groups, effects with intervals, p-values and discoveries of every word;
        the share of words that drifted, and the ratio of distances, each with an interval.

    Raises:
        ShapeError: not two groups, one run in each, or tables of different words.
        ConfigError: an unknown measure, a rate that is no share, ``k`` not below the number of words.
        VocabularyError: no shared word.
        DTypeError, NonFiniteError, DeviceError: as the tables require.
        MemoryBudgetError: the distances of all pairs do not fit.

    Cost: a search of neighbors a run; ``V·P`` distances, ``P`` pairs of runs; ``4·V·P·L`` flops a measure.
    Source: Definitions §3, §5; Tusher, Tibshirani and Chu (2001), PNAS 98.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal((8, *x.shape))
        >>> old, new = x + 0.1 * noise[:4], x + 0.1 * noise[4:]
        >>> new[:, 7] *= -1  # one word turns around in all runs of the second group
        >>> found = ge.drift({"old": old, "new": new}, "aligned_cosine")
        >>> found.labelings, [word.word for word in found.changed(1)]
        (35, ['7'])
        >>> found["aligned_cosine"].drifted.nonzero()[0].tolist()
        [7]
    """
    kinds = kinds_of_measures(measures)
    _check_numbers(rate, permutations, seed)
    names, stacked, sizes = _one_stack(groups)
    words = int(stacked.tables()[0].shape[0])
    check_neighbors(WHERE, k, words - 1)
    labelings = Labelings.of(sizes, permutations + 1, seed)
    wide = min(max([k, *(kind.neighbors for kind in kinds)]), words - 1)
    tables = stacked.tables()
    require(
        plan_distances(words, len(tables), len(labelings), wide, BAND),
        device_of(tables[0]),
    )
    given = NamedTables.of(WHERE, stacked)
    given.check_finite()
    compared = ComparedTables(given, k, progress=progress, searched=wide)
    order = _by_frequency(stacked)
    with progress.phase("measuring drift", len(kinds)) as task:
        found = []
        for kind in kinds:
            found.append(_judged(kind, compared, labelings, order, rate))
            task.advance()
    cut = sizes[0]
    return Drift(
        groups=names,
        runs=(tuple(stacked.runs[:cut]), tuple(stacked.runs[cut:])),
        vocabulary=stacked.index_to_key,
        counts=stacked.counts,
        neighbors=k,
        neighbor_ids=np.ascontiguousarray(compared.ids[:, :, :k]),
        labelings=len(labelings),
        exact=labelings.exact,
        measures=tuple(found),
    )


def _judged(
    kind: DriftKind, compared: ComparedTables, labelings: Labelings, order: Int64, rate: float
) -> DriftMeasure:
    tests = word_tests(kind.take(compared), labelings, order, kind.largest)
    chance = math.nan
    if kind.name == "overlap":
        chance = 1 - mean_of_known(chance_of_pairs(compared.ids[:, :, : compared.k]))
    family = f"drift of {len(order)} words by {kind.name}"
    return DriftMeasure(
        measure=kind.name,
        title=kind.title,
        meaning=kind.meaning,
        between=tests.between,
        within=tests.within,
        effect=tests.effect,
        low=tests.low,
        high=tests.high,
        statistic=tests.statistic,
        p_value=tests.p_value,
        own_p_value=tests.own_p_value,
        discoveries=benjamini_hochberg(tests.p_value, family, rate=rate),
        share=tests.share,
        ratio=tests.ratio,
        mean=tests.mean,
        p_value_of_all=tests.p_value_of_all,
        chance=chance,
    )


def kinds_of_measures(measures: Any) -> list[DriftKind]:
    """Return the distances that are asked for by name.

    Raises:
        ConfigError: an unknown one, or none.
    """
    asked = (measures,) if isinstance(measures, str) else measures
    if not isinstance(asked, (list, tuple)) or not asked or not all(isinstance(one, str) for one in asked):
        raise ConfigError(
            f"{WHERE}: measures = {shown(measures)}",
            needed=f"Measures are named: all, or some of {', '.join(MEASURES)}.",
            remedy='drift(groups, ["overlap"]), for example.',
        )
    if tuple(asked) == ("all",):
        return list(KINDS.values())
    for name in asked:
        check_choice(WHERE, "measure", name, MEASURES)
    return [KINDS[name] for name in dict.fromkeys(asked)]


def _check_numbers(rate: float, permutations: int, seed: int) -> None:
    check_at_least(WHERE, "permutations", permutations, 1)
    check_at_most(WHERE, "permutations", permutations, MOST_PERMUTATIONS)
    check_at_least(WHERE, "seed", seed, 0)
    if not 0 < rate < 1:
        raise ConfigError(
            f"{WHERE}: rate = {rate}",
            needed="A share between 0 and 1, both left out, is needed.",
            remedy="rate=0.05 expects one false discovery in twenty.",
        )


def _one_stack(groups: Any) -> tuple[tuple[str, str], EmbeddingStack, tuple[int, int]]:
    """Return the names of two groups, their runs in one stack, and how many each has.

    Raises:
        ShapeError: not two groups with more than one run in one of them.
    """
    if not isinstance(groups, Mapping) or len(groups) != 2:
        raise ShapeError(
            f"{WHERE}: {shown(groups)} was given",
            needed="Two groups of runs are compared: a mapping from two names to their runs.",
            remedy='drift({"old": [a, b, c, d], "new": [e, f, g, h]})',
        )
    runs = [_runs_of(str(name), group) for name, group in groups.items()]
    sizes = len(runs[0]), len(runs[1])
    if sum(sizes) < 3:
        raise ShapeError(
            f"{WHERE}: one run in each group",
            needed="What differs within a group is the noise: at least two runs are needed in one of them.",
            remedy="Give four runs or more of each; compare([a, b]) compares two tables alone.",
        )
    first, second = (str(name) for name in groups)
    whole = stack([run for group in runs for run in group])
    return (first, second), whole, sizes


def _runs_of(name: str, group: Any) -> list[Any]:
    if isinstance(group, EmbeddingStack):
        return [
            Embedding(table, group.index_to_key, counts=group.counts, name=f"{name} {run}", proved=True)
            for table, run in zip(group.tables(), group.runs, strict=True)
        ]
    if getattr(group, "ndim", 0) == 3:
        return [group[run, ...] for run in range(group.shape[0])]
    runs = [named_table(one) for one in group] if isinstance(group, (list, tuple)) else []
    if not runs:
        raise ShapeError(
            f"{WHERE}: group {name} is {shown(group)}",
            needed="A group is a stack, an array (S, V, d), or a sequence of tables.",
            remedy=f"{{{name!r}: [table, another]}}",
        )
    return runs


def _by_frequency(stacked: EmbeddingStack) -> Int64:
    """Return the rows from the most to the least frequent word; as they stand where counts are unknown."""
    words = len(stacked.index_to_key)
    if stacked.counts is None:
        return np.arange(words)
    return np.argsort(-np.asarray(stacked.counts), kind="stable")
