"""Similarity profiles: the cosines of a word with the neighbors of two words, compared between two tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, FloatMatrix, Int64, device_of, namespace_of, native, to_host
from gpuemb.core.memory import rows_per_tile, tiles

TILE_BYTES = 4 << 20  # of gathered rows: they stay in a core's cache


class Compared(NamedTuple):
    """Cosines of pairs of profiles.

    Attributes:
        cosines: ``(P,)``; NaN where a word has no length, or a profile none.
        words: ``(P,)`` words of the union that have a length in both tables.
    """

    cosines: Float64
    words: Int64


@dataclass(frozen=True, eq=False)
class Profiles:
    """One table and the lengths of its rows.

    Attributes:
        rows: ``(V, d)``, native.
        lengths: ``(V,)`` float64.
    """

    rows: FloatMatrix
    lengths: Array

    @classmethod
    def of(cls, table: Any) -> Profiles:
        """Measure the rows of a checked table."""
        rows = native(table)
        xp = namespace_of(rows)
        step = rows_per_tile(8 * rows.shape[1])
        parts = []
        for start, stop in tiles(len(rows), step):
            part = xp.astype(rows[start:stop], xp.float64)
            parts.append(xp.sqrt(xp.vecdot(part, part)))
        return cls(rows, xp.concat(parts))

    def cosines(self, asked: Array, others: Array) -> Array:
        """Return ``(n, m)`` cosines of rows ``(n,)`` with rows ``(n, m)``; NaN where one has no length."""
        xp = namespace_of(self.rows)
        one = xp.astype(xp.take(self.rows, asked, axis=0), xp.float64)
        many = xp.take(self.rows, xp.reshape(others, (-1,)), axis=0)
        many = xp.reshape(xp.astype(many, xp.float64), (*others.shape, -1))
        scale = self.lengths[asked][:, None] * self.lengths[others]
        known = scale > 0
        cosines = xp.vecdot(many, one[:, None, :]) / xp.where(known, scale, xp.ones_like(scale))
        return xp.where(known, cosines, xp.full_like(cosines, np.nan))

    def cosines_of_pairs(self, first: Array, second: Array) -> Float64:
        """Return ``(n,)`` cosines of rows ``(n,)`` with rows ``(n,)``; NaN where one has no length."""
        step = rows_per_tile(16 * self.rows.shape[1])
        parts = [self.cosines(first[a:b], second[a:b, None])[:, 0] for a, b in tiles(len(first), step)]
        found: Float64 = np.clip(
            to_host(namespace_of(self.rows).concat(parts)), -1.0, 1.0
        )  # past by rounding
        return found


def compare_profiles(
    first: Profiles,
    second: Profiles,
    rows: tuple[Array, Array],
    lists: tuple[Array, Array],
    order: Int64 | None = None,
) -> Iterator[Compared]:
    """Compare the profiles of pairs of words over the union of their neighbors, a tile of pairs at a time.

    Where ``s`` holds the cosines of a pair's first word with all words of ``N ∪ N'`` in the first table,
    and ``s'`` those of its second word in the second table, the number is ``cos(s, s')``.

    Args:
        first: the first table.
        second: the second; row ``i`` is the same word, or the same table for pairs of words.
        rows: ``(P,)`` each: rows of the first words in the first table, of the second words in the second.
        lists: ``(P, k)`` each: their neighbors, −1 padded, best first or in any order.
        order: a permutation of the words: row ``order[i]`` of the second table counts as word ``i``, and the
            rows and lists of the second words are numbers of words in that order.

    Cost: ``4·P·k·(d + d')`` flops; a tile of gathered rows a worker.
    """
    xp = namespace_of(first.rows)
    wide = first.rows.shape[1] + second.rows.shape[1]
    step = rows_per_tile(2 * lists[0].shape[1] * 8 * wide, TILE_BYTES)
    places = None if order is None else xp.asarray(order)

    def compare(part: tuple[int, int]) -> Compared:
        here = slice(*part)
        union = xp.sort(xp.concat([one[here] for one in lists], axis=1), axis=1)
        again = xp.concat([union[:, :1] < 0, union[:, 1:] == union[:, :-1]], axis=1)
        left_out = again | (union < 0)
        others = xp.astype(xp.where(left_out, xp.zeros_like(union), union), xp.int64)
        asked, its_others = rows[1][here], others
        if places is not None:
            asked, its_others = places[asked], places[others]
        one, other = first.cosines(rows[0][here], others), second.cosines(asked, its_others)
        known = ~left_out & xp.isfinite(one) & xp.isfinite(other)
        return _compared(xp, one, other, known)

    cut = tiles(len(rows[0]), step)
    return threads.stream(compare, cut) if device_of(first.rows).kind == "cpu" else map(compare, cut)


def _compared(xp: Any, one: Array, other: Array, known: Array) -> Compared:
    one, other = (xp.where(known, each, xp.zeros_like(each)) for each in (one, other))
    scale = xp.sqrt(xp.vecdot(one, one)) * xp.sqrt(xp.vecdot(other, other))
    there = scale > 0
    cosine = xp.vecdot(one, other) / xp.where(there, scale, xp.ones_like(scale))
    cosine = xp.where(there, xp.clip(cosine, -1.0, 1.0), xp.full_like(cosine, np.nan))
    return Compared(to_host(cosine), to_host(xp.sum(xp.astype(known, xp.int64), axis=1)))
