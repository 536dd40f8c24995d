"""How well cosines of items reproduce known clusters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int64, as_array, to_host
from gpuemb.core.device import CPU, require
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, DTypeError, NonFiniteError, ShapeError
from gpuemb.core.memory import MemoryPlan, buffer, rows_per_tile, tiles
from gpuemb.core.results import result, shown

SAME = 1e-12  # cosines of equal directions differ by rounding: a few eps
LARGEST_COSINE = 1 + 1e-6  # float32 cosines exceed 1 by rounding


@result
class ClusterScores:
    """How well cosines of items reproduce known clusters.

    Items without a cosine, such as items that nobody chose, are in no score; ``undefined`` counts them.

    Attributes:
        within: mean cosine over the pairs of two items of one cluster; NaN where there is none.
        between: mean cosine over the pairs of items of two clusters.
        adjusted_rand: adjusted Rand index of ``found`` against the known clusters: 1 where they are the
            same, 0 on average for a random partition, and 0 where all cosines are equal.
        nearest_in_own: share of items whose nearest other item is of their own cluster; where several are
            equally near, the share of those.
        nearest_by_chance: what that share is on average for random cosines.
        found: ``(p,)`` int64 cluster of each item by Ward's tree, cut at the number of known clusters, from
            0 in order of first appearance; −1 without a cosine.
        undefined: how many items have no cosine.
    """

    within: float
    between: float
    adjusted_rand: float
    nearest_in_own: float
    nearest_by_chance: float
    found: Int64
    undefined: int


@door
def scores_of_clusters(cosines: Any, labels: Any) -> ClusterScores:
    """Score a matrix of cosines between items against their known clusters; nothing in it is random.

    Args:
        cosines: ``(p, p)`` symmetric, NaN in the rows and columns of items that have none: an array, or what
            :meth:`Factors.item_cosine` or :func:`cosine_matrix` return.
        labels: ``(p,)`` cluster of each item: integers or words, at least two different ones.

    Returns:
        Mean cosines within and between clusters; the agreement of Ward's tree on the distances
        ``√(2 − 2·cos)``, which are those of unit vectors, cut at the number of known clusters; and how often
        the nearest item is of the same cluster.

    Raises:
        ShapeError: not a square matrix, or labels of another number of items.
        ConfigError: fewer than two clusters or three items that have cosines.
        NonFiniteError: an item has a cosine with some items and none with others, or one beyond 1.
        MemoryBudgetError: the tree's distances do not fit.

    Cost: ``O(p²)`` time; ``24·p²`` bytes.
    Source: Ward (1963), J. Am. Stat. Assoc. 58, 236-244; Hubert and Arabie (1985), J. Classif. 2, 193-218.

    Example:
        >>> two_clusters = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])
        >>> scores = ge.scores_of_clusters(two_clusters, ["a", "a", "b"])
        >>> round(scores.within, 2), round(scores.between, 2), scores.adjusted_rand
        (0.9, 0.15, 1.0)
    """
    where = "scores_of_clusters"
    matrix = _square(where, getattr(cosines, "scores", cosines))
    numbers = _numbered(where, labels, len(matrix))
    size = buffer(matrix.shape, np.float64)
    require(MemoryPlan(where, {"cosines": size, "distances, twice": size, "tree": size // 8}), CPU)
    known = ~np.isnan(np.diagonal(matrix))
    if known.sum() < 3 or len(np.unique(numbers[known])) < 2:
        raise ConfigError(
            f"{where}: {known.sum()} items with cosines in {len(np.unique(numbers[known]))} clusters",
            needed="At least three items in two clusters are compared.",
            remedy="Give the labels of the known clusters, one for each item.",
        )
    scores, truth = matrix[np.ix_(known, known)].astype(np.float64), numbers[known]
    _check_cosines(where, scores, np.flatnonzero(known))
    within, between = _means(scores, truth)
    partition = ward_partition(scores, len(np.unique(truth)))
    found = np.full(len(matrix), -1)
    found[known] = partition
    sizes = np.bincount(truth)
    return ClusterScores(
        within=within,
        between=between,
        adjusted_rand=adjusted_rand(partition, truth),
        nearest_in_own=_nearest_in_own(scores, truth),
        nearest_by_chance=float((sizes * (sizes - 1)).sum() / (len(truth) * (len(truth) - 1))),
        found=found,
        undefined=int((~known).sum()),
    )


def adjusted_rand(one: Int64, other: Int64) -> float:
    """Return the adjusted Rand index of two partitions into clusters 0, 1, …; 1 where both are trivial."""
    table = np.zeros((int(one.max()) + 1, int(other.max()) + 1))
    np.add.at(table, (one, other), 1.0)
    both = _pairs(table).sum()
    first, second = _pairs(table.sum(axis=1)).sum(), _pairs(table.sum(axis=0)).sum()
    expected = first * second / _pairs(np.array(float(len(one))))
    most = (first + second) / 2
    return 1.0 if most == expected else float((both - expected) / (most - expected))


def _pairs(counts: Float64) -> Float64:
    return counts * (counts - 1) / 2


def _square(where: str, cosines: Any) -> Any:
    matrix = to_host(as_array(cosines, where))
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(
            f"{where}: cosines are {shown(matrix)}",
            needed="A (p, p) matrix of the cosine of every item with every item is needed.",
            remedy="factors.item_cosine(), or cosine_matrix(vectors).",
        )
    return matrix


def _numbered(where: str, labels: Any, items: int) -> Int64:
    """Return the cluster of each item as numbers from 0."""
    try:
        given = to_host(labels) if hasattr(labels, "__dlpack__") else np.asarray(labels)
    except Exception as error:  # arrays of other libraries raise errors of their own
        raise DTypeError(
            f"{where}: labels = {shown(labels)}",
            needed="The cluster of each item is an integer or a word.",
            remedy="labels=[0, 0, 1], for example.",
        ) from error
    if given.dtype.kind not in "biuU":
        raise DTypeError(
            f"{where}: labels hold {given.dtype}",
            needed="The cluster of each item is an integer or a word.",
            remedy="labels=[0, 0, 1], for example.",
        )
    if given.shape != (items,):
        raise ShapeError(
            f"{where}: labels are {shown(given)} for {items} items",
            needed="Each item has one label.",
            remedy="Give them in the order of the rows.",
        )
    numbers: Int64 = np.unique(given, return_inverse=True)[1].astype(np.int64)
    return numbers


def _check_cosines(where: str, scores: Float64, rows: Int64) -> None:
    for start, stop in tiles(len(scores), rows_per_tile(8 * len(scores))):
        wrong = ~(np.abs(scores[start:stop]) <= LARGEST_COSINE)
        if wrong.any():
            at, column = np.argwhere(wrong)[0]
            raise NonFiniteError(
                f"{where}: the cosine of items {rows[start + at]} and {rows[column]} is "
                f"{scores[start + at, column]}",
                needed="Cosines are from −1 to 1; an item without any has NaN in its whole row and column.",
                remedy="factors.item_cosine(), or cosine_matrix(vectors).",
            )


def _means(scores: Float64, truth: Int64) -> tuple[float, float]:
    """Mean cosine of pairs in one cluster, and of the others."""
    sizes = np.bincount(truth)
    members = np.eye(len(sizes))[truth]
    sums = np.zeros((len(truth), len(sizes)))
    with threads.single_threaded_blas():
        np.matmul(scores, members, out=sums)
    own = sums[np.arange(len(truth)), truth]
    pairs = float((sizes * (sizes - 1)).sum())
    inside = math.fsum(own - np.diagonal(scores))
    outside = math.fsum(sums.sum(axis=1) - own)
    return inside / pairs if pairs else math.nan, outside / (len(truth) * (len(truth) - 1) - pairs)


def _nearest_in_own(scores: Float64, truth: Int64) -> float:
    shares = []
    for start, stop in tiles(len(scores), rows_per_tile(16 * len(scores))):
        rows = np.arange(start, stop)
        block = scores[start:stop].copy()
        block[rows - start, rows] = -np.inf
        nearest = block >= block.max(axis=1, keepdims=True) - SAME
        own = truth[None, :] == truth[rows][:, None]
        shares.append((nearest & own).sum(axis=1) / nearest.sum(axis=1))
    return float(np.concatenate(shares).mean())


def ward_partition(scores: Float64, clusters: int) -> Int64:
    """Cut Ward's tree into so many clusters, or fewer where merges are tied; number them in order."""
    from scipy.cluster.hierarchy import fcluster, linkage

    count = len(scores)
    distances = np.empty(count * (count - 1) // 2)
    place = 0
    for row in range(count - 1):
        squared = 2 - 2 * (scores[row, row + 1 :] + scores[row + 1 :, row]) / 2
        squared[squared < SAME] = 0.0
        np.sqrt(squared, out=distances[place : place + len(squared)])
        place += len(squared)
    found = fcluster(linkage(distances, "ward"), clusters, "maxclust")
    _, first, numbers = np.unique(found, return_index=True, return_inverse=True)
    order: Int64 = np.argsort(np.argsort(first))[numbers].astype(np.int64)
    return order
