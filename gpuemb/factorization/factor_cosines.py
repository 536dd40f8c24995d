"""The cosines that two factors have: items with items, users with users, users with items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from gpuemb.core.arrays import Array, like, to_device
from gpuemb.core.checks import check_at_least, check_at_most, check_choice
from gpuemb.core.doors import door
from gpuemb.core.memory import TILE_BYTES
from gpuemb.factorization.cosines import (
    FactorNeighbors,
    cosines_between,
    nearest_rows,
    positions,
    tiles_between,
)
from gpuemb.factorization.matrix import UserItems

Sides: TypeAlias = Literal["item", "user", "user-item"]


class FactorCosines:
    """Cosines of the rows of two factors."""

    matrix: UserItems
    _items: Array
    _users: Array

    @door
    def item_cosine(self, rows: Any = None, columns: Any = None) -> Array:
        """Cosines of items with items, of the rows of ``B̂(D)``.

        Args:
            rows: names or numbers of items; None: all. Past 64 MB rows or columns must be named.
            columns: the same.

        Returns:
            ``(A, B)`` float64; NaN for an item without a vector.

        Raises:
            VocabularyError, ShapeError, DTypeError: no such items.
            MemoryBudgetError: the matrix is larger than 64 MB and was not asked for, or does not fit.

        Cost: ``2·A·B·k`` flops in float64.
        """
        return self._cosine("Factors.item_cosine", "item", rows, columns)

    @door
    def user_cosine(self, rows: Any = None, columns: Any = None) -> Array:
        """Cosines of users with users, of the rows of ``XÂ(D)``.

        Args:
            rows: names or numbers of users; None: all. Past 64 MB rows or columns must be named.
            columns: the same.

        Returns:
            As :meth:`item_cosine`.
        """
        return self._cosine("Factors.user_cosine", "user", rows, columns)

    @door
    def user_item_cosine(self, rows: Any = None, columns: Any = None) -> Array:
        """Cosines of users with items, of the rows of ``XÂ(D)`` and ``B̂(D)``.

        Args:
            rows: names or numbers of users; None: all. Past 64 MB rows or columns must be named.
            columns: names or numbers of items.

        Returns:
            As :meth:`item_cosine`.
        """
        return self._cosine("Factors.user_item_cosine", "user-item", rows, columns)

    @door
    def cosine_tiles(
        self, of: Sides = "item", *, tile_bytes: int = TILE_BYTES
    ) -> Iterator[tuple[int, Array]]:
        """Walk down a whole matrix of cosines in blocks of rows; it never stands as a whole.

        Args:
            of: ``item``, ``user`` or ``user-item``, as the three matrices.
            tile_bytes: how large a block may be; it has one row at least. Cosines do not depend on it.

        Yields:
            The first row of the block, and its cosines.
        """
        check_at_least("Factors.cosine_tiles", "tile_bytes", tile_bytes, 1)
        first, second = self._sides(of)
        blocks = tiles_between(first, second, tile_bytes)
        return ((start, like(block, self.matrix.source)) for start, block in blocks)

    @door
    def nearest(self, of: Sides = "item", k: int = 10, *, rows: Any = None) -> FactorNeighbors:
        """Find the ``k`` items or users of highest cosine, exactly; no matrix of cosines is made.

        Args:
            of: ``item``: items of an item; ``user``: users of a user; ``user-item``: items of a user.
            k: neighbors a row.
            rows: names or numbers; None: all.

        Returns:
            Lists in order, without the row itself.

        Raises:
            VocabularyError, ShapeError, DTypeError: no such rows.
            ConfigError: ``k`` is below 1 or there are not so many candidates.

        Cost: ``2·Q·p·k`` flops.

        Example:
            >>> ge.factorize(np.abs(x), rank=3, penalty=10).nearest("item", 2, rows=[0]).ids.tolist()
            [[1, 6]]
        """
        where = "Factors.nearest"
        first, second = self._sides(of)
        names = self.matrix.items if of == "item" else self.matrix.users
        wanted = positions(where, "rows", rows, names, len(first))
        check_at_least(where, "k", k, 1)
        check_at_most(where, "k", k, len(second) - (of != "user-item"))
        asked = np.arange(len(first)) if wanted is None else wanted
        queries = first[to_device(asked, self.matrix.device)] if of == "user-item" else None
        found = nearest_rows(second, queries, k, wanted)
        return FactorNeighbors(
            ids=like(found.ids, self.matrix.source),
            scores=like(found.scores, self.matrix.source),
            rows=asked,
            names=self.matrix.users if of == "user" else self.matrix.items,
        )

    def _sides(self, of: Sides) -> tuple[Array, Array]:
        check_choice("Factors", "of", of, get_args(Sides))
        return (
            self._items if of == "item" else self._users,
            self._users if of == "user" else self._items,
        )

    def _cosine(self, where: str, of: Sides, rows: Any, columns: Any) -> Array:
        first, second = self._sides(of)
        across = self.matrix.items if of == "item" else self.matrix.users
        down = self.matrix.users if of == "user" else self.matrix.items
        some = positions(where, "rows", rows, across, len(first))
        others = positions(where, "columns", columns, down, len(second))
        asked = some is not None or others is not None
        first = first if some is None else first[to_device(some, self.matrix.device)]
        second = second if others is None else second[to_device(others, self.matrix.device)]
        return like(cosines_between(where, first, second, asked=asked), self.matrix.source)
