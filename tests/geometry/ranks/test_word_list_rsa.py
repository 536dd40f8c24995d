"""RSA of a list of words: scipy's correlations of both matrices, and every missing word by name."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from geometry.definitions import cosines, random_table
from geometry.resamples import pairs_of_words, repeated
from numpy.testing import assert_allclose
from scipy.stats import kendalltau, pearsonr, spearmanr

from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, DTypeError, NonFiniteError, ShapeError, VocabularyError
from gpuemb.embeddings.model import Embedding
from gpuemb.geometry.ranks.matrix_correlation import METHODS
from gpuemb.geometry.ranks.word_list_rsa import WordListSimilarity
from gpuemb.geometry.rsa import Method, rsa
from gpuemb.uncertainty.draws import order_of, weights_of

ANIMALS = ["cat", "dog", "horse", "cow", "sheep", "goat", "pig", "hen", "duck", "goose", "lion", "bear"]
SCIPY: dict[str, Any] = {"pearson": pearsonr, "spearman": spearmanr, "kendall": kendalltau}
EXACT = 1e-12


def tables(dtype: Any = np.float64) -> tuple[Embedding, Embedding]:
    """The second has the words in another order, and some words that the first does not have."""
    x = random_table(12, 4, dtype=dtype)
    y = np.vstack([random_table(2, 3, 5, dtype=dtype), x[::-1, :3] + random_table(12, 3, 1, dtype=dtype) / 2])
    return Embedding(x, ANIMALS), Embedding(y, ["ox", "bull", *ANIMALS[::-1]])


def listed(x: Any, y: Any, words: Any, **options: Any) -> WordListSimilarity:
    found = rsa(x, y, words, **options)
    assert isinstance(found, WordListSimilarity)
    return found


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_everything_is_scipys_of_the_matrices(method: Method, dtype: Any) -> None:
    x, y = tables(dtype)
    words = ["bear", "cat", "dog", "goose", "hen", "cow"]
    found = listed(x, y, words, method=method)
    matrices = [cosines(table.vectors[table.rows(words)]) for table in (x, y)]
    upper = np.triu_indices(6, 1)
    first, second = (matrix[upper] for matrix in matrices)
    assert found.words == tuple(words)
    assert_allclose(found.cosines_x, matrices[0], atol=EXACT)
    assert_allclose(found.cosines_y, matrices[1], atol=EXACT)
    assert_allclose(found.difference, matrices[0] - matrices[1], atol=EXACT)
    assert_allclose(found.upper_x, first, atol=EXACT)
    assert_allclose(found.upper_y, second, atol=EXACT)
    assert_allclose([found.mean_x, found.mean_y], [first.mean(), second.mean()], rtol=EXACT)
    for name in METHODS:
        assert abs(getattr(found, name) - SCIPY[name](first, second).statistic) <= EXACT
    assert found.value == float(found) == getattr(found, method)
    assert (found.measure, found.missing, found.without_length) == (f"rsa {method}", (), ())
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.value = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("method", METHODS)
def test_ties_are_shared_as_scipy_shares_them(method: Method) -> None:
    """Words with equal vectors have equal cosines to the last bit, wherever they stand."""
    numbers = np.random.default_rng(3)
    x = np.repeat(random_table(8, 3), 4, axis=0)[numbers.permutation(32)]
    y = np.repeat(random_table(4, 3, 1), 8, axis=0)[numbers.permutation(32)]
    upper = np.triu_indices(32, 1)
    rounded = [np.round(cosines(table)[upper], 9) for table in (x, y)]
    found = rsa(x, y, range(32), method=method)
    assert abs(found.value - SCIPY[method](*rounded).statistic) <= 1e-9  # what rounding to nine digits moves


def test_the_whole_vocabulary_as_a_list_has_the_value_of_the_whole_vocabulary() -> None:
    x, y = random_table(50, 4), random_table(50, 3, 1)
    for method in ("pearson", "spearman"):
        assert abs(rsa(x, y, range(50), method=method).value - rsa(x, y, method=method).value) <= EXACT


def test_missing_words_are_named_with_their_closest_spellings() -> None:
    x, y = tables()
    found = listed(x, y, ["cat", "ox", "gose", "dog", "zyx", "hen", "cow"])
    assert found.words == ("cat", "dog", "hen", "cow")
    assert [(m.word, m.tables) for m in found.missing] == [
        ("ox", "X"),
        ("gose", "X and Y"),
        ("zyx", "X and Y"),
    ]
    assert "goose" in found.missing[1].closest
    assert found.missing[2].closest == ()
    assert str(found.missing[1]).startswith("'gose' (not in X and Y; did you mean goose")


def test_words_without_length_are_named() -> None:
    x, y = tables()
    vectors = x.vectors.copy()
    vectors[x.row("dog")] = 0
    found = listed(Embedding(vectors, ANIMALS), y, ["cat", "dog", "hen", "cow", "pig"])
    assert found.words == ("cat", "hen", "cow", "pig")
    assert (found.without_length, found.zero_rows) == (("dog",), 1)
    assert np.isfinite(found.cosines_x).all()


@pytest.mark.parametrize("words", [["cat", "dog", "unicorn"], ["cat"], [], ["unicorn", "griffin", "roc"]])
def test_fewer_than_three_words_are_refused_by_name(words: list[str]) -> None:
    with pytest.raises(VocabularyError, match=f"of {len(words)} words") as refusal:
        rsa(*tables(), words)
    for word in words:
        assert word in ANIMALS or f"'{word}' (not in X and Y" in str(refusal.value)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("cat", ConfigError, "words = 'cat'"),
        (np.zeros((2, 2), int), DTypeError, r"array\(\[0, 0\]\) is neither a word nor a row number"),
        (7, ConfigError, "words = 7"),
        (["cat", 1, "dog"], ConfigError, "mixed"),
        (["cat", "dog", "cat", "hen"], ConfigError, "'cat' is listed twice"),
        ([1, 2, 1, 3], ConfigError, "1 is listed twice"),
        ([0, 1, 12], ShapeError, "row 12 of 12"),
        ([0, 1, -1], ShapeError, "row -1 of 12"),
        ([0.5, 1.0, 2.0], DTypeError, "0.5 is neither a word nor a row number"),
        ([True, False, True], DTypeError, "True is neither"),
    ],
)
def test_what_is_no_list_of_words_is_refused(words: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        rsa(*tables(), words)


def test_words_are_not_asked_of_arrays() -> None:
    x, _ = tables()
    with pytest.raises(DTypeError, match="words were named, but Y is an array"):
        rsa(x, random_table(12), ["cat", "dog", "hen"])


def test_only_rows_that_are_asked_for_need_be_finite() -> None:
    x = random_table(12)
    x[5, 1] = math.inf
    assert math.isfinite(rsa(x, random_table(12, seed=1), [0, 1, 2, 3]).value)
    with pytest.raises(NonFiniteError, match="the word '5'"):
        rsa(x, random_table(12, seed=1), [0, 1, 5, 3])


@pytest.mark.parametrize("method", METHODS)
def test_equal_cosines_have_no_correlation_and_say_so(method: Method) -> None:
    """Parallel rows: cosines of 1, up to their last bit."""
    rows = np.arange(1, 9)[:, None] * np.array([[0.1, -0.7, 1.3]])
    found = listed(rows, random_table(8), range(8), method=method, permutations=9, bootstrap=9)
    assert math.isnan(found.value)
    assert found.reason == "all cosines of one table are equal, or nearer to 1 than 1e-9"
    assert math.isnan(found.p_value)


@pytest.mark.parametrize("method", METHODS)
def test_the_null_and_the_interval_are_those_of_permuted_and_repeated_rows(method: Method) -> None:
    x, y = random_table(15, 4), random_table(15, 4)[:, :3] + random_table(15, 3, 1)
    rows = np.arange(15)
    found = rsa(x, y, rows, method=method, permutations=30, bootstrap=40, seed=6, confidence=0.8)
    upper = np.triu_indices(15, 1)
    matrices = [cosines(table) for table in (x, y)]

    def permuted(order: Any) -> float:
        return float(SCIPY[method](matrices[0][upper], matrices[1][np.ix_(order, order)][upper]).statistic)

    def resampled(weights: Any) -> float:
        often = repeated(weights)
        apart = np.triu(pairs_of_words(often))
        entries = [matrix[np.ix_(often, often)][apart] for matrix in matrices]
        return float(SCIPY[method](*entries).statistic)

    null = np.array([permuted(order_of(draw, 15, 6)) for draw in range(30)])
    values = [resampled(weights_of(draw, 15, 6)) for draw in range(40)]
    assert abs(found.null_mean - null.mean()) <= EXACT
    assert found.p_value == (1 + int((null >= found.value).sum())) / 31
    assert_allclose(found.interval, np.quantile(values, [0.1, 0.9]), atol=EXACT)
    with threads.limit(1):
        again = rsa(x, y, rows, method=method, permutations=30, bootstrap=40, seed=6, confidence=0.8)
    assert (again.interval, again.null_mean) == (found.interval, found.null_mean)
