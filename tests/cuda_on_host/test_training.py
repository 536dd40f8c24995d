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
from tolerances import assert_same_bits

from gpuemb.counts.counting import count_cooccurrences
from gpuemb.training import glove, skip_gram
from gpuemb.training.recipes import GloVe, Recipe, SkipGram
from gpuemb.training.seeds import train

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
    monkeypatch.setattr(glove, "LEAST_BLOCKS", 4)
    with stand_in.installed(Run("random")):
        yield


def source(recipe: Recipe) -> Any:
    return TOKENS if isinstance(recipe, SkipGram) else COUNTS


@ALL
def test_runs_of_the_gpu_are_those_of_the_cpu_within_float32_drift(recipe: Recipe) -> None:
    there = train(source(recipe), recipe, seeds=[0, 3], device="cuda")
    here = train(source(recipe), recipe, seeds=[0, 3], device="cpu")
    for found, expected in zip(there.models, here.models, strict=True):
        np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-5)
        np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)
        np.testing.assert_allclose(found.contexts, expected.contexts, atol=1e-5)
    assert type(there.vectors) is np.ndarray
    assert all(type(model.contexts) is np.ndarray for model in there.models)
