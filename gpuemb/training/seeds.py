"""One model, many runs: what a seed changes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from gpuemb.core.arrays import Float32
from gpuemb.core.cuda.streams import StoppableTask, side_by_side
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
from gpuemb.training.checkpoints import RunCheckpoint, claim, digest_of, facts_of, tell
from gpuemb.training.epochs import RunOptions
from gpuemb.training.glove_strata import shared_strata
from gpuemb.training.recipes import (
    Recipe,
    Run,
    SkipGram,
    Vary,
    check_vary,
    epochs_of,
    name_of,
    runs_of,
    seeds_of,
)
from gpuemb.training.runs import runs_at_once, steps_of, train_run
from gpuemb.training.sources import SeenByRuns
from gpuemb.training.start import start_of
from gpuemb.training.trained import TrainedModel, TrainedStack, kept_bytes

WINDOW = 10
WEIGHTING: Weighting = "harmonic"
Job: TypeAlias = tuple[Run, Tokens | Cooccurrence, Tokens | None]  # a run, what it sees, what is held out


@door
def train(
    source: Tokens | Cooccurrence,
    recipe: Recipe,
    *,
    seeds: int | Iterable[int] = 5,
    vary: Vary = "seed",
    window: int = WINDOW,
    weighting: Weighting = WEIGHTING,
    start: Any = None,
    snapshots: Sequence[int] = (),
    checkpoint: str | Path | None = None,
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
        start: an Embedding, a :class:`TrainedModel`, or a stack of one run, whose rows every run begins with,
            matched by word; words that it lacks begin as without it, by the run's own seed. A model of the
            same kind gives its context vectors and biases too; see :func:`gpuemb.training.start.start_of`.
            Where it has every word, ``vary="init"`` has nothing left to vary.
        snapshots: epochs, counted from 1, after which the vectors are kept: ``.models[s].snapshots``.
        checkpoint: a folder that keeps what is done: a call after a kill goes on from the last kept epoch, to
            the same bits, and finished runs are not trained again.
        device: see :class:`gpuemb.Device`.
        progress: told after every epoch.

    Returns:
        Vectors ``(S, V, d)`` float32; ``.models`` has context vectors, biases and losses of every run.

    Raises:
        ConfigError: more dimensions than words, a source that cannot vary as asked, no seeds or one of them
            twice, or checkpoints of another training, whose differences are named.
        MemoryBudgetError: all runs together do not fit.
        NonFiniteError: the loss diverged; run, epoch and rate are named.
        StorageError: a checkpoint cannot be written; what was kept before stays.
        ShapeError, NonFiniteError, VocabularyError, DTypeError: the start does not fit.
        TrainingWarning: a checkpoint is damaged; what it held is trained again. Or the start lacks words of
            the corpus, or the corpus words of the start; they are counted and the first ten named.

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
    listed = runs_of(_distinct(seeds_of("train", seeds)), vary)
    asked = epochs_of("train", snapshots, recipe)
    words, dim = len(source.vocabulary), min(recipe.dim, len(source.vocabulary))
    kept = {name: size * len(listed) for name, size in kept_bytes(recipe, words, len(asked)).items()}
    MemoryPlan(f"train: {len(listed)} runs", kept).require()
    from_text = isinstance(recipe, SkipGram)
    chosen = choose(device, (skipgram_pairs, skipgram_steps) if from_text else (window_counts, glove_epoch))
    begun = start_of(start, recipe, source.vocabulary.words)
    seen = SeenByRuns(source, recipe, vary, window, weighting, chosen)
    folder = None if checkpoint is None else Path(checkpoint)
    if folder is not None:
        claim(
            folder,
            facts_of(
                source,
                recipe,
                device=chosen.kind,
                vary=vary,
                counting=seen.counting,
                snapshots=list(asked),
                start=None if begun is None else digest_of(*begun.parts()),
            ),
        )
    vectors, models, strata = np.empty((len(listed), words, dim), np.float32), [], shared_strata(recipe, vary)
    with progress.phase(f"training {recipe.kind}", steps_of(recipe) * len(listed)) as task:
        follower = StoppableTask(task)

        def trained(job: Job) -> TrainedModel:
            run, text, held = job
            name = name_of(run, vary)
            run_folder = None if folder is None else RunCheckpoint(folder / name.replace(" ", "-"), tell)
            options = RunOptions(name, follower, held, asked, run_folder, begun, strata)
            return train_run(text, recipe, run.seed, vary, chosen, options)

        jobs = ((run, seen.by(run), seen.by_none()) for run in listed)
        found = _in_order(trained, jobs, recipe, len(listed), chosen, follower)
        for model, place in zip(found, vectors, strict=True):
            models.append(_placed(model, place))
    names = tuple(model.run for model in models)
    vocabulary = source.vocabulary
    return TrainedStack(vectors, vocabulary.words, vocabulary.counts, names, models=models)


def _in_order(
    trained: Callable[[Job], TrainedModel],
    jobs: Iterator[Job],
    recipe: Recipe,
    runs: int,
    device: Device,
    follower: StoppableTask,
) -> Iterator[TrainedModel]:
    """Train one run after another, or on a GPU as many side by side as fit; yield them in their order."""
    if device.kind == "cpu":
        yield from map(trained, jobs)
        return
    first = next(jobs)
    at_once = runs_at_once(first[1], recipe, device, runs)
    yield from side_by_side(trained, chain([first], jobs), at_once, device.index, follower)


def _placed(model: TrainedModel, place: Float32) -> TrainedModel:
    """Move a run's vectors to their place in the stack."""
    place[:] = model.vectors
    words = place if model.words is model.vectors else model.words
    return replace(model, vectors=place, words=words)


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Refuse a seed that is listed twice.

    Raises:
        ConfigError: it would train the same bits again.
    """
    twice = [seed for seed in dict.fromkeys(seeds) if seeds.count(seed) > 1]
    if twice:
        raise ConfigError(
            f"train: seeds has {twice[0]} {seeds.count(twice[0])} times",
            needed="Equal seeds train equal bits: every seed is listed once.",
            remedy=f"seeds={list(dict.fromkeys(seeds))[:5]}, for example.",
        )
    return seeds


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
