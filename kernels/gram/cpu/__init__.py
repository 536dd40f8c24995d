"""Cross-Grams on the CPU: one product a pair of tables and block of rows.

Plan      A block of 8 192 rows is widened, shifted, scaled and packed once, for one of two strategies:
          ``panels``, where registers have 512 bits, or ``blas``. Its S(S+1)/2 products are
          independent tasks of one thread each; so are all sums that are no products, one thin float64
          product MᵀE a table, M = [images, 1, κ of each table]. Where blocks are small, workers take whole
          blocks; where they are large, the tasks of one block. The tree has log₂(blocks) pending nodes of
          sums; tables of more than ``WIDTH`` columns are read in groups, so that nodes and blocks stay small
          beside the result.
Bound by  float64 or float32 multiply-adds: V·D² flops.
Memory    D²·8 for the result; beside it what ``geometry.grams.build.plan_cross_grams`` states.
Rejected  One symmetric product of all tables side by side: as fast as pairs, and pairs can be left out.
          Prefetching the next rows while these are multiplied, and three panels at once: 5 % of the products.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, pairwise, product
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, wide
from gpuemb.core.memory import tiles
from gpuemb.kernels.gram import (
    BLOCK_ROWS,
    PROBES,
    GramSums,
    Pairs,
    Precision,
    RowScaling,
    all_pairs,
    probes,
)
from gpuemb.kernels.gram.cpu import blas, panels
from gpuemb.kernels.gram.cpu.microtile import TALL
from gpuemb.kernels.panels import wide_registers

STRATEGY: ModuleType = panels if wide_registers() else blas
WIDTH = 4096  # columns read at once: a block of them in float64 is 268 MB
SMALL = 1 << 18  # bytes of a block's sums below which a worker takes whole blocks
Sums = list[NDArray[np.float64]]  # MᵀE of each table, the products of each pair, and the other sums


def gram(
    tables: Sequence[FloatMatrix],
    preparation: RowScaling = "raw",
    precision: Precision = "float64",
    pairs: Pairs | None = None,
    origins: Sequence[Float64] | None = None,
) -> GramSums:
    """See :mod:`gpuemb.kernels.gram`."""
    dims = [table.shape[1] for table in tables]
    columns = [slice(a, b) for a, b in pairwise(accumulate(dims, initial=0))]
    wanted = set(all_pairs(len(tables)) if pairs is None else pairs)
    groups, result = _groups(dims), _zero_sums(dims, precision)
    kept = _nonzero_rows(tables, origins) if len(groups) > 1 else None
    for group in groups:
        chosen = [p for p in group.pairs if p in wanted]
        part = _Pass(
            [np.asarray(tables[s]) for s in group.tables],
            [np.zeros(0) if origins is None else np.asarray(origins[s]) for s in group.tables],
            preparation,
            precision,
            [(group.tables.index(s), group.tables.index(t)) for s, t in chosen],
            kept,
            [probes(dims[s]) for s in group.tables],
        )
        _place(result, part.total(), group, chosen, columns)
    return result


@dataclass(frozen=True)
class _Group:
    """Tables read at once, and their pairs."""

    tables: list[int]
    pairs: list[tuple[int, int]]


def _groups(dims: Sequence[int]) -> list[_Group]:
    """All tables at once where they are narrow; else every two segments of half the width."""
    if sum(dims) <= WIDTH:
        return [_Group(list(range(len(dims))), all_pairs(len(dims)))]
    segments: list[list[int]] = [[]]
    for s, dim in enumerate(dims):
        if segments[-1] and sum(dims[t] for t in segments[-1]) + dim > WIDTH // 2:
            segments.append([])
        segments[-1].append(s)
    groups = []
    for a, b in all_pairs(len(segments)):
        both = segments[a] if a == b else segments[a] + segments[b]
        groups.append(_Group(both, [(s, t) for s, t in product(segments[a], segments[b]) if s <= t]))
    return groups


@dataclass(frozen=True, eq=False)
class _Pass:
    """One pass over the rows of a group.

    Attributes:
        kept: ``(V,)`` rows of length above 0 in all tables, those outside the group included.
        spare: free workspaces.
    """

    tables: list[FloatMatrix]
    origins: list[Float64]
    preparation: RowScaling
    precision: Precision
    pairs: Pairs
    kept: NDArray[np.bool_] | None
    probes: list[Float64]
    spare: deque[_Workspace] = field(default_factory=deque)

    def total(self) -> Sums:
        """Add the blocks up, in the order of the tree."""
        blocks = tiles(len(self.tables[0]), BLOCK_ROWS)
        small = 4 * sum(table.shape[1] for table in self.tables) ** 2 <= SMALL
        with np.errstate(all="ignore"):  # overflow and NaN show in the sums
            return _tree(threads.stream(self._block, blocks) if small else map(self._block, blocks))

    def _block(self, block: tuple[int, int]) -> Sums:
        """All sums of one block of rows; M is laid out so that table s needs a suffix of its columns."""
        space, runs = self._workspace(), range(len(self.tables))
        length, edge = block[1] - block[0], len(runs) * self._probes
        factors, kappa = space.factors[:length], space.kappa[:, :length]
        rows = [self._rows(s, *block) for s in runs]
        threads.run(lambda s: self._fill(s, rows[s], space), runs)
        long = kappa > 0
        kept = long.all(axis=0) if self.kept is None else self.kept[slice(*block)]
        zeros = np.sum(~long, axis=1, dtype=np.float64)
        left_out = np.full(1, np.sum(~kept), np.float64)
        factors[:, edge] = 1.0
        if self.preparation == "unit":
            kappa[...] = kept
            if not kept.all():
                factors[~kept] = 0.0
                for prepared in space.rows:
                    STRATEGY.clear(prepared, np.flatnonzero(~kept))
        factors[:, edge + 1 : edge + 1 + len(runs)] = kappa.T
        packed = STRATEGY.packed(factors)
        work = [partial(self._times, s, rows[s], packed, space) for s in runs]
        work += [partial(self._product, pair, length, space) for pair in self.pairs]
        found = threads.run(lambda task: task(), work)
        with threads.single_threaded_blas():
            norms = kappa @ kappa.T
        sums = [*found, kappa.sum(axis=1), norms, zeros, left_out]
        self.spare.append(space)  # free for another worker from here on
        return sums

    def _workspace(self) -> _Workspace:
        """Return a free workspace, or a new one."""
        try:
            return self.spare.pop()
        except IndexError:
            length, runs = min(BLOCK_ROWS, len(self.tables[0])), len(self.tables)
            dtype = np.float64 if self.precision == "float64" else np.float32
            rows = [STRATEGY.empty_block(length, table.shape[1], dtype) for table in self.tables]
            width = -(-(runs * (1 + self._probes) + 1) // TALL) * TALL
            return _Workspace(rows, np.zeros((length, width)), np.empty((runs, length)))

    @property
    def _probes(self) -> int:
        return 0 if self.precision == "float64" else PROBES

    def _rows(self, s: int, start: int, stop: int) -> FloatMatrix:
        """Rows of one table: no copy where they are float32 or float64 in C order."""
        rows = self.tables[s][start:stop]
        return np.ascontiguousarray(rows, wide(rows))

    def _fill(self, s: int, rows: FloatMatrix, space: _Workspace) -> None:
        """Pack the rows of one table; take their squared lengths and images."""
        image = space.factors[:, s * self._probes : (s + 1) * self._probes]
        probes = self.probes[s][: self._probes]
        unit = self.preparation == "unit"
        STRATEGY.fill(rows, self.origins[s], probes, unit, space.rows[s], space.kappa[s], image)

    def _times(self, s: int, rows: FloatMatrix, factors: Float64, space: _Workspace) -> Float64:
        """``MᵀE`` in float64, from the table's own images on."""
        first = s * self._probes // TALL * TALL
        if self.precision == "float64":
            found: Float64 = STRATEGY.factored(factors, first, space.rows[s])
        else:
            unit = self.preparation == "unit"
            found = STRATEGY.widened_factored(factors, first, rows, self.origins[s], unit)
        return found

    def _product(self, pair: tuple[int, int], rows: int, space: _Workspace) -> Float64:
        left, right = (space.rows[s] for s in pair)
        found: Float64 = STRATEGY.product(left, right, rows, self.tables[pair[0]].shape[1])
        return found


