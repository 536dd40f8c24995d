"""Assignments of runs to two groups: all of them, or a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.random import stream


@dataclass(frozen=True, eq=False)
class Labelings:
    """Assignments of ``S`` runs to a first and a second group of the sizes observed, the observed one first.

    Two groups of one size may change their names: such assignments count once.

    Attributes:
        sizes: runs of the first and of the second group.
        first: ``(L, S)`` whether a run is in the first group.
        possible: how many assignments there are.
    """

    sizes: tuple[int, int]
    first: NDArray[np.bool_]
    possible: int

    @classmethod
    def of(cls, sizes: tuple[int, int], most: int, seed: int = 0) -> Labelings:
        """Return all assignments where there are at most ``most``, else the observed one and a sample.

        Args:
            sizes: runs of each group, at least one.
            most: assignments, the observed one included.
            seed: of the named stream that draws the sample, with replacement.
        """
        runs, chosen = sum(sizes), sizes[0]
        possible = count_of(sizes)
        observed = np.arange(runs) < chosen
        if possible <= most:
            kept = islice(combinations(range(runs), chosen), possible)  # with run 0 where sizes are equal
            first = np.zeros((possible, runs), bool)
            for row, members in zip(first, kept, strict=True):
                row[list(members)] = True
            return cls(sizes, first, possible)
        draw = stream(seed, "permutation", "runs")
        shuffled = [draw.permutation(observed) for _ in range(most - 1)]
        return cls(sizes, np.stack([observed, *shuffled]), possible)

    def __len__(self) -> int:
        return len(self.first)

    @property
    def exact(self) -> bool:
        """Whether every assignment is there."""
        return len(self.first) == self.possible

    @property
    def smallest(self) -> float:
        """The smallest p-value that can come out."""
        return 1 / len(self.first)

    @property
    def pairs(self) -> Int64:
        """``(P, 2)`` the pairs of runs, in the order of ``itertools.combinations``."""
        return np.array(list(combinations(range(sum(self.sizes)), 2)))

    def weights(self) -> tuple[Float64, Float64]:
        """Return ``(L, P)`` weights of pairs in the mean between groups, and in that within groups.

        Within groups it is the mean of the two groups' means; a group of one run has none.
        """
        one, other = (self.first[:, runs] for runs in self.pairs.T)
        within = [
            part / part.sum(axis=1, keepdims=True) for part in (one & other, ~one & ~other) if part.any()
        ]
        between = one != other
        return between / between.sum(axis=1, keepdims=True), np.mean(within, axis=0)


def count_of(sizes: tuple[int, int]) -> int:
    """How many assignments of runs to groups of these sizes there are, the names of equal ones aside."""
    count = math.comb(sum(sizes), sizes[0])
    return count // 2 if sizes[0] == sizes[1] else count
