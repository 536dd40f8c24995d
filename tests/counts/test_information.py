"""Probabilities, ratios, information and power laws of counts: their definitions on dense tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens, tokens_of
from counts.dense import entropy as dense_entropy
from counts.dense import pmi as dense_pmi
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import ConfigError, VocabularyError
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.counts.power_law import fit_power_law

EPS = float(np.finfo(np.float64).eps)
WORDS = 6
CORPORA = st.lists(st.lists(st.integers(0, WORDS - 2), min_size=1, max_size=9), min_size=1, max_size=6)
SIDES = st.sampled_from(["both", "left", "right"])
EMPTY = count_cooccurrences(tokens_of([[0], [1]], 2), 2)


def rounding(largest: float, terms: int = WORDS) -> float:
    """Of sums of ``terms`` products, in relative ``eps``, that a logarithm makes absolute."""
    return (2 * terms + 16) * EPS * (1 + largest)


def counted(documents: list[list[int]], side: Any) -> tuple[Cooccurrence, Any]:
    counts = count_cooccurrences(tokens_of(documents, WORDS), 3, side=side)
    return counts, counts.matrix.toarray()


@settings(deadline=None)
@given(documents=CORPORA, side=SIDES)
def test_probabilities_are_quotients_of_integers(documents: list[list[int]], side: Any) -> None:
    counts, table = counted(documents, side)
    for i in range(WORDS):
        for j in range(WORDS):
            row, cell = int(table[i].sum()), int(table[i, j])
            conditional, joint = counts.conditional(i, f"w{j:02d}"), counts.joint(f"w{i:02d}", j)
            assert conditional == cell / row if row else math.isnan(conditional)
            assert joint == cell / table.sum() if table.any() else math.isnan(joint)


@settings(deadline=None)
@given(documents=CORPORA, side=SIDES, smoothing=st.sampled_from([1.0, 0.75]))
def test_pmi_and_npmi_equal_their_dense_definitions(
    documents: list[list[int]], side: Any, smoothing: float
) -> None:
    counts, table = counted(documents, side)
    expected = dense_pmi(table.astype(float), smoothing)
    found, shares = counts.pmi(smoothing=smoothing), counts.npmi(smoothing=smoothing)
    for i in range(WORDS):
        for j in range(WORDS):
            if table[i, j] == 0:
                assert found.of(i, j) == -math.inf
                assert shares.of(i, j) == -1
                continue
            bound = rounding(abs(expected[i, j]))
            assert abs(found.of(i, j) - expected[i, j]) <= bound
            surprise = -math.log(table[i, j] / table.sum())
            if surprise == 0:
                assert math.isnan(shares.of(i, j))
            else:
                assert abs(shares.of(i, j) - expected[i, j] / surprise) <= 2 * bound / min(1.0, surprise) ** 2


def test_a_pmi_of_zero_is_stored_and_no_absence() -> None:
    counts = count_cooccurrences(tokens_of([[0, 0]], 1), 1)  # one pair: P(i,j) = P(i) P(j) = 1
    assert counts.pmi().of(0, 0) == 0
    assert counts.pmi().matrix.nnz == 1
    assert math.isnan(counts.npmi().of(0, 0))


@settings(deadline=None)
@given(documents=CORPORA, side=SIDES, unit=st.sampled_from(["nat", "bit"]))
def test_entropies_and_mutual_information_equal_their_definitions(
    documents: list[list[int]], side: Any, unit: Any
) -> None:
    counts, table = counted(documents, side)
    nats, total = {"nat": 1.0, "bit": math.log(2)}[unit], table.sum()
    found = counts.context_entropies(unit=unit)
    assert found.unit == unit
    for value, row in zip(found.values, table, strict=True):
        expected = dense_entropy(row / row.sum()) if row.any() else math.nan
        assert abs(value * nats - expected) <= rounding(2) if row.any() else math.isnan(value)
    whole, mutual = counts.entropy(unit=unit), counts.mutual_information(unit=unit)
    assert whole.unit == mutual.unit == unit
    if total == 0:
        assert math.isnan(float(whole))
        assert math.isnan(float(mutual))
        return
    assert abs(float(whole) * nats - dense_entropy(table.sum(axis=1) / total)) <= rounding(2)
    cells = [
        p * x for p, x in zip((table / total).ravel(), dense_pmi(table * 1.0, 1).ravel(), strict=True) if p
    ]
    assert abs(float(mutual) * nats - math.fsum(cells)) <= rounding(4, WORDS**2)


def test_an_entropy_says_its_unit() -> None:
    counts = count_cooccurrences(tokens_of([[0, 1]], 2), 1)
    assert str(counts.entropy(unit="bit")) == "1 bit"
    assert str(counts.entropy()) == f"{math.log(2):.6g} nat"
    with pytest.raises(ConfigError, match="unit = 'bits'"):
        counts.entropy(unit="bits")  # type: ignore[arg-type]


def test_nothing_counted_has_no_probability() -> None:
    assert math.isnan(EMPTY.joint(0, 1))
    assert math.isnan(EMPTY.conditional(0, 1))
    assert math.isnan(float(EMPTY.mutual_information()))
    assert EMPTY.pmi().of(0, 1) == -math.inf
    assert np.isnan(EMPTY.context_entropies().values).all()


def test_ratios_are_a_table_with_infinite_and_missing_ones_said() -> None:
    # 0 "ice" is near 2 twice and 3 once, 1 "steam" near 3 only; 4 and 5 have no contexts
    counts = count_cooccurrences(tokens_of([[0, 2], [2, 0], [0, 3], [1, 3], [4], [5]], 6), 1)
    found = counts.ratio("w00", 1, ["w02", "w03", 4])
    assert (found.first, found.second, found.probes) == ("w00", "w01", ("w02", "w03", "w04"))
    np.testing.assert_array_equal(found.given_first, [2 / 3, 1 / 3, 0])
    np.testing.assert_array_equal(found.given_second, [0, 1, 0])
    np.testing.assert_array_equal(found.values, [math.inf, 1 / 3, math.nan])
    lines = [line.split() for line in str(found).splitlines()]
    assert lines == [
        ["probe", "P(·|w00)", "P(·|w01)", "ratio"],
        ["w02", "0.667", "0", "inf", "w01", "never", "met", "it"],
        ["w03", "0.333", "1", "0.333"],
        ["w04", "0", "0", "nan", "neither", "met", "it"],
    ]
    assert np.isnan(counts.ratio(5, 0, [2]).values).all()


@pytest.mark.parametrize("word", ["w0", 6, -1])
def test_an_unknown_word_is_refused(word: Any) -> None:
    counts = count_cooccurrences(tokens_of([[0, 1]], 6), 1)
    with pytest.raises(VocabularyError, match="not among the 6 words"):
        counts.conditional(word, 0)


@pytest.mark.parametrize("of", ["counts", "ppmi"])
def test_the_spectrum_holds_the_largest_singular_values(of: Any) -> None:
    counts = count_cooccurrences(random_tokens(), 5)
    matrix = counts.to_float() if of == "counts" else counts.ppmi()
    found = counts.spectrum(12, of=of)
    expected = np.linalg.svd(matrix.toarray(), compute_uv=False)[:12]
    # LAPACK's singular values are those of a matrix within eps times its norm and a modest factor of its size
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=60 * EPS * expected[0])
    assert found.of == of
    assert found.power_law().ranks == (1, 12)
    assert found.power_law((3, 9)).ranks == (3, 9)


def test_a_spectrum_larger_than_the_vocabulary_is_refused() -> None:
    with pytest.raises(ConfigError, match="k = 61"):
        count_cooccurrences(random_tokens(), 5).spectrum(61)


def test_rank_frequency_is_of_the_words_own_counts() -> None:
    tokens = random_tokens()
    counts = count_cooccurrences(tokens, 2)
    frequencies = np.sort(tokens.vocabulary.counts)[::-1]
    assert counts.rank_frequency((2, 50)) == fit_power_law(frequencies, (2, 50))
