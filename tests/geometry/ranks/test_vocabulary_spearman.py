"""Spearman of a whole vocabulary: scipy's where it is sorted, within its stated bound where streamed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry.definitions import cosines, random_table
from scipy.stats import spearmanr

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.core.errors import ConfigError, NonFiniteError, ShapeError
from gpuemb.geometry.cosine_moments import cosine_moments
from gpuemb.geometry.grams.build import pair_sums
from gpuemb.geometry.measure.measured import Similarity
from gpuemb.geometry.ranks.vocabulary_spearman import STRIPE, _unit
from gpuemb.geometry.rsa import rsa
from gpuemb.uncertainty.draws import order_of

EXACT = 1e-12
STREAM: dict[str, Any] = {"method": "spearman", "matrix_bytes": 0}


def spearman(x: Any, y: Any) -> float:
    upper = np.triu_indices(len(x), 1)
    return float(spearmanr(cosines(x)[upper], cosines(y)[upper]).statistic)


def related(words: int, seed: int = 0, offset: float = 0.5) -> tuple[Float64, Float64]:
    x = random_table(words, 6, seed, offset=offset)
    return x, np.hstack([x[:, :4], random_table(words, 3, seed + 1)])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("words", [3, 4, 40, 200])
def test_sorted_ranks_are_scipys(words: int, dtype: Any) -> None:
    x, y = (table.astype(dtype) for table in related(words))
    found = rsa(x, y, method="spearman")
    assert abs(found.value - spearman(x, y)) <= EXACT
    assert (found.measure, found.error_bound, found.reason) == ("rsa spearman", 0.0, "")


def with_copies(seed: int) -> Float64:
    """Ten directions, each of four lengths: most cosines are equal, and equal to the last bit."""
    few = np.repeat(random_table(10, 3, seed), 4, axis=0) * np.tile([1.0, 2.0, 0.5, 64.0], 10)[:, None]
    return few[np.random.default_rng(seed).permutation(40)]


@pytest.mark.parametrize("options", [{"method": "spearman"}, STREAM], ids=["sorted", "streamed"])
def test_equal_cosines_share_their_mean_rank(options: dict[str, Any]) -> None:
    x, y = with_copies(0), with_copies(1)
    upper = np.triu_indices(40, 1)
    rounded = [np.round(cosines(table)[upper], 9) for table in (x, y)]
    assert len(np.unique(rounded[0])) <= 46
    found = rsa(x, y, **options)
    assert abs(found.value - float(spearmanr(*rounded).statistic)) <= found.error_bound + EXACT


FEW = [(words, offset) for words in (3, 40) for offset in (0.0, 0.5, 20.0)]
MANY = [(700, 0.0), (700, 0.5), *((STRIPE + 400, offset) for offset in (0.0, 0.5, 20.0))]


@pytest.mark.parametrize(
    ("words", "offset"), [*FEW, (700, 20.0), *(pytest.param(*one, marks=pytest.mark.slow) for one in MANY)]
)
def test_streamed_ranks_are_within_their_bound(words: int, offset: float) -> None:
    x, y = related(words, offset=offset)
    exact, binned = rsa(x, y, method="spearman"), rsa(x, y, **STREAM)
    assert abs(binned.value - exact.value) <= binned.error_bound
    assert 0 < binned.error_bound < (1e-4 if words > 100 else 1)


def test_a_bound_on_few_cells_is_wide_and_holds() -> None:
    """Two far words stretch the grid: nearly all cosines are in a few cells, and the bound says so."""
    x, y = related(600, offset=3e4)
    x[:2] *= -1
    y[:2] *= -1
    binned = rsa(x, y, **STREAM)
    assert abs(binned.value - rsa(x, y, method="spearman").value) <= binned.error_bound
    assert binned.error_bound > 1e-3


def test_bits_do_not_depend_on_threads() -> None:
    x, y = related(2 * STRIPE + 300)

    def ask(workers: int) -> Similarity:
        with threads.limit(workers):
            return rsa(x, y, **STREAM)

    assert ask(1) == ask(2) == ask(4)


def test_rows_without_length_are_left_out() -> None:
    x, y = related(80)
    x[3] = 0
    y[70] = 0
    kept = np.delete(np.arange(80), [3, 70])
    for options in ({"method": "spearman"}, STREAM):
        found = rsa(x, y, **options)
        assert abs(found.value - spearman(x[kept], y[kept])) <= found.error_bound + EXACT
        assert found.zero_rows == 2


@pytest.mark.parametrize("options", [{"method": "spearman"}, STREAM], ids=["sorted", "streamed"])
@pytest.mark.parametrize(
    "constant", [np.full((50, 3), 0.1), np.eye(50), np.zeros((50, 3))], ids=["equal", "orthogonal", "zeros"]
)
def test_equal_cosines_have_no_order(constant: Any, options: dict[str, Any]) -> None:
    found = rsa(constant, random_table(50), **options)
    assert math.isnan(found.value)
    assert found.reason == "all cosines of one table are equal, or nearer to 1 than 1e-9"
    assert found.error_bound == 0


@pytest.mark.parametrize("words", [1, 2])
def test_fewer_than_three_words_have_no_order(words: int) -> None:
    assert math.isnan(rsa(random_table(words), random_table(words, seed=1), method="spearman").value)


def test_sorted_ranks_have_a_null_and_an_interval() -> None:
    x, y = related(60)
    found = rsa(x, y, method="spearman", permutations=40, bootstrap=60, seed=2)
    null = [spearman(x, y[order_of(draw, 60, 2)]) for draw in range(40)]
    assert abs(found.null_mean - np.mean(null)) <= EXACT
    assert found.p_value == (1 + sum(value >= found.value for value in null)) / 41
    assert found.interval[0] < found.value < found.interval[1]


def test_streamed_ranks_are_not_drawn_anew() -> None:
    with pytest.raises(ConfigError, match="streamed ranks of 40 words") as refusal:
        rsa(*related(40), **STREAM, bootstrap=5)
    assert "matrix_bytes" in str(refusal.value)


def test_kendall_and_unknown_methods_are_refused() -> None:
    with pytest.raises(ConfigError, match="Kendall's correlation of a whole vocabulary"):
        rsa(*related(40), method="kendall")
    with pytest.raises(ConfigError, match="method = 'spearmann'") as refusal:
        rsa(*related(40), method="spearmann")  # type: ignore[arg-type]
    assert "spearman" in str(refusal.value)


def test_broken_tables_are_refused() -> None:
    x, y = related(40)
    with pytest.raises(ShapeError, match="X has 40 rows but Y has 39"):
        rsa(x, y[1:], method="spearman")
    x[7, 0] = math.nan
    with pytest.raises(NonFiniteError, match="row 7"):
        rsa(x, y, method="spearman")


def test_the_moments_of_the_grid_are_those_of_the_cosines() -> None:
    x = related(90)[0]
    entries = cosines(x)[np.triu_indices(90, 1)]
    unit = _unit(x)
    found = cosine_moments(pair_sums("test", unit, unit, "unit"))
    assert found is not None
    assert np.allclose(1 - found.gaps[0], entries.mean(), rtol=1e-9)
    assert np.allclose(found.variances, [entries.var()] * 2, rtol=1e-9)
