"""The epochs of a run: early stops, snapshots, and the loss of what is held out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens, tokens_of
from scipy.special import expit

from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, NonFiniteError
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.training import held_out as held_out_module
from gpuemb.training.epochs import stops
from gpuemb.training.held_out import HeldOutPairs, counts_held_out, documents_held_out, pairs_held_out
from gpuemb.training.recipes import PPMISVD, GloVe, Recipe, Run, SkipGram
from gpuemb.training.seeds import train
from gpuemb.training.skip_gram import count_words, keep_limits, noise_chances
from gpuemb.training.sources import held_text, text_for_run

TOKENS = random_tokens(300, 12)
COUNTS = count_cooccurrences(TOKENS, 5)
GLOVE, SKIP_GRAM = GloVe(dim=4, epochs=5), SkipGram(dim=4, epochs=5, sample=0)
BOTH = pytest.mark.parametrize("recipe", [GLOVE, SKIP_GRAM], ids=["glove", "skip-gram"])


@pytest.mark.parametrize(
    ("losses", "patience", "tolerance", "stopped"),
    [
        ([], 1, 0.0, False),
        ([3, 3, 3, 3], 0, 0.0, False),
        ([3, 2, 1], 1, 0.0, False),
        ([3, 3], 1, 0.0, True),
        ([3, 4, 2.9], 1, 0.0, False),  # it had stopped before
        ([3, 4, 2.9], 2, 0.0, False),
        ([3, 4, 3], 2, 0.0, True),
        ([100, 99.5, 99.2], 2, 0.01, True),
        ([100, 99.5, 98.9], 2, 0.01, False),  # both together are a fall by a hundredth
        ([3, math.nan], 1, 0.0, True),
    ],
)
def test_a_run_stops_when_its_patience_ends(
    losses: list[float], patience: int, tolerance: float, stopped: bool
) -> None:
    assert stops(losses, replace(GLOVE, patience=patience, tolerance=tolerance)) == stopped


@BOTH
def test_a_stopped_run_is_the_beginning_of_the_whole_one(recipe: Any) -> None:
    whole = train(TOKENS, replace(recipe, epochs=40), seeds=1, snapshots=range(1, 41)).models[0]
    early = train(TOKENS, replace(recipe, epochs=40, patience=1, tolerance=0.1), seeds=1, snapshots=[1, 40])
    model = early.models[0]
    assert model.stopped_early
    assert not whole.stopped_early
    assert 1 < model.epochs < 40
    np.testing.assert_array_equal(model.losses, whole.losses[: model.epochs])
    np.testing.assert_array_equal(model.vectors, whole.snapshots[model.epochs])
    np.testing.assert_array_equal(model.snapshots[1], whole.snapshots[1])
    np.testing.assert_array_equal(model.snapshots[40], model.vectors)  # what there is after its last epoch


@BOTH
def test_a_snapshot_is_what_a_run_of_so_many_epochs_gives(recipe: Any) -> None:
    runs = train(TOKENS, recipe, seeds=2, snapshots=[5, 2, 2])
    for model in runs.models:
        assert list(model.snapshots) == [2, 5]
        np.testing.assert_array_equal(model.snapshots[5], model.vectors)
        assert (model.snapshots[2] != model.vectors).any()
    if isinstance(recipe, GloVe):  # the rate of a skip-gram depends on how many epochs there are
        short = train(TOKENS, replace(recipe, epochs=2), seeds=2)
        for model, other in zip(runs.models, short.models, strict=True):
            np.testing.assert_array_equal(model.snapshots[2], other.vectors)


@pytest.mark.parametrize(
    ("recipe", "epochs"), [(GLOVE, [0]), (GLOVE, [6]), (SKIP_GRAM, [1, -1]), (PPMISVD(dim=2), [1])]
)
def test_snapshots_of_epochs_that_there_are_not_are_refused(recipe: Recipe, epochs: list[int]) -> None:
    with pytest.raises(ConfigError, match=f"a snapshot after epoch {epochs[-1]}"):
        train(TOKENS, recipe, seeds=1, snapshots=epochs)
    with pytest.raises(ConfigError, match="a snapshot = 'x'"):
        train(TOKENS, recipe, seeds=1, snapshots=["x"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (GloVe, {"patience": -1}),
        (SkipGram, {"tolerance": 1.0, "patience": 1}),
        (GloVe, {"tolerance": -0.1, "patience": 1}),
        (GloVe, {"tolerance": math.nan, "patience": 1}),
        (SkipGram, {"tolerance": 0.1}),
        (SkipGram, {"held_out": 1.0}),
        (GloVe, {"held_out": -0.5}),
        (GloVe, {"held_out": math.nan}),
    ],
)
def test_impossible_stops_and_shares_are_refused_by_name(kind: type[Recipe], options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{kind.__name__}: {next(iter(options))} = "):
        kind(**options)


@BOTH
@pytest.mark.parametrize("vary", ["seed", "bootstrap", "halves"])
def test_a_divergence_names_run_epoch_and_rate(recipe: Any, vary: Any) -> None:
    name = {"seed": "seed 3", "bootstrap": "bootstrap 3", "halves": "half 3a"}[vary]
    kind = recipe.kind
    with pytest.raises(NonFiniteError, match=rf"{kind}, {name}: .* after epoch \d at rate 1e\+30"):
        train(TOKENS, replace(recipe, learning_rate=1e30), seeds=[3], vary=vary)


# What is held out.


def test_documents_are_held_out_at_random_and_of_every_run_the_same_ones() -> None:
    kept, held = documents_held_out(100, 0.2)
    assert len(held) == 20
    np.testing.assert_array_equal(np.sort([*kept, *held]), np.arange(100))
    np.testing.assert_array_equal(documents_held_out(100, 0.2)[1], held)
    assert held.tolist() != sorted(held)  # the first of them are a random sample too
    assert [len(documents_held_out(10, share)[1]) for share in (0.001, 0.05, 0.999)] == [1, 1, 9]
    with pytest.raises(ConfigError, match=r"held_out = 0\.1 with a corpus of 1 document"):
        documents_held_out(1, 0.1)


@pytest.mark.parametrize("vary", ["seed", "bootstrap", "halves"])
def test_no_run_is_trained_on_what_is_held_out(vary: Any) -> None:
    """Documents of one word each: a run's words tell its documents."""
    tokens = tokens_of([[i, i] for i in range(40)], 40)
    held = held_text(tokens, 0.25)
    assert held is not None
    assert held.documents == 10
    for seed in range(3):
        seen = text_for_run(tokens, Run(seed, 0 if vary == "halves" else None), vary, 0.25)
        assert not set(seen.ids) & set(held.ids)
        if vary == "seed":
            assert len({*seen.ids.tolist(), *held.ids.tolist()}) == 40
    assert held_text(tokens, 0.0) is None


