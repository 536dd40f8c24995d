"""How often words stand near each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.checks import check_choice, nearest_hint
from gpuemb.core.device import choose
from gpuemb.core.errors import VocabularyError
from gpuemb.core.memory import bytes_of
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.counts.limits import check_overflow, check_repeats
from gpuemb.kernels.window_counts import (
    CountedRows,
    Side,
    Weighting,
    check_window,
    weights_of,
    window_counts,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from gpuemb.counts.association import PairInformation, Ratios
    from gpuemb.counts.information import ContextEntropies, Information, InformationUnit
    from gpuemb.counts.zipf import CountSpectrum, PowerLaw, SpectrumOf

Word: TypeAlias = str | int  # as it is spelled, or its id


@dataclass(frozen=True)
class Provenance:
    """What was counted, and how.

    Attributes:
        window: largest distance.
        weighting: ``harmonic``, ``linear`` or ``flat``.
        side: ``both``, ``left`` or ``right``.
        tokens: length of the corpus, words outside the vocabulary left out.
        documents: of the corpus.
        resampled: whether documents counted more or less than once.
    """

    window: int
    weighting: Weighting
    side: Side
    tokens: int
    documents: int
    resampled: bool = False


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """Exact weighted counts of word pairs.

    Words are given as they are spelled, or as ids. No method makes a table of all words by all words.

    Attributes:
        rows: the nonzero counts by row, int64, in units of ``unit``.
        unit: what an integer of 1 is worth, ``1/2520`` for a harmonic window of 10.
        vocabulary: the words of rows and columns.
        provenance: what was counted, where known.

    Example:
        >>> counts = ge.count_cooccurrences(ge.read_corpus("pets.txt"), window=2)
        >>> counts.units("cat", "sat"), counts.conditional("cat", "sat"), round(counts.joint("cat", "sat"), 4)
        (6, 0.2, 0.0238)
    """

    rows: CountedRows
    unit: Fraction
    vocabulary: Vocabulary
    provenance: Provenance | None = None

    @property
    def nonzeros(self) -> int:
        """Stored pairs."""
        return len(self.rows.indices)

    @property
    def matrix(self) -> csr_matrix:
        """The counts as SciPy's ``(V, V)`` CSR matrix of int64, in units of ``unit``; nothing is copied."""
        return self._sparse(self.rows.data)

    def to_float(self) -> csr_matrix:
        """The counts as float64, in the window's own weights (harmonic: 1 for a neighbor)."""
        return self._sparse(self.rows.data * float(self.unit))

    def _sparse(self, data: Any) -> csr_matrix:
        from scipy.sparse import csr_matrix

        size = len(self.vocabulary)
        return csr_matrix((data, self.rows.indices, self.rows.indptr), shape=(size, size))

    @cached_property
    def row_sums(self) -> Int64:
        """``X_i``, ``(V,)``, in units."""
        sums = np.zeros(len(self.vocabulary), np.int64)
        filled = np.flatnonzero(np.diff(self.rows.indptr))
        if len(filled):
            sums[filled] = np.add.reduceat(self.rows.data, self.rows.indptr[filled])
        return sums

    @cached_property
    def column_sums(self) -> Int64:
        """``X_·j``, ``(V,)``, in units; of counts on both sides equal to ``row_sums``."""
        ones = np.ones(len(self.vocabulary), np.int64)
        return np.asarray(ones @ self.matrix).astype(np.int64)

    @cached_property
    def total(self) -> int:
        """``X_··``, in units."""
        return int(self.row_sums.sum())

    def id_of(self, word: Word) -> int:
        """Return a word's id.

        Raises:
            VocabularyError: it is not in the vocabulary; the closest spellings are named.
        """
        if isinstance(word, str) and word in self.vocabulary.ids:
            return self.vocabulary.ids[word]
        if not isinstance(word, str) and 0 <= word < len(self.vocabulary):
            return int(word)
        raise VocabularyError(
            f"counts: the word {word!r} is not among the {len(self.vocabulary)} words",
            needed="A word is given as it is spelled in the vocabulary, or as its id.",
            remedy=nearest_hint(str(word), self.vocabulary.words),
        )

    def place(self, row: int, column: int) -> int | None:
        """Where a pair of ids is stored; None where it never met."""
        first, last = self.rows.indptr[row : row + 2].tolist()
        place = first + int(np.searchsorted(self.rows.indices[first:last], column))
        return place if place < last and self.rows.indices[place] == column else None

    def units(self, i: Word, j: Word) -> int:
        """``X_ij`` in units of ``unit``, 0 for a pair that never met."""
        place = self.place(self.id_of(i), self.id_of(j))
        return 0 if place is None else int(self.rows.data[place])

    def conditional(self, i: Word, j: Word) -> float:
        """``P(j|i) = X_ij / X_i``, correctly rounded; NaN for a word ``i`` that met nobody (0/0)."""
        met = int(self.row_sums[self.id_of(i)])
        return self.units(i, j) / met if met else math.nan

    def joint(self, i: Word, j: Word) -> float:
        """``P(i,j) = X_ij / X_··``, correctly rounded; NaN where nothing was counted (0/0)."""
        return self.units(i, j) / self.total if self.total else math.nan

    def ratio(self, i: Word, j: Word, probes: Sequence[Word]) -> Ratios:
        """``P(k|i) / P(k|j)`` of each probe, a table: see :func:`gpuemb.counts.association.ratios`."""
        from gpuemb.counts.association import ratios

        return ratios(self, i, j, probes)

    def pmi(self, *, smoothing: float = 1.0) -> PairInformation:
        """Pointwise mutual information of the pairs that met: see :func:`gpuemb.counts.association.pmi`."""
        from gpuemb.counts.association import pmi

        return pmi(self, smoothing=smoothing)

    def npmi(self, *, smoothing: float = 1.0) -> PairInformation:
        """PMI as a share of what it could be: see :func:`gpuemb.counts.association.npmi`."""
        from gpuemb.counts.association import npmi

        return npmi(self, smoothing=smoothing)

    def ppmi(self, *, shift: float = 1.0, smoothing: float = 1.0) -> csr_matrix:
        """Positive, shifted PMI: see :func:`gpuemb.ppmi`."""
        from gpuemb.counts.association import ppmi

        return ppmi(self, shift=shift, smoothing=smoothing)

    def entropy(self, *, unit: InformationUnit = "nat") -> Information:
        """Entropy of the words' marginals: see :func:`gpuemb.counts.information.entropy`."""
        from gpuemb.counts.information import entropy

        return entropy(self, unit=unit)

    def context_entropies(self, *, unit: InformationUnit = "nat") -> ContextEntropies:
        """Entropy of each word's contexts: see :func:`gpuemb.counts.information.context_entropies`."""
        from gpuemb.counts.information import context_entropies

        return context_entropies(self, unit=unit)

    def mutual_information(self, *, unit: InformationUnit = "nat") -> Information:
        """What a word tells about a context: see :func:`gpuemb.counts.information.mutual_information`."""
        from gpuemb.counts.information import mutual_information

        return mutual_information(self, unit=unit)

    def spectrum(self, k: int, *, of: SpectrumOf = "counts") -> CountSpectrum:
        """Largest singular values of counts or PPMI: see :func:`gpuemb.counts.zipf.count_spectrum`."""
        from gpuemb.counts.zipf import count_spectrum

        return count_spectrum(self, k, of=of)

    def rank_frequency(self, ranks: tuple[int, int]) -> PowerLaw:
        """Zipf's law of the words' frequencies: see :func:`gpuemb.counts.zipf.rank_frequency`."""
        from gpuemb.counts.zipf import rank_frequency

        return rank_frequency(self, ranks)

    def save(self, path: str | Path) -> None:
        """Write a folder that can be mapped: see :func:`gpuemb.counts.files.save_counts`."""
        from gpuemb.counts.files import save_counts

        save_counts(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Cooccurrence:
        """Open what :meth:`save` wrote, mapped: see :func:`gpuemb.counts.files.load_counts`."""
        from gpuemb.counts.files import load_counts

        return load_counts(Path(path))

    def save_glove(self, path: str | Path) -> None:
        """Write ``cooccurrence.bin``: see :func:`gpuemb.counts.glove_binary.write_glove_binary`."""
        from gpuemb.counts.glove_binary import write_glove_binary

        write_glove_binary(self, path)

    @staticmethod
    def from_glove(
        path: str | Path, vocabulary: str | Path | Vocabulary, window: int, weighting: Weighting = "harmonic"
    ) -> Cooccurrence:
        """Read ``cooccurrence.bin``: see :func:`gpuemb.counts.glove_binary.read_glove_binary`."""
        from gpuemb.counts.glove_binary import read_glove_binary

        return read_glove_binary(path, vocabulary, window, weighting)


def count_cooccurrences(
    tokens: Tokens,
    window: int = 10,
    weighting: Weighting = "harmonic",
    *,
    side: Side = "both",
    repeats: Int64 | None = None,
    device: str = "auto",
    memory: str | int | None = None,
    scratch: str | Path | None = None,
    progress: Progress = SILENT,
) -> Cooccurrence:
    """Count how often words stand within ``window`` tokens of each other, exactly.

    Args:
        tokens: the corpus. Words outside its vocabulary are left out before distances are taken.
        window: largest distance, to 25 (harmonic) or 50.
        weighting: a pair at distance δ counts ``1/δ`` (harmonic), ``(w−δ+1)/w`` (linear) or 1 (flat).
        side: contexts on ``both`` sides, or only to the ``left`` or ``right`` of a word.
        repeats: ``(D,)`` how often each document counts; default once.
        device: ``auto``, ``cpu`` or ``cuda``; a GPU takes the tokens in stretches that fit it, and the
            counts come home.
        memory: most bytes of the host to hold beside the tokens, such as ``"2GB"``; default all that is
            free. What could be more is counted in runs of whole documents on the disk and merged, to the
            same bits; the counts then stay on the disk, mapped, in files that go with the last reference.
        scratch: folder for those files; default the system's for temporary files.
        progress: told after every run.

    Raises:
        ConfigError: the window is out of range, or a count could overflow 64 bits.
        ShapeError: ``repeats`` does not fit the documents.
        MemoryBudgetError: not even one document fits ``memory``; what would is named.
        StorageError: the runs cannot be written.

    Cost: at most ``2·T·window`` integer additions; ``6·T`` bytes and ``33·V`` a worker beside the result.
    Source: Pennington (2014); Definitions §1.

    Example:
        >>> counts = ge.count_cooccurrences(ge.read_corpus("pets.txt"), window=2)
        >>> counts.units("cat", "on"), counts.unit  # three times at distance 2
        (3, Fraction(1, 2))
    """
    check_window(window, weighting)
    check_choice("counts", "side", side, ("both", "left", "right"))
    check_repeats(tokens, repeats)
    weights, denominator = weights_of(window, weighting)
    check_overflow(tokens, weights, repeats, window)
    kernel = window_counts.on(choose(device, [window_counts]))
    words = len(tokens.vocabulary)

    def count(ids: Int32, starts: Int64, times: Int64 | None) -> CountedRows:
        return kernel(ids, starts, times, words, weights, side)

    if memory is None:
        rows = count(tokens.ids, tokens.starts, repeats)
    else:
        from gpuemb.counts.runs import RunBudget, count_within

        reach = (2 if side == "both" else 1) * window
        budget = RunBudget(bytes_of(memory), words, reach, None if scratch is None else Path(scratch))
        rows = count_within(count, tokens, repeats, budget, progress)
    done = Provenance(window, weighting, side, len(tokens), tokens.documents, repeats is not None)
    return Cooccurrence(rows, Fraction(1, denominator), tokens.vocabulary, done)


def bootstrap_repeats(tokens: Tokens, seed: int) -> Int64:
    """Draw as many documents as there are, with replacement; return ``(D,)`` how often each was drawn.

    Args:
        tokens: the corpus.
        seed: names the stream; equal seeds draw equal samples.

    Source: Antoniak and Mimno (2018), who resample documents to see what a corpus leaves undecided.

    Example:
        >>> tokens = ge.read_corpus("pets.txt")
        >>> repeats = ge.bootstrap_repeats(tokens, seed=0)
        >>> len(repeats), int(repeats.sum())  # as many documents as there are
        (9, 9)
    """
    drawn = stream(seed, "bootstrap", "documents").integers(0, tokens.documents, tokens.documents)
    return np.bincount(drawn, minlength=tokens.documents).astype(np.int64)
