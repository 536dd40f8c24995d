"""Products of vectors against what the objective asks: sums, fits, bands, and the softmax."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens

import gpuemb as ge
from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.core.errors import ConfigError, DTypeError, VocabularyError
from gpuemb.training.trained import TrainedModel

TOKENS = random_tokens()
COUNTS = ge.count_cooccurrences(TOKENS, 5)
EPS = float(np.finfo(np.float64).eps)
RECIPES = {
    "glove": ge.GloVe(dim=6, epochs=3, x_max=5),
    "skip-gram": ge.SkipGram(dim=6, epochs=2, negatives=4, sample=0),
    "ppmi-svd": ge.PPMISVD(dim=6, shift=2, smoothing=0.75),
}


def trained(kind: str) -> TrainedModel:
    source = TOKENS if kind == "skip-gram" else COUNTS
    return ge.train(source, RECIPES[kind], seeds=[0]).models[0]


def stored() -> tuple[Any, Any, Float64]:
    rows, columns = COUNTS.matrix.nonzero()
    return rows, columns, COUNTS.to_float().toarray()[rows, columns]


def expected_target(name: str, model: TrainedModel, smoothing: float, shift: float) -> Float64:
    """By the definition, over dense marginals."""
    rows, columns, values = stored()
    if name.startswith("log X"):
        assert model.word_biases is not None
        assert model.context_biases is not None
        biases = model.word_biases.astype(np.float64)[rows] + model.context_biases.astype(np.float64)[columns]
        found: Float64 = np.log(values) - biases
        return found
    dense = COUNTS.to_float().toarray()
    contexts = dense.sum(axis=0) ** smoothing
    contexts /= contexts.sum()
    pmi: Float64 = np.log(values / (dense.sum(axis=1)[rows] * contexts[columns]))
    if name == "PMI":
        return pmi
    return np.maximum(pmi - math.log(shift), 0) if name == "PPMI" else pmi - math.log(shift)


@pytest.mark.parametrize(
    ("kind", "targets", "shift", "smoothing"),
    [
        ("glove", ["log X − b − b̃", "PMI"], 1.0, 1.0),
        ("skip-gram", ["PMI − log 4", "PMI"], 4.0, 0.75),
        ("ppmi-svd", ["PPMI", "PMI", "PMI − log 2"], 2.0, 0.75),
    ],
)
def test_every_fit_is_that_of_polyfit_over_all_pairs(
    kind: str, targets: list[str], shift: float, smoothing: float
) -> None:
    model = trained(kind)
    found = ge.reconstruction(model, COUNTS)
    assert [(one.product, one.target) for one in found.fits] == [
        (product, target) for product in ("w·w̃", "w·w") for target in targets
    ]
    assert (found.shift, found.smoothing, found.missing) == (shift, smoothing, 0)
    rows, columns, _ = stored()
    occurs = np.minimum(*(COUNTS.vocabulary.counts[side] for side in (rows, columns)))
    for one in found.fits + found.bands:
        here = (occurs >= one.low) & (occurs <= one.high)
        right = (model.contexts if one.product == "w·w̃" else model.words).astype(np.float64)
        product = (model.words.astype(np.float64)[rows] * right[columns]).sum(axis=1)[here]
        y = expected_target(one.target, model, smoothing, shift)[here]
        assert one.pairs == here.sum()
        if one.pairs > 20:
            slope, intercept = np.polyfit(y, product, 1)
            np.testing.assert_allclose([one.slope, one.intercept], [slope, intercept], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(one.r_squared, np.corrcoef(product, y)[0, 1] ** 2, atol=1e-9)
        np.testing.assert_allclose(one.mean_residual, (product - y).mean(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(one.rms_residual, np.sqrt(((product - y) ** 2).mean()), rtol=1e-9)
    assert sum(one.pairs for one in found.bands) == COUNTS.nonzeros * len(found.fits)
    assert float(found) == found.fits[0].r_squared


def test_an_interval_is_the_jackknife_of_the_pairs_that_touch_no_word_of_a_block() -> None:
    from gpuemb.uncertainty.draws import block_count, deal
    from gpuemb.uncertainty.intervals import ANY, SHARE, jackknife_interval

    model = trained("glove")
    found = ge.reconstruction(model, COUNTS).fits[0]
    rows, columns, _ = stored()
    product = (model.words.astype(np.float64)[rows] * model.contexts[columns]).sum(axis=1)
    y = expected_target(found.target, model, 1, 1)
    slopes, shares = [], []
    for left_out in deal(len(COUNTS.vocabulary), block_count(len(COUNTS.vocabulary)), 0):
        here = ~(np.isin(rows, left_out) | np.isin(columns, left_out))
        slopes.append(np.polyfit(y[here], product[here], 1)[0])
        shares.append(np.corrcoef(y[here], product[here])[0, 1] ** 2)
    np.testing.assert_allclose(found.slope_interval, jackknife_interval(found.slope, np.array(slopes), ANY))
    expected = jackknife_interval(found.r_squared, np.array(shares), SHARE)
    np.testing.assert_allclose(found.r_squared_interval, expected)


@pytest.mark.slow
@pytest.mark.parametrize(("words", "stored_share"), [(60, 1.0), (150, 0.2)])
def test_intervals_cover_what_other_words_would_give(words: int, stored_share: float) -> None:
    """Residuals with a slope and an offset of each word, whose moments over all words are known."""
    from gpuemb.training.objective.reconstruction import _fit
    from gpuemb.uncertainty.draws import block_count, deal

    random, dim, repeats = np.random.default_rng(1), 4, 500
    slope, spread, of_words, of_contexts, noise = -0.3, 0.5, 0.5, 0.4, 0.6
    variance = slope**2 * (1 + spread**2) * dim + of_words**2 + of_contexts**2 + noise**2
    share = (1 + slope) ** 2 * dim / (dim + 2 * slope * dim + variance)
    blocks = np.empty(words, np.int64)
    for block, rows in enumerate(deal(words, block_count(words), 0)):
        blocks[rows] = block
    of_block = np.eye(block_count(words))[blocks]
    held = np.zeros(4)
    for _ in range(repeats):
        left, right = random.normal(size=(2, words, dim))
        own, offsets, others = random.normal(size=(3, words))
        y = left @ right.T
        e = slope * y * (1 + spread * own)[:, None] + of_words * offsets[:, None] + of_contexts * others
        e += noise * random.normal(size=e.shape)
        there = random.random(e.shape) < stored_share
        pairs, *sums = (of_block.T @ (there * term) @ of_block for term in (1, y, e, y * y, y * e, e * e))
        fit = _fit(("w·w̃", "PMI"), (1, 1), pairs, np.array(sums))
        intervals = fit.slope_interval, fit.r_squared_interval, fit.mean_interval, fit.rms_interval
        truths = 1 + slope, share, 0.0, math.sqrt(variance)
        held += [low <= truth <= high for truth, (low, high) in zip(truths, intervals, strict=True)]
    covered = held / repeats
    assert ((covered >= 0.92) & (covered <= 0.98)).all(), covered


def test_vectors_that_reconstruct_exactly_have_slope_one_and_no_residual() -> None:
    matrix = ge.ppmi(COUNTS).toarray()
    left, singular, right = np.linalg.svd(matrix)
    model = replace(
        trained("ppmi-svd"),
        recipe=ge.PPMISVD(dim=len(matrix), smoothing=1),
        words=left * singular**0.5,
        contexts=right.T * singular**0.5,
    )
    found = ge.reconstruction(model, COUNTS).fits[0]
    np.testing.assert_allclose([found.slope, found.r_squared], 1, rtol=0, atol=1e-12)
    assert found.rms_residual <= 64 * len(matrix) * EPS * singular[0]
    assert abs(found.intercept) <= 64 * len(matrix) * EPS * singular[0]


def test_words_are_found_by_their_names_and_those_that_are_missing_are_left_out() -> None:
    model = trained("glove")
    order = np.random.default_rng(0).permutation(len(model.index_to_key))
    shuffled = replace(
        model,
        index_to_key=[model.index_to_key[i] for i in order],
        **{
            name: getattr(model, name)[order]
            for name in ("words", "contexts", "word_biases", "context_biases")
        },
    )
    assert ge.reconstruction(shuffled, COUNTS) == ge.reconstruction(model, COUNTS)
    kept = np.sort(order[: len(order) // 2])
    table = ge.Embedding(model.words[kept], [model.index_to_key[i] for i in kept])
    found = ge.reconstruction(table, COUNTS)
    rows, columns, _ = stored()
    here = np.isin(rows, kept) & np.isin(columns, kept)
    assert found.missing == len(order) - len(kept)
    assert [(one.product, one.target, one.pairs) for one in found.fits] == [("w·w", "PMI", here.sum())]
    y = expected_target("PMI", model, 1, 1)[here]
    words = model.words.astype(np.float64)
    slope = np.polyfit(y, (words[rows] * words[columns]).sum(axis=1)[here], 1)[0]
    np.testing.assert_allclose(found.fits[0].slope, slope, rtol=1e-9)


def test_no_bit_depends_on_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpuemb.training.objective import pair_sums, softmax

    monkeypatch.setattr(pair_sums, "TILE_BYTES", 1 << 14)  # many tiles
    monkeypatch.setattr(softmax, "TILE_BYTES", 1 << 12)
    model, found = trained("glove"), []
    for count in (1, 2, 7):
        with threads.limit(count):
            found.append((ge.reconstruction(model, COUNTS), ge.softmax_objective(model, COUNTS, pairs=300)))
    assert found[0] == found[1] == found[2]


def test_tables_and_what_is_printed_name_every_fit() -> None:
    found = ge.reconstruction(trained("skip-gram"), COUNTS)
    rows = found.table.to_pylist()
    assert [row["slope"] for row in rows] == [one.slope for one in found.fits + found.bands]
    assert list(rows[0]) == [one.name for one in fields(ge.ReconstructionFit)]
    assert len(str(found).splitlines()) == 1 + len(rows)


def dense_losses(model: TrainedModel) -> Float64:
    scores = model.words.astype(np.float64) @ model.contexts.astype(np.float64).T
    scores += 0 if model.context_biases is None else model.context_biases
    found: Float64 = np.log(np.exp(scores).sum(axis=1, keepdims=True)) - scores
    return found


@pytest.mark.parametrize("kind", list(RECIPES))
def test_the_softmax_objective_is_the_mean_over_pairs_as_they_are_counted(kind: str) -> None:
    model = trained(kind)
    dense, losses = COUNTS.to_float().toarray(), dense_losses(model)
    shares = dense / dense.sum()
    expected = (shares * losses).sum()
    found = ge.softmax_objective(model, COUNTS, pairs=20_000)
    spread = math.sqrt((shares * (losses - expected) ** 2).sum())
    assert abs(found.value - expected) <= 5 * spread / math.sqrt(found.pairs)
    np.testing.assert_allclose(found.standard_error, spread / math.sqrt(found.pairs), rtol=0.1)
    rows = dense / np.maximum(dense.sum(axis=1, keepdims=True), 1e-300)
    entropy = -(shares * np.log(rows, out=np.zeros_like(rows), where=rows > 0)).sum()
    np.testing.assert_allclose([found.least, found.uniform], [entropy, math.log(len(dense))], rtol=1e-12)
    assert ge.softmax_objective(model, COUNTS, pairs=20_000) == found
    assert ge.softmax_objective(model, COUNTS, pairs=20_000, seed=1).value != found.value


def test_a_rotation_of_both_tables_changes_neither() -> None:
    model = trained("glove")
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))[0]
    turned = replace(model, words=model.words @ turn, contexts=model.contexts @ turn)  # float64 from here
    found = [(ge.softmax_objective(one, COUNTS), ge.reconstruction(one, COUNTS)) for one in (model, turned)]
    np.testing.assert_allclose(found[0][0].value, found[1][0].value, rtol=1e-12)
    for before, after in zip(found[0][1].fits, found[1][1].fits, strict=True):
        np.testing.assert_allclose(
            [after.slope, after.r_squared, after.rms_residual],
            [before.slope, before.r_squared, before.rms_residual],
            rtol=1e-10,
        )


def test_a_sample_passes_over_words_that_the_model_lacks() -> None:
    model = trained("glove")
    part = replace(
        model,
        index_to_key=model.index_to_key[:20],
        **{
            name: getattr(model, name)[:20] for name in ("words", "contexts", "word_biases", "context_biases")
        },
    )
    dense = COUNTS.to_float().toarray()[:20, :20]
    expected = (dense / dense.sum() * dense_losses(part)).sum()
    found = ge.softmax_objective(part, COUNTS, pairs=20_000)
    assert abs(found.value - expected) <= 5 * found.standard_error
    assert found.uniform == math.log(20)


def test_what_cannot_be_compared_is_refused() -> None:
    model = trained("glove")
    with pytest.raises(VocabularyError, match="none of the 60 counted words"):
        ge.reconstruction(ge.Embedding(model.words[:2], ["zzz", "yyy"]), COUNTS)
    with pytest.raises(ConfigError, match="shift = 0"):
        ge.reconstruction(model, COUNTS, shift=0)
    with pytest.raises(ConfigError, match="smoothing must be at most 16"):
        ge.reconstruction(model, COUNTS, smoothing=17)
    with pytest.raises(DTypeError, match="counts"):
        ge.reconstruction(model, TOKENS)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="pairs"):
        ge.softmax_objective(model, COUNTS, pairs=1)
    nothing = ge.count_cooccurrences(ge.read_corpus([["a"], ["b"]]), 2)
    table = replace(model, index_to_key=("a", "b"))
    with pytest.raises(ConfigError, match="softmax_objective: 10 pairs of 0"):
        ge.softmax_objective(table, nothing, pairs=10)
    found = ge.reconstruction(table, nothing)
    assert math.isnan(found.value)
    assert found.fits[0].pairs == 0
    assert found.bands == ()
