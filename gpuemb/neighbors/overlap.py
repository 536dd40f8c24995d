"""How far runs agree about a word's nearest neighbors, from the lists alone."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int32, Int64, as_array, device_of, empty, library_of, native
from gpuemb.core.checks import check_same_device, check_same_rows
from gpuemb.core.device import CPU, require
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, DTypeError, ShapeError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.results import result, shown
from gpuemb.kernels.neighbor_overlap import SharedNeighbors, check_lists
from gpuemb.kernels.neighbor_overlap import neighbor_overlap as overlap_kernel
from gpuemb.kernels.ranked_overlap import ranked_overlap
from gpuemb.neighbors.exact import ids_of

PERSISTENCE = 0.9  # of rank-biased overlap: the first ten ranks carry 86 % of the weight (Webber 2010)


@result
class NeighborOverlap:
    """How far every pair of runs agrees about each word's neighbors.

    Pairs stand in the order of ``itertools.combinations``. A word without neighbors in one of the compared
    runs has no measure there: NaN.

    Attributes:
        per_word: ``(P, V)`` overlap, the share of neighbors in common.
        in_all_runs: ``(V,)`` how many words are in the lists of all runs.
        k: neighbors compared.
        chance: what independent lists share on average, ``k / (V − 1)``.
        jaccard: ``(P, V)`` ``|N ∩ N'| / |N ∪ N'|``.
        rank_biased: ``(P, V)`` rank-biased overlap, extrapolated: agreement at the top counts most.
        average_overlap: ``(P, V)`` the overlap of the first 1, 2, …, k neighbors, averaged; its own measure,
            not a limit of the rank-biased one.
        rank_similarity: ``(P, V)`` 1 where all shared neighbors have the same ranks and are the first; 0
            where none is shared.
        joint_reliability: ``(V,)`` ``|∩ N| / |∪ N|`` over all runs at once, not a mean over pairs.
        persistence: ``p`` of ``rank_biased``.
    """

    per_word: Float64
    in_all_runs: Int32
    k: int
    chance: float
    jaccard: Float64
    rank_biased: Float64
    average_overlap: Float64
    rank_similarity: Float64
    joint_reliability: Float64
    persistence: float

    @property
    def value(self) -> float:
        """Mean overlap over words and pairs."""
        return float(np.nanmean(self.per_word)) if np.isfinite(self.per_word).any() else float("nan")

    def __float__(self) -> float:
        return self.value

    @property
    def wendlandt(self) -> float:
        """``value`` in percent: Wendlandt's stability (defined for k = 10)."""
        return 100 * self.value

    @property
    def stability(self) -> Float64:
        """``(V,)`` mean over pairs: the stability of each word; NaN where no pair has one."""
        return _mean_of_known(self.per_word, axis=0)

    @property
    def lowest(self) -> Float64:
        """``(V,)`` the pair of runs that agrees least about each word."""
        known = np.isfinite(self.per_word)
        least = np.where(known, self.per_word, np.inf).min(axis=0)
        return np.where(known.any(axis=0), least, np.nan)


