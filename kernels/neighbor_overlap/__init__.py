"""How many of a word's k neighbors two runs share.

ids     (S, V, k)  int32   score order, −1 padded; a list names no word twice
→       shared (P, V)  uint16  |N_s ∩ N_t| for the P = S(S−1)/2 pairs of itertools.combinations
        common (V,)    uint16  |∩_s N_s|, the words in every run's list
        filled (S, V)  uint16  list lengths without the padding
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Int32
from gpuemb.core.dispatch import kernel

LARGEST_K = 65_535  # counts are uint16


@dataclass(frozen=True)
class SharedNeighbors:
    """The counts of the module's contract."""

    shared: NDArray[np.uint16]
    common: NDArray[np.uint16]
    filled: NDArray[np.uint16]


@kernel
def neighbor_overlap(ids: Int32) -> SharedNeighbors:
    """Count shared neighbors for every pair of runs.

    Cost: reads ``S·V·k·4`` bytes once; ``P·V·2k`` comparisons.
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
