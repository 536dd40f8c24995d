"""Simulated interactions whose clusters of items are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.checks import check_at_least, check_at_most
from gpuemb.core.device import CPU
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.random import stream
from gpuemb.core.results import result, shown
from gpuemb.factorization.interactions import Interactions
from gpuemb.kernels.weighted_draws import LEAST, MOST_USERS, weighted_draws

MOST_ITEMS = 300  # of a user, where nothing else is asked: the paper does not say
LENGTH_EXPONENT = 0.5  # P(a user draws k items) ∝ k^−0.5
STEEPEST = 10.0  # exponent of popularity: with a million items of a cluster 1e-60, still a float64 number
FLATTEST, SHARPEST = 0.01, 1e6  # concentration of preferences
NAMED = 60  # bytes of a name in memory


@result(kw_only=True)
class SimulatedInteractions(Interactions):
    """Simulated interactions, and the truth behind them.

    Attributes:
        clusters: ``(p,)`` the cluster of each item.
        cluster_shares: ``(C,)`` probability that an item belongs to each cluster.
        exponents: ``(C,)`` of each cluster's power law of popularity.
        popularity: ``(p,)`` of each item, sum 1 in each cluster.
        preferences: ``(n, C)`` of each user for the clusters, sum 1.
        seed: of the simulation.
    """

    clusters: Int32
    cluster_shares: Float64
    exponents: Float64
    popularity: Float64
    preferences: Float64
    seed: int


@door
def simulate_interactions(
    users: int = 20_000,
    items: int = 1_000,
    clusters: int = 5,
    *,
    most: int | None = None,
    exponents: Sequence[float] = (0.25, 1.5),
    concentration: float = 1.0,
    seed: int = 0,
    progress: Progress = SILENT,
) -> SimulatedInteractions:
    """Simulate users who choose items of clusters, popular items more often.

    Each item belongs to one of ``C`` clusters, whose shares are drawn uniformly from all shares that sum to
    1 (Dirichlet(1)). In cluster ``c`` the item of rank ``r`` (in the order of the items) has popularity
    proportional to ``r^−β_c``, sum 1 in the cluster, with ``β_c`` uniform between two exponents. A user's
    preferences for the clusters are drawn from Dirichlet(``concentration``): 1, the default, is uniform over
    all shares that sum to 1. The user chooses ``k`` items, ``P(k) ∝ k^−0.5`` for ``k = 1 … most``, one after
    the other without replacement, each with probability proportional to preference times popularity.

    Args:
        users: ``n``.
        items: ``p``.
        clusters: ``C``.
        most: largest number of items of a user; by default 300, or ``items`` if these are fewer.
        exponents: lowest and highest exponent ``β`` of popularity, between 0 and 10.
        concentration: of the users' preferences: small values make users of one cluster, large ones
            users that all prefer the same mixture.
        seed: of all random choices.
        progress: reports the phases.

    Returns:
        The interactions, each of weight 1, and the truth: clusters, popularity, preferences. The same bits
        for any number of threads.

    Raises:
        ConfigError: an argument is out of its range.
        MemoryBudgetError: the interactions do not fit the memory.

    Cost: an expected ``O(C + log p)`` for each interaction, about 0.1 µs; 12 bytes of memory each.
    Source: Steck, Ekanadham, Kallus (2024), arXiv 2403.05440, section 4; Definitions §6.

    Example:
        >>> data = ge.simulate_interactions(users=1000, items=50, clusters=3, most=10)
        >>> data.matrix.shape, data.clusters.shape, int(data.values.max())
        ((1000, 50), (50,), 1)
    """
    most = min(MOST_ITEMS, items) if most is None else most
    low, high = _checked(users, items, clusters, most, exponents, concentration, seed)
    named = {"users": users * (8 * clusters + 16 + NAMED), "items": items * (24 + NAMED)}
    MemoryPlan("simulate_interactions", named).require()
    lengths = _lengths(users, most, seed)
    cells = {"interactions": 3 * buffer((int(lengths.sum()),), np.float32)}  # twice while they are sorted
    MemoryPlan("simulate_interactions", named | cells).require()
    shares = stream(seed, "simulation", "cluster shares").dirichlet(np.ones(clusters))
    of_item = stream(seed, "simulation", "clusters").choice(clusters, items, p=shares).astype(np.int32)
    betas = stream(seed, "simulation", "exponents").uniform(low, high, clusters)
    popularity = _popularity(of_item, betas)
    preferences = _preferences(users, clusters, concentration, seed)
    key = int(stream(seed, "simulation", "items").integers(2**63))
    with progress.phase(f"simulating {users:,} users"):
        drawn = weighted_draws.on(CPU)(preferences, of_item, popularity, lengths, key)
        starts, columns = _sorted(drawn, lengths, items)
    return SimulatedInteractions(
        users=tuple(map(str, range(users))),
        items=tuple(map(str, range(items))),
        starts=starts,
        columns=columns,
        values=np.ones(len(columns), np.float32),
        clusters=of_item,
        cluster_shares=shares,
        exponents=betas,
        popularity=popularity,
        preferences=preferences,
        seed=seed,
    )


def _checked(
    users: int,
    items: int,
    clusters: int,
    most: int,
    exponents: Sequence[float],
    concentration: float,
    seed: int,
) -> tuple[float, float]:
    where = "simulate_interactions"
    for name, count, largest in (
        ("users", users, MOST_USERS),
        ("items", items, MOST_USERS),
        ("clusters", clusters, items),
        ("most", most, items),
        ("concentration", concentration, SHARPEST),
    ):
        check_at_least(where, name, count, FLATTEST if name == "concentration" else 1)
        check_at_most(where, name, count, largest)
    check_at_least(where, "seed", seed, 0)
    try:
        low, high = map(float, exponents)
        right = 0 <= low <= high <= STEEPEST
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ConfigError(
            f"{where}: exponents = {shown(exponents)}",
            needed=f"Two numbers between 0 and {STEEPEST:g}, the lowest exponent and the highest.",
            remedy="Give exponents=(0.25, 1.5), for example.",
        )
    return low, high


def _lengths(users: int, most: int, seed: int) -> Int64:
    """How many items each user chooses: ``P(k) ∝ k^−0.5``."""
    chances = np.arange(1, most + 1) ** -LENGTH_EXPONENT
    bounds = np.cumsum(chances)
    uniforms = stream(seed, "simulation", "lengths").random(users)
    lengths: Int64 = np.searchsorted(bounds, uniforms * bounds[-1], side="right").astype(np.int64) + 1
    return np.minimum(lengths, most)


def _popularity(clusters: Int32, exponents: Float64) -> Float64:
    """``rank^−β`` in the cluster of each item, sum 1; ranks are in the order of the items."""
    popularity = np.empty(len(clusters))
    for cluster, exponent in enumerate(exponents):
        members = np.flatnonzero(clusters == cluster)
        weights = np.arange(1, len(members) + 1) ** -exponent
        popularity[members] = weights / weights.sum()
    return popularity


def _preferences(users: int, clusters: int, concentration: float, seed: int) -> Float64:
    """Dirichlet; a share that a float64 number cannot hold is 1e-90, chosen after all others."""
    numbers = stream(seed, "simulation", "preferences")
    drawn = np.maximum(numbers.standard_gamma(concentration, (users, clusters)), LEAST)
    return np.asarray(np.maximum(drawn / drawn.sum(axis=1, keepdims=True), LEAST))


def _sorted(drawn: Int32, lengths: Int64, items: int) -> tuple[Int64, Int32]:
    """Each user's items in ascending order."""
    from scipy.sparse import csr_matrix

    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    matrix = csr_matrix((np.ones(len(drawn), np.bool_), drawn, starts), shape=(len(lengths), items))
    matrix.sort_indices()
    return starts, matrix.indices.astype(np.int32, copy=False)