def slow_loss(pairs: HeldOutPairs, vectors: Any) -> float:
    """The loss of each pair, one after the other."""
    losses = []
    for word, targets, counted in zip(pairs.inputs, pairs.targets, pairs.counted, strict=True):
        scores = vectors[1, targets].astype(np.float64) @ vectors[0, word].astype(np.float64)
        losses.append(-np.log(expit(scores[0])))
        losses += [-np.log(expit(-score)) for score, one in zip(scores[1:], counted[1:], strict=True) if one]
    return math.fsum(losses) / len(pairs.inputs)


def drawn(tokens: Tokens, recipe: SkipGram) -> HeldOutPairs:
    held = held_text(tokens, recipe.held_out)
    assert held is not None
    counts = count_words(text_for_run(tokens, Run(0), "seed", recipe.held_out).ids, len(tokens.vocabulary))
    chances = noise_chances(counts, recipe.ns_exponent)
    return pairs_held_out(held, recipe, counts, keep_limits(counts, recipe.sample), chances)


def test_the_loss_of_held_out_documents_is_that_of_its_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out_module, "TILE", 37)
    pairs = drawn(TOKENS, replace(SKIP_GRAM, held_out=0.1))
    vectors = np.random.default_rng(0).standard_normal((2, 12, 16)).astype(np.float32)
    found = []
    for count in (1, 2, 7):
        with threads.limit(count):
            found.append(pairs.loss(vectors))
    assert found[0] == found[1] == found[2]
    assert found[0] == pytest.approx(slow_loss(pairs, vectors), rel=1e-12)
    assert pairs.loss(1e20 * vectors) > 1e20  # large scores are no overflow


def test_negatives_of_held_out_pairs_have_the_exact_noise() -> None:
    recipe = replace(SKIP_GRAM, held_out=0.5, negatives=20)
    pairs = drawn(random_tokens(2000, 12), recipe)
    counts = count_words(text_for_run(random_tokens(2000, 12), Run(0), "seed", 0.5).ids, 12)
    expected = noise_chances(counts, recipe.ns_exponent)
    negatives = pairs.targets[:, 1:]
    shares = np.bincount(negatives.ravel(), minlength=12) / negatives.size
    assert np.abs(shares - expected).max() < 5 * math.sqrt(0.25 / negatives.size)
    np.testing.assert_array_equal(pairs.counted[:, 1:], negatives != pairs.targets[:, :1])


