"""All products of table pairs in one pass, and every measure that follows from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, Int64, device_of, like, namespace_of
from gpuemb.core.checks import (
    LARGEST_FOURTH_POWER,
    check_at_least,
    check_choice,
    check_matrix,
    check_range,
    check_same_rows,
)
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.embeddings.model import tables_of, words_of
from gpuemb.kernels.gram import BLOCK_ROWS, gram

if TYPE_CHECKING:
    from gpuemb.geometry.spectrum import Spectrum

Preparation: TypeAlias = Literal["raw", "unit", "centered"]
ROUNDING = BLOCK_ROWS * 2.0**-52  # relative error of a sum over a block, at worst
PREPARATIONS: tuple[Preparation, ...] = ("raw", "unit", "centered")


@dataclass(frozen=True, eq=False)
class PairSums:
    """What all measures of one pair of tables need, float64; ``X`` and ``Y`` are prepared rows.

    Attributes:
        rows: ``V``.
        gram_x: ``(d, d)`` XᵀX.
        gram_y: ``(e, e)`` YᵀY.
        cross: ``(d, e)`` XᵀY.
        sum_x: ``(d,)`` column sums of X.
        sum_y: ``(e,)`` column sums of Y.
        norms: ``(2, 2)`` ``[[Σκ², Σκℓ], [Σκℓ, Σℓ²]]``, κ and ℓ the squared lengths of the rows of X and Y;
            of the raw rows where X and Y are centered.
        weighted_x: ``(2, d)`` ``Σκ_i x_i`` and ``Σℓ_i x_i``; of the raw rows, as ``norms``.
        weighted_y: ``(2, e)`` ``Σκ_i y_i`` and ``Σℓ_i y_i``; of the raw rows, as ``norms``.
        zeros: rows without length in some run: left out of ``unit`` sums (they have no cosine), and
            of ``rows``; kept in the others.
    """

    rows: int
    gram_x: Array
    gram_y: Array
    cross: Array
    sum_x: Array
    sum_y: Array
    norms: Array
    weighted_x: Array
    weighted_y: Array
    zeros: int


@dataclass(frozen=True, eq=False)
class CrossGrams:
    """The products of every pair of runs, from one pass over the rows.

    Attributes:
        preparation: ``raw``, ``unit`` or ``centered``.
        rows: ``V``.
        edges: ``(S + 1,)`` columns of run ``s`` are ``edges[s]:edges[s + 1]``.
        products: ``(D, D)`` float64; block ``(s, t)`` is ``E_sᵀ E_t``.
        sums: ``(D,)`` column sums.
        norms: ``(S, S)`` ``Σ_i κ_i^s κ_i^t``, κ the squared lengths of a run's rows; of raw rows if centered.
        weighted: ``(S, D)`` ``Σ_i κ_i^s z_i``; of raw rows if centered.
        zeros: rows without length in at least one run; ``unit`` leaves them out of all runs.
    """

    preparation: Preparation
    rows: int
    edges: Int64
    products: Array
    sums: Array
    norms: Array
    weighted: Array
    zeros: int

    @property
    def runs(self) -> int:
        """Number of tables ``S``."""
        return len(self.edges) - 1

    def block(self, s: int, t: int) -> Array:
        """Return ``E_sᵀ E_t``."""
        return self.products[self._columns(s), self._columns(t)]

    def pair(self, s: int, t: int) -> PairSums:
        """Return the sums of one pair of runs."""
        both, x, y = [s, t], self._columns(s), self._columns(t)
        return PairSums(
            self.rows,
            self.block(s, s),
            self.block(t, t),
            self.block(s, t),
            self.sums[x],
            self.sums[y],
            self._rows_of(self._rows_of(self.norms, both).T, both),
            self._rows_of(self.weighted, both)[:, x],
            self._rows_of(self.weighted, both)[:, y],
            self.zeros,
        )

    def table(self, measure: Callable[[PairSums], float]) -> Float64:
        """Return ``(S, S)`` of a symmetric measure of pairs, the diagonal included."""
        values = np.empty((self.runs, self.runs))
        for s, t in [(s, s) for s in range(self.runs)] + list(combinations(range(self.runs), 2)):
            values[s, t] = values[t, s] = measure(self.pair(s, t))
        return values

    def centered(self) -> CrossGrams:
        """Return the products after column means are removed; follows from ``raw`` without a pass.

        A column whose variance cannot be told from the rounding of its sums has none: exact zeros.
        """
        check_choice("cross_grams", "preparation", self.preparation, ("raw",))
        xp = namespace_of(self.products)
        outer = self.sums[:, None] * self.sums[None, :]
        products = self.products - outer / self.rows
        varies = xp.linalg.diagonal(products) > ROUNDING * xp.linalg.diagonal(self.products)
        kept = xp.astype(varies, products.dtype)
        products = products * kept[:, None] * kept[None, :]
        return replace(self, preparation="centered", products=products, sums=self.sums * 0.0)

    def rsa(self) -> Float64:
        """Return ``(S, S)`` Pearson RSA; needs ``unit``."""
        from gpuemb.geometry.rsa import pearson_rsa

        check_choice("rsa", "preparation", self.preparation, ("unit",))
        return self.table(pearson_rsa)

    def cka(self, *, debiased: bool = False) -> Float64:
        """Return ``(S, S)`` linear CKA; needs ``centered``, or ``raw`` where it is debiased."""
        from gpuemb.geometry.cka import debiased_cka, linear_cka

        check_choice("cka", "preparation", self.preparation, ("raw" if debiased else "centered",))
        return self.table(debiased_cka if debiased else linear_cka)

    def conditions(self) -> Float64:
        """Return ``(S,)`` each run's condition; past 1e5 the subspace measures need its rows."""
        from gpuemb.geometry.axes import axes_of_runs

        return np.array([axes.condition for axes in axes_of_runs(self)])

    def cca(self, runs: Any = None) -> Float64:
        """Return ``(S, S)`` mean canonical correlations; needs ``centered``.

        Args:
            runs: the tables, read again for pairs with a condition past 1e5.

        Raises:
            ConfigError: there is such a pair and ``runs`` is None.
        """
        from gpuemb.geometry.axes import table_of_frames
        from gpuemb.geometry.cca import mean_correlation

        check_choice("cca", "preparation", self.preparation, ("centered",))
        return table_of_frames("cca", self, mean_correlation, runs)

    def svcca(self, share: float = 0.99, runs: Any = None) -> Float64:
        """Return ``(S, S)`` mean correlations of the axes that hold ``share`` of Σλ; else as :meth:`cca`."""
        from gpuemb.geometry.axes import table_of_frames
        from gpuemb.geometry.cca import check_share, mean_correlation

        check_choice("svcca", "preparation", self.preparation, ("centered",))
        check_share(share)
        return table_of_frames("svcca", self, mean_correlation, runs, share)

    def pwcca(self, runs: Any = None) -> Float64:
        """Return ``(S, S)``; entry ``(s, t)`` weighted by the columns of run ``s``; else as :meth:`cca`."""
        from gpuemb.geometry.axes import table_of_frames
        from gpuemb.geometry.cca import weighted_correlation

        check_choice("pwcca", "preparation", self.preparation, ("centered",))
        return table_of_frames("pwcca", self, weighted_correlation, runs, symmetric=False)

    def eigenspace_overlap(self, runs: Any = None) -> Float64:
        """Return ``(S, S)`` eigenspace overlaps; needs ``raw``; ``runs`` and errors as :meth:`cca`."""
        from gpuemb.geometry.axes import table_of_frames
        from gpuemb.geometry.eigenspace import overlap

        check_choice("eigenspace_overlap", "preparation", self.preparation, ("raw",))
        return table_of_frames("eigenspace_overlap", self, overlap, runs)

    def eigenspace_instability(self, alpha: float = 3.0, runs: Any = None) -> Float64:
        """Return ``(S, S)`` instabilities, each pair its own anchors; needs ``raw``.

        Args:
            alpha: how much leading axes count.
            runs: the tables, read again for pairs with a condition past 1e5, or of an instability so small
                that it cancels; without them such an instability is right to ``64·eps·condition²``.

        Raises:
            ConfigError: a pair has a condition past 1e5 and ``runs`` is None.
        """
        from gpuemb.geometry.axes import table_of_frames
        from gpuemb.geometry.eigenspace import cancels, instability

        check_choice("eigenspace_instability", "preparation", self.preparation, ("raw",))
        check_at_least("eigenspace_instability", "alpha", alpha, 0)
        measure = partial(instability, alpha=alpha)
        return table_of_frames("eigenspace_instability", self, measure, runs, doubtful=cancels)

    def angular(self, runs: Any = None) -> Float64:
        """Return ``(S, S)`` angles between runs as shapes, in radians; needs ``centered``.

        ``runs`` are read again for pairs that are nearly equal; without them such an angle is right to 1e-7.
        """
        from gpuemb.geometry.shape import shape_table

        check_choice("angular", "preparation", self.preparation, ("centered",))
        return shape_table(self, "angular", runs)

    def bures(self, runs: Any = None) -> Float64:
        """Return ``(S, S)`` Bures distances; needs ``centered``; ``runs`` as :meth:`angular`."""
        from gpuemb.geometry.shape import shape_table

        check_choice("bures", "preparation", self.preparation, ("centered",))
        return shape_table(self, "bures", runs)

    def spectra(self, ranks: tuple[int, int] | None = None) -> list[Spectrum]:
        """Return the spectrum of every run; needs ``centered``; ``ranks`` as :func:`gpuemb.spectrum`."""
        from gpuemb.geometry.spectrum import spectrum_of_gram

        check_choice("spectra", "preparation", self.preparation, ("centered",))
        return [spectrum_of_gram(self.block(s, s), ranks) for s in range(self.runs)]

    def spectrum_distance(self, *, correlation: bool = False) -> Float64:
        """Return ``(S, S)`` distances of the Grams' spectra, or of the correlation matrices'."""
        from gpuemb.geometry.spectrum import spectrum_distance

        found = [s.correlation or s if correlation else s for s in self.spectra()]
        return np.array([[spectrum_distance(a, b) for b in found] for a in found])

    @staticmethod
    def _rows_of(table: Array, rows: list[int]) -> Array:
        return namespace_of(table).stack([table[row, :] for row in rows])

    def _columns(self, s: int) -> slice:
        return slice(int(self.edges[s]), int(self.edges[s + 1]))


