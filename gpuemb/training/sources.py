"""The text or the counts that a run is trained on: all documents, a resample of them, or one half."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Int64
from gpuemb.core.device import Device
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer, tiles
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import bootstrap_repeats, count_cooccurrences
from gpuemb.kernels.window_counts import Weighting
from gpuemb.training.recipes import HALVES, OF_DOCUMENTS, Run, Vary

COPIED_DOCUMENTS = 1 << 16  # at once, when a text is resampled


def count_for_run(
    source: Tokens | Cooccurrence, run: Run, vary: Vary, window: int, weighting: Weighting, device: Device
) -> Cooccurrence:
    """Count the corpus as this run sees it: once, its documents resampled, or one half of them.

    Raises:
        ConfigError: documents are to vary, but the source is counts or a single document.
    """
    if isinstance(source, Cooccurrence):
        raise ConfigError(
            f"train: vary = {vary!r} with counts as the source",
            needed="Documents can be resampled only from a corpus.",
            remedy="Pass the Tokens that read_corpus returns.",
        )
    repeats = _repeats_for_run(source, run, vary)
    return count_cooccurrences(source, window, weighting, repeats=repeats, device=str(device))


def text_for_run(source: Tokens | Cooccurrence, run: Run, vary: Vary) -> Tokens:
    """Return the text as this run sees it: the corpus, its documents resampled, or one half of them.

    Raises:
        ConfigError: the source is counts, or documents are to vary and there is a single one.
    """
    if isinstance(source, Cooccurrence):
        raise ConfigError(
            "train: skip-gram with counts as the source",
            needed="Skip-gram is trained from the text: counts do not say what stands where.",
            remedy="Pass the Tokens that read_corpus returns, or train GloVe from the counts.",
        )
    repeats = _repeats_for_run(source, run, vary)
    return source if repeats is None else repeated(source, repeats)


def _repeats_for_run(source: Tokens, run: Run, vary: Vary) -> Int64 | None:
    """How often this run sees each document; None where it sees each once."""
    if vary in OF_DOCUMENTS and source.documents < 2:
        raise ConfigError(
            f"train: vary = {vary!r} with a corpus of {source.documents} document",
            needed="Documents that vary are at least two.",
            remedy="A line of a text is a document by default: --documents, or read_corpus(documents=…).",
        )
    if vary == "bootstrap":
        return bootstrap_repeats(source, run.seed)
    return None if run.half is None else half_repeats(source.documents, run.seed, run.half)


def half_repeats(documents: int, seed: int, half: int) -> Int64:
    """Split documents at random; return ``(D,)`` 1 for those of one half, 0 for the others.

    The halves of one seed are disjoint and together all documents; of an odd number, the second half has
    one more.
    """
    order = stream(seed, "halves", "documents").permutation(documents)
    cut = documents // len(HALVES)
    repeats = np.zeros(documents, np.int64)
    repeats[order[cut:] if half else order[:cut]] = 1
    return repeats


def repeated(tokens: Tokens, repeats: Int64) -> Tokens:
    """Return the text in which each document stands as often as ``repeats`` says.

    Raises:
        MemoryBudgetError: it does not fit.
    """
    lengths = np.diff(tokens.starts)
    sizes = {
        "ids": buffer((int(lengths @ repeats),), np.int32),
        "documents": buffer((3, len(repeats)), np.int64),
    }
    MemoryPlan("train: the resampled text", sizes).require()
    chosen = np.repeat(np.arange(tokens.documents), repeats)
    starts = np.concatenate([[0], np.cumsum(lengths[chosen])])
    ids = np.empty(starts[-1], np.int32)
    for first, last in tiles(len(chosen), COPIED_DOCUMENTS):
        places = zip(tokens.starts[chosen[first:last]], tokens.starts[chosen[first:last] + 1], strict=True)
        np.concatenate([tokens.ids[a:z] for a, z in places], out=ids[starts[first] : starts[last]])
    return Tokens(ids, starts, tokens.vocabulary, tokens.unicode_version, tokens.tokenizer)
