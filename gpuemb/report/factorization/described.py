"""Everything that is said of one factorization: solutions side by side, their neighbors, their ambiguity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float32, Float64, Int64, to_host
from gpuemb.core.errors import ConfigError
from gpuemb.core.progress import Progress
from gpuemb.factorization.clusters import ward_partition
from gpuemb.factorization.cosines import FactorNeighbors
from gpuemb.factorization.factors import Factors, factorize
from gpuemb.factorization.interactions import Interactions
from gpuemb.factorization.open_choice.ambiguity import Ambiguity, ambiguity
from gpuemb.factorization.panels import CosinePanel, panel, solutions

SHOWN = 1_000  # items of the picture: those with most users
GROUPS = 5  # into which the picture sorts them
LEAST_ITEMS = 4  # that have neighbors to compare


@dataclass(frozen=True, eq=False)
class Solution:
    """One of the solutions side by side.

    Attributes:
        name: as :attr:`CosinePanel.name`.
        title: as :attr:`CosinePanel.title`.
        factors: the solution.
        neighbors: of every item; None where the penalty leaves no axis.
    """

    name: str
    title: str
    factors: Factors
    neighbors: FactorNeighbors | None

    def shared(self, other: Solution) -> Float64:
        """``(p,)`` share of an item's neighbors that are among those by another solution; NaN without."""
        if self.neighbors is None or other.neighbors is None:
            return np.full(len(self.factors.items), np.nan)
        one, two = (to_host(each.neighbors.ids) for each in (self, other) if each.neighbors is not None)
        both = ((one[:, :, None] == two[:, None, :]) & (one >= 0)[:, :, None]).any(axis=2).sum(axis=1)
        lengths = np.maximum((one >= 0).sum(axis=1), (two >= 0).sum(axis=1))
        return np.asarray(np.where(lengths > 0, both / np.maximum(lengths, 1), np.nan))


@dataclass(frozen=True, eq=False)
class Described:
    """One factorization, ready for tables and a page.

    Attributes:
        data: the interactions.
        source: where they come from.
        solutions: side by side; the last one is the original space.
        ambiguity: along the families of D.
        k: neighbors of an item.
        items: ``(q,)`` the items of the picture, in its order.
        groups: ``(q,)`` of each of them.
        columns: ``(q, q)`` cosines of the columns of X.
        panels: cosines by each solution.
    """

    data: Interactions
    source: str
    solutions: tuple[Solution, ...]
    ambiguity: Ambiguity
    k: int
    items: Int64
    groups: Int64
    columns: Float32
    panels: tuple[CosinePanel, ...]

    @property
    def original(self) -> Solution:
        """Cosines in the original space, which depend on no D."""
        return self.solutions[-1]

    @property
    def plain(self) -> Solution:
        """``D = 1``."""
        return next(one for one in self.solutions if one.name == "identity")


def describe(
    data: Interactions,
    rank: int,
    penalty: float,
    *,
    source: str,
    second_penalty: float | None,
    k: int,
    progress: Progress,
) -> Described:
    """Factorize interactions, and take everything that is said of them.

    Args:
        data: the interactions.
        rank: ``k`` of the factorization, at most the number of items.
        penalty: ``λ`` of objective 1.
        source: where the data come from, for people.
        second_penalty: of objective 2; None: ``√λ``.
        k: neighbors of an item; fewer where there are fewer items.
        progress: reports the phases.

    Raises:
        ConfigError: fewer than four items, or an argument is out of its range.
        MemoryBudgetError: the work does not fit the memory.
    """
    count = len(data.items)
    if count < LEAST_ITEMS:
        raise ConfigError(
            f"factorize: {count} items",
            needed=f"Neighbors of at least {LEAST_ITEMS} items are compared.",
            remedy="Give a table of more items, or lower min_users and min_items.",
        )
    with progress.phase("factorizing"):
        factors = factorize(data, rank, penalty)
    k = min(k, count - 1)
    found = []
    with progress.phase("nearest items") as task:
        for name, title, one in solutions(factors, second_penalty):
            found.append(Solution(name, title, one, one.nearest("item", k) if one.effective_rank else None))
            task.advance()
    open_choice = ambiguity(factors, k=k, progress=progress)
    with progress.phase("cosines of the picture"):
        items, groups = _grouped(found[-1].factors, data.item_counts)
        panels = tuple(panel(one.name, one.title, one.factors, items) for one in found)
        columns = _column_cosines(data.matrix, items)
    return Described(data, source, tuple(found), open_choice, k, items, groups, columns, panels)


def _grouped(original: Factors, counts: Int64) -> tuple[Int64, Int64]:
    """The items with most users, in groups of Ward's tree in the original space, the largest first."""
    most = np.argsort(-counts, kind="stable")[:SHOWN]
    cosines = to_host(original.item_cosine(most, most))
    known = ~np.isnan(np.diagonal(cosines))
    most, cosines = most[known], cosines[np.ix_(known, known)]
    groups = min(GROUPS, len(most))
    numbers = ward_partition(cosines, groups) if groups > 1 else np.zeros(len(most), np.int64)
    order = np.lexsort((np.arange(len(most)), numbers, -np.bincount(numbers)[numbers]))
    return most[order].astype(np.int64), numbers[order]


def _column_cosines(matrix: Any, items: Int64) -> Float32:
    """Cosines of columns of X: of the users that items have, before any factorization."""
    columns = matrix[:, items].astype(np.float64)
    gram = (columns.T @ columns).toarray()
    lengths = np.sqrt(np.diagonal(gram))
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines: Float64 = np.clip(gram / np.outer(lengths, lengths), -1, 1)
    return cosines.astype(np.float32)
