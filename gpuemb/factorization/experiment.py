"""The experiment of Steck, Ekanadham and Kallus: known clusters against cosines of equally good factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.checks import check_at_least, check_choice
from gpuemb.core.doors import door, whole_number
from gpuemb.core.errors import ConfigError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result, shown
from gpuemb.factorization.clusters import ClusterScores, scores_of_clusters
from gpuemb.factorization.factors import Factors, factorize
from gpuemb.factorization.interactions.simulation import SimulatedInteractions, simulate_interactions
from gpuemb.factorization.panels import CosinePanel, ordered_items, panel, solutions

SCORES = ("within", "between", "adjusted_rand", "nearest_in_own")
SHOWN = 1_000  # items whose cosines are compared: the paper's number


@result
class CosineExperiment:
    """What cosines of equally good factors say of known clusters, over several simulations.

    Attributes:
        seeds: of the simulations.
        first: the simulation of the first seed.
        rank: ``k``.
        items: ``(q,)`` the items of the first simulation whose cosines are compared, by cluster, the largest
            first, and popularity.
        clusters: ``(q,)`` of each of them.
        panels: cosines of the first seed for each solution.
        scores: of each solution, for each seed.
        ranks: ``(solutions, seeds)`` axes that are kept.
    """

    seeds: tuple[int, ...]
    first: SimulatedInteractions
    rank: int
    items: Int64
    clusters: Int64
    panels: tuple[CosinePanel, ...]
    scores: tuple[tuple[ClusterScores, ...], ...]
    ranks: Int64

    @door
    def values(self, score: str) -> Float64:
        """``(solutions, seeds)`` one score of every solution and seed.

        Args:
            score: ``within``, ``between``, ``adjusted_rand`` or ``nearest_in_own``.

        Raises:
            ConfigError: another score.
        """
        check_choice("CosineExperiment.values", "score", score, SCORES)
        return np.array([[getattr(one, score) for one in seeds] for seeds in self.scores])

    @property
    def table(self) -> Any:
        """The scores as an Arrow table, a row for each solution and seed."""
        import pyarrow

        rows = [
            {"solution": one.name, "seed": seed, "penalty": one.penalty, "effective_rank": int(rank)}
            | {score: getattr(scores, score) for score in SCORES}
            for one, ranks, of_seeds in zip(self.panels, self.ranks, self.scores, strict=True)
            for seed, rank, scores in zip(self.seeds, ranks, of_seeds, strict=True)
        ]
        return pyarrow.Table.from_pylist(rows)


@door
def cosine_experiment(
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    *,
    users: int = 20_000,
    items: int = 1_000,
    clusters: int = 5,
    most: int | None = None,
    exponents: Sequence[float] = (0.25, 1.5),
    concentration: float = 1.0,
    rank: int = 50,
    penalty: float = 10_000.0,
    second_penalty: float | None = None,
    progress: Progress = SILENT,
) -> CosineExperiment:
    """Simulate interactions, factorize them, and score the cosines of items against the true clusters.

    Objective 1 with three choices of D (``√s``, 1, ``1/√s``), objective 2, and cosines in the original space:
    five tables of cosines that the paper's figure sets beside the true clusters. Nothing but the simulation
    is random.

    Args:
        seeds: of the simulations.
        users: as for :func:`simulate_interactions`, and so
        items: and
        clusters: and
        most: and
        exponents: and
        concentration: too.
        rank: ``k`` of the factorization.
        penalty: ``λ`` of objective 1.
        second_penalty: ``λ`` of objective 2; by default ``√λ`` of objective 1, 100 for 10,000.
        progress: reports every seed.

    Returns:
        The cosines of the first seed, and the scores of all. Beyond 1,000 items every so many of them are
        compared, in the order of cluster and popularity.

    Raises:
        ConfigError: an argument is out of its range, or a simulation has fewer than two clusters that
            are not empty.
        MemoryBudgetError: the interactions do not fit the memory.

    Cost: about 1 s of CPU time a seed at the default size.
    Source: Steck, Ekanadham, Kallus (2024), arXiv 2403.05440, section 4 and figure 1; Definitions §6.

    Example:
        >>> found = ge.cosine_experiment(seeds=[0, 1], users=500, items=60, rank=10, penalty=100.0)
        >>> found.values("within").shape, [one.name for one in found.panels][-1]
        ((5, 2), 'original-space')
    """
    chosen = _checked(seeds, clusters)
    sizes: dict[str, Any] = {"users": users, "items": items, "clusters": clusters, "most": most}
    sizes |= {"exponents": exponents, "concentration": concentration}
    found: list[_OfSeed] = []
    with progress.phase("simulating and factorizing", len(chosen)) as task:
        for seed in chosen:
            data = simulate_interactions(**sizes, seed=seed)
            order = ordered_items(data.clusters.astype(np.int64), data.popularity.tolist(), SHOWN)
            factors = factorize(data, rank, penalty)
            found.append(_of_seed(factors, second_penalty, order, data.clusters[order].astype(np.int64)))
            if len(found) == 1:
                first, items_shown = data, order
            task.advance()
    return CosineExperiment(
        seeds=chosen,
        first=first,
        rank=rank,
        items=items_shown,
        clusters=first.clusters[items_shown].astype(np.int64),
        panels=tuple(one for one, _ in found[0]),
        scores=tuple(tuple(scores for _, scores in of_panel) for of_panel in zip(*found, strict=True)),
        ranks=np.array(
            [[one.effective_rank for one, _ in of_panel] for of_panel in zip(*found, strict=True)]
        ),
    )


_OfSeed = tuple[tuple[CosinePanel, ClusterScores], ...]


def _checked(seeds: Sequence[int], clusters: int) -> tuple[int, ...]:
    check_at_least("cosine_experiment", "clusters", clusters, 2)
    chosen = tuple(whole_number(seed, -1) for seed in seeds)
    if not chosen or len({*chosen}) < len(chosen) or min(chosen) < 0:
        raise ConfigError(
            f"cosine_experiment: seeds = {shown(seeds)}",
            needed="At least one seed: different integers from 0.",
            remedy="Give seeds=range(5), for example.",
        )
    return chosen


def _of_seed(factors: Factors, second: float | None, items: Int64, clusters: Int64) -> _OfSeed:
    shown_ = [panel(name, title, one, items) for name, title, one in solutions(factors, second)]
    return tuple((one, _scored(one, clusters)) for one in shown_)


def _scored(one: CosinePanel, clusters: Int64) -> ClusterScores:
    """Scores of a solution; NaN where the penalty leaves no axis, so that no cosine exists."""
    if one.effective_rank:
        return scores_of_clusters(one.cosines, clusters)
    nothing = np.full(len(clusters), -1, np.int64)
    return ClusterScores(math.nan, math.nan, math.nan, math.nan, math.nan, nothing, len(clusters))
