"""Item-item cosines that equally good factors have, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gpuemb.core.arrays import Float32, Int64, to_host
from gpuemb.core.results import result
from gpuemb.factorization.factors import Factors

SIDE_BY_SIDE = (  # name, objective, title
    ("shrinkage", 1, "D = √s"),
    ("identity", 1, "D = 1"),
    ("inverse-shrinkage", 1, "D = 1/√s"),
    ("objective 2", 2, "objective 2"),
    ("original-space", 1, "original space"),
)


@result
class CosinePanel:
    """Cosines between items by one solution.

    Attributes:
        name: ``objective 2``, or the name of D as for :meth:`Factors.rescale`.
        title: a short name for a heading, with ``s = 1/(1 + λ/σ²)``.
        penalty: ``λ``.
        effective_rank: axes that are kept.
        items: ``(q,)`` which items, in the order of the rows.
        cosines: ``(q, q)``, NaN where an item has no vector.
    """

    name: str
    title: str
    penalty: float
    effective_rank: int
    items: Int64
    cosines: Float32


def solutions(factors: Factors, second_penalty: float | None = None) -> tuple[tuple[str, str, Factors], ...]:
    """Return name, title and factors of every solution that is set side by side.

    Args:
        factors: a solution of objective 1.
        second_penalty: ``λ`` of objective 2; by default ``√λ`` of objective 1, which keeps the axes
            that objective 1 keeps by more than one half.
    """
    second = math.sqrt(factors.penalty) if second_penalty is None else second_penalty
    return tuple(
        (name, title, factors.at(second, objective=2) if objective == 2 else factors.rescale(name))
        for name, objective, title in SIDE_BY_SIDE
    )


def panel(name: str, title: str, factors: Factors, items: Int64) -> CosinePanel:
    """Return the cosines of some items."""
    cosines = to_host(factors.item_cosine(items, items)).astype(np.float32)
    return CosinePanel(name, title, factors.penalty, factors.effective_rank, items, cosines)


def ordered_items(clusters: Int64, popularity: Sequence[float], most: int) -> Int64:
    """Items by cluster, the largest first, and by popularity in it; evenly thinned to ``most``."""
    _, numbers, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    order = np.lexsort((-np.asarray(popularity, np.float64), numbers, -sizes[numbers]))
    kept = np.arange(len(order)) if len(order) <= most else np.arange(most) * len(order) // most
    return order[kept].astype(np.int64)