@door
def neighbor_overlap(first: Any, *others: Any, persistence: float = PERSISTENCE) -> NeighborOverlap:
    """Compare neighbor lists of two or more runs over one vocabulary.

    Args:
        first: :class:`Neighbors` of every word, or ``(V, k)`` int32 ids, best first; alone, an ``(S, V, k)``
            array. −1 pads short lists; overlap, Jaccard and joint reliability do not depend on the order.
        others: the same for the other runs.
        persistence: ``p`` of rank-biased overlap, between 0 and 1: how likely a reader goes on to
            the next rank.

    Returns:
        Every measure of each word and pair. Where candidates were fewer than ``k``, the longer of the two
        lists takes its place.

    Raises:
        ShapeError: fewer than two runs or more than 100, k above 256, or runs over different words
            or ``k``.
        DTypeError: ids are not integers.
        DeviceError: runs are on different devices.
        ConfigError: ``persistence`` is not between 0 and 1.
        MemoryBudgetError: five numbers a word and pair do not fit.

    Cost: reads ``4·S·V·k`` bytes twice, ``P·V·k`` steps; ``40·P·V`` bytes. Source: Wendlandt (2018),
    Huh (2024), Antoniak & Mimno (2018), Hellrich & Hahn (2016), Wang (2022), Webber (2010); Definitions §3.

    Example:
        >>> first, second = (ge.nearest_neighbors(table, 10) for table in (x, y))
        >>> overlap = ge.neighbor_overlap(first, second)
        >>> round(overlap.value, 2), round(overlap.chance, 2)
        (0.93, 0.2)
        >>> overlap.stability[:3].tolist()  # of each word
        [1.0, 0.9, 1.0]
    """
    ids = _comparable(_stacked([first, *others]))
    if not 0 < persistence < 1:
        raise ConfigError(
            f"neighbor_overlap: persistence = {persistence}",
            needed="Rank-biased overlap needs a persistence between 0 and 1, both left out.",
            remedy=f"Leave it out for {PERSISTENCE}; .average_overlap weighs all depths alike.",
        )
    runs, words, k = ids.shape
    pairs = np.array(list(combinations(range(runs), 2)))
    plan = MemoryPlan(
        f"neighbor_overlap of {runs} runs, {words} words",
        {"five measures a pair and word": 5 * buffer((len(pairs), words), np.float64)},
    )
    require(plan, device_of(ids))
    counts = overlap_kernel.on(device_of(ids))(ids)
    ranked = ranked_overlap.on(device_of(ids))(ids, persistence)
    overlap, jaccard = _shares(counts, pairs)
    joint = counts.common / np.maximum(ranked.distinct, 1)
    joint[(counts.filled == 0).any(axis=0)] = np.nan
    return NeighborOverlap(
        per_word=overlap,
        in_all_runs=counts.common.astype(np.int32),
        k=k,
        chance=k / (words - 1) if words > 1 else float("nan"),
        jaccard=jaccard,
        rank_biased=ranked.rank_biased,
        average_overlap=ranked.average_overlap,
        rank_similarity=ranked.rank_similarity,
        joint_reliability=joint,
        persistence=persistence,
    )


def _shares(counts: SharedNeighbors, pairs: Int64) -> tuple[Float64, Float64]:
    """Overlap and Jaccard of every pair and word, a pair at a time."""
    device = device_of(counts.shared)
    overlap, jaccard = (empty(counts.shared.shape, np.float64, device) for _ in range(2))
    lengths = counts.filled.astype(np.float64)

    def divide(pair: int) -> None:
        first, second = lengths[pairs[pair, 0]], lengths[pairs[pair, 1]]
        shared = np.where((first == 0) | (second == 0), np.nan, counts.shared[pair])
        np.divide(shared, np.maximum(np.maximum(first, second), 1), out=overlap[pair])
        np.divide(shared, np.maximum(first + second - shared, 1), out=jaccard[pair])

    if device == CPU:
        threads.run(divide, range(len(pairs)))
    else:  # the GPU's own threads: a launch is in order
        for pair in range(len(pairs)):
            divide(pair)
    return overlap, jaccard


def _comparable(ids: Any) -> Int32:
    if ids.dtype.kind != "i":
        raise DTypeError(
            f"neighbor_overlap: ids hold {ids.dtype}",
            needed="Neighbor ids are integers.",
            remedy="Pass the .ids of nearest_neighbors.",
        )
    if len(ids) < 2:
        raise ShapeError(
            f"neighbor_overlap: {len(ids)} runs with k = {ids.shape[2]}",
            needed="Overlap compares runs: at least two are needed.",
            remedy="neighbor_overlap(a, b)",
        )
    check_lists(ids)
    return library_of(ids).ascontiguousarray(ids, np.int32)  # type: ignore[no-any-return]


def _stacked(lists: list[Any]) -> Any:
    arrays = [native(as_array(ids_of(entry), "neighbor_overlap")) for entry in lists]
    for run, array in enumerate(arrays):
        if array.ndim != 2 and (array.ndim != 3 or len(arrays) > 1):
            raise ShapeError(
                f"neighbor_overlap: run {run} is {shown(array)}",
                needed="A run is (V, k) ids, k neighbors of every word; all runs in one array are (S, V, k).",
                remedy="Pass what nearest_neighbors returns for each run.",
            )
    check_same_device("neighbor_overlap", {f"run {run}": array for run, array in enumerate(arrays)})
    for run, array in enumerate(arrays):
        check_same_rows("neighbor_overlap", arrays[0], array, ("run 0", f"run {run}"))
        if array.shape != arrays[0].shape:
            raise ShapeError(
                f"neighbor_overlap: lists of {arrays[0].shape[1]} and {array.shape[1]} neighbors",
                needed="Both runs need the same k.",
                remedy="Cut both with ids[:, :k].",
            )
    return arrays[0] if len(arrays) == 1 and arrays[0].ndim == 3 else library_of(arrays[0]).stack(arrays)


def _mean_of_known(values: Float64, axis: int) -> Float64:
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
