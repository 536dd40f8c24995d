"""Successive draws of items without replacement, each user with weights of its own.

    preferences  (n, C)  float64  of user u for cluster c
    clusters     (p,)    int32    the cluster of each item, below C
    popularity   (p,)    float64  of each item; the ratio of any two within a cluster is finite
    lengths      (n,)    int64    items that each user draws, at most p
    drawn        (Σ lengths,)     int32, user after user, each in the order of its draws

**Law.** A user draws one item after the other: item i of those it has not drawn yet with probability
``preferences[u, clusters[i]] · popularity[i]`` over the sum of these weights. Implementations share this
law, not the numbers: which of them are drawn depends on ``key`` and the user's place alone.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.dispatch import kernel_within
from gpuemb.core.errors import ConfigError

LEAST = 1e-90  # of weights: products of two, and of sums of them, stay far inside float64
MOST_USERS = 2**31 - 2  # numbers of users are the marks of drawn items


def check_weighted_draws(
    preferences: Float64, clusters: Int32, popularity: Float64, lengths: Int64, key: int
) -> None:
    """Check what every implementation relies on.

    Raises:
        ConfigError: a weight is not between 1e-90 and 1e90, or a user draws more items than there are.
    """
    for name, weights in (("preferences", preferences), ("popularity", popularity)):
        if not ((weights >= LEAST) & (weights <= 1 / LEAST)).all():
            raise ConfigError(
                f"weighted_draws: {name} has entries that are not between {LEAST:g} and {1 / LEAST:g}",
                needed="Every weight is positive, and products of weights are float64 numbers.",
                remedy="Scale the weights, or leave the items of no weight out.",
            )
    if len(lengths) > MOST_USERS or (
        len(lengths) and not 0 <= lengths.min() <= lengths.max() <= len(clusters)
    ):
        raise ConfigError(
            f"weighted_draws: {len(lengths)} users draw {max(lengths)} of {len(clusters)} items",
            needed=f"At most {MOST_USERS} users draw between 0 and all items each.",
            remedy="Lower the lengths: items are drawn without replacement.",
        )


@kernel_within(check_weighted_draws)
def weighted_draws(
    preferences: Float64, clusters: Int32, popularity: Float64, lengths: Int64, key: int
) -> Int32:
    """Draw every user's items.

    Cost: ``O(p)`` a draw here; ``O(C + log(largest over smallest popularity))`` in the fast twin.
    """
    drawn = np.empty(int(lengths.sum()), np.int32)
    place = 0
    for user, length in enumerate(lengths):
        uniforms = np.random.default_rng([key, user]).random(int(length))
        weights = preferences[user, clusters] * popularity
        for uniform in uniforms:
            bounds = np.cumsum(weights)
            item = int(np.searchsorted(bounds, uniform * bounds[-1], side="right"))
            item = min(item, int(np.flatnonzero(weights)[-1]))  # where rounding reached the whole sum
            drawn[place], weights[item] = item, 0.0
            place += 1
    return drawn
