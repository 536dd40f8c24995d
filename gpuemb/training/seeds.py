"""One model, many runs: what a seed changes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from gpuemb.core.arrays import Float32
from gpuemb.core.device import Device, DeviceName, choose
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan
from gpuemb.core.progress import SILENT, Progress
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.kernels.glove_epoch import glove_epoch
from gpuemb.kernels.skipgram_epoch import skipgram_pairs, skipgram_steps
from gpuemb.kernels.window_counts import Weighting, window_counts
from gpuemb.training.epochs import RunOptions
from gpuemb.training.recipes import (
    OF_DOCUMENTS,
    Recipe,
    Run,
    SkipGram,
    Vary,
    check_vary,
    name_of,
    runs_of,
    seeds_of,
)
from gpuemb.training.runs import steps_of, train_run
from gpuemb.training.sources import count_for_run, text_for_run
from gpuemb.training.trained import TrainedModel, TrainedStack, kept_bytes

WINDOW = 10
WEIGHTING: Weighting = "harmonic"


@door
def train(
    source: Tokens | Cooccurrence,
    recipe: Recipe,
    *,
    seeds: int | Iterable[int] = 5,
    vary: Vary = "seed",
    window: int = WINDOW,
    weighting: Weighting = WEIGHTING,
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> TrainedStack:
    """Train one run a seed.

    Args:
        source: a corpus, or its counts (not for :class:`SkipGram`, which is trained from the text).
        recipe: :class:`GloVe`, :class:`PPMISVD` or :class:`SkipGram`.
        seeds: one run each (two with ``halves``), or how many, from seed 0; a run's bits depend on its own
            seed alone.
        vary: ``seed`` changes everything random, ``init``, ``order`` or ``sampling`` one part alone;
            ``bootstrap`` resamples the documents and leaves the rest fixed, ``halves`` splits them into
            two disjoint halves, a run each (both need a corpus).
        window: largest distance, when a corpus is counted; that of a skip-gram is its own.
        weighting: of distances, when a corpus is counted.
        device: see :class:`gpuemb.Device`.
        progress: told after every epoch.

    Returns:
        Vectors ``(S, V, d)`` float32; ``.models`` has context vectors, biases and losses of every run.

    Raises:
        ConfigError: more dimensions than words, a source that cannot vary as asked, or no seeds.
        MemoryBudgetError: all runs together do not fit.

    Cost: see :func:`gpuemb.training.glove.train_glove`, :func:`gpuemb.training.spectral.train_ppmi_svd`,
    :func:`gpuemb.training.skip_gram.train_skip_gram`.

    Example:
        >>> tokens = ge.read_corpus("pets.txt")
        >>> runs = ge.train(tokens, ge.GloVe(dim=2, epochs=5), seeds=[0, 1, 2])
        >>> runs.vectors.shape, runs.runs
        ((3, 10, 2), ('seed 0', 'seed 1', 'seed 2'))
        >>> alone = ge.train(tokens, ge.GloVe(dim=2, epochs=5), seeds=[2])
        >>> np.array_equal(alone[0].vectors, runs[2].vectors)
        True
    """
    check_vary(recipe, vary)
    _check_window(recipe, window, weighting)
    listed = runs_of(seeds_of("train", seeds), vary)
    words, dim = len(source.vocabulary), min(recipe.dim, len(source.vocabulary))
    kept = {name: size * len(listed) for name, size in kept_bytes(recipe, words).items()}
    MemoryPlan(f"train: {len(listed)} runs", kept).require()
    from_text = isinstance(recipe, SkipGram)
    chosen = choose(device, (skipgram_pairs, skipgram_steps) if from_text else (window_counts, glove_epoch))
    vectors, models = np.empty((len(listed), words, dim), np.float32), []
    seen: Tokens | Cooccurrence | None = None
    with progress.phase(f"training {recipe.kind}", steps_of(recipe) * len(listed)) as task:
        for run, place in zip(listed, vectors, strict=True):
            if seen is None or vary in OF_DOCUMENTS:
                seen = _seen(source, recipe, run, vary, window, weighting, chosen)
            options = RunOptions(name_of(run, vary), task)
            model = train_run(seen, recipe, run.seed, vary, chosen, options)
            models.append(_placed(model, place))
    names = tuple(model.run for model in models)
    vocabulary = source.vocabulary
    return TrainedStack(vectors, vocabulary.words, vocabulary.counts, names, models=models)


def _seen(
    source: Tokens | Cooccurrence,
    recipe: Recipe,
    run: Run,
    vary: Vary,
    window: int,
    weighting: Weighting,
    device: Device,
) -> Tokens | Cooccurrence:
    """Return what a run is trained on."""
    if isinstance(recipe, SkipGram):
        return text_for_run(source, run, vary)
    if isinstance(source, Cooccurrence) and vary not in OF_DOCUMENTS:
        return source
    return count_for_run(source, run, vary, window, weighting, device)


def _placed(model: TrainedModel, place: Float32) -> TrainedModel:
    """Move a run's vectors to their place in the stack."""
    place[:] = model.vectors
    words = place if model.words is model.vectors else model.words
    return replace(model, vectors=place, words=words)


def _check_window(recipe: Recipe, window: int, weighting: Weighting) -> None:
    """Refuse a window of counts for a recipe that counts nothing.

    Raises:
        ConfigError: it would be ignored.
    """
    if isinstance(recipe, SkipGram) and (window, weighting) != (WINDOW, WEIGHTING):
        raise ConfigError(
            f"train: window = {window}, weighting = {weighting!r} for skip-gram",
            needed="These say how a corpus is counted; a skip-gram has a window of its own.",
            remedy=f"Leave them out: train(tokens, SkipGram(window={window})).",
        )
