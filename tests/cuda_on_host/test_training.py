"""Training on the emulator, from a text to a stack: everything stays on the device between epochs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens
from cuda_on_host import compiler, stand_in
from cuda_on_host.launch import Run
from slow import cases
from tolerances import assert_same_bits, assert_within, glove_error, skipgram_drift

from gpuemb.core.device import Device
from gpuemb.core.errors import MemoryBudgetError, NonFiniteError
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.kernels.glove_epoch import ROOT
from gpuemb.training import glove, glove_strata, runs, skip_gram
from gpuemb.training.recipes import PPMISVD, GloVe, Recipe, SkipGram
from gpuemb.training.seeds import train
from gpuemb.training.trained import TrainedModel

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")

TOKENS = random_tokens(30, 12)
COUNTS = count_cooccurrences(TOKENS, window=3)
RECIPES = [GloVe(dim=5, epochs=3), SkipGram(dim=5, window=3, epochs=2, sample=0.1)]
ALL = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.kind)


@pytest.fixture(autouse=True)
def emulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(skip_gram, "BLOCK_WORDS", 4)
    monkeypatch.setattr(skip_gram, "CHUNK_PAIRS", 400)
    monkeypatch.setattr(skip_gram, "BUCKET_PAIRS", 1)
    monkeypatch.setattr(glove_strata, "LEAST_BLOCKS", 4)
    with stand_in.installed(Run("random")):
        yield


def source(recipe: Recipe) -> Any:
    return TOKENS if isinstance(recipe, SkipGram) else COUNTS


def drift(recipe: Recipe, model: TrainedModel) -> tuple[float, float]:
    """How far a coordinate of a run, and its loss, may be from those of another device."""
    occurrences = int(np.bincount(TOKENS.ids).max())
    size = float(np.abs(model.contexts).max())
    assert not isinstance(recipe, PPMISVD)
    if isinstance(recipe, SkipGram):
        moved = skipgram_drift(recipe.dim, recipe.epochs * occurrences * 2 * recipe.window, size)
        return moved, (1 + recipe.negatives) * 2 * recipe.dim * size * moved
    visits, largest = recipe.epochs * len(TOKENS.vocabulary), float(np.log(COUNTS.rows.data.max()))
    rooted = ROOT * recipe.learning_rate * visits * largest  # every step is longer or shorter by that share
    moved = glove_error(recipe.dim, visits, largest) + rooted
    of_error = (2 * recipe.dim * size + 2) * moved
    return moved, 2 * np.sqrt(model.losses.max()) * of_error + of_error**2


@ALL
def test_runs_of_the_gpu_are_those_of_the_cpu_within_float32_drift(recipe: Recipe) -> None:
    there = train(source(recipe), recipe, seeds=[0, 3], device="cuda")
    here = train(source(recipe), recipe, seeds=[0, 3], device="cpu")
    for found, expected in zip(there.models, here.models, strict=True):
        moved, of_loss = drift(recipe, expected)
        assert moved < np.abs(expected.contexts).max() / 10  # else nothing would be shown
        assert_within(found.losses, expected.losses, of_loss)
        assert_within(found.words, expected.words, moved)
        assert_within(found.contexts, expected.contexts, moved)
    assert type(there.vectors) is np.ndarray
    assert all(type(model.contexts) is np.ndarray for model in there.models)


@pytest.mark.parametrize("recipe", cases(RECIPES[0], slow=RECIPES[1:]), ids=lambda recipe: recipe.kind)
def test_runs_side_by_side_are_those_one_after_another(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = [4, 0, 3]
    together = train(source(recipe), recipe, seeds=seeds, device="cuda")
    monkeypatch.setattr(runs, "MOST_AT_ONCE", 1)
    alone = train(source(recipe), recipe, seeds=seeds, device="cuda")
    assert together.runs == alone.runs == ("seed 4", "seed 0", "seed 3")
    for found, expected in zip(together.models, alone.models, strict=True):
        assert_same_bits(found.vectors, expected.vectors)
        assert_same_bits(found.losses, expected.losses)


def test_as_many_runs_are_trained_at_once_as_fit() -> None:
    recipe = RECIPES[0]
    assert runs.runs_at_once(COUNTS, recipe, Device("cpu"), 9) == 1
    assert runs.runs_at_once(COUNTS, recipe, Device("cuda"), 9) == 9
    assert runs.runs_at_once(COUNTS, recipe, Device("cuda"), 99) == runs.MOST_AT_ONCE
    with pytest.MonkeyPatch.context() as patch:
        one = glove.plan_glove_on_gpu(len(TOKENS.vocabulary), COUNTS.nonzeros, GloVe(dim=5)).bytes
        patch.setattr(runs, "budget", lambda device=None: 10**9 if device is None else int(3.5 * one))
        assert runs.runs_at_once(COUNTS, recipe, Device("cuda"), 9) == 3


@ALL
def test_a_gpu_that_holds_no_run_is_told_so(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "FREE_BYTES", 1000)
    with stand_in.installed(Run()), pytest.raises(MemoryBudgetError, match=r"on the GPU with .* needs"):
        train(source(recipe), recipe, seeds=[0], device="cuda")


@ALL
def test_a_run_that_fails_ends_the_others_and_is_named(recipe: Recipe) -> None:
    diverging = replace(recipe, learning_rate=1e30)
    with pytest.raises(NonFiniteError, match=r"seed \d: the loss is .* after epoch"):
        train(source(recipe), diverging, seeds=[0, 1, 2], device="cuda")
