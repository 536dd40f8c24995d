"""What training gives beside vectors: contexts, biases and losses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from corpus.texts import random_tokens, tokens_of
from counts.dense import ppmi as dense_ppmi
from scipy.special import expit

from gpuemb.core import threads
from gpuemb.core.errors import MemoryBudgetError
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.training.recipes import PPMISVD, GloVe, Recipe, SkipGram
from gpuemb.training.seeds import train
from gpuemb.training.trained import kept_bytes

TOKENS = random_tokens(60, 12)
GLOVE, SVD, SKIP_GRAM = GloVe(dim=4, epochs=3), PPMISVD(dim=4), SkipGram(dim=4, epochs=3, sample=0)
ALL = pytest.mark.parametrize("recipe", [GLOVE, SVD, SKIP_GRAM], ids=["glove", "ppmi-svd", "skip-gram"])
EPS32 = float(np.finfo(np.float32).eps)


@ALL
def test_every_run_has_its_tables_beside_the_stack(recipe: Recipe) -> None:
    runs = train(TOKENS, recipe, seeds=[3, 5], vary="bootstrap")
    assert [model.run for model in runs.models] == list(runs.runs) == ["bootstrap 3", "bootstrap 5"]
    for model, table in zip(runs.models, runs.vectors, strict=True):
        assert np.shares_memory(model.vectors, table)  # kept once
        assert model.words.shape == model.contexts.shape == (12, 4)
        assert {array.dtype for array in (model.words, model.contexts)} == {np.dtype(np.float32)}
        assert tuple(model.index_to_key) == TOKENS.vocabulary.words
        assert (model.word_biases is None) == (recipe.kind != "glove")
        assert len(model.losses) == getattr(recipe, "epochs", 0) == model.epochs
        summed = model.words + model.contexts if recipe.kind == "glove" else model.words
        np.testing.assert_array_equal(model.vectors, summed)


@pytest.mark.slow
def test_glove_fits_the_logarithms_of_the_counts() -> None:
    counts = count_cooccurrences(TOKENS, 5)
    model = train(counts, GloVe(dim=12, epochs=1500, x_max=1), seeds=[0]).models[0]
    rows, columns = counts.to_float().nonzero()
    found = np.einsum("nd,nd->n", model.words[rows], model.contexts[columns])
    found = found + model.word_biases[rows] + model.context_biases[columns]
    expected = np.log(np.asarray(counts.to_float()[rows, columns]).ravel())
    error = found - expected
    assert np.abs(error).max() < 0.05 < expected.std()
    weights = np.minimum(1, np.exp(expected)) ** 0.75
    assert model.losses[-1] == pytest.approx((weights * error**2).mean(), rel=0.5)  # taken along the way


def test_the_first_loss_of_skip_gram_is_that_of_vectors_that_do_not_agree() -> None:
    model = train(TOKENS, replace(SKIP_GRAM, learning_rate=1e-9), seeds=[0]).models[0]
    np.testing.assert_allclose(model.losses, (1 + SKIP_GRAM.negatives * 11 / 12) * np.log(2), rtol=0.05)


def test_skip_gram_scores_near_words_above_others() -> None:
    tokens = tokens_of([[0, 1], [2, 3]] * 300, 4)
    recipe = SkipGram(dim=4, epochs=20, sample=0, window=1, learning_rate=0.05)
    model = train(tokens, recipe, seeds=[0]).models[0]
    chance = expit(model.words @ model.contexts.T)
    assert chance[0, 1] > 2 * chance[0, 3]
    assert model.losses.tolist() == sorted(model.losses, reverse=True)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_words_and_contexts_of_ppmi_svd_are_its_best_approximation(power: float) -> None:
    counts = count_cooccurrences(TOKENS, 5)
    expected = dense_ppmi(counts.to_float().toarray(), 1.0, 0.75)
    left, singular, right = np.linalg.svd(expected)
    best = left[:, :4] * singular[:4] @ right[:4]
    model = train(counts, PPMISVD(dim=4, power=power), seeds=[0]).models[0]
    scale = 64 * EPS32 * singular[0]
    np.testing.assert_allclose(model.words @ model.contexts.T, best, rtol=0, atol=scale)


@ALL
def test_the_number_of_threads_changes_no_bit_of_anything(recipe: Recipe) -> None:
    found = []
    for count in (1, 2, 7):
        with threads.limit(count):
            found.append(train(TOKENS, recipe, seeds=[1]).models[0])
    assert found[0] == found[1] == found[2]
    assert found[0] != replace(found[0], contexts=found[0].contexts + 1)


@ALL
def test_what_is_kept_is_counted(recipe: Recipe) -> None:
    runs = train(TOKENS, recipe, seeds=1)
    model = runs.models[0]
    arrays = {
        id(array): array.nbytes
        for array in (model.vectors, model.words, model.contexts, model.word_biases, model.context_biases)
        if array is not None
    }
    assert sum(kept_bytes(recipe, 12).values()) == sum(arrays.values())


def test_runs_that_do_not_fit_are_refused_with_what_they_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpuemb.core.memory.available_host_bytes", lambda: 100_000)
    with pytest.raises(MemoryBudgetError, match="train: 1000 runs: needs") as refusal:
        train(TOKENS, GLOVE, seeds=1000)
    assert "context vectors" in str(refusal.value)
