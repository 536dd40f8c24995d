"""Products of all pairs of tables, in float64 where float32 is not enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Self

import numpy as np

from gpuemb.core.arrays import Array, Float64, Int64, like, namespace_of
from gpuemb.core.checks import check_choice
from gpuemb.core.errors import ConfigError
from gpuemb.geometry.grams.centering import centered_products, means_dominate
from gpuemb.geometry.grams.digits import PROMISED
from gpuemb.geometry.grams.float32_bounds import PairErrors, Probed
from gpuemb.geometry.grams.pair_sums import PairSums, Preparation
from gpuemb.geometry.grams.row_blocks import Nodes, Rows, merged, total
from gpuemb.kernels.gram import BLOCK_ROWS, PROBES, GramSums, Precision, probes


@dataclass(frozen=True, eq=False)
class Grams:
    """The products of every pair of runs, from one pass over the rows.

    Of consecutive parts of the rows, made with ``first_row``, ``a + b`` are those of both: the same bits as
    one pass over all, wherever the parts were cut and in whatever order they are added.

    Attributes:
        preparation: ``raw``, ``unit`` or ``centered``.
        rows: ``V``, less what ``unit`` left out.
        edges: ``(S + 1,)`` columns of run ``s`` are ``edges[s]:edges[s + 1]``.
        products: ``(D, D)`` float64; block ``(s, t)`` is ``E_sᵀ E_t``; of float32 accuracy where
            ``precision`` says so. ``block`` and ``pair`` give float64 accuracy all the same.
        sums: ``(D,)`` column sums.
        norms: ``(S, S)`` ``Σ_i κ_i^s κ_i^t``, κ the squared lengths of a run's rows; of raw rows if centered.
        weighted: ``(S, D)`` ``Σ_i κ_i^s z_i``; of raw rows if centered.
        zeros: rows without length in at least one run; ``unit`` leaves them out of all runs.
        lengths: ``(S,)`` ``Σ_i κ_i^s``, of centered rows if centered.
        images: ``(D, S·k)`` the products times Gaussian probes, for the error of float32; None of float64.
        source: the rows themselves, read again where a measure needs more digits than ``products`` have;
            None: only sums are known.
        forced: ``precision`` was given: nothing is read again for digits.
        first_row: where this part begins; None: these are all rows, and nothing can be added.
        nodes: the part's sums as nodes of a tree over blocks of rows.
        moved: whether the rows were read once more, around their means, before they were centered.
    """

    preparation: Preparation
    rows: int
    edges: Int64
    products: Array
    sums: Array
    norms: Array
    weighted: Array
    zeros: int
    lengths: Array = None
    images: Array = None
    source: Rows | None = field(default=None, repr=False)
    forced: bool = False
    first_row: int | None = None
    nodes: Nodes = field(default_factory=dict, repr=False)
    moved: bool = False

    @classmethod
    def of(
        cls,
        sums: GramSums,
        rows: Rows,
        preparation: Preparation,
        *,
        forced: bool,
        first_row: int | None = None,
        nodes: Nodes | None = None,
    ) -> Self:
        """Return the sums of some rows as Grams."""
        left_out = int(sums.left_out)
        return cls(
            preparation,
            rows.count - (left_out if preparation == "unit" else 0),
            np.cumsum([0, *(table.shape[1] for table in rows.pieces[0])]),
            sums.products,
            sums.sums,
            sums.norms,
            sums.weighted,
            left_out,
            sums.lengths,
            sums.images if sums.images.shape[1] else None,
            rows,
            forced,
            first_row,
            nodes or {},
        )

    @property
    def runs(self) -> int:
        """Number of tables ``S``."""
        return len(self.edges) - 1

    @property
    def precision(self) -> Precision:
        """Of the products."""
        return "float64" if self.images is None else "float32"

    def __add__(self, other: Self) -> Self:
        """Return the sums over the rows of both parts, ``other`` beginning where this one ends.

        Raises:
            ConfigError: the parts are not consecutive, or were not made as parts of the same kind.
        """
        _check_consecutive(self, other)
        source, nodes = self.source_rows().followed_by(other.source_rows()), merged(self.nodes, other.nodes)
        sums = source.in_library(total(nodes))
        return self.of(
            sums, source, self.preparation, forced=self.forced, first_row=self.first_row, nodes=nodes
        )

    def block(self, s: int, t: int) -> Array:
        """Return ``E_sᵀ E_t`` of float64 accuracy; read again if it was float32."""
        grams, place = self.in_float64((s, t))
        return grams.found(place[0], place[1])

    def pair(self, s: int, t: int) -> PairSums:
        """Return the sums of one pair of runs, of float64 accuracy; read again if they were float32."""
        grams, (x, y) = self.in_float64((s, t))
        return replace(
            self.found_pair(s, t), gram_x=grams.found(x, x), gram_y=grams.found(y, y), cross=grams.found(x, y)
        )

    def table(
        self,
        measure: Callable[[PairSums], float],
        error: Callable[[PairSums, PairErrors], float] | None = None,
    ) -> Float64:
        """Return ``(S, S)`` of a symmetric measure of pairs, the diagonal included.

        Args:
            measure: of one pair.
            error: bound of its error where the products are float32; a pair for which it is above 1e-6 of
                the value, and every pair if None, is measured on float64 products.
        """
        if error is None:
            self.in_float64(tuple(range(self.runs)))
        values = np.empty((self.runs, self.runs))
        again = []
        for s, t in combinations_with_replacement(range(self.runs), 2):
            own = self.of_pair(s, t)
            if own is not self:
                values[s, t] = values[t, s] = own.table(measure, error)[0, 1]
                continue
            sums = self.pair(s, t) if error is None else self.found_pair(s, t)
            values[s, t] = values[t, s] = measure(sums)
            if error is not None and not self.final:
                bound = error(sums, self.errors(s, t))
                if not bound <= PROMISED * abs(values[s, t]):
                    again.append((s, t))
        wide, place = self.pairs_in_float64(again)
        for s, t in again:
            values[s, t] = values[t, s] = measure(wide.pair(place[s], place[t]))
        return values

    def of_pair(self, s: int, t: int) -> Self:
        """Return products in which every word counts that has a length in both runs.

        Those of the two runs alone, as runs 0 and 1, where ``unit`` left out a word of some run; else these.
        """
        if self.preparation != "unit" or self.zeros == 0 or self.runs == 2 or s == t:
            return self
        if (s, t) not in self._pairs:
            rows = self.source_rows().of((s, t))
            self._pairs[s, t] = self.of(rows.sums(self.precision), rows, "unit", forced=self.forced)
        return self._pairs[s, t]

    @cached_property
    def _pairs(self) -> dict[tuple[int, int], Self]:
        return {}

    def centered(self) -> Self:
        """Return the products after column means are removed; follows from ``raw``.

        Where a column's mean so dominates its spread that digits are lost, the rows are read once more,
        around their means. A column whose variance is within rounding has none: exact zeros.
        """
        check_choice("cross_grams", "preparation", self.preparation, ("raw",))
        xp = namespace_of(self.products)
        float32, near = self.images is not None, self
        if self.source is not None:
            far = means_dominate(self.products, self.sums, self.rows, float32=float32)
            near = self.moved_to_means() if far else replace(self, source=self.source.around(self.means()))
        squares, images = xp.linalg.diagonal(self.products), near.images
        if images is not None:
            probed = xp.concat([mean @ self.probes(s) for s, mean in enumerate(near.means())])
            images = images - near.sums[:, None] * probed[None, :]
        squared_sums = xp.stack([xp.sum(part**2) for part in self.by_run(near.sums)])
        return replace(
            near,
            preparation="centered",
            products=centered_products(near.products, near.sums, self.rows, squares, float32=float32),
            sums=near.sums * 0.0,
            norms=self.norms,
            weighted=self.weighted,
            lengths=near.lengths - squared_sums / self.rows,
            images=images,
            first_row=None,
            nodes={},
        )

    def moved_to_means(self) -> Self:
        """Return raw sums of the rows less their means, read once more: to be centered without loss."""
        source = self.source_rows().around(self.means())
        moved = self.of(source.sums(self.precision), source, "raw", forced=self.forced)
        return replace(moved, zeros=self.zeros, moved=True)

    def means(self) -> list[Array]:
        """Column means of each run."""
        return self.by_run(self.sums / self.rows)

    def by_run(self, row: Array) -> list[Array]:
        """Cut a row of ``D`` numbers at the edges of the runs."""
        return [row[self.columns(s)] for s in range(self.runs)]

    @property
    def final(self) -> bool:
        """Whether products need no more digits: they are float64, or ``precision`` was given."""
        return self.forced or self.images is None

    def found(self, s: int, t: int) -> Array:
        """Return ``E_sᵀ E_t`` as it was found, of the accuracy of ``precision``."""
        return self.products[self.columns(s), self.columns(t)]

    def found_pair(self, s: int, t: int) -> PairSums:
        """Return the sums of one pair of runs as they were found, of the accuracy of ``precision``."""
        return PairSums(
            self.rows,
            self.found(s, s),
            self.found(t, t),
            self.found(s, t),
            self.sums[self.columns(s)],
            self.sums[self.columns(t)],
        )

    def errors(self, s: int, t: int) -> PairErrors:
        """Return the float32 products of one pair with their errors through the probes, ``s ≤ t``."""
        return PairErrors(self.probed(s, s), self.probed(t, t), self.probed(s, t))

    def probed(self, s: int, t: int) -> Probed:
        """Return one float32 product with its error through the probes, ``s ≤ t``."""
        image = self.images[self.columns(s), t * PROBES : (t + 1) * PROBES]
        return Probed(self.found(s, t), self.probes(t), image)

    def columns(self, s: int) -> slice:
        """Columns of a run."""
        return slice(int(self.edges[s]), int(self.edges[s + 1]))

    def source_rows(self) -> Rows:
        """Return the rows, to be read again.

        Raises:
            ConfigError: only sums are known.
        """
        if self.source is None:
            raise ConfigError(
                "cross_grams: a measure needs the rows again, but only their sums are known",
                needed="Float32 products and nearly equal tables need the rows once more.",
                remedy="Keep the rows with the sums, or take float64 sums of them.",
            )
        return self.source

    def pairs_in_float64(self, pairs: Sequence[tuple[int, int]]) -> tuple[Self, dict[int, int]]:
        """Float64 products of all runs in some pairs, read together, and the place of each run in them."""
        runs = tuple(sorted({run for pair in pairs for run in pair}))
        if not runs:
            return self, {}
        wide, places = self.in_float64(runs)
        return wide, dict(zip(runs, places, strict=True))

    def in_float64(self, runs: tuple[int, ...]) -> tuple[Self, list[int]]:
        """Float64 products of some runs, read again once, and the places of the runs in them."""
        if self.final:
            return self, list(runs)
        everything = tuple(range(self.runs))
        whole = everything in self._float64 or (self.zeros > 0 and self.preparation == "unit")
        chosen = everything if whole else tuple(sorted(set(runs)))
        if chosen not in self._float64:
            self._float64[chosen] = self._read_float64(chosen)
        return self._float64[chosen], [chosen.index(s) for s in runs]

    @cached_property
    def _float64(self) -> dict[tuple[int, ...], Self]:
        return {}

    def _read_float64(self, runs: tuple[int, ...]) -> Self:
        rows = self.source_rows().of(runs)
        centered = self.preparation == "centered"
        grams = self.of(rows.sums("float64"), rows, "raw" if centered else self.preparation, forced=True)
        return grams.centered() if centered else grams

    def remembered(self, what: str, s: int, take: Callable[[], Array]) -> Array:
        """Return what was taken of one run, once; it depends on the run's own products and rows."""
        known: dict[tuple[str, int], Array] = self.__dict__.setdefault("_remembered", {})
        return known[what, s] if (what, s) in known else known.setdefault((what, s), take())

    def probes(self, s: int) -> Array:
        """Return the probes of a run, ``(d, k)``."""
        vectors = np.array(probes(int(self.edges[s + 1] - self.edges[s])).T, order="C")
        return like(vectors, self.products)


def _check_consecutive(first: Grams, second: Grams) -> None:
    """Check that parts are consecutive and prepared alike.

    Raises:
        ConfigError: they are not.
    """
    kinds = [(g.preparation, g.precision, g.forced, g.edges.tolist()) for g in (first, second)]
    if not first.nodes or not second.nodes or kinds[0] != kinds[1]:
        raise ConfigError(
            "cross_grams: these sums cannot be added",
            needed="Parts of one table are needed, of the same preparation, precision and dimensions.",
            remedy="Make each with cross_grams(rows, preparation, first_row=…), and center what was added.",
        )
    end = (first.first_row or 0) + first.source_rows().count
    if second.first_row != end:
        raise ConfigError(
            f"cross_grams: the second part begins at row {second.first_row}, the first ends at row {end}",
            needed="The second part must begin where the first one ends.",
            remedy=f"Cut at multiples of {BLOCK_ROWS}, and add in the order of rows.",
        )
