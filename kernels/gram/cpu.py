"""Cross-Grams on the CPU: one BLAS product a pair of tables and block of rows.

Plan      A block of 8 192 rows is prepared once (widened, moved, scaled: only where it must be, a float32
          block of raw float32 rows is the table's own memory). Its S(S+1)/2 products are independent
          tasks, each on one BLAS thread; all sums that are no products come from one thin float64 product
          EᵀM, M = [1, κ of each table, images]. Where blocks are small, workers take whole blocks;
          where they are large, the tasks of one block. Sums wait as nodes of the tree, log₂(blocks)
          of them; tables of more than ``WIDTH`` columns are read in groups, so that nodes and blocks
          stay small beside the result.
Bound by  DGEMM or SGEMM: V·D² flops.
Memory    D²·8 for the result; beside it what ``geometry.crossgrams.plan_cross_grams`` states.
Rejected  One symmetric product of all tables side by side: no faster than pairs in chunks (225 against 218
          to 228 GFLOP/s, d = 300, two threads), and a pair's bits would depend on the tables beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise, product

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix
from gpuemb.core.memory import tiles
from gpuemb.kernels.gram import (
    BLOCK_ROWS,
    CHUNK_ROWS,
    PROBES,
    GramSums,
    Pairs,
    Precision,
    RowScaling,
    all_pairs,
    probes,
)
from gpuemb.kernels.gram.rows import add_narrow, prepare_rows, scale_rows

WIDE_ROWS = 512  # that float32 products' other sums hold in float64 at once: they stay in the L2 cache
WIDTH = 4096  # columns that are read at once: a block of them in float64 is 268 MB
SMALL = 1 << 18  # bytes of a block's sums below which a worker takes whole blocks
Sums = list[NDArray[np.float64]]  # the products of each pair, then the thin sums


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
    groups, result = _groups(dims), _nothing(dims, precision)
    kept = _with_length(tables, origins) if len(groups) > 1 else None
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
    """Tables that are read together, and the pairs that are theirs."""

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


@dataclass(frozen=True)
class _Pass:
    """One pass over the rows of a group.

    Attributes:
        kept: ``(V,)`` rows with length in all tables, where tables outside the group have a say.
        spare: buffers of blocks that are done.
    """

    tables: list[FloatMatrix]
    origins: list[Float64]
    preparation: RowScaling
    precision: Precision
    pairs: Pairs
    kept: NDArray[np.bool_] | None
    probes: list[Float64]
    spare: deque[_Space] = field(default_factory=deque)

    def total(self) -> Sums:
        """Add the blocks up, in the order of the tree."""
        blocks = tiles(len(self.tables[0]), BLOCK_ROWS)
        small = 4 * sum(table.shape[1] for table in self.tables) ** 2 <= SMALL
        with np.errstate(all="ignore"):  # what is not finite shows in the sums
            return _tree(threads.stream(self._block, blocks) if small else map(self._block, blocks))

    def _block(self, block: tuple[int, int]) -> Sums:
        """All sums of one block of rows; M is laid out so that table s needs a suffix of its columns."""
        space, runs = self._space(), range(len(self.tables))
        length = block[1] - block[0]
        factors, kappa = space.factors[:length], space.kappa[:, :length]
        rows = threads.run(lambda s: self._prepared(s, *block, space), runs)
        long = kappa > 0
        kept = long.all(axis=0) if self.kept is None else self.kept[slice(*block)]
        zeros = np.sum(~long, axis=1, dtype=np.float64)
        left_out = np.full(1, np.sum(~kept), np.float64)
        factors[:, len(runs) * self._probes] = 1.0
        if self.preparation == "unit":
            kappa[...] = kept
            for prepared in [factors, *rows] if not kept.all() else []:
                prepared[~kept] = 0.0
        factors[:, len(runs) * self._probes + 1 :] = kappa.T
        thin = threads.run(lambda s: self._times(rows[s], s, block, space), runs)
        products = threads.run(lambda pair: _product(rows[pair[0]], rows[pair[1]]), self.pairs)
        with threads.single_threaded_blas():
            norms = kappa @ kappa.T
        sums = [*products, *thin, kappa.sum(axis=1), norms, zeros, left_out]
        self.spare.append(space)
        return sums

    def _space(self) -> _Space:
        """Take over what a block has left that is done."""
        try:
            return self.spare.pop()
        except IndexError:
            length, runs = min(BLOCK_ROWS, len(self.tables[0])), len(self.tables)
            dtype = np.float64 if self.precision == "float64" else np.float32
            changed = dtype is np.float64 or self._changed
            rows = [np.empty((length if changed else 0, table.shape[1]), dtype) for table in self.tables]
            return _Space(rows, np.empty((length, runs * (1 + self._probes) + 1)), np.empty((runs, length)))

    @property
    def _probes(self) -> int:
        return 0 if self.precision == "float64" else PROBES

    @property
    def _changed(self) -> bool:
        return self.preparation == "unit" or len(self.origins[0]) > 0

    def _prepared(self, s: int, start: int, stop: int, space: _Space) -> FloatMatrix:
        """Rows of one table as they are multiplied; their squared lengths and images go to ``space``."""
        image = space.factors[:, s * self._probes : (s + 1) * self._probes]
        kappa, rows = space.kappa[s], space.rows[s][: stop - start]
        if self.precision == "float64":
            self._widen(s, start, stop, rows, kappa, image)
            return rows
        if not self._changed:
            rows = np.ascontiguousarray(self.tables[s][start:stop], np.float32)
        wide = np.empty((WIDE_ROWS, rows.shape[1]))
        for a, b in tiles(stop - start, WIDE_ROWS):
            self._widen(s, start + a, start + b, wide[: b - a], kappa[a:b], image[a:b])
            if self._changed:
                rows[a:b] = wide[: b - a]
        return rows

    def _widen(self, s: int, start: int, stop: int, wide: Float64, kappa: Float64, image: Float64) -> None:
        rows = self.tables[s][start:stop]
        rows = np.ascontiguousarray(rows, np.float64 if rows.dtype == np.float64 else np.float32)
        prepare_rows(rows, self.origins[s], self.probes[s][: image.shape[1]], wide, kappa, image)
        if self.preparation == "unit":
            scale_rows(wide, kappa, image)

    def _times(self, rows: FloatMatrix, s: int, block: tuple[int, int], space: _Space) -> Float64:
        """``EᵀM`` in float64."""
        factors = space.factors[: len(rows), s * self._probes :]
        if self.precision == "float64":
            found: Float64 = rows.T @ factors
            return found
        total = np.zeros((rows.shape[1], factors.shape[1]))
        wide, kappa = np.empty((WIDE_ROWS, rows.shape[1])), np.empty(WIDE_ROWS)
        for a, b in tiles(len(rows), WIDE_ROWS):
            self._widen(s, block[0] + a, block[0] + b, wide[: b - a], kappa, kappa[:, None][:, :0])
            total += wide[: b - a].T @ factors[a:b]
        return total


@dataclass(frozen=True)
class _Space:
    """What a block is worked on in.

    Attributes:
        rows: ``(n, d)`` of each table; none where they are the table's own.
        factors: ``(n, S·k + 1 + S)`` M: images, ones, κ.
        kappa: ``(S, n)`` squared lengths, before scaling while rows are prepared.
    """

    rows: list[FloatMatrix]
    factors: Float64
    kappa: Float64


def _product(left: FloatMatrix, right: FloatMatrix) -> Float64:
    """``EᵀF`` of a block: at once in float64, float32 chunk by chunk."""
    if left.dtype == np.float64:
        whole: Float64 = left.T @ right
        return whole
    total = np.zeros((left.shape[1], right.shape[1]))
    narrow = np.empty(total.shape, np.float32)
    for a, b in tiles(len(left), CHUNK_ROWS):
        add_narrow(total, np.matmul(left[a:b].T, right[a:b], out=narrow))
    return total


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


def _with_length(tables: Sequence[FloatMatrix], origins: Sequence[Float64] | None) -> NDArray[np.bool_]:
    """Rows that have length in every table."""
    kept = np.ones(len(tables[0]), np.bool_)
    for s, table in enumerate(tables):
        for a, b in tiles(len(kept), CHUNK_ROWS):
            rows = table[a:b] if origins is None else table[a:b] - origins[s]
            kept[a:b] &= np.any(rows != 0, axis=1)
    return kept


def _nothing(dims: Sequence[int], precision: Precision) -> GramSums:
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
    """Write a group's sums where they belong."""
    among = np.array(group.tables)
    for (s, t), block in zip(pairs, sums, strict=False):
        result.products[columns[s], columns[t]] = block
        result.products[columns[t], columns[s]] = block.T
    *thin, lengths, norms, zeros, left_out = sums[len(pairs) :]
    images = result.images.reshape(len(result.images), len(columns), -1)
    for s, factors in zip(group.tables, thin, strict=True):
        head = factors.shape[1] - 1 - len(among)
        later = among[group.tables.index(s) :]
        images[columns[s], later] = factors[:, :head].reshape(len(factors), len(later), -1)
        result.sums[columns[s]] = factors[:, head]
        result.weighted[among, columns[s]] = factors[:, head + 1 :].T
    result.lengths[among], result.norms[np.ix_(among, among)] = lengths, norms
    result.zeros[among] = zeros.astype(np.int64)
    result.left_out[...] = int(left_out[0])
