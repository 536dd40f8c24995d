"""The leading singular values of counts, and Zipf's law of their words."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.checks import check_at_least, check_at_most, check_choice
from gpuemb.core.results import result
from gpuemb.counts.decomposition import truncated_svd
from gpuemb.counts.pmi import ppmi
from gpuemb.counts.power_law import PowerLaw, fit_power_law
from gpuemb.counts.table import CountTable

SpectrumOf: TypeAlias = Literal["counts", "ppmi"]


@result
class CountSpectrum:
    """The largest singular values of counts, or of their PPMI.

    Attributes:
        values: ``(k,)`` float64, descending; of counts in the window's own weights, of PPMI in nats.
        of: ``counts`` or ``ppmi``.
        residual: largest ``‖Av − σu‖ / σ_1`` over the triplets.
    """

    values: Float64
    of: SpectrumOf
    residual: float

    def power_law(self, ranks: tuple[int, int] | None = None) -> PowerLaw:
        """Fit the Zipf exponent over ``ranks``; default all ``k``."""
        return fit_power_law(self.values, ranks or (1, len(self.values)))


def count_spectrum(counts: CountTable, k: int, *, of: SpectrumOf = "counts") -> CountSpectrum:
    """Return the ``k`` largest singular values.

    Raises:
        ConfigError: more values than words, or an unknown matrix.

    Cost: some ``10·k`` products with the sparse matrix.
    """
    check_choice("spectrum", "of", of, ("counts", "ppmi"))
    check_at_least("spectrum", "k", k, 1)
    check_at_most("spectrum", "k", k, len(counts.vocabulary))
    factors = truncated_svd(ppmi(counts) if of == "ppmi" else counts.to_float(), k)
    return CountSpectrum(factors.singular, of, factors.residual)


def rank_frequency(counts: CountTable, ranks: tuple[int, int]) -> PowerLaw:
    """Fit Zipf's law to the words' own frequencies between two ranks.

    Raises:
        ConfigError: fewer than three ranks, ranks that no word has, or words that never occur.

    Source: Zipf (1949); Definitions §1.
    """
    return fit_power_law(np.sort(counts.vocabulary.counts)[::-1], ranks)
