"""Counting how often words stand near each other."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.device import DeviceName, choose
from gpuemb.core.doors import door
from gpuemb.core.memory import bytes_of
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.overflow import check_overflow, check_repeats
from gpuemb.counts.runs import RunBudget, count_within
from gpuemb.counts.table import Provenance
from gpuemb.kernels.window_counts import (
    CountedRows,
    Side,
    Weighting,
    check_window,
    weights_of,
    window_counts,
)


@door
def count_cooccurrences(
    tokens: Tokens,
    window: int = 10,
    weighting: Weighting = "harmonic",
    *,
    side: Side = "both",
    repeats: Int64 | None = None,
    device: DeviceName = "auto",
    memory: str | int | None = None,
    scratch: str | Path | None = None,
    progress: Progress = SILENT,
) -> Cooccurrence:
    """Count how often words stand within ``window`` tokens of each other, exactly.

    Args:
        tokens: the corpus. Words outside its vocabulary are dropped before distances are measured.
        window: largest distance, to 25 (harmonic) or 50.
        weighting: a pair at distance δ counts ``1/δ`` (harmonic), ``(w−δ+1)/w`` (linear) or 1 (flat).
        side: contexts on ``both`` sides, or only to the ``left`` or ``right`` of a word.
        repeats: ``(D,)`` how often each document counts; default once.
        device: see :class:`gpuemb.Device`; a GPU counts the tokens in chunks that fit it, and the result
            is on the host.
        memory: most bytes of the host to use beside the tokens, such as ``"2GB"``; default all free ones.
            If they might not suffice, runs of whole documents are counted on the disk and merged, to the
            same bits; the counts then stay mapped, in files that are deleted with the last reference.
        scratch: folder for those files; default the system's temporary folder.
        progress: reports every run.

    Raises:
        ConfigError: the window is out of range, or a count could overflow 64 bits.
        ShapeError: ``repeats`` does not fit the documents.
        MemoryBudgetError: not even one document fits ``memory``; the needed bytes are named.
        StorageError: the runs cannot be written.

    Cost: at most ``2·T·window`` integer additions; ``6·T`` bytes and ``33·V`` a worker beside the result.
    Source: Pennington (2014); Definitions §1.

    Example:
        >>> counts = ge.count_cooccurrences(ge.read_corpus("pets.txt"), window=2)
        >>> counts.units("cat", "on"), counts.unit  # three times at distance 2
        (3, Fraction(1, 2))
    """
    check_window(window, weighting)
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
        reach = (2 if side == "both" else 1) * window
        budget = RunBudget(bytes_of(memory), words, reach, None if scratch is None else Path(scratch))
        rows = count_within(count, tokens, repeats, budget, progress)
    done = Provenance(window, weighting, side, len(tokens), tokens.documents, repeats is not None)
    return Cooccurrence(rows, Fraction(1, denominator), tokens.vocabulary, done)


@door
def bootstrap_repeats(tokens: Tokens, seed: int) -> Int64:
    """Resample the documents with replacement; return ``(D,)`` how often each was drawn.

    Args:
        tokens: the corpus.
        seed: names the stream; equal seeds draw equal samples.

    Source: Antoniak and Mimno (2018): resampled documents show the uncertainty of a corpus.

    Example:
        >>> tokens = ge.read_corpus("pets.txt")
        >>> repeats = ge.bootstrap_repeats(tokens, seed=0)
        >>> len(repeats), int(repeats.sum())  # as many documents as there are
        (9, 9)
    """
    drawn = stream(seed, "bootstrap", "documents").integers(0, tokens.documents, tokens.documents)
    return np.bincount(drawn, minlength=tokens.documents).astype(np.int64)
