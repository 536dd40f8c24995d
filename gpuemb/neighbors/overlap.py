"""How many nearest neighbors two runs share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int32, device_of, to_host
from gpuemb.core.checks import check_same_rows
from gpuemb.core.errors import DTypeError, ShapeError
from gpuemb.kernels.neighbor_overlap import neighbor_overlap as overlap_kernel


@dataclass(frozen=True, eq=False)
class NeighborOverlap:
    """Shared neighbors of every pair of runs.

    Attributes:
        per_word: ``(P, V)`` share of neighbors in common, pairs in the order of
            ``itertools.combinations``; NaN for a word without neighbors in one of the two runs.
        in_all_runs: ``(V,)`` how many words are in the lists of all runs.
        k: neighbors compared.
        chance: what independent lists share on average, ``k / (V − 1)``.
    """

    per_word: Float64
    in_all_runs: Int32
    k: int
    chance: float

    @property
    def value(self) -> float:
        """Mean over words and pairs (in percent: Wendlandt's stability)."""
        return float(np.nanmean(self.per_word)) if np.isfinite(self.per_word).any() else float("nan")

    def __float__(self) -> float:
        return self.value

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


def neighbor_overlap(first: Any, *others: Any) -> NeighborOverlap:
    """Compare neighbor lists of two or more runs over one vocabulary.

    Args:
        first: :class:`Neighbors` of every word, or ``(V, k)`` int32 ids; alone, an ``(S, V, k)`` array.
            The lists may be in any order; −1 pads short ones.
        others: the same for the other runs.

    Returns:
        ``|N ∩ N'| / k`` for each word and pair; where candidates were fewer than ``k``, divided by
        the longer of the two lists.

    Raises:
        ShapeError: fewer than two runs or more than 100, k above 256, or runs over different words
            or ``k``.
        DTypeError: ids are not integers.

    Cost: reads ``4·S·V·k`` bytes once. Source: Wendlandt (2018), Huh (2024); Definitions §3.
    """
    ids = _stacked([first, *others])
    if ids.dtype.kind != "i":
        raise DTypeError(
            f"neighbor_overlap: ids hold {ids.dtype}",
            needed="Neighbor ids are integers.",
            remedy="Pass the .ids of nearest_neighbors.",
        )
    runs, words, k = ids.shape
    if runs < 2:
        raise ShapeError(
            f"neighbor_overlap: {runs} runs with k = {k}",
            needed="Overlap compares runs: at least two are needed.",
            remedy="neighbor_overlap(a, b)",
        )
    counts = overlap_kernel.on(device_of(ids))(np.ascontiguousarray(ids, np.int32))
    pairs = np.array(list(combinations(range(runs), 2)))
    first_length, second_length = counts.filled[pairs[:, 0]], counts.filled[pairs[:, 1]]
    longer = np.maximum(first_length, second_length).astype(np.float64)
    longer[(first_length == 0) | (second_length == 0)] = np.nan
    chance = k / (words - 1) if words > 1 else float("nan")
    return NeighborOverlap(counts.shared / longer, counts.common.astype(np.int32), k, chance)


def _stacked(lists: list[Any]) -> Any:
    arrays = [to_host(getattr(entry, "ids", entry)) for entry in lists]
    for array in arrays[1:]:
        check_same_rows("neighbor_overlap", arrays[0], array)
        if array.shape != arrays[0].shape:
            raise ShapeError(
                f"neighbor_overlap: lists of {arrays[0].shape[1]} and {array.shape[1]} neighbors",
                needed="Both runs need the same k.",
                remedy="Cut both with ids[:, :k].",
            )
    return arrays[0] if len(arrays) == 1 and arrays[0].ndim == 3 else np.stack(arrays)


def _mean_of_known(values: Float64, axis: int) -> Float64:
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
