"""All products of table pairs in one pass, and every measure that follows from them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.checks import check_choice
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.geometry.cka import CKA, DEBIASED_CKA
from gpuemb.geometry.grams.build import PREPARATIONS, Accumulation, summed
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import Preparation
from gpuemb.geometry.measure import Measure, PairTable
from gpuemb.geometry.measures import MEASURES
from gpuemb.geometry.rotations.pair_distances import PairRotations, pair_rotations
from gpuemb.geometry.spectrum import Spectrum, spectrum_of_gram
from gpuemb.geometry.subspaces.axes import axes_of_runs


class CrossGrams(Grams):
    """The products of every pair of runs, and every measure of pairs as ``(S, S)`` values.

    Every measure of :mod:`gpuemb.geometry.measures` is a method: ``rsa()``, ``cka()``, ``cca()``, ….
    A measure that needs other rows than these products have, of length 1 or without their means, has them
    summed when it is first asked.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Float64]: ...

    def take(self, measure: Measure) -> PairTable:
        """Return a measure of every pair of runs, with the pairs whose rows were read again."""
        return measure.table(self.prepared(measure.preparation))

    def prepared(self, preparation: Preparation) -> Grams:
        """Return the products of the same rows with another preparation; summed once.

        Raises:
            ConfigError: it needs the rows, but only sums are at hand.
        """
        check_choice("cross_grams", "preparation", preparation, PREPARATIONS)
        if preparation == self.preparation:
            return self
        if preparation not in self._others:
            self._others[preparation] = self._prepared(preparation)
        return self._others[preparation]

    @cached_property
    def _others(self) -> dict[Preparation, Grams]:
        return {}

    def _prepared(self, preparation: Preparation) -> Grams:
        if self.preparation == "raw" and preparation == "centered":
            return self.centered()
        if self.first_row is not None:
            raise ConfigError(
                f"cross_grams: {preparation} products of a part that was summed as {self.preparation}",
                needed="Parts that begin at first_row have one preparation.",
                remedy=f"Make the parts with preparation={preparation!r}, or leave first_row out.",
            )
        names = [f"run {s}" for s in range(self.runs)]
        tables = self.source_rows().tables()  # which the first pass has checked
        given = NamedTables("cross_grams", names, tables, None, {"finite", "range"})
        precision: Accumulation = self.precision if self.forced else "auto"
        return summed(CrossGrams, given, preparation, precision)

    def procrustes(self) -> PairRotations:
        """Return distance, rotation, rank and conditioning of every pair of runs of equal ``d``."""
        return pair_rotations(self.prepared("raw"))

    def direct(self) -> Float64:
        """Return ``(S, S)`` ``‖X − Y‖``; NaN where dimensions differ."""
        return self.direct_distance()

    @door
    def cka(self, *, debiased: bool = False) -> Float64:
        """Return ``(S, S)`` linear CKA."""
        return self.take(DEBIASED_CKA if debiased else CKA).values

    def conditions(self) -> Float64:
        """Return ``(S,)`` each run's condition; past 1e5 the subspace measures need its rows."""
        wide, _ = self.in_float64(tuple(range(self.runs)))
        return np.array([axes.condition for axes in axes_of_runs(wide)])

    def spectra(self, ranks: tuple[int, int] | None = None) -> list[Spectrum]:
        """Return the spectrum of every run; ``ranks`` as :func:`gpuemb.spectrum`."""
        centered = self.prepared("centered")
        return [spectrum_of_gram(centered.block(s, s), ranks) for s in range(self.runs)]


def _method(measure: Measure) -> Callable[..., Float64]:
    names = list(signature(measure.options).parameters) if measure.options is not None else []

    def values(self: CrossGrams, *given: Any, **options: Any) -> Float64:
        return self.take(measure.with_options(**dict(zip(names, given, strict=False)), **options)).values

    values.__name__ = measure.name
    values.__doc__ = f"""Return ``(S, S)`` values: {measure.meaning[0].lower()}{measure.meaning[1:]}"""
    return values


for _measure in MEASURES:
    if _measure.name not in vars(CrossGrams):
        setattr(CrossGrams, _measure.name, _method(_measure))


@door
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
            the measure that is asked, and reads the rows again where it is not.
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

    Example:
        >>> grams = ge.cross_grams([x, y, 2 * x])
        >>> grams.rsa().round(2)
        array([[1.  , 0.99, 1.  ],
               [0.99, 1.  , 0.99],
               [1.  , 0.99, 1.  ]])
        >>> grams.procrustes().distance.shape
        (3, 3)
    """
    return summed(CrossGrams, NamedTables.of("cross_grams", runs), preparation, precision, first_row)
