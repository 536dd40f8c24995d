"""Rows summed in parts, whose sums add up to the bits of one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, FloatMatrix, Int64, device_of, like, namespace_of, to_host
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import tiles
from gpuemb.kernels.gram import BLOCK_ROWS, GramSums, Precision, RowScaling, gram

# Sums of 2^level blocks from block index·2^level on, by (level, index): nodes of a binary tree over the
# blocks of all rows, which is the same however rows are cut into parts.
Nodes: TypeAlias = Mapping[tuple[int, int], GramSums]


@dataclass(frozen=True, eq=False)
class Rows:
    """Consecutive rows of all runs, and how to prepare them.

    Attributes:
        pieces: the tables of each part ``(V_p, d_s)``, in the order of their rows.
        scaling: ``raw`` or ``unit``.
        origins: ``(d_s,)`` float64 of each run, subtracted from its rows; None: nothing is.
    """

    pieces: tuple[list[FloatMatrix], ...]
    scaling: RowScaling = "raw"
    origins: list[Float64] | None = None

    def of(self, runs: Sequence[int]) -> Rows:
        """Return the same rows of some of the runs."""
        chosen = tuple([tables[s] for s in runs] for tables in self.pieces)
        origins = None if self.origins is None else [self.origins[s] for s in runs]
        return Rows(chosen, self.scaling, origins)

    @property
    def count(self) -> int:
        """Number of rows."""
        return sum(int(tables[0].shape[0]) for tables in self.pieces)

    def tables(self) -> list[FloatMatrix]:
        """Return each run's rows as they were given, as one table; of several parts that is a copy."""
        if len(self.pieces) == 1:
            return self.pieces[0]
        return [namespace_of(*parts).concat(list(parts)) for parts in zip(*self.pieces, strict=True)]

    def taken(self, rows: Int64) -> Rows:
        """Return a copy of some rows, as the first rows of all."""
        tables = self.tables()
        chosen = [namespace_of(t).take(t, namespace_of(t).asarray(rows), axis=0) for t in tables]
        return replace(self, pieces=(chosen,))

    def around(self, means: Sequence[Array]) -> Rows:
        """Return the same rows less the means of each run."""
        moved = [np.asarray(to_host(mean), np.float64) for mean in means]
        if self.origins is not None:
            moved = [old + more for old, more in zip(self.origins, moved, strict=True)]
        return replace(self, origins=moved)

    def followed_by(self, other: Rows) -> Rows:
        """Return these rows followed by others."""
        return replace(self, pieces=self.pieces + other.pieces)

    def sums(self, precision: Precision) -> GramSums:
        """Sum the products of all rows, the first of which is the first of all, in their library."""
        if len(self.pieces) == 1:
            return self.in_library(self._summed(self.pieces[0], precision))
        nodes: Nodes = {}
        first = 0
        for tables in self.pieces:
            nodes = merged(nodes, replace(self, pieces=(tables,)).nodes(first, precision))
            first += int(tables[0].shape[0])
        return self.in_library(total(nodes))

    def in_library(self, sums: GramSums) -> GramSums:
        """Return sums in the library of the rows."""
        return GramSums(*(like(array, self.pieces[0][0]) for array in sums.fields))

    def nodes(self, first_row: int, precision: Precision) -> Nodes:
        """Sum the products of one part, as nodes of the tree over all rows."""
        (tables,), first, found = self.pieces, first_row // BLOCK_ROWS, {}
        for level, index in aligned(first, first + -(-self.count // BLOCK_ROWS)):
            start = ((index << level) - first) * BLOCK_ROWS
            stop = min(self.count, start + (BLOCK_ROWS << level))
            found[level, index] = self._summed([t[start:stop, :] for t in tables], precision)
        return found

    def _summed(self, tables: list[FloatMatrix], precision: Precision) -> GramSums:
        return gram.on(device_of(tables[0]))(tables, self.scaling, precision, None, self.origins)

    def blocks(self, s: int, t: int) -> Iterator[tuple[Array, Array]]:
        """Yield rows of two runs as they are multiplied, in float64, a block at a time.

        Rows that ``unit`` leaves out, of any run, are left out.
        """
        for tables in self.pieces:
            for start, stop in tiles(tables[0].shape[0], BLOCK_ROWS):
                yield self._block(tables, (s, t), start, stop)

    def centered_lengths(self, s: int) -> Array:
        """Return ``(V,)`` squared lengths of the rows of a run less their mean; two passes.

        Origins far from 0 are rounded: what is left of the mean after them is subtracted too.
        """
        xp = namespace_of(self.pieces[0][s])
        mean = sum(xp.sum(rows, axis=0) for rows, _ in self.blocks(s, s)) / self.count
        return xp.concat([xp.sum((rows - mean) ** 2, axis=1) for rows, _ in self.blocks(s, s)])

    def _block(
        self, tables: list[FloatMatrix], pair: tuple[int, int], start: int, stop: int
    ) -> tuple[Array, Array]:
        needed = range(len(tables)) if self.scaling == "unit" else pair
        wide = {s: self._moved(tables[s][start:stop, :], s) for s in needed}
        if self.scaling == "raw":
            return wide[pair[0]], wide[pair[1]]
        xp = namespace_of(*tables)
        lengths = {s: xp.sqrt(xp.sum(rows**2, axis=1)) for s, rows in wide.items()}
        kept = xp.nonzero(xp.all(xp.stack([length > 0 for length in lengths.values()]), axis=0))[0]
        first, second = (xp.take(wide[s] / lengths_of(lengths[s]), kept, axis=0) for s in pair)
        return first, second

    def _moved(self, rows: FloatMatrix, s: int) -> Array:
        xp = namespace_of(rows)
        wide = xp.astype(rows, xp.float64)
        return wide if self.origins is None else wide - xp.asarray(self.origins[s])


def lengths_of(lengths: Array) -> Array:
    """Return ``(n, 1)`` divisors: 1 where there is no length."""
    xp = namespace_of(lengths)
    return xp.where(lengths > 0, lengths, xp.ones_like(lengths))[:, None]


def aligned(first: int, stop: int) -> list[tuple[int, int]]:
    """Cut blocks ``first`` to ``stop`` into the fewest nodes: their levels and indices."""
    found = []
    while first < stop:
        level = 0
        while first % (2 << level) == 0 and first + (2 << level) <= stop:
            level += 1
        found.append((level, first >> level))
        first += 1 << level
    return found


def merged(left: Nodes, right: Nodes) -> Nodes:
    """Join the nodes of consecutive parts; two halves of a node become that node."""
    found = dict(left)
    for (level, index), sums in right.items():
        while index % 2 and (level, index - 1) in found:
            sums = found.pop((level, index - 1)) + sums
            level, index = level + 1, index >> 1
        found[level, index] = sums
    return found


def total(nodes: Nodes) -> GramSums:
    """Add nodes up in the order of the tree over all rows, of which parts may be absent."""
    found, level = dict(nodes), 0
    while len(found) > 1:
        for index in sorted(index for at, index in found if at == level):
            sums, parent = found.pop((level, index)), (level + 1, index >> 1)
            found[parent] = found[parent] + sums if parent in found else sums
        level += 1
    return next(iter(found.values()))


def check_first_row(where: str, first_row: int | None) -> None:
    """Check that a part begins at a block.

    Raises:
        ConfigError: it does not; the nearest row before it is named.
    """
    if first_row is not None and (first_row < 0 or first_row % BLOCK_ROWS):
        raise ConfigError(
            f"{where}: first_row = {first_row} is no multiple of {BLOCK_ROWS}",
            needed=f"Parts that are cut at multiples of {BLOCK_ROWS} rows add up to the bits of one pass.",
            remedy=f"Cut at row {max(0, first_row) // BLOCK_ROWS * BLOCK_ROWS}.",
        )