@dataclass(frozen=True, eq=False)
class _Workspace:
    """Arrays of one block.

    Attributes:
        rows: packed rows of each table.
        factors: ``(n, S·k + 1 + S)`` M: images, ones, κ; then zeros up to a multiple of ``TALL``.
        kappa: ``(S, n)`` squared lengths, before scaling while rows are prepared.
    """

    rows: list[FloatMatrix]
    factors: Float64
    kappa: Float64


def _tree(blocks: Iterable[Sums]) -> Sums:
    """Add like a binary counter: two trees of one size become one twice as large."""
    nodes: list[tuple[int, Sums]] = []
    for node in blocks:
        size = 1
        while nodes and nodes[-1][0] == size:
            node = _added(nodes.pop()[1], node)
            size *= 2
        nodes.append((size, node))
    total = nodes.pop()[1]
    while nodes:
        total = _added(nodes.pop()[1], total)
    return total


def _added(left: Sums, right: Sums) -> Sums:
    """Add ``right`` to ``left`` in place."""
    pairs = list(zip(left, right, strict=True))
    if sum(array.nbytes for array in left) > SMALL:
        threads.run(lambda pair: np.add(*pair, out=pair[0]), pairs)
    else:
        for pair in pairs:
            np.add(*pair, out=pair[0])
    return left