def test_the_held_out_loss_of_a_run_is_that_of_its_tables() -> None:
    recipe = replace(SKIP_GRAM, held_out=0.1)
    model = train(TOKENS, recipe, seeds=1).models[0]
    assert model.held_out is not None
    assert len(model.held_out) == 5
    tables = np.stack([model.words, model.contexts])
    assert model.held_out[-1] == pytest.approx(slow_loss(drawn(TOKENS, recipe), tables), rel=1e-9)
    assert train(TOKENS, SKIP_GRAM, seeds=1).models[0].held_out is None


def test_a_table_that_learns_by_heart_has_a_held_out_loss_that_rises() -> None:
    """No two words stand together for a reason: what a run learns of one text does not hold of another."""
    numbers = np.random.default_rng(0)
    tokens = tokens_of(numbers.integers(0, 60, (60, 8)).tolist(), 60)
    recipe = SkipGram(dim=40, epochs=60, sample=0, learning_rate=0.2, held_out=0.3)
    model = train(tokens, recipe, seeds=1).models[0]
    assert model.held_out is not None
    assert model.losses[-1] < model.losses[0]
    assert model.held_out[-1] > model.held_out.min() * 1.05
    early = train(tokens, replace(recipe, patience=2), seeds=1).models[0]
    assert early.held_out is not None
    assert early.epochs < 60
    np.testing.assert_array_equal(early.held_out, model.held_out[: early.epochs])


def test_pairs_of_words_are_held_out_of_counts_in_both_directions() -> None:
    recipe = replace(GLOVE, held_out=0.3)
    left, held = counts_held_out(COUNTS, recipe)
    whole, kept = COUNTS.to_float().toarray(), left.to_float().toarray()
    np.testing.assert_array_equal(kept, kept.T)
    out = np.zeros_like(whole)
    out[held.rows, held.columns] = np.exp(held.logs)
    np.testing.assert_allclose(kept + out, whole, rtol=1e-12)
    assert not ((kept != 0) & (out != 0)).any()
    assert 0.1 < len(held.rows) / COUNTS.nonzeros < 0.5
    weights = np.minimum(1, np.exp(held.logs) / recipe.x_max) ** recipe.alpha
    np.testing.assert_allclose(held.weights, weights, rtol=1e-12)


def test_a_pair_is_held_out_whichever_counts_it_is_in() -> None:
    recipe = replace(GLOVE, held_out=0.3)
    other = count_cooccurrences(random_tokens(80, 12, seed=5), 2)
    chosen = []
    for counts in (COUNTS, other):
        kept = counts_held_out(counts, recipe)[0].to_float().toarray() != 0
        chosen.append((counts.to_float().toarray() != 0, kept))
    both = chosen[0][0] & chosen[1][0]
    np.testing.assert_array_equal(chosen[0][1][both], chosen[1][1][both])


def test_the_held_out_loss_of_glove_is_that_of_its_tables() -> None:
    recipe = replace(GLOVE, held_out=0.2)
    model = train(COUNTS, recipe, seeds=1).models[0]
    _, held = counts_held_out(COUNTS, recipe)
    assert model.held_out is not None
    assert model.word_biases is not None
    assert model.context_biases is not None
    fitted = np.einsum(
        "nd,nd->n", *(np.float64(t) for t in (model.words[held.rows], model.contexts[held.columns]))
    )
    fitted = fitted + model.word_biases[held.rows] + model.context_biases[held.columns]
    expected = (held.weights * (fitted - held.logs) ** 2).mean()
    assert model.held_out[-1] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("recipe", "tokens"),
    [
        (replace(GLOVE, held_out=1e-9), TOKENS),
        (replace(GLOVE, dim=1, held_out=0.999999), TOKENS),
        (SkipGram(dim=1, held_out=0.5, sample=0), tokens_of([[0, 1], [2]], 3)),
    ],
)
def test_a_share_that_leaves_nothing_to_train_or_measure_is_refused(recipe: Recipe, tokens: Tokens) -> None:
    with pytest.raises(ConfigError, match=r"held_out = .* holds out|no two words stand near"):
        train(tokens, recipe, seeds=1)
