"""Co-occurrence counts with every measure of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpuemb.core.doors import door
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.counts.count_spectrum import CountSpectrum, SpectrumOf, count_spectrum, rank_frequency
from gpuemb.counts.folder import load_counts, save_counts
from gpuemb.counts.glove_binary import read_glove_binary, write_glove_binary
from gpuemb.counts.information import (
    ContextEntropies,
    Information,
    InformationUnit,
    context_entropies,
    entropy,
    mutual_information,
)
from gpuemb.counts.pmi import PairInformation, Ratios, npmi, pmi, ppmi, ratios
from gpuemb.counts.power_law import PowerLaw
from gpuemb.counts.table import CountTable, Word
from gpuemb.kernels.window_counts import Weighting

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False, repr=False)
class Cooccurrence(CountTable):
    """Exact weighted counts of word pairs.

    Words are given by their spelling or by their id. No method builds a dense table of all pairs.

    Attributes:
        rows: the nonzero counts by row, int64, in units of ``unit``.
        unit: value of an integer 1, ``1/2520`` for a harmonic window of 10.
        vocabulary: the words of rows and columns.
        provenance: what was counted, where known.

    Example:
        >>> counts = ge.count_cooccurrences(ge.read_corpus("pets.txt"), window=2)
        >>> counts.units("cat", "sat"), counts.conditional("cat", "sat"), round(counts.joint("cat", "sat"), 4)
        (6, 0.2, 0.0238)
    """

    @door
    def ratio(self, i: Word, j: Word, probes: Sequence[Word]) -> Ratios:
        """``P(k|i) / P(k|j)`` of each probe, a table: see :func:`gpuemb.counts.pmi.ratios`."""
        return ratios(self, i, j, probes)

    @door
    def pmi(self, *, smoothing: float = 1.0) -> PairInformation:
        """Pointwise mutual information of the stored pairs: see :func:`gpuemb.counts.pmi.pmi`."""
        return pmi(self, smoothing=smoothing)

    @door
    def npmi(self, *, smoothing: float = 1.0) -> PairInformation:
        """PMI as a share of its largest value: see :func:`gpuemb.counts.pmi.npmi`."""
        return npmi(self, smoothing=smoothing)

    @door
    def ppmi(self, *, shift: float = 1.0, smoothing: float = 1.0) -> csr_matrix:
        """Positive, shifted PMI: see :func:`gpuemb.ppmi`."""
        return ppmi(self, shift=shift, smoothing=smoothing)

    @door
    def entropy(self, *, unit: InformationUnit = "nat") -> Information:
        """Entropy of the words' marginals: see :func:`gpuemb.counts.information.entropy`."""
        return entropy(self, unit=unit)

    @door
    def context_entropies(self, *, unit: InformationUnit = "nat") -> ContextEntropies:
        """Entropy of each word's contexts: see :func:`gpuemb.counts.information.context_entropies`."""
        return context_entropies(self, unit=unit)

    @door
    def mutual_information(self, *, unit: InformationUnit = "nat") -> Information:
        """Of a word and a context: see :func:`gpuemb.counts.information.mutual_information`."""
        return mutual_information(self, unit=unit)

    @door
    def spectrum(self, k: int, *, of: SpectrumOf = "counts") -> CountSpectrum:
        """Largest singular values: see :func:`gpuemb.counts.count_spectrum.count_spectrum`."""
        return count_spectrum(self, k, of=of)

    @door
    def rank_frequency(self, ranks: tuple[int, int]) -> PowerLaw:
        """Zipf's law of the words' frequencies: see :func:`gpuemb.counts.count_spectrum.rank_frequency`."""
        return rank_frequency(self, ranks)

    @door
    def save(self, path: str | Path) -> None:
        """Write a folder for memory mapping: see :func:`gpuemb.counts.folder.save_counts`."""
        save_counts(self, Path(path))

    @staticmethod
    @door
    def load(path: str | Path) -> Cooccurrence:
        """Open a folder of :meth:`save`, mapped: see :func:`gpuemb.counts.folder.load_counts`."""
        return load_counts(Path(path), Cooccurrence)

    @door
    def save_glove(self, path: str | Path) -> None:
        """Write ``cooccurrence.bin``: see :func:`gpuemb.counts.glove_binary.write_glove_binary`."""
        write_glove_binary(self, path)

    @staticmethod
    @door
    def from_glove(
        path: str | Path, vocabulary: str | Path | Vocabulary, window: int, weighting: Weighting = "harmonic"
    ) -> Cooccurrence:
        """Read ``cooccurrence.bin``: see :func:`gpuemb.counts.glove_binary.read_glove_binary`."""
        return read_glove_binary(path, vocabulary, window, weighting, Cooccurrence)
