"""Products of many pairs of runs, each pair's by itself, and what they share found once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, FloatMatrix, to_host
from gpuemb.core.device import CPU, require
from gpuemb.core.memory import tiles
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.geometry.cross_grams import CrossGrams
from gpuemb.geometry.grams.build import checked_sums, plan_cross_grams
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import Preparation
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.kernels.gram import BLOCK_ROWS, GramSums, RowScaling, gram

Pair: TypeAlias = tuple[int, int]


class SharedGrams:
    """The products of chosen pairs of tables in host memory, float64.

    A pair's Grams are those of its two tables alone, bit for bit, whatever other tables stand beside them:
    each run's own sums are taken of the run alone, the product of a pair is one of blocks of its two tables,
    and whether means are subtracted first, or rows without length left out, is decided by the pair.

    Args:
        given: the tables; their numbers are checked when they are first summed.
        pairs: runs ``s < t`` whose products are needed; more are found one by one.
    """

    def __init__(self, given: NamedTables, pairs: Iterable[Pair]) -> None:
        self.given, self.tables = given, [to_host(table) for table in given.tables]
        self.pairs = sorted(set(pairs))
        self._own: dict[tuple[str, int], GramSums] = {}
        self._cross: dict[tuple[str, Pair], Float64] = {}
        self._remembered: dict[tuple[str, str, int], Array] = {}
        self._lost: dict[int, NDArray[np.bool_] | None] = {}

    def sum(self, preparations: Iterable[RowScaling]) -> None:
        """Sum the products of all pairs, in one pass over the runs that lack the same words.

        Raises:
            NonFiniteError: the first run and word are named.
            MemoryBudgetError: the products would not fit.
        """
        for preparation in preparations:
            groups: dict[str, set[Pair]] = {}
            for pair in self.pairs:
                if preparation == "raw" or self.alike(pair):
                    groups.setdefault("" if preparation == "raw" else self._lack(pair[0]), set()).add(pair)
            for pairs in groups.values():
                self._sum(preparation, sorted(pairs))

    def _sum(self, preparation: RowScaling, pairs: Sequence[Pair]) -> None:
        runs = sorted({run for pair in pairs for run in pair})
        for run in runs:
            self.own(run, preparation)
        tables = [self.tables[run] for run in runs]
        require(plan_cross_grams(sum(table.shape[1] for table in tables), len(tables[0])), CPU)
        places = [(runs.index(s), runs.index(t)) for s, t in pairs]
        edges = np.cumsum([0, *(table.shape[1] for table in tables)])
        products = gram.on(CPU)(tables, preparation, "float64", places).products
        for pair, (x, y) in zip(pairs, places, strict=True):
            self._cross[preparation, pair] = products[edges[x] : edges[x + 1], edges[y] : edges[y + 1]]

    def own(self, run: int, preparation: RowScaling) -> GramSums:
        """Return the sums of one run alone, checked."""
        if (preparation, run) not in self._own:
            names = [self.given.names[run]]
            one = replace(self.given, names=names, tables=[self.tables[run]], passed=set())
            sums = Rows(([self.tables[run]],), preparation).sums("float64")
            self._own[preparation, run] = checked_sums(sums, one)
        return self._own[preparation, run]

    def moved(self, run: int, origin: Float64) -> GramSums:
        """Return the sums of one run around its own means."""
        if ("moved", run) not in self._own:
            self._own["moved", run] = Rows(([self.tables[run]],), "raw", [origin]).sums("float64")
        return self._own["moved", run]

    def of_run(self, run: int, preparation: RowScaling = "raw") -> CrossGrams:
        """Return the Grams of one run."""
        rows = Rows(([self.tables[run]],), preparation)
        return CrossGrams.of(self.own(run, preparation), rows, preparation, forced=True)

    def of_pair(self, pair: Pair, preparation: RowScaling = "raw") -> PairGrams:
        """Return the Grams of one pair, its runs as 0 and 1."""
        rows = Rows(([self.tables[run] for run in pair],), preparation)
        if preparation == "unit" and not self.alike(pair):
            sums = rows.sums("float64")
        else:
            own = [self.own(run, preparation) for run in pair]
            sums = joined(own[0], own[1], self._product(pair, rows), self.without_length(pair))
        found = PairGrams.of(sums, rows, preparation, forced=True)
        return replace(found, shared=self, members=pair)

    def _product(self, pair: Pair, rows: Rows) -> Float64:
        known = self._cross.get((rows.scaling, pair))
        return cross_product(rows) if known is None else known

    def remembered(self, what: str, preparation: str, run: int, take: Callable[[], Array]) -> Array:
        """Return what was taken of one run's own sums and rows, once."""
        key = (what, preparation, run)
        if key not in self._remembered:
            self._remembered[key] = take()
        return self._remembered[key]

    def alike(self, pair: Pair) -> bool:
        """Whether both runs have a length in the same rows."""
        return self._lack(pair[0]) == self._lack(pair[1])

    def without_length(self, pair: Pair) -> int:
        """How many rows have no length in either run."""
        masks = [mask for mask in map(self.lost, pair) if mask is not None]
        return int(np.logical_or.reduce(masks).sum()) if masks else 0

    def lost(self, run: int) -> NDArray[np.bool_] | None:
        """``(V,)`` rows without length; None where all have one."""
        if run not in self._lost:
            none = int(self.own(run, "raw").left_out) == 0
            self._lost[run] = None if none else _without_length(self.tables[run])
        return self._lost[run]

    def _lack(self, run: int) -> str:
        mask = self.lost(run)
        return "" if mask is None else hashlib.blake2b(np.packbits(mask).tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class PairGrams(CrossGrams):
    """The Grams of one pair of many runs.

    Attributes:
        shared: what its runs share with other pairs.
        members: the numbers of its two runs there.
    """

    shared: SharedGrams | None = None
    members: Pair = (0, 1)

    def _prepared(self, preparation: Preparation) -> Grams:
        if preparation == "unit" and self.shared is not None:
            return self.shared.of_pair(self.members, "unit")
        return super()._prepared(preparation)

    def moved_to_means(self) -> Self:
        """Return :meth:`Grams.moved_to_means`, each run's own sums taken once for all of its pairs."""
        if self.shared is None:
            return super().moved_to_means()
        source = self.source_rows().around(self.means())
        origins = source.origins or []
        own = [self.shared.moved(run, origin) for run, origin in zip(self.members, origins, strict=True)]
        sums = joined(own[0], own[1], cross_product(source), self.zeros)
        return replace(self, **_fields(sums), source=source, moved=True)

    def remembered(self, what: str, s: int, take: Callable[[], Array]) -> Array:
        """Return what was taken of one run; once for all of its pairs, where these have its own sums."""
        if self.shared is None or (self.preparation == "unit" and not self.shared.alike(self.members)):
            return super().remembered(what, s, take)
        return self.shared.remembered(what, self.preparation, self.members[s], take)


def _fields(sums: GramSums) -> dict[str, Array]:
    names = ("products", "sums", "norms", "weighted", "lengths")
    return {name: getattr(sums, name) for name in names}


def cross_product(rows: Rows) -> Float64:
    """Return ``XᵀY`` of two tables alone, as the kernel takes it."""
    x, y = rows.tables()
    sums = gram.on(CPU)([x, y], rows.scaling, "float64", [(0, 1)], rows.origins)
    found: Float64 = sums.products[: x.shape[1], x.shape[1] :]
    return found


def joined(first: GramSums, second: GramSums, cross: Float64, left_out: int) -> GramSums:
    """Join the sums of two tables and their product; sums of both tables' lengths are not known: NaN."""
    d, e = cross.shape
    weighted = np.full((2, d + e), np.nan)
    weighted[0, :d], weighted[1, d:] = first.weighted[0], second.weighted[0]
    norms = np.full((2, 2), np.nan)
    norms[0, 0], norms[1, 1] = first.norms[0, 0], second.norms[0, 0]
    return GramSums(
        products=np.block([[first.products, cross], [cross.T, second.products]]),
        sums=np.concatenate([first.sums, second.sums]),
        lengths=np.concatenate([first.lengths, second.lengths]),
        norms=norms,
        weighted=weighted,
        zeros=np.concatenate([first.zeros, second.zeros]),
        left_out=np.int64(left_out),
        images=np.zeros((d + e, 0)),
    )


def _without_length(table: FloatMatrix) -> NDArray[np.bool_]:
    def none(rows: tuple[int, int]) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = np.sum(table[rows[0] : rows[1]].astype(np.float64) ** 2, axis=1) == 0
        return found

    return np.concatenate(threads.run(none, tiles(len(table), BLOCK_ROWS)))
