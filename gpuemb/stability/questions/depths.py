"""How many neighbors two runs share among the first one, two, three, … of their lists."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float64, Int32
from gpuemb.stability.statistics import Estimate, compared_pairs, mean_over_pairs
from gpuemb.uncertainty.intervals import SHARE

AT_ONCE = 1 << 22  # comparisons of two ids, a byte each


def overlap_by_depth(ids: Int32, *, halves: bool = False) -> tuple[Estimate, ...]:
    """Return the mean overlap of the first 1, 2, …, k neighbors, each with its interval over runs.

    The last one is the overlap of the whole lists, as :func:`gpuemb.neighbor_overlap` takes it.

    Args:
        ids: ``(S, V, k)`` of neighbors, nearest first; −1 where there is none.
        halves: whether only runs 0 and 1, 2 and 3, … are compared.

    Cost: ``P·V·k²`` comparisons of ids for ``P`` pairs of runs.
    """
    runs, _, k = ids.shape
    values = np.full((k, runs, runs), np.nan)
    for a, b in compared_pairs(runs, halves=halves):
        values[:, a, b] = values[:, b, a] = _of_pair(ids[a], ids[b])
    return tuple(mean_over_pairs(one, SHARE, halves=halves) for one in values)


def _of_pair(first: Int32, second: Int32) -> Float64:
    """``(k,)`` mean shares over the words that have neighbors in both runs."""
    words, k = first.shape
    sums, known = np.zeros(k), 0
    step = max(1, AT_ONCE // (k * k))
    for start in range(0, words, step):
        one, two = first[start : start + step], second[start : start + step]
        lengths = np.stack([(one >= 0).sum(axis=1), (two >= 0).sum(axis=1)])
        both = (lengths > 0).all(axis=0)
        one, two, longer = one[both], two[both], lengths[:, both].max(axis=0)
        known += len(one)
        word, place, other = np.nonzero((one[:, :, None] == two[:, None, :]) & (one >= 0)[:, :, None])
        for length in np.unique(longer).tolist():
            own = longer[word] == length
            shared = np.bincount(np.maximum(place, other)[own], minlength=k).cumsum()
            sums += shared / np.minimum(np.arange(1, k + 1), length)
    return np.asarray(sums / known if known else np.full(k, np.nan))
