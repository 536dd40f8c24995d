"""One run of a model, from the text or the counts that it is trained on."""

from __future__ import annotations

from typing import cast

import numpy as np

from gpuemb.core.device import Device, budget, require
from gpuemb.core.errors import ConfigError
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.training.epochs import RunOptions
from gpuemb.training.glove import plan_glove, plan_glove_on_gpu, train_glove
from gpuemb.training.recipes import FIXED, PPMISVD, GloVe, Recipe, SkipGram, Vary
from gpuemb.training.skip_gram import Seeds, plan_skip_gram, plan_skip_gram_on_gpu, train_skip_gram
from gpuemb.training.spectral import plan_ppmi_svd, train_ppmi_svd
from gpuemb.training.trained import TrainedModel, with_snapshots

MOST_AT_ONCE = 16  # runs of a GPU: threads of Python that launch; until a GPU has measured it, a guess


def train_run(
    source: Tokens | Cooccurrence,
    recipe: Recipe,
    seed: int,
    vary: Vary,
    device: Device,
    options: RunOptions,
) -> TrainedModel:
    """Train one run from what it sees: a pure function of its arguments.

    Raises:
        ConfigError: more dimensions than words, or not a single pair of near words.
        MemoryBudgetError: it would not fit.
    """
    _check_source(source, recipe)
    words = len(source.vocabulary)
    init_seed = seed if vary in ("seed", "init") else FIXED
    order_seed = seed if vary in ("seed", "order") else FIXED
    if isinstance(recipe, SkipGram):
        tokens = cast(Tokens, source)
        plan = plan_skip_gram(words, recipe, len(tokens))
        with_snapshots(plan, recipe, words, len(options.snapshots)).require()
        if device.kind == "cuda":
            require(plan_skip_gram_on_gpu(words, recipe, len(tokens), tokens.documents), device)
        decided = Seeds(init_seed, order_seed, seed if vary in ("seed", "sampling") else FIXED)
        return train_skip_gram(tokens, recipe, decided, device=device, options=options)
    counts = cast(Cooccurrence, source)
    if isinstance(recipe, GloVe):
        dealt = options.strata is not None and options.strata.are_dealt
        plan = plan_glove(words, counts.nonzeros, recipe, dealt=dealt)
        with_snapshots(plan, recipe, words, len(options.snapshots)).require()
        if device.kind == "cuda":
            require(plan_glove_on_gpu(words, counts.nonzeros, recipe), device)
        return train_glove(
            counts, recipe, init_seed=init_seed, order_seed=order_seed, device=device, options=options
        )
    plan_ppmi_svd(words, counts.nonzeros, recipe).require()
    return train_ppmi_svd(counts, recipe, options=options)


def _check_source(source: Tokens | Cooccurrence, recipe: Recipe) -> None:
    """Check that there are pairs of words, and as many words as dimensions.

    Raises:
        ConfigError: there are not.
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


def runs_at_once(source: Tokens | Cooccurrence, recipe: Recipe, device: Device, runs: int) -> int:
    """Return how many runs are trained at once: on a GPU as many as fit it and the host, else one.

    Rounds of one run are small launches; those of several fill the device. No bit depends on the number.
    """
    words = len(source.vocabulary)
    if device.kind == "cpu" or isinstance(recipe, PPMISVD):
        return 1
    if isinstance(recipe, SkipGram):
        tokens = cast(Tokens, source)
        host = plan_skip_gram(words, recipe, len(tokens))
        there = plan_skip_gram_on_gpu(words, recipe, len(tokens), tokens.documents)
    else:
        nonzeros = cast(Cooccurrence, source).nonzeros
        host, there = plan_glove(words, nonzeros, recipe), plan_glove_on_gpu(words, nonzeros, recipe)
    fitting = min(budget() // host.bytes, budget(device) // there.bytes)
    return int(max(1, min(fitting, MOST_AT_ONCE, runs)))


def steps_of(recipe: Recipe) -> int:
    """How often training one run reports progress."""
    return 1 if isinstance(recipe, PPMISVD) else recipe.epochs
