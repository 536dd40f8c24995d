"""How often words stand near each other."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Int64
from gpuemb.core.checks import check_choice
from gpuemb.core.device import choose
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.kernels.window_counts import (
    INT64_MAX,
    CountedRows,
    Side,
    Weighting,
    check_window,
    weights_of,
    window_counts,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False)
class Cooccurrence:
    """Exact weighted counts of word pairs.

    Attributes:
        rows: the nonzero counts by row, int64, in units of ``unit``.
        unit: what an integer of 1 is worth, ``1/2520`` for a harmonic window of 10.
        vocabulary: the words of rows and columns.
    """

    rows: CountedRows
    unit: Fraction
    vocabulary: Vocabulary

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


def count_cooccurrences(
    tokens: Tokens,
    window: int = 10,
    weighting: Weighting = "harmonic",
    *,
    side: Side = "both",
    repeats: Int64 | None = None,
    device: str = "auto",
) -> Cooccurrence:
    """Count how often words stand within ``window`` tokens of each other, exactly.

    Args:
        tokens: the corpus. Words outside its vocabulary are left out before distances are taken.
        window: largest distance, to 25 (harmonic) or 50.
        weighting: a pair at distance δ counts ``1/δ`` (harmonic), ``(w−δ+1)/w`` (linear) or 1 (flat).
        side: contexts on ``both`` sides, or only to the ``left`` or ``right`` of a word.
        repeats: ``(D,)`` how often each document counts; default once.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ConfigError: the window is out of range, or a count could overflow 64 bits.
        ShapeError: ``repeats`` does not fit the documents.

    Cost: ``2·T·window`` integer additions; ``16·T`` bytes beside the result.
    Source: Pennington (2014); Definitions §1.
    """
    check_window(window, weighting)
    check_choice("counts", "side", side, ("both", "left", "right"))
    if repeats is not None and repeats.shape != (tokens.documents,):
        raise ShapeError(
            f"counts: repeats has shape {repeats.shape}",
            needed=f"One number for each of the {tokens.documents} documents is needed.",
            remedy="bootstrap_repeats(tokens, seed) draws them.",
        )
    weights, denominator = weights_of(window, weighting)
    _check_overflow(tokens, weights, repeats, window)
    kernel = window_counts.on(choose(device, [window_counts]))
    rows = kernel(tokens.ids, tokens.starts, repeats, len(tokens.vocabulary), weights, side)
    return Cooccurrence(rows, Fraction(1, denominator), tokens.vocabulary)


def bootstrap_repeats(tokens: Tokens, seed: int) -> Int64:
    """Draw as many documents as there are, with replacement; return ``(D,)`` how often each was drawn.

    Args:
        tokens: the corpus.
        seed: names the stream; equal seeds draw equal samples.

    Source: Antoniak and Mimno (2018), who resample documents to see what a corpus leaves undecided.
    """
    drawn = stream(seed, "bootstrap", "documents").integers(0, tokens.documents, tokens.documents)
    return np.bincount(drawn, minlength=tokens.documents).astype(np.int64)


def _check_overflow(tokens: Tokens, weights: Int64, repeats: Int64 | None, window: int) -> None:
    """Prove that no sum can pass 64 bits: the sum of *all* counts does not."""
    most = 1 if repeats is None else int(repeats.max(initial=1))
    if 2 * len(tokens) * int(weights.sum()) * most > INT64_MAX or len(tokens) > 2**31 - 1:
        raise ConfigError(
            f"counts: {len(tokens)} tokens with window {window}",
            needed="All counts together must stay below 2⁶³ units, and tokens below 2³¹.",
            remedy="Use a smaller window, or linear weights.",
        )
