"""One model, many runs: what a seed changes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np

from gpuemb.core.arrays import Float32, Int64
from gpuemb.core.device import Device, DeviceName, choose
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer, tiles
from gpuemb.core.progress import SILENT, Progress, Task
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import bootstrap_repeats, count_cooccurrences
from gpuemb.embeddings.model import EmbeddingStack
from gpuemb.kernels.glove_epoch import glove_epoch
from gpuemb.kernels.skipgram_epoch import skipgram_pairs, skipgram_steps
from gpuemb.kernels.window_counts import Weighting, window_counts
from gpuemb.training.glove import plan_glove, train_glove
from gpuemb.training.recipes import (
    HALVES,
    OF_DOCUMENTS,
    PPMISVD,
    GloVe,
    Recipe,
    Run,
    SkipGram,
    Vary,
    check_vary,
    name_of,
    runs_of,
    seeds_of,
)
from gpuemb.training.skip_gram import Seeds, plan_skip_gram, train_skip_gram
from gpuemb.training.spectral import plan_ppmi_svd, train_ppmi_svd

FIXED = 0  # the seed of whatever does not vary
WINDOW = 10
WEIGHTING: Weighting = "harmonic"
COPIED_DOCUMENTS = 1 << 16  # at once, when a text is resampled


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
) -> EmbeddingStack:
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
        Vectors ``(S, V, d)`` float32.

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
    rows = (len(source.vocabulary), min(recipe.dim, len(source.vocabulary)))
    table = buffer((len(listed), *rows), np.float32)
    MemoryPlan(f"train: {len(listed)} runs", {"runs": table, "their stack": table}).require()
    from_text = isinstance(recipe, SkipGram)
    chosen = choose(device, (skipgram_pairs, skipgram_steps) if from_text else (window_counts, glove_epoch))
    runs = []
    counted = isinstance(source, Cooccurrence) and not from_text
    seen: Tokens | Cooccurrence | None = source if counted else None
    with progress.phase(f"training {recipe.kind}") as task:
        for run in listed:
            if seen is None or vary in OF_DOCUMENTS:
                if from_text:
                    seen = text_for_run(source, run, vary)
                else:
                    seen = count_for_run(source, run, vary, window, weighting, chosen)
            runs.append(train_run(seen, recipe, run.seed, vary, device=chosen, task=task))
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


def train_run(
    source: Tokens | Cooccurrence,
    recipe: Recipe,
    seed: int,
    vary: Vary,
    *,
    device: Device,
    task: Task | None = None,
) -> Float32:
    """Train one run, ``(V, d)`` float32, from what it sees: a pure function of its arguments.

    Raises:
        ConfigError: more dimensions than words, or not a single pair of near words.
        MemoryBudgetError: it would not fit.
    """
    words = len(source.vocabulary)
    if recipe.dim > words:
        raise ConfigError(
            f"{recipe.kind}: dim = {recipe.dim} but the vocabulary has {words} words",
            needed="A table needs at least as many words as dimensions.",
            remedy=f"Use dim={max(1, words // 2)}, a lower min_count, or more text.",
        )
    near = (np.diff(source.starts) > 1).any() if isinstance(source, Tokens) else source.nonzeros > 0
    if not near:
        raise ConfigError(
            f"{recipe.kind}: no two words stand near each other",
            needed="Documents of at least two vocabulary words are needed.",
            remedy="Check that a line of the text is a document.",
        )
    init_seed = seed if vary in ("seed", "init") else FIXED
    order_seed = seed if vary in ("seed", "order") else FIXED
    if isinstance(recipe, SkipGram):
        tokens = cast(Tokens, source)
        plan_skip_gram(words, recipe, len(tokens)).require()
        decided = Seeds(init_seed, order_seed, seed if vary in ("seed", "sampling") else FIXED)
        return train_skip_gram(tokens, recipe, decided, device=device, name=f"{vary} {seed}", task=task)
    counts = cast(Cooccurrence, source)
    if isinstance(recipe, GloVe):
        plan_glove(words, counts.nonzeros, recipe).require()
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
    return 1 if isinstance(recipe, PPMISVD) else recipe.epochs


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
