"""Agreement of two runs on a word's neighbors and their order.

ids          (S, V, k)  int32    score order, −1 padded; a list names no word twice
persistence             float    p of rank-biased overlap, 0 < p < 1
→            rank_biased      (P, V)  float64  A_n pⁿ + ((1−p)/p) Σ_{d≤n} A_d p^d
             average_overlap  (P, V)  float64  (1/n) Σ_{d≤n} A_d
             rank_similarity  (P, V)  float64  (1/H_m) Σ_{j∈N∩N'} 2/((1+|r_j−r'_j|)(r_j+r'_j)); 0 where m = 0
             distinct         (V,)    int32    |∪_s N_s|, the words in any run's list

for the P = S(S−1)/2 pairs of itertools.combinations. ``A_d = |N_{1..d} ∩ N'_{1..d}|/d``, ``r`` counts from 1,
``m = |N ∩ N'|``, ``H_m = Σ_{i≤m} 1/i``; ``n`` is k, or the longer of the two lists where both are shorter.
A list that ends before ``d`` counts whole. NaN where one of the two lists is empty. Swapping two runs
changes no bit. At most as many runs and neighbors as :mod:`gpuemb.kernels.neighbor_overlap` takes.
Source: Webber (2010), Wang (2022, ReSi); Definitions §3.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from gpuemb.core.arrays import Float64, Int32
from gpuemb.core.dispatch import kernel_within
from gpuemb.kernels.neighbor_overlap import check_lists


@dataclass(frozen=True, eq=False)
class RankedOverlap:
    """The measures of the module's contract."""

    rank_biased: Float64
    average_overlap: Float64
    rank_similarity: Float64
    distinct: Int32


def depth_weights(k: int, persistence: float) -> Float64:
    """Return ``(3, k + 1)``: 1/d, p^d/d and H_d at place d; place 0 is not used."""
    rank = np.arange(k + 1.0)
    depth = 1 / np.maximum(rank, 1)
    return np.stack([depth, persistence**rank * depth, np.concatenate([[0.0], np.cumsum(depth[1:])])])


def check_ranked_lists(ids: Int32, persistence: float) -> None:
    """Refuse lists beyond the limits.

    Raises:
        ShapeError: as :func:`gpuemb.kernels.neighbor_overlap.check_lists`.
    """
    check_lists(ids)


@kernel_within(check_ranked_lists)
def ranked_overlap(ids: Int32, persistence: float) -> RankedOverlap:
    """Compare the order of neighbors for every pair of runs.

    Raises:
        ShapeError: as :func:`check_ranked_lists`.

    Cost: ``P·V·k`` steps; reads ``S·V·k·4`` bytes once, writes ``24·V·P``.
    """
    runs, words, _ = ids.shape
    pairs = list(combinations(range(runs), 2))
    biased, average, near = np.full((3, len(pairs), words), np.nan)
    distinct = np.zeros(words, np.int32)
    for word in range(words):
        lists = [[int(one) for one in ids[run, word] if one >= 0] for run in range(runs)]
        distinct[word] = len(set().union(*lists))
        for pair, (a, b) in enumerate(pairs):
            if lists[a] and lists[b]:
                place = pair, word
                biased[place], average[place], near[place] = _compared(lists[a], lists[b], persistence)
    return RankedOverlap(biased, average, near, distinct)


def _compared(first: list[int], second: list[int], p: float) -> tuple[float, float, float]:
    n = max(len(first), len(second))
    agreement = [len(set(first[:d]) & set(second[:d])) / d for d in range(1, n + 1)]
    weighted = sum(a * p**d for d, a in enumerate(agreement, 1))
    rank_biased = agreement[-1] * p**n + (1 - p) / p * weighted
    both = [(first.index(one) + 1, second.index(one) + 1) for one in set(first) & set(second)]
    near = sum(2 / ((1 + abs(r - q)) * (r + q)) for r, q in both)
    harmonic = sum(1 / i for i in range(1, len(both) + 1))
    return rank_biased, sum(agreement) / n, near / harmonic if both else 0.0
