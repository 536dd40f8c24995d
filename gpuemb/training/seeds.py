"""One model, many runs: what a seed changes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gpuemb.core.arrays import Float32, Int64
from gpuemb.core.device import Device, DeviceName, choose
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.progress import SILENT, Progress, Task
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import bootstrap_repeats, count_cooccurrences
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.kernels.glove_epoch import glove_epoch
from gpuemb.kernels.window_counts import Weighting, window_counts
from gpuemb.training.glove import plan_glove, train_glove
from gpuemb.training.recipes import (
    HALVES,
    OF_DOCUMENTS,
    GloVe,
    Recipe,
    Run,
    Vary,
    check_vary,
    name_of,
    runs_of,
    seeds_of,
)
from gpuemb.training.spectral import plan_ppmi_svd, train_ppmi_svd

FIXED = 0  # the seed of whatever does not vary


@door
def train(
    source: Tokens | Cooccurrence,
    recipe: Recipe,
    *,
    seeds: int | Iterable[int] = 5,
    vary: Vary = "seed",
    window: int = 10,
    weighting: Weighting = "harmonic",
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> EmbeddingStack:
    """Train one run a seed.

    Args:
        source: a corpus, or its counts.
        recipe: :class:`GloVe` or :class:`PPMISVD`.
        seeds: one run each (two with ``halves``), or how many, from seed 0; a run's bits depend on its own
            seed alone.
        vary: ``seed`` changes everything random, ``init`` or ``order`` one part alone;
            ``bootstrap`` resamples the documents and leaves the rest fixed, ``halves`` splits them into
            two disjoint halves, a run each (both need a corpus).
        window: largest distance, when the source is a corpus.
        weighting: of distances, when the source is a corpus.
        device: see :class:`gpuemb.Device`.
        progress: told after every epoch.

    Returns:
        Vectors ``(S, V, d)`` float32.

    Raises:
        ConfigError: more dimensions than words, a source that cannot vary as asked, or no seeds.
        MemoryBudgetError: all runs together do not fit.

    Cost: see :func:`gpuemb.training.glove.train_glove`, :func:`gpuemb.training.spectral.train_ppmi_svd`.

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
    listed = runs_of(seeds_of("train", seeds), vary)
    rows = (len(source.vocabulary), min(recipe.dim, len(source.vocabulary)))
    table = buffer((len(listed), *rows), np.float32)
    MemoryPlan(f"train: {len(listed)} runs", {"runs": table, "their stack": table}).require()
    chosen = choose(device, [window_counts, glove_epoch])
    runs = []
    counts = source if isinstance(source, Cooccurrence) else None
    with progress.phase(f"training {recipe.kind}") as task:
        for run in listed:
            if counts is None or vary in OF_DOCUMENTS:
                counts = count_for_run(source, run, vary, window, weighting, chosen)
            runs.append(train_run(counts, recipe, run.seed, vary, device=chosen, task=task))
    vocabulary, names = source.vocabulary, tuple(name_of(run, vary) for run in listed)
    return EmbeddingStack(np.stack(runs), vocabulary.words, vocabulary.counts, names)


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
    if vary in OF_DOCUMENTS and source.documents < 2:
        raise ConfigError(
            f"train: vary = {vary!r} with a corpus of {source.documents} document",
            needed="Documents that vary are at least two.",
            remedy="A line of a text is a document by default: --documents, or read_corpus(documents=…).",
        )
    repeats = None
    if vary == "bootstrap":
        repeats = bootstrap_repeats(source, run.seed)
    elif run.half is not None:
        repeats = half_repeats(source.documents, run.seed, run.half)
    return count_cooccurrences(source, window, weighting, repeats=repeats, device=str(device))


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


def train_run(
    counts: Cooccurrence,
    recipe: Recipe,
    seed: int,
    vary: Vary,
    *,
    device: Device,
    task: Task | None = None,
) -> Float32:
    """Train one run, ``(V, d)`` float32: a pure function of its arguments.

    Raises:
        ConfigError: more dimensions than words, or counts without a single pair.
        MemoryBudgetError: it would not fit.
    """
    words = len(counts.vocabulary)
    if recipe.dim > words:
        raise ConfigError(
            f"{recipe.kind}: dim = {recipe.dim} but the vocabulary has {words} words",
            needed="A table needs at least as many words as dimensions.",
            remedy=f"Use dim={max(1, words // 2)}, a lower min_count, or more text.",
        )
    if counts.nonzeros == 0:
        raise ConfigError(
            f"{recipe.kind}: no two words stand near each other",
            needed="Documents of at least two vocabulary words are needed.",
            remedy="Check that a line of the text is a document.",
        )
    if isinstance(recipe, GloVe):
        plan_glove(words, counts.nonzeros, recipe).require()
        init_seed = seed if vary in ("seed", "init") else FIXED
        order_seed = seed if vary in ("seed", "order") else FIXED
        return train_glove(
            counts, recipe, init_seed=init_seed, order_seed=order_seed, device=device, task=task
        )
    plan_ppmi_svd(words, counts.nonzeros, recipe).require()
    rows = train_ppmi_svd(counts, recipe)
    if task is not None:
        task.advance()
    return rows


def steps_of(recipe: Recipe) -> int:
    """How often training one run reports progress."""
    return recipe.epochs if isinstance(recipe, GloVe) else 1
