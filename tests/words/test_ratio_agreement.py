"""Differences of vectors beside ratios of probabilities: planted orders, chance, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

import gpuemb as ge
from gpuemb.core.errors import ConfigError, DTypeError, VocabularyError

WORDS = [*"abcdefghijkl"]
PROBES = WORDS[3:]


def counted() -> ge.Cooccurrence:
    numbers = np.random.default_rng(0)
    return ge.count_cooccurrences(ge.read_corpus([numbers.choice(WORDS, 30).tolist() for _ in range(60)]), 3)


def planted(counts: ge.Cooccurrence) -> ge.Embedding:
    """Vectors whose products are the logarithms of the counts: every order is right."""
    table = counts.to_float().toarray()
    order = [counts.id_of(word) for word in WORDS]
    logs = np.log(table[np.ix_(order, order)] + 1e-300)
    values, axes = np.linalg.eigh(logs)
    return ge.Embedding(np.concatenate([axes * np.sqrt(np.maximum(values, 0))], axis=1), WORDS)


def test_each_pair_is_spearman_s_correlation_of_its_own_numbers() -> None:
    counts = counted()
    model = ge.Embedding(np.random.default_rng(1).standard_normal((12, 4)), WORDS)
    found = ge.ratio_agreement(counts, model, [("a", "b"), ("b", "c")], PROBES, permutations=99)
    for one in found.pairs:
        ratio = [
            math.log(counts.conditional(one.first, k) / counts.conditional(one.second, k)) for k in PROBES
        ]
        difference = [float((model[one.first] - model[one.second]) @ model[k]) for k in PROBES]
        np.testing.assert_allclose(one.log_ratios, ratio)
        np.testing.assert_allclose(one.differences, difference)
        assert one.value == pytest.approx(spearmanr(ratio, difference).statistic)
    assert found.value == pytest.approx(np.mean([one.value for one in found.pairs]))
    assert not found.contexts
    assert found == ge.ratio_agreement(counts, model, [("a", "b"), ("b", "c")], PROBES, permutations=99)


def test_the_contexts_of_a_trained_model_are_used_and_order_the_probes() -> None:
    counts = counted()
    model = ge.train(counts, ge.GloVe(dim=11, epochs=300, x_max=1), seeds=[0]).models[0]
    found = ge.ratio_agreement(counts, model, [("a", "b"), ("b", "c"), ("c", "a")], PROBES)
    assert found.contexts
    assert found.value > 0.9
    assert found.p_value == 1 / 1000
    assert abs(found.chance) < 0.1 < found.chance_high < 0.6


@pytest.mark.slow
def test_chance_alone_has_uniform_p_values() -> None:
    counts = counted()
    numbers = np.random.default_rng(2)
    values = [
        ge.ratio_agreement(
            counts,
            ge.Embedding(numbers.standard_normal((12, 4)), WORDS),
            [("a", "b")],
            PROBES,
            permutations=39,
        ).p_value
        for _ in range(100)
    ]
    assert 0.4 < np.mean(values) < 0.6
    assert np.mean(np.array(values) <= 0.1) < 0.2


def test_probes_that_one_word_never_met_are_left_out() -> None:
    counts = ge.count_cooccurrences(ge.read_corpus([[*"axbx"], [*"aybyazbz"], [*"aw"], [*"qqqq"]]), 1)
    words = list(counts.vocabulary.words)
    model = ge.Embedding(np.random.default_rng(0).standard_normal((len(words), 3)), words)
    found = ge.ratio_agreement(counts, model, [("a", "b")], ["x", "y", "z", "w", "q"], permutations=9)
    assert found.pairs[0].probes == 3
    assert np.isnan(found.pairs[0].log_ratios).tolist() == [False, False, False, True, True]
    none = ge.ratio_agreement(counts, model, [("a", "q")], ["x", "y", "w"], permutations=9)
    assert math.isnan(none.value)
    assert none.undefined == 1
    assert "a - q" in str(none)


@pytest.mark.parametrize(
    ("pairs", "probes", "error", "message"),
    [
        ([("a", "a")], PROBES, ConfigError, "two different words"),
        (["ab"], PROBES, ConfigError, "two different words"),
        ([], PROBES, ConfigError, "0 pairs"),
        ([("a", "b")], ["d", "e"], ConfigError, "2 probes"),
        ([("a", "b")], ["d", "e", "d"], ConfigError, "2 of them different"),
        ([("a", "b")], ["d", "e", "nowhere"], VocabularyError, "nowhere"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    pairs: Any, probes: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ge.ratio_agreement(counted(), planted(counted()), pairs, probes)


def test_a_word_without_a_vector_and_an_array_are_refused() -> None:
    counts = counted()
    with pytest.raises(VocabularyError, match="'l' is not among its 11 words"):
        ge.ratio_agreement(counts, planted(counts)[:11], [("a", "b")], PROBES)
    with pytest.raises(DTypeError, match="model is an Embedding"):
        ge.ratio_agreement(counts, np.ones((12, 2)), [("a", "b")], PROBES)
