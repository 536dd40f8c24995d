"""All products of table pairs in one pass, and every measure that follows from them.

What each measure takes by default (``precision="auto"``), so that it is right to 1e-6 of its value:

=============================  ==========================================  ===============================
measure                        float32 or float16 tables, every d ≥ 128    float64 tables, or smaller d
=============================  ==========================================  ===============================
direct, Procrustes, PIP        float32; a pair whose error bound is above  float64
                               1e-6 of its square again in float64
the same, nearly equal tables  the Gram of ``[XQ, Y − XQ]`` in float64     the same
RSA, CKA, eigenspaces (α ≥ 3   float32; a pair whose error bound is above  float64
of the instability)            1e-6 again in float64
``block, pair, table``, all    float64, rows read again when first asked   float64
other measures
``centered``, mean dominates   one more pass, around the means             the same
=============================  ==========================================  ===============================

Float32 products are bounded by what they do to Gaussian vectors (:mod:`gpuemb.geometry.accuracy`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, device_of, namespace_of
from gpuemb.core.checks import check_at_least, check_choice
from gpuemb.core.device import require
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.geometry.accuracy import cka_error, rsa_error
from gpuemb.geometry.named_tables import PAIR, NamedTables
from gpuemb.geometry.pair_sums import SCALED, PairSums, Preparation, in_library
from gpuemb.geometry.parts import Rows, check_first_row, total
from gpuemb.geometry.sums import Grams
from gpuemb.kernels.gram import BLOCK_ROWS, GramSums, Precision

if TYPE_CHECKING:
    from gpuemb.geometry.distances import PairRotations
    from gpuemb.geometry.spectrum import Spectrum

Accumulation: TypeAlias = Literal["auto", "float32", "float64"]
PREPARATIONS: tuple[Preparation, ...] = ("raw", "unit", "centered", "centered-unit")
NARROW = 128  # dimensions from which float32 is taken: 1.5 times as fast there, slower than float64 at 50
AT_ONCE = 4096  # columns that the CPU reads at once


class CrossGrams(Grams):
    """The products of every pair of runs, from one pass over the rows, and every measure of pairs."""

    def procrustes(self) -> PairRotations:
        """Return distance, rotation, rank and conditioning of every pair of runs of equal ``d``."""
        from gpuemb.geometry.distances import pair_rotations

        return pair_rotations(self)

    def direct(self) -> Float64:
        """Return ``(S, S)`` ``‖X − Y‖``; NaN where dimensions differ."""
        from gpuemb.geometry.distances import distance_table

        return distance_table(self, "direct")

    def pip_loss(self) -> Float64:
        """Return ``(S, S)`` ``‖XXᵀ − YYᵀ‖``."""
        from gpuemb.geometry.distances import distance_table

        return distance_table(self, "pip")

    def rsa(self) -> Float64:
        """Return ``(S, S)`` Pearson RSA; needs ``unit``."""
        from gpuemb.geometry.rsa import pearson_rsa

        check_choice("rsa", "preparation", self.preparation, ("unit",))
        return self.table(pearson_rsa, rsa_error)

    def cka(self, *, debiased: bool = False) -> Float64:
        """Return ``(S, S)`` linear CKA; needs ``centered``, or ``raw`` where it is debiased."""
        from gpuemb.geometry.cka import debiased_cka, linear_cka

        check_choice("cka", "preparation", self.preparation, ("raw" if debiased else "centered",))
        return self.table(debiased_cka) if debiased else self.table(linear_cka, cka_error)

    def conditions(self) -> Float64:
        """Return ``(S,)`` each run's condition; past 1e5 the subspace measures need its rows."""
        from gpuemb.geometry.axes import axes_of_runs

        wide, _ = self.exact(tuple(range(self.runs)))
        return np.array([axes.condition for axes in axes_of_runs(wide)])

    def cca(self) -> Float64:
        """Return ``(S, S)`` mean canonical correlations; needs ``centered``.

        The rows are read again for pairs with a condition past 1e5.
        """
        from gpuemb.geometry.axes import FrameTable
        from gpuemb.geometry.cca import mean_correlation

        check_choice("cca", "preparation", self.preparation, ("centered",))
        return FrameTable(mean_correlation).of(self)

    def svcca(self, share: float = 0.99) -> Float64:
        """Return ``(S, S)`` mean correlations of the axes that hold ``share`` of Σλ; else as :meth:`cca`."""
        from gpuemb.geometry.axes import FrameTable
        from gpuemb.geometry.cca import check_share, mean_correlation

        check_choice("svcca", "preparation", self.preparation, ("centered",))
        check_share(share)
        return FrameTable(mean_correlation, share).of(self)

    def pwcca(self) -> Float64:
        """Return ``(S, S)``; entry ``(s, t)`` weighted by the columns of run ``s``; else as :meth:`cca`."""
        from gpuemb.geometry.axes import FrameTable
        from gpuemb.geometry.cca import weighted_correlation

        check_choice("pwcca", "preparation", self.preparation, ("centered",))
        return FrameTable(weighted_correlation, symmetric=False).of(self)

    def eigenspace_overlap(self) -> Float64:
        """Return ``(S, S)`` eigenspace overlaps; needs ``raw``; rows read again as :meth:`cca`."""
        from gpuemb.geometry.axes import FrameTable
        from gpuemb.geometry.eigenspace import overlap
        from gpuemb.geometry.frame_accuracy import overlap_error

        check_choice("eigenspace_overlap", "preparation", self.preparation, ("raw",))
        return FrameTable(overlap, error=overlap_error).of(self)

    def eigenspace_instability(self, alpha: float = 3.0) -> Float64:
        """Return ``(S, S)`` instabilities, each pair its own anchors; needs ``raw``.

        The rows are read again for pairs with a condition past 1e5, or of an instability that cancels.

        Args:
            alpha: how much leading axes count.
        """
        from gpuemb.geometry.axes import FrameTable
        from gpuemb.geometry.eigenspace import cancels, instability
        from gpuemb.geometry.frame_accuracy import instability_error

        check_choice("eigenspace_instability", "preparation", self.preparation, ("raw",))
        check_at_least("eigenspace_instability", "alpha", alpha, 0)
        measure = partial(instability, alpha=alpha)
        return FrameTable(measure, doubtful=cancels, error=instability_error(alpha)).of(self)

    def angular(self) -> Float64:
        """Return ``(S, S)`` angles between runs as shapes, in radians; needs ``centered``.

        The rows are read again for pairs that are nearly equal.
        """
        from gpuemb.geometry.shape import shape_table

        check_choice("angular", "preparation", self.preparation, ("centered",))
        return shape_table(self, "angular")

    def bures(self) -> Float64:
        """Return ``(S, S)`` Bures distances; needs ``centered``; rows read again as :meth:`angular`."""
        from gpuemb.geometry.shape import shape_table

        check_choice("bures", "preparation", self.preparation, ("centered",))
        return shape_table(self, "bures")

    def spectra(self, ranks: tuple[int, int] | None = None) -> list[Spectrum]:
        """Return the spectrum of every run; needs ``centered``; ``ranks`` as :func:`gpuemb.spectrum`."""
        from gpuemb.geometry.spectrum import spectrum_of_gram

        check_choice("spectra", "preparation", self.preparation, ("centered",))
        return [spectrum_of_gram(self.block(s, s), ranks) for s in range(self.runs)]

    def spectrum_distance(self, *, correlation: bool = False) -> Float64:
        """Return ``(S, S)`` distances of the Grams' spectra, or of the correlation matrices'."""
        from gpuemb.geometry.spectrum import distance_of_spectra

        found = [s.correlation or s if correlation else s for s in self.spectra()]
        return np.array([[distance_of_spectra(a, b) for b in found] for a in found])


def cross_grams(
    runs: Any,
    preparation: Preparation = "raw",
    *,
    precision: Accumulation = "auto",
    first_row: int | None = None,
) -> CrossGrams:
    """Sum the products of every pair of runs in one pass over their rows.

    Tables may be memory maps larger than memory, of any float dtype and in any order; no table is copied.
    ``centered-unit`` needs the column means first, ``centered`` where means dominate: one more pass.

    Args:
        runs: an EmbeddingStack, a sequence of tables ``(V, d_s)``, or an ``(S, V, d)`` array.
        preparation: rows as they are (``raw``), of length 1 (``unit``), without column means
            (``centered``), or without column means and then of length 1 (``centered-unit``).
        precision: of the products, ``float32`` or ``float64``; ``auto`` takes float32 where it is enough for
            the measure that is asked, and reads the rows again where it is not: see the module's table.
        first_row: the tables are a part of more rows and begin there, at a multiple of 8,192. The sums of
            parts add up with ``+``. Parts are ``raw`` or ``unit``; ``raw`` sums may be centered once added.

    Returns:
        Sums in float64, the same bits for any number of threads; in the library of the input.

    Raises:
        ConfigError: an unknown preparation or precision, or a part that cannot be one.
        ShapeError: tables over different numbers of words.
        VocabularyError: tables that list other words; the first is named.
        NonFiniteError: the first run and word are named.
        MemoryBudgetError: the products of all pairs would not fit.

    Cost: ``V·D²`` flops, ``D = Σ d_s``; ``8·D²`` bytes and :func:`plan_cross_grams` beside them.
    """
    return _summed(NamedTables.of("cross_grams", runs), preparation, precision, first_row)


def pair_grams(
    where: str,
    tables: Sequence[Any],
    preparation: Preparation = "raw",
    precision: Accumulation = "auto",
    names: Sequence[str] = PAIR,
) -> CrossGrams:
    """Sum the products of the few tables of one measure, as :func:`cross_grams`; messages use their names."""
    return _summed(NamedTables.of(where, tables, names), preparation, precision)


def pair_sums(where: str, x: Any, y: Any, preparation: Preparation) -> PairSums:
    """Return the sums of two tables, of float64 accuracy."""
    return pair_grams(where, [x, y], preparation, "float64").pair(0, 1)


def _summed(
    given: NamedTables, preparation: Preparation, precision: Accumulation, first_row: int | None = None
) -> CrossGrams:
    where, tables = given.where, given.tables
    check_choice(where, "preparation", preparation, PREPARATIONS)
    check_choice(where, "precision", precision, ("auto", "float32", "float64"))
    check_first_row(where, first_row)
    if first_row is not None:
        check_choice(f"{where} with first_row", "preparation", preparation, ("raw", "unit"))
    columns = sum(t.shape[1] for t in tables)
    plan = plan_cross_grams(columns, tables[0].shape[0], parts=first_row is not None)
    require(plan, device_of(tables[0]))
    chosen = _chosen(tables, precision)
    rows = Rows((tables,), "unit" if preparation in SCALED else "raw")
    if preparation == "centered-unit":
        means = _checked(rows.unscaled().sums("float64", ()), given).sums / tables[0].shape[0]
        edges = np.cumsum([0, *(table.shape[1] for table in tables)])
        rows = rows.around([means[a:b] for a, b in pairwise(edges)])
    nodes = () if first_row is None else rows.nodes(first_row, chosen)
    sums = _checked(rows.sums(chosen) if first_row is None else total(nodes), given)
    kind: Preparation = "raw" if preparation == "centered" else preparation
    forced = precision != "auto"
    found = in_library(sums, tables[0])
    grams = CrossGrams.of(found, rows, kind, forced=forced, first_row=first_row, nodes=nodes)
    return grams.centered() if preparation == "centered" else grams


def _chosen(tables: list[Array], precision: Accumulation) -> Precision:
    if precision != "auto":
        return precision
    wide = any(str(table.dtype).endswith("float64") or table.shape[1] < NARROW for table in tables)
    return "float64" if wide else "float32"


def _checked(sums: GramSums, given: NamedTables) -> GramSums:
    """The sums, if all numbers were finite and of a size that keeps them so.

    Sums tell that some number is not finite; only then are tables read to name it, and where rows were left
    out: a row with NaN has no length either. What is too small to be squared shows in no sum: float64 tables
    are read for it.

    Raises:
        NonFiniteError: the first table and word are named.
    """
    xp = namespace_of(sums.norms)
    finite = bool(xp.all(xp.isfinite(sums.norms))) and bool(xp.all(xp.isfinite(sums.sums)))
    if not finite or int(sums.left_out) > 0:
        given.check_finite()
    given.check_range()
    return sums


def plan_cross_grams(columns: int, rows: int = BLOCK_ROWS, *, parts: bool = False) -> MemoryPlan:
    """State the bytes of one pass over tables of so many columns in all, and rows.

    Args:
        columns: ``D``.
        rows: ``V``.
        parts: whether the sums are kept so that other parts can be added.
    """
    at_once = min(columns, AT_ONCE)
    waiting = (-(-rows // BLOCK_ROWS)).bit_length() + 1
    return MemoryPlan(
        f"cross-Grams of {columns} columns",
        {
            "products": buffer((columns, columns), np.float64),
            "sums that wait to be added": waiting * buffer((at_once, at_once), np.float64) // 2,
            "one block of rows": buffer((min(rows, BLOCK_ROWS), at_once), np.float64),
            "sums of parts": parts * waiting * buffer((columns, columns), np.float64),
        },
    )
