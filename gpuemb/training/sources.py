"""The text or the counts that a run is trained on: all documents, a resample of them, or one half."""

from __future__ import annotations

from typing import Any

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
from gpuemb.training.held_out import documents_held_out
from gpuemb.training.recipes import HALVES, OF_DOCUMENTS, Recipe, Run, SkipGram, Vary

COPIED_DOCUMENTS = 1 << 16  # at once, when a text is resampled


class SeenByRuns:
    """What each run of a call is trained on; what does not vary is counted once.

    Args:
        source: the corpus, or its counts.
        recipe: what is trained.
        vary: what a seed changes.
        window: of counting.
        weighting: likewise.
        device: likewise.
    """

    def __init__(
        self,
        source: Tokens | Cooccurrence,
        recipe: Recipe,
        vary: Vary,
        window: int,
        weighting: Weighting,
        device: Device,
    ) -> None:
        self.source, self.recipe, self.vary, self.device = source, recipe, vary, device
        counts = isinstance(recipe, SkipGram) or isinstance(source, Cooccurrence)
        self.counting: dict[str, Any] = {} if counts else {"window": window, "weighting": weighting}
        self.window, self.weighting = window, weighting
        self._last: Tokens | Cooccurrence | None = None
        self._held: Tokens | None = None

    def by(self, run: Run) -> Tokens | Cooccurrence:
        """Return what a run is trained on.

        Raises:
            ConfigError: as :func:`text_for_run` and :func:`count_for_run`.
        """
        if self._last is None or self.vary in OF_DOCUMENTS:
            self._last = None  # before the next one is made
            self._last = self._made_for(run)
        return self._last

    def by_none(self) -> Tokens | None:
        """Return the documents that no run of a skip-gram is trained on; None where there are none."""
        if self._held is None and isinstance(self.recipe, SkipGram) and isinstance(self.source, Tokens):
            self._held = held_text(self.source, self.recipe.held_out)
        return self._held

    def _made_for(self, run: Run) -> Tokens | Cooccurrence:
        if isinstance(self.recipe, SkipGram):
            return text_for_run(self.source, run, self.vary, self.recipe.held_out)
        if isinstance(self.source, Cooccurrence) and self.vary not in OF_DOCUMENTS:
            return self.source
        return count_for_run(self.source, run, self.vary, self.window, self.weighting, self.device)


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


def text_for_run(source: Tokens | Cooccurrence, run: Run, vary: Vary, held_out: float = 0.0) -> Tokens:
    """Return the text as this run sees it: the corpus, its documents resampled, or one half of them.

    Args:
        source: the corpus.
        run: its seed and half.
        vary: what the seed changes.
        held_out: share of the documents that no run sees; they are set aside before any resampling.

    Raises:
        ConfigError: the source is counts, or documents are to vary and there is a single one.
    """
    if isinstance(source, Cooccurrence):
        raise ConfigError(
            "train: skip-gram with counts as the source",
            needed="Skip-gram is trained from the text: counts do not say what stands where.",
            remedy="Pass the Tokens that read_corpus returns, or train GloVe from the counts.",
        )
    if held_out:
        source = of_documents(source, documents_held_out(source.documents, held_out)[0])
    repeats = _repeats_for_run(source, run, vary)
    return source if repeats is None else repeated(source, repeats)


def held_text(source: Tokens, held_out: float) -> Tokens | None:
    """Return the documents that no run sees, in random order; None where all are seen."""
    return of_documents(source, documents_held_out(source.documents, held_out)[1]) if held_out else None


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
    return of_documents(tokens, np.repeat(np.arange(tokens.documents), repeats))


def of_documents(tokens: Tokens, documents: Int64) -> Tokens:
    """Return the text of some documents, in their order.

    Raises:
        MemoryBudgetError: it does not fit.
    """
    lengths = np.diff(tokens.starts)[documents]
    sizes = {
        "ids": buffer((int(lengths.sum()),), np.int32),
        "documents": buffer((3, len(documents)), np.int64),
    }
    MemoryPlan("train: the resampled text", sizes).require()
    starts = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.empty(starts[-1], np.int32)
    for first, last in tiles(len(documents), COPIED_DOCUMENTS):
        chosen = documents[first:last]
        places = zip(tokens.starts[chosen], tokens.starts[chosen + 1], strict=True)
        np.concatenate([tokens.ids[a:z] for a, z in places], out=ids[starts[first] : starts[last]])
    return Tokens(ids, starts, tokens.vocabulary, tokens.unicode_version, tokens.tokenizer)
