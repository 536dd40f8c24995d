"""All products of table pairs in one pass, and every measure that follows from them.

What each measure takes by default (``precision="auto"``), so that it is right to 1e-6 of its value:

=============================  ==========================================  ===============================
measure                        float32 or float16 tables, every d ≥ 128    float64 tables, or smaller d
=============================  ==========================================  ===============================
direct, Procrustes, PIP        float32; a pair whose error bound is above  float64
                               1e-6 of its square again in float64
the same, nearly equal tables  the Gram of ``[XQ, Y − XQ]`` in float64     the same
RSA, CKA                       float32; a pair whose error bound is above  float64
                               1e-6 again in float64
``block, pair, table``, all    float64, rows read again at the first call   float64
other measures
``centered``, mean dominates   one more pass, around the means             the same
=============================  ==========================================  ===============================

The error of float32 products is bounded through Gaussian vectors:
:mod:`gpuemb.geometry.grams.float32_bounds`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.checks import check_choice
from gpuemb.geometry.cca import CCA, PWCCA, svcca_measure
from gpuemb.geometry.cka import cka_error, debiased_table, linear_cka
from gpuemb.geometry.eigenspace import OVERLAP, instability_measure
from gpuemb.geometry.grams.build import Accumulation, summed
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.named_tables import NamedTables
from gpuemb.geometry.grams.pair_sums import Preparation
from gpuemb.geometry.rotations.pair_distances import PairRotations, distance_table, pair_rotations
from gpuemb.geometry.rsa import pearson_rsa, rsa_error
from gpuemb.geometry.shape_distances import shape_table
from gpuemb.geometry.spectrum import Spectrum, distance_of_spectra, spectrum_of_gram
from gpuemb.geometry.subspaces.axes import axes_of_runs
from gpuemb.geometry.subspaces.pair_table import subspace_table


class CrossGrams(Grams):
    """The products of every pair of runs, from one pass over the rows, and every measure of pairs."""

    def procrustes(self) -> PairRotations:
        """Return distance, rotation, rank and conditioning of every pair of runs of equal ``d``."""
        return pair_rotations(self)

    def direct(self) -> Float64:
        """Return ``(S, S)`` ``‖X − Y‖``; NaN where dimensions differ."""
        return distance_table(self, "direct")

    def pip_loss(self) -> Float64:
        """Return ``(S, S)`` ``‖XXᵀ − YYᵀ‖``."""
        return distance_table(self, "pip")

    def rsa(self) -> Float64:
        """Return ``(S, S)`` Pearson RSA; needs ``unit``."""
        check_choice("rsa", "preparation", self.preparation, ("unit",))
        return self.table(pearson_rsa, rsa_error)

    def cka(self, *, debiased: bool = False) -> Float64:
        """Return ``(S, S)`` linear CKA; needs ``centered``."""
        check_choice("cka", "preparation", self.preparation, ("centered",))
        return debiased_table(self) if debiased else self.table(linear_cka, cka_error)

    def conditions(self) -> Float64:
        """Return ``(S,)`` each run's condition; past 1e5 the subspace measures need its rows."""
        wide, _ = self.in_float64(tuple(range(self.runs)))
        return np.array([axes.condition for axes in axes_of_runs(wide)])

    def cca(self) -> Float64:
        """Return ``(S, S)`` mean canonical correlations; needs ``centered``.

        The rows are read again for pairs with a condition past 1e5.
        """
        check_choice("cca", "preparation", self.preparation, ("centered",))
        return subspace_table(self, CCA)

    def svcca(self, share: float = 0.99) -> Float64:
        """Return ``(S, S)`` mean correlations of the axes that hold ``share`` of Σλ; else as :meth:`cca`."""
        check_choice("svcca", "preparation", self.preparation, ("centered",))
        return subspace_table(self, svcca_measure(share))

    def pwcca(self) -> Float64:
        """Return ``(S, S)``; entry ``(s, t)`` weighted by the columns of run ``s``; else as :meth:`cca`."""
        check_choice("pwcca", "preparation", self.preparation, ("centered",))
        return subspace_table(self, PWCCA)

    def eigenspace_overlap(self) -> Float64:
        """Return ``(S, S)`` eigenspace overlaps; needs ``raw``; rows read again as :meth:`cca`."""
        check_choice("eigenspace_overlap", "preparation", self.preparation, ("raw",))
        return subspace_table(self, OVERLAP)

    def eigenspace_instability(self, alpha: float = 3.0) -> Float64:
        """Return ``(S, S)`` instabilities, each pair its own anchors; needs ``raw``.

        The rows are read again for pairs with a condition past 1e5, or of an instability that cancels.

        Args:
            alpha: how much leading axes count.
        """
        check_choice("eigenspace_instability", "preparation", self.preparation, ("raw",))
        return subspace_table(self, instability_measure(alpha))

    def angular(self) -> Float64:
        """Return ``(S, S)`` angles between runs as shapes, in radians; needs ``centered``.

        The rows are read again for pairs that are nearly equal.
        """
        check_choice("angular", "preparation", self.preparation, ("centered",))
        return shape_table(self, "angular")[0]

    def bures(self) -> Float64:
        """Return ``(S, S)`` Bures distances; needs ``centered``; rows read again as :meth:`angular`."""
        check_choice("bures", "preparation", self.preparation, ("centered",))
        return shape_table(self, "bures")[0]

    def spectra(self, ranks: tuple[int, int] | None = None) -> list[Spectrum]:
        """Return the spectrum of every run; needs ``centered``; ``ranks`` as :func:`gpuemb.spectrum`."""
        check_choice("spectra", "preparation", self.preparation, ("centered",))
        return [spectrum_of_gram(self.block(s, s), ranks) for s in range(self.runs)]

    def spectrum_distance(self, *, correlation: bool = False) -> Float64:
        """Return ``(S, S)`` distances of the Grams' spectra, or of the correlation matrices'."""
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
    ``centered`` needs one more pass where means dominate.

    Args:
        runs: an EmbeddingStack, a sequence of tables ``(V, d_s)``, or an ``(S, V, d)`` array.
        preparation: rows as they are (``raw``), of length 1 (``unit``), or without column means
            (``centered``).
        precision: of the products, ``float32`` or ``float64``; ``auto`` takes float32 where it is enough for
            a measure, and reads the rows again where it is not: see the module's table.
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
    return summed(CrossGrams, NamedTables.of("cross_grams", runs), preparation, precision, first_row)
