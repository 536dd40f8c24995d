"""Hubs: rows that stand in the neighbor lists of very many others, and rows that stand in none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64, Int64, to_host
from gpuemb.core.checks import check_at_least, check_at_most, check_same_rows
from gpuemb.core.device import DeviceName
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result
from gpuemb.embeddings.inputs import brings_words
from gpuemb.embeddings.model import Embedding, EmbeddingStack, named_table
from gpuemb.neighbors.chance import check_same_candidates
from gpuemb.neighbors.correction import Metric
from gpuemb.neighbors.evenness import Evenness, evenness, evenness_by_chance, k_occurrence
from gpuemb.neighbors.exact import Neighbors, nearest_neighbors

if TYPE_CHECKING:
    import pyarrow

WHERE = "hubness"
K = 10  # neighbors of a row, as in the studies of hubs
RUNS = 3  # axes of an array of several tables
LEAST_ROWS = 2  # one row has no order
HUB_SIZE = 2.0  # a hub is in at least so many times as many lists as a row is on average


@result
class Hubness:
    """How unevenly neighbor lists name the rows of a table, one value a run.

    Rows of zeros are in no list by definition: they are in no number but ``without_length``.

    Attributes:
        k: neighbors of a list.
        hub_size: a hub is in at least so many times as many lists as a row is on average.
        runs: names of the ``S`` tables.
        words: the ``V`` words, when the tables have them.
        counts: ``(S, V)`` int64 k-occurrence: how many lists each row is in.
        hubs: ``(S, V)`` whether each row is a hub.
        skewness: ``(S,)`` of the counts: 0 where they are symmetric; NaN where all are equal.
        robin_hood: ``(S,)`` the share of list places that would have to change hands until all rows
            had as many, 0 to 1.
        anti_hubs: ``(S,)`` how many rows are in no list.
        anti_hub_share: ``(S,)`` the same as a share of the rows.
        hub_share: ``(S,)`` the share of list places that hubs take.
        chance_skewness: ``(S,)`` skewness where lists are drawn at random.
        chance_robin_hood: ``(S,)`` the Robin Hood index of such lists.
        chance_anti_hub_share: ``(S,)`` the share of rows in none of them.
        chance_hub_share: ``(S,)`` the share of their places that hubs take.
        agreement: ``(P,)`` Spearman's correlation of the counts of every pair of runs, over the rows that
            have a length in all; 0 by chance. Pairs stand in the order of ``itertools.combinations``.
        without_length: ``(S,)`` rows of zeros.
    """

    k: int
    hub_size: float
    runs: tuple[str, ...]
    words: Sequence[str] | None
    counts: Int64
    hubs: Any
    skewness: Float64
    robin_hood: Float64
    anti_hubs: Int64
    anti_hub_share: Float64
    hub_share: Float64
    chance_skewness: Float64
    chance_robin_hood: Float64
    chance_anti_hub_share: Float64
    chance_hub_share: Float64
    agreement: Float64
    without_length: Int64

    @property
    def value(self) -> float:
        """Skewness, mean over the runs that have one."""
        return _mean(self.skewness)

    def __float__(self) -> float:
        return self.value

    @property
    def mean_agreement(self) -> float:
        """Mean of ``agreement``: 1 where every run has the same hubs; NaN of one run."""
        return _mean(self.agreement)

    @property
    def hubs_in_common(self) -> float:
        """Of the rows that are hubs in any run, the share that are hubs in all; NaN where none is one."""
        anywhere = int(self.hubs.any(axis=0).sum())
        return int(self.hubs.all(axis=0).sum()) / anywhere if anywhere else math.nan

    @property
    def table(self) -> pyarrow.Table:
        """A pyarrow table, one row a word, largest counts first.

        Its columns are ``word``, ``count`` (mean over runs), ``lowest``, ``highest``, and ``hub_in``, the
        number of runs in which the word is a hub. Equal counts stand in the order of the rows.
        """
        import pyarrow

        order = self._largest_first()
        names = [self._name(row) for row in order.tolist()]
        columns = {
            "count": self.counts.mean(axis=0),
            "lowest": self.counts.min(axis=0),
            "highest": self.counts.max(axis=0),
            "hub_in": self.hubs.sum(axis=0),
        }
        return pyarrow.table({"word": names, **{name: each[order] for name, each in columns.items()}})

    @door
    def largest(self, count: int = 10) -> list[tuple[str, float]]:
        """Return the words in most lists, with the number of lists, mean over the runs.

        Args:
            count: of words; fewer where the table has fewer.

        Raises:
            ConfigError: ``count`` is below 1.
        """
        check_at_least("Hubness.largest", "count", count, 1)
        means = self.counts.mean(axis=0)
        return [(self._name(row), float(means[row])) for row in self._largest_first()[:count].tolist()]

    def _largest_first(self) -> Int64:
        return np.argsort(-self.counts.sum(axis=0), kind="stable")

    def _name(self, row: int) -> str:
        return str(row) if self.words is None else self.words[row]


@door
def hubness(
    x: Any,
    k: int | None = None,
    *,
    metric: Metric = "cosine",
    hub_size: float = HUB_SIZE,
    device: DeviceName = None,
    progress: Progress = SILENT,
) -> Hubness:
    """Count in how many neighbor lists every row is, and how unevenly.

    Beside each number stands what lists drawn at random would give: a count is then binomial, in each of
    the lists that may hold the row with the chance k in the number of candidates.

    Args:
        x: an Embedding or a float array ``(V, d)``, whose exact neighbors are searched; the
            :class:`Neighbors` of such a search, of all rows or of some queries; or several runs of one
            vocabulary: an EmbeddingStack, an ``(S, V, d)`` array, or a list of tables or :class:`Neighbors`.
        k: neighbors of a list, 10 by default; of finished lists all, or their first ``k``.
        metric: of the search, as for :func:`nearest_neighbors`; finished lists have their own.
        hub_size: a hub is in at least so many times as many lists as a row is on average; at least 1.
        device: where to search: see :class:`gpuemb.Device`.
        progress: told of each search.

    Raises:
        ConfigError: ``k`` is below 1 or more than there are, or ``hub_size`` is below 1.
        ShapeError, VocabularyError: runs are not over the same words, or of the same queries and ``k``.
        ShapeError, DTypeError, NonFiniteError, DeviceError: as :func:`nearest_neighbors`.
        MemoryBudgetError: the search or the counts do not fit.

    Cost: the search, ``2·V²·d`` flops a run; the counts read ``4·V·k`` bytes.
    Source: Radovanović (2010), J. Mach. Learn. Res. 11, 2487-2531 (counts, skewness); Feldbauer (2018), IEEE
    ICBK (Robin Hood index, hubs and anti-hubs); Definitions §3.

    Example:
        >>> shared = 2.0  # rows that share a direction have hubs
        >>> found = ge.hubness(ge.Embedding(x + shared, words), 5)
        >>> round(found.value, 3), round(float(found.chance_skewness[0]), 3)
        (1.084, 0.376)
        >>> found.largest(2)
        [('w38', 16.0), ('w14', 13.0)]
        >>> runs = [x + shared, y @ q.T + shared]
        >>> round(ge.hubness(runs, 5).mean_agreement, 2)  # are the same rows hubs in both?
        0.91
    """
    if not 1 <= hub_size < math.inf:
        raise ConfigError(
            f"{WHERE}: hub_size = {hub_size}",
            needed="A hub is in at least hub_size times as many lists as a row is on average: 1 or more.",
            remedy=f"Leave it out for {HUB_SIZE}.",
        )
    names, given = _runs_of(x)
    lists = [_lists(run, k, metric, device, progress) for run in given]
    _check_comparable(lists, k)
    shape = len(lists), len(lists[0].candidates.known)
    MemoryPlan(
        f"{WHERE} of {shape[0]} runs, {shape[1]} rows",
        {
            "counts": 2 * buffer(shape, np.int64),
            "ranks of all runs": bool(len(lists) > 1) * 2 * buffer(shape, np.float64),
            "lists of one run": buffer(lists[0].ids.shape, np.int32),
        },
    ).require()
    return _measured(names, lists, lists[0].ids.shape[1] if k is None else k, hub_size)


def _runs_of(x: Any) -> tuple[tuple[str, ...], list[Any]]:
    """Return the names of runs, and each as its :class:`Neighbors` or a table."""
    if getattr(x, "ndim", 0) == RUNS:
        x = EmbeddingStack(x)
    if isinstance(x, EmbeddingStack):
        return tuple(x.runs), list(x)
    if isinstance(x, (list, tuple)) and x and all(map(_is_a_run, x)):
        return tuple(f"run {s}" for s in range(len(x))), [named_table(run) for run in x]
    x = named_table(x)
    return (x.name if isinstance(x, Embedding) else "run 0",), [x]


def _is_a_run(one: Any) -> bool:
    return isinstance(one, (Neighbors, Embedding)) or brings_words(one) or getattr(one, "ndim", 0) == 2


def _lists(run: Any, k: int | None, metric: Metric, device: DeviceName, progress: Progress) -> Neighbors:
    if not isinstance(run, Neighbors):
        count = K if k is None else k
        return nearest_neighbors(run, count, metric=metric, device=device, progress=progress)
    if k is not None:
        check_at_least(WHERE, "k", k, 1)
        check_at_most(WHERE, "k", k, run.ids.shape[1])
    return run


def _check_comparable(lists: Sequence[Neighbors], k: int | None) -> None:
    first = lists[0]
    for run, other in enumerate(lists[1:], 1):
        check_same_rows(WHERE, first.ids, other.ids, ("run 0", f"run {run}"))
        check_same_candidates(WHERE, lists, (0, first.candidates), (run, other.candidates))
        lengths = first.ids.shape[1], other.ids.shape[1]
        if k is None and lengths[0] != lengths[1]:
            raise ShapeError(
                f"{WHERE}: lists of {lengths[0]} neighbors in run 0 but of {lengths[1]} in run {run}",
                needed="All runs need the same k.",
                remedy=f"k={min(lengths)} takes the first of each list.",
            )


def _measured(names: tuple[str, ...], lists: Sequence[Neighbors], k: int, hub_size: float) -> Hubness:
    known = np.array([to_host(one.candidates.known) for one in lists])
    counts, hubs = np.zeros(known.shape, np.int64), np.zeros(known.shape, bool)
    found, chance = [], []
    for run, one in enumerate(lists):
        counts[run], filled = k_occurrence(to_host(one.ids), known.shape[1], k)
        rows = int(known[run].sum())
        least = _least(hub_size, int(filled.sum()), max(rows, 1), len(filled) + 1)
        hubs[run] = (counts[run] >= least) & (counts[run] > 0)
        found.append(evenness(counts[run][known[run]], least))
        chance.append(evenness_by_chance(known[run], one.candidates, filled, least))
    observed, expected = np.array(found), np.array(chance)
    return Hubness(
        k=k,
        hub_size=hub_size,
        runs=names,
        words=next((one.words for one in lists if one.words is not None), None),
        counts=counts,
        hubs=hubs,
        anti_hubs=((counts == 0) & known).sum(axis=1),
        without_length=(~known).sum(axis=1),
        agreement=_agreement(counts[:, known.all(axis=0)]),
        **{name: observed[:, column] for column, name in enumerate(Evenness._fields)},
        **{f"chance_{name}": expected[:, column] for column, name in enumerate(Evenness._fields)},
    )


def _least(hub_size: float, places: int, rows: int, beyond: int) -> int:
    """Return how many lists make a row a hub; ``beyond``, more than there are, where none can be one."""
    unreachable = hub_size * places >= beyond * rows
    return beyond if unreachable else math.ceil(hub_size * places / rows)


def _agreement(counts: Int64) -> Float64:
    """Spearman's correlation of every pair of runs; NaN where all counts of one are equal."""
    from scipy.stats import rankdata

    pairs = list(combinations(range(len(counts)), 2))
    if not pairs or counts.shape[1] < LEAST_ROWS:
        return np.full(len(pairs), np.nan)
    ranks = np.array([rankdata(run) for run in counts])
    with np.errstate(invalid="ignore"):  # where all counts are equal there is no order: NaN
        matrix = np.corrcoef(ranks)
    return np.array([matrix[pair] for pair in pairs])


def _mean(values: Float64) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan
