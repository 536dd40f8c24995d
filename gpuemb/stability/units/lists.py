"""Neighbors of a run, and what follows from the lists of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Int32
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.stability.compared_tables import agreement_of_all, chance_of_pairs, null_of_pairs
from gpuemb.stability.graph import MAIN, Arrays, Context
from gpuemb.stability.questions.hubs import mean_k_occurrence, stability_against_hubness
from gpuemb.uncertainty.draws import Draws


@dataclass(frozen=True)
class FindNeighbors:
    """Searches the ``k`` nearest neighbors of every word; the lists of another run change no bit of them."""

    k: int

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return ids and scores."""
        before = inputs["before"]["ids"] if "before" in inputs else None
        found = nearest_neighbors(inputs["vectors"]["vectors"], self.k, warm_start=before)
        context.advance()
        return {MAIN: {"ids": found.ids, "scores": found.scores}}


@dataclass(frozen=True)
class TakeChance:
    """What the overlaps of a run with those before it are by chance: expected, and of permuted words.

    Attributes:
        runs: how many there are.
        permutations: of the words of all runs but the first.
    """

    runs: int
    permutations: int

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return ``chance``, ``(t,)``, and ``null``, ``(permutations, t)``, of every wanted run ``t``."""
        last = [run for run in range(self.runs) if str(run) in wanted]
        ids = lists_of(inputs, last[-1] + 1)
        pairs = [(one, run) for run in last for one in range(run)]
        draws = Draws("study", self.permutations, progress=context.progress)
        order = sorted(range(len(pairs)), key=lambda place: pairs[place])  # as of all pairs
        chance, null = np.empty(len(pairs)), np.empty((self.permutations, len(pairs)))
        chance[order] = chance_of_pairs(ids, [pairs[place] for place in order])
        null[:, order] = null_of_pairs(ids, draws, [pairs[place] for place in order])
        ends = np.cumsum(last)
        context.advance()
        return {
            str(run): {"chance": chance[end - run : end], "null": null[:, end - run : end]}
            for run, end in zip(last, ends.tolist(), strict=True)
        }


@dataclass(frozen=True)
class TakeHubness:
    """In how many lists each word is, and how that goes with stability.

    Attributes:
        pairs: the compared runs.
    """

    pairs: tuple[tuple[int, int], ...]

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return ``k_occurrence``, ``(V,)``; ``against_hubness``, the correlation and its interval's ends."""
        ids = lists_of(inputs, len(inputs))
        found = stability_against_hubness(ids, self.pairs)
        context.advance()
        against = np.array([found.value, found.low, found.high])
        return {MAIN: {"k_occurrence": mean_k_occurrence(ids), "against_hubness": against}}


@dataclass(frozen=True)
class TakeAgreement:
    """What all runs list at once."""

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return ``(V,)`` neighbors that all runs list, and their share of those that any lists."""
        in_all_runs, joint_reliability = agreement_of_all(lists_of(inputs, len(inputs)))
        context.advance()
        return {MAIN: {"in_all_runs": in_all_runs, "joint_reliability": joint_reliability}}


def lists_of(inputs: Mapping[str, Arrays], runs: int) -> Int32:
    """Return ``(S, V, k)`` ids of the first runs, their inputs named ``lists 0``, ``lists 1``, …."""
    return np.stack([inputs[f"lists {run}"]["ids"] for run in range(runs)])