def _nonzero_rows(tables: Sequence[FloatMatrix], origins: Sequence[Float64] | None) -> NDArray[np.bool_]:
    """Rows of length above 0 in every table."""
    kept = np.ones(len(tables[0]), np.bool_)
    for s, table in enumerate(tables):
        for a, b in tiles(len(kept), BLOCK_ROWS):
            rows = table[a:b] if origins is None else table[a:b] - origins[s]
            kept[a:b] &= np.any(rows != 0, axis=1)
    return kept


def _zero_sums(dims: Sequence[int], precision: Precision) -> GramSums:
    runs, width = len(dims), sum(dims)
    return GramSums(
        np.zeros((width, width)),
        np.zeros(width),
        np.zeros(runs),
        np.zeros((runs, runs)),
        np.zeros((runs, width)),
        np.zeros(runs, np.int64),
        np.zeros((), np.int64),
        np.zeros((width, PROBES * runs if precision == "float32" else 0)),
    )


def _place(result: GramSums, sums: Sums, group: _Group, pairs: Pairs, columns: Sequence[slice]) -> None:
    """Write a group's sums into the result."""
    among = np.array(group.tables)
    *parts, lengths, norms, zeros, left_out = sums
    thin, products = parts[: len(among)], parts[len(among) :]
    threads.run(
        lambda task: _place_product(result.products, columns, *task), list(zip(pairs, products, strict=True))
    )
    images = result.images.reshape(len(result.images), len(columns), -1)
    for place, (s, factors) in enumerate(zip(group.tables, thin, strict=True)):
        later, probes = among[place:], images.shape[2]
        own = factors[place * probes % TALL :, : columns[s].stop - columns[s].start].T
        head = len(later) * probes
        images[columns[s], later] = own[:, :head].reshape(len(own), len(later), -1)
        result.sums[columns[s]] = own[:, head]
        result.weighted[among, columns[s]] = own[:, head + 1 : head + 1 + len(among)].T
    result.lengths[among], result.norms[np.ix_(among, among)] = lengths, norms
    result.zeros[among] = zeros.astype(np.int64)
    result.left_out[...] = int(left_out[0])


def _place_product(
    products: Float64, columns: Sequence[slice], pair: tuple[int, int], found: Float64
) -> None:
    """Write a product and its transpose; of a table with itself only the upper triangle is right."""
    s, t = (columns[place] for place in pair)
    block = found[: s.stop - s.start, : t.stop - t.start]
    if s == t:
        block = np.triu(block) + np.triu(block, 1).T
    products[s, t], products[t, s] = block, block.T
