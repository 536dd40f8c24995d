"""How far runs agree about a word's nearest neighbors, from the lists alone."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import (
    Float64,
    Int32,
    Int64,
    as_array,
    device_of,
    empty,
    library_of,
    native,
    to_device,
    to_host,
)
from gpuemb.core.checks import check_same_device, check_same_rows
from gpuemb.core.device import CPU, require
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, DTypeError, ShapeError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result, shown
from gpuemb.kernels.neighbor_overlap import SharedNeighbors, check_lists
from gpuemb.kernels.neighbor_overlap import neighbor_overlap as overlap_kernel
from gpuemb.kernels.ranked_overlap import ranked_overlap
from gpuemb.neighbors.chance import (
    Candidates,
    candidates_of_runs,
    expected_share,
    mean_overlaps,
    null_overlaps,
    p_value_of_overlap,
)
from gpuemb.neighbors.queries import ids_of
from gpuemb.uncertainty.draws import Draws

UNKNOWN = "the candidates of ids alone are not known: pass what nearest_neighbors returns"
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
        chance: what lists of unrelated tables share on average, over the words and pairs that have an
            overlap; ``k / (V − 1)`` of full tables. NaN where the candidates are not known.
        chance_per_word: ``(P, V)`` the same of each word: ``k_i k'_i |A∩A'| / (|A| |A'|)`` of the longer
            list, ``A`` its candidates: rows with a length, without itself.
        jaccard: ``(P, V)`` ``|N ∩ N'| / |N ∪ N'|``.
        rank_biased: ``(P, V)`` rank-biased overlap, extrapolated: agreement at the top counts most.
        average_overlap: ``(P, V)`` the overlap of the first 1, 2, …, k neighbors, averaged; its own measure,
            not a limit of the rank-biased one.
        rank_similarity: ``(P, V)`` 1 where all shared neighbors have the same ranks and are the first; 0
            where none is shared.
        joint_reliability: ``(V,)`` ``|∩ N| / |∪ N|`` over all runs at once, not a mean over pairs.
        persistence: ``p`` of ``rank_biased``.
        p_value: of ``value``: ``(1 + #{null ≥ value})/(1 + #null)``, words permuted; NaN if none were.
        p_values: ``(P,)`` the same of each pair.
        null_mean: mean of ``value`` over the permutations.
        permutations: how many were drawn.
        reason: why there is no ``chance``; empty where there is.
    """

    per_word: Float64
    in_all_runs: Int32
    k: int
    chance: float
    chance_per_word: Float64
    jaccard: Float64
    rank_biased: Float64
    average_overlap: Float64
    rank_similarity: Float64
    joint_reliability: Float64
    persistence: float
    p_value: float
    p_values: Float64
    null_mean: float
    permutations: int
    reason: str

    @property
    def value(self) -> float:
        """Mean overlap over words and pairs."""
        return _mean(self.per_word)

    def __float__(self) -> float:
        return self.value

    @property
    def undefined(self) -> int:
        """Words and pairs without an overlap, which are in no mean."""
        return int((~np.isfinite(self.per_word)).sum())

    @property
    def wendlandt(self) -> float:
        """``value`` in percent: Wendlandt's stability (defined for k = 10)."""
        return 100 * self.value

    @property
    def stability(self) -> Float64:
        """``(V,)`` mean over pairs: the stability of each word; NaN where no pair has one."""
        known = np.isfinite(self.per_word)
        count, total = known.sum(axis=0), np.zeros_like(self.per_word[0])
        runs = (1 + math.isqrt(1 + 8 * len(known))) // 2
        for t in range(1, runs):  # pairs of one t first: a further run adds its own sum at the end
            places = [s * (2 * runs - s - 1) // 2 + t - s - 1 for s in range(t)]
            total += sum(np.where(known[place], self.per_word[place], 0.0) for place in places)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    @property
    def lowest(self) -> Float64:
        """``(V,)`` the pair of runs that agrees least about each word."""
        known = np.isfinite(self.per_word)
        least = np.where(known, self.per_word, np.inf).min(axis=0)
        return np.where(known.any(axis=0), least, np.nan)


@door
def neighbor_overlap(
    first: Any,
    *others: Any,
    persistence: float = PERSISTENCE,
    permutations: int = 0,
    seed: int = 0,
    progress: Progress = SILENT,
) -> NeighborOverlap:
    """Compare neighbor lists of two or more runs over one vocabulary.

    Args:
        first: :class:`Neighbors` of every word, or ``(V, k)`` int32 ids, best first; alone, an ``(S, V, k)``
            array. −1 pads short lists; overlap, Jaccard and joint reliability do not depend on the order.
        others: the same for the other runs.
        persistence: ``p`` of rank-biased overlap, between 0 and 1: how likely a reader goes on to
            the next rank.
        permutations: of the words of every run but the first, for the p-values; 0 for none. Words that have
            a length change places; rows of queries with each other, all other rows with each other.
        seed: of the named streams of permutations; a permutation is the same whatever else is drawn.
        progress: told of each permutation.

    Returns:
        Every measure of each word and pair. Where candidates were fewer than ``k``, the longer of the two
        lists takes its place.

    Raises:
        ShapeError: fewer than two runs or more than 100, k above 256, or runs over different words
            or ``k``.
        VocabularyError: lists of tables, or of queries, that are not the same words.
        DTypeError: ids are not integers.
        DeviceError: runs are on different devices.
        ConfigError: ``persistence`` is not between 0 and 1, or permutations of words that are not known.
        MemoryBudgetError: six numbers a word and pair do not fit.

    Cost: reads ``4·S·V·k`` bytes twice, ``P·V·k`` steps; ``48·P·V`` bytes; a permutation reads and counts the
    lists once more. Source: Wendlandt (2018), Huh (2024), Antoniak & Mimno (2018), Hellrich & Hahn (2016),
    Wang (2022), Webber (2010); Definitions §3, §5.

    Example:
        >>> first, second = (ge.nearest_neighbors(table, 10) for table in (x, y))
        >>> overlap = ge.neighbor_overlap(first, second)
        >>> round(overlap.value, 2), round(overlap.chance, 2)
        (0.93, 0.2)
        >>> ge.neighbor_overlap(first, second, permutations=99).p_value
        0.01
        >>> overlap.stability[:3].tolist()  # of each word
        [1.0, 0.9, 1.0]
    """
    given = [first, *others]
    ids = _comparable(_stacked(given))
    draws = Draws("neighbor_overlap", permutations, seed=seed, progress=progress)
    candidates = candidates_of_runs(given, ids)
    _check_permutable(draws, candidates)
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
        {
            "six measures a pair and word": 6 * buffer((len(pairs), words), np.float64),
            "lists of permuted words": 2 * bool(permutations) * buffer(ids.shape, np.int32),
        },
    )
    require(plan, device_of(ids))
    counts = overlap_kernel.on(device_of(ids))(ids)
    ranked = ranked_overlap.on(device_of(ids))(ids, persistence)
    overlap, jaccard = _shares(counts, pairs)
    joint = counts.common / np.maximum(ranked.distinct, 1)
    joint[(counts.filled == 0).any(axis=0)] = np.nan
    chance, reason = _chance(counts, pairs, candidates)
    chance[np.isnan(overlap)] = np.nan
    null = _against_null(ids, candidates, pairs, draws, np.isfinite(overlap).sum(axis=1))
    return NeighborOverlap(
        per_word=overlap,
        in_all_runs=counts.common.astype(np.int32),
        k=k,
        chance=_mean(chance),
        chance_per_word=chance,
        jaccard=jaccard,
        rank_biased=ranked.rank_biased,
        average_overlap=ranked.average_overlap,
        rank_similarity=ranked.rank_similarity,
        joint_reliability=joint,
        persistence=persistence,
        permutations=permutations,
        reason=reason,
        **null,
    )