def cross_grams(runs: Any, preparation: Preparation = "raw") -> CrossGrams:
    """Sum the products of every pair of runs in one pass over their rows.

    Args:
        runs: an EmbeddingStack, a sequence of tables ``(V, d_s)``, or an ``(S, V, d)`` array.
        preparation: rows as they are (``raw``), of length 1 (``unit``), or without column means
            (``centered``).

    Returns:
        Sums in float64, the same bits for any number of threads; in the library of the input.

    Raises:
        ConfigError: an unknown preparation.
        ShapeError: tables over different numbers of words.
        NonFiniteError: the first run and word are named.
        MemoryBudgetError: the products of all pairs would not fit.

    Cost: ``V·D²`` flops, ``D = Σ d_s``; ``8·D²`` bytes and one block of 8,192 rows.
    """
    check_choice("cross_grams", "preparation", preparation, PREPARATIONS)
    words = words_of(runs)
    tables = [check_matrix("cross_grams", f"run {s}", t, words) for s, t in enumerate(tables_of(runs))]
    for s, table in enumerate(tables):
        check_same_rows("cross_grams", tables[0], table)
        check_range("cross_grams", f"run {s}", table, LARGEST_FOURTH_POWER)
    edges = np.cumsum([0, *(table.shape[1] for table in tables)])
    plan_cross_grams(int(edges[-1])).require()
    tables, zeros = _with_length(tables, drop=preparation == "unit")
    scaling: Literal["raw", "unit"] = "unit" if preparation == "unit" else "raw"
    found = gram.on(device_of(tables[0]))(tables, scaling)
    products, sums, norms, weighted = (
        like(a, tables[0]) for a in (found.products, found.sums, found.norms, found.weighted)
    )
    rows = tables[0].shape[0]
    grams = CrossGrams(scaling, rows, edges, products, sums, norms, weighted, zeros)
    return grams.centered() if preparation == "centered" else grams


def _with_length(tables: list[Array], *, drop: bool) -> tuple[list[Array], int]:
    """Count the rows that are zero in some table; leave them out of all tables if asked."""
    xp = namespace_of(*tables)
    length = xp.any(tables[0] != 0, axis=1)
    for table in tables[1:]:
        length = length & xp.any(table != 0, axis=1)
    kept = xp.nonzero(length)[0]
    zeros = int(length.shape[0] - kept.shape[0])
    if drop and zeros:
        tables = [xp.take(table, kept, axis=0) for table in tables]
    return tables, zeros


def pair_sums(x: Any, y: Any, preparation: Preparation) -> PairSums:
    """Return the sums of two tables."""
    return cross_grams([x, y], preparation).pair(0, 1)


def plan_cross_grams(columns: int) -> MemoryPlan:
    """State the bytes of one pass over tables with ``columns`` columns in all."""
    return MemoryPlan(
        f"cross-Grams of {columns} columns",
        {
            "products": buffer((columns, columns), np.float64),
            "one block of rows": buffer((2, BLOCK_ROWS, columns), np.float64),
        },
    )
