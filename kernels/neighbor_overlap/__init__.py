"""Size of the intersection of a word's k neighbors in two runs.

ids     (S, V, k)  int32   score order, −1 padded; a list names no word twice
→       shared (P, V)  uint16  |N_s ∩ N_t| for the P = S(S−1)/2 pairs of itertools.combinations
        common (V,)    uint16  |∩_s N_s|, the words in every run's list
        filled (S, V)  uint16  list lengths without the padding

At most ``LARGEST_RUNS`` runs and ``LARGEST_K`` neighbors: a word's lists have to fit the shared memory of a
GPU's thread block. More is refused, on every device alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Int32
from gpuemb.core.dispatch import kernel_within
from gpuemb.core.errors import ShapeError

# Entries of other runs, (S − 1)·k, up to which the CPU compares an entry with all of them. Time of comparing
# over numbering, by S × k, on Zen 5: 2 × 256 0.4-0.7, 10 × 10 0.4-0.5, 10 × 25 0.5-0.8, 30 × 10 1.0-1.1,
# 30 × 25 2.2-2.4, 10 × 100 1.4-2.7, 100 × 10 1.5-1.9, 30 × 256 17-35.
LARGEST_COMPARED = 256
LARGEST_RUNS, LARGEST_K = 100, 256


@dataclass(frozen=True, eq=False)
class SharedNeighbors:
    """The counts of the module's contract."""

    shared: NDArray[np.uint16]
    common: NDArray[np.uint16]
    filled: NDArray[np.uint16]


def check_lists(ids: Int32) -> None:
    """Refuse lists beyond the limits.

    Raises:
        ShapeError: no run, more than ``LARGEST_RUNS``, or lists longer than ``LARGEST_K``.
    """
    runs, _, k = ids.shape
    if not 1 <= runs <= LARGEST_RUNS or k > LARGEST_K:
        raise ShapeError(
            f"neighbor_overlap: {runs} runs with k = {k}",
            needed=f"From 1 to {LARGEST_RUNS} runs and k of at most {LARGEST_K} are compared at once.",
            remedy=f"Leave runs out with ids[:{LARGEST_RUNS}], cut the lists with ids[:, :, :{LARGEST_K}].",
        )


@kernel_within(check_lists)
def neighbor_overlap(ids: Int32) -> SharedNeighbors:
    """Count shared neighbors for every pair of runs.

    Raises:
        ShapeError: as :func:`check_lists`.

    Cost: reads ``S·V·k·4`` bytes once, writes ``2·V·(P + S + 1)``.
    """
    runs, words, _ = ids.shape
    pairs = list(combinations(range(runs), 2))
    shared = np.zeros((len(pairs), words), np.uint16)
    common = np.zeros(words, np.uint16)
    for word in range(words):
        lists = [set(ids[run, word].tolist()) - {-1} for run in range(runs)]
        common[word] = len(set.intersection(*lists))
        for p, (a, b) in enumerate(pairs):
            shared[p, word] = len(lists[a] & lists[b])
    return SharedNeighbors(shared, common, np.sum(ids >= 0, axis=2).astype(np.uint16))