def _chance(
    counts: SharedNeighbors, pairs: Int64, candidates: list[Candidates | None]
) -> tuple[Float64, str]:
    """What each pair and word shares by chance, and why that is not known."""
    device = device_of(counts.shared)
    chance = empty(counts.shared.shape, np.float64, device)
    if None in candidates:
        chance[...] = np.nan
        return chance, UNKNOWN
    lengths = counts.filled.astype(np.float64)
    for pair, (a, b) in enumerate(pairs.tolist()):
        chance[pair] = np.minimum(lengths[a], lengths[b]) * expected_share(candidates[a], candidates[b])
    return chance, ""


def _against_null(
    ids: Int32, candidates: list[Candidates | None], pairs: Int64, draws: Draws, known: Int64
) -> dict[str, Any]:
    """P-values of the mean and of each pair, of whose words ``known`` have an overlap."""
    each, found = np.full(len(pairs), np.nan), {"p_value": math.nan, "null_mean": math.nan}
    if draws and known.any():
        null = null_overlaps(ids, candidates, None, draws)  # type: ignore[arg-type]  # none is None
        observed = mean_overlaps(ids)
        each = np.array([p_value_of_overlap(*pair) for pair in zip(observed, null.T, strict=True)])
        weights = to_host(known) / int(known.sum())
        whole = np.nansum(weights * null, axis=1)
        mean = float(np.nansum(weights * observed))
        found = {"p_value": p_value_of_overlap(mean, whole), "null_mean": float(whole.mean())}
    return found | {"p_values": to_device(each, device_of(ids))}


def _check_permutable(draws: Draws, candidates: list[Candidates | None]) -> None:
    if draws and None in candidates:
        raise ConfigError(
            f"neighbor_overlap: permutations = {draws.permutations} of lists from unknown candidates",
            needed="Permutations need the rows that lists were chosen from.",
            remedy="Pass what nearest_neighbors returns instead of its .ids, or the lists of every word.",
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
    whole, most = ids.dtype.kind == "i", np.iinfo(np.int32).max
    if not whole or (ids.size and not -1 <= int(ids.min()) <= int(ids.max()) <= most):
        raise DTypeError(
            f"neighbor_overlap: ids hold {ids.dtype}{f' from {ids.min()} to {ids.max()}' if whole else ''}",
            needed=f"Neighbor ids are integers: rows from 0 to {most}, −1 for none.",
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


def _mean(values: Float64) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else math.nan
