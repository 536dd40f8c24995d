"""Who chose what, how often: users × items as a sparse matrix with its names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core.arrays import Float32, Float64, Int32, Int64
from gpuemb.core.results import result

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@result
class Interactions:
    """Interactions of ``n`` users with ``p`` items.

    Attributes:
        users: name of each user.
        items: name of each item.
        starts: ``(n + 1,)`` interactions of user ``u`` are those from ``starts[u]`` to ``starts[u + 1]``.
        columns: ``(nonzeros,)`` the item of each interaction, ascending for each user.
        values: ``(nonzeros,)`` its weight, above 0: float32 where that holds every weight exactly.
        rows: lines of the file that were read; 0 for a simulation.
        repeated: of them, those of a user and an item that stood there before.
        weightless: those left out because their weight is 0.
        missing: those left out because a user, an item or a weight is missing.
        dropped_users: users left out because they have too few items.
        dropped_items: items left out because they have too few users.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    starts: Int64
    columns: Int32
    values: Float32 | Float64
    rows: int = 0
    repeated: int = 0
    weightless: int = 0
    missing: int = 0
    dropped_users: int = 0
    dropped_items: int = 0

    @property
    def matrix(self) -> csr_matrix:
        """The weights as a SciPy matrix in CSR form, ``(n, p)``, sharing its memory where SciPy can.

        Example:
            >>> ge.simulate_interactions(100, 20, 2, seed=1).matrix.shape
            (100, 20)
        """
        from scipy.sparse import csr_matrix

        shape = (len(self.users), len(self.items))
        return csr_matrix((self.values, self.columns, self.starts), shape=shape)

    @property
    def nonzeros(self) -> int:
        """Number of pairs of a user and an item that interacted."""
        return len(self.columns)

    @property
    def item_counts(self) -> Int64:
        """``(p,)`` how many users each item has.

        Example:
            >>> int(ge.simulate_interactions(100, 20, 2, most=1).item_counts.sum())
            100
        """
        return np.bincount(self.columns, minlength=len(self.items)).astype(np.int64)

    def __str__(self) -> str:
        filled = self.nonzeros / max(1, len(self.users) * len(self.items))
        said = [
            f"{self.nonzeros:,} interactions of {len(self.users):,} users with {len(self.items):,} items"
            f" ({100 * filled:.3g}% of all pairs)"
        ]
        for count, meaning in (
            (self.repeated, "rows that repeat an earlier pair"),
            (self.weightless, "rows of weight 0"),
            (self.missing, "rows without a user, an item or a weight"),
            (self.dropped_users, "users with too few items"),
            (self.dropped_items, "items with too few users"),
        ):
            if count:
                said.append(f"{meaning}: {count:,}")
        return "; ".join(said)


def narrowed(values: Float64) -> Float32 | Float64:
    """Weights as float32 where that loses nothing: a product of such counts is exact below 2²⁴."""
    narrow = values.astype(np.float32)
    return narrow if (narrow == values).all() else values
