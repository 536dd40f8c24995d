"""The jackknife over words has the values, and so the interval, of the tables without blocks of rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_table
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.progress import SILENT
from gpuemb.geometry.displacement import DISPLACEMENT, semantic_displacement
from gpuemb.geometry.grams.build import pair_grams
from gpuemb.geometry.measure import Measure
from gpuemb.geometry.measure.measured import measured, values_without_blocks
from gpuemb.geometry.measures import MEASURES
from gpuemb.geometry.procrustes import procrustes, procrustes_measure
from gpuemb.geometry.ranks.matrix_correlation import METHODS
from gpuemb.geometry.resampling.own_terms import OwnTerms
from gpuemb.geometry.rsa import rsa
from gpuemb.uncertainty.draws import Draws, block_count, deal
from gpuemb.uncertainty.intervals import CORRELATION, jackknife_interval

OPTIONS = (
    {"center": True},
    {"scale": True},
    {"rotation_only": True},
    {"scale": True, "center": True, "rotation_only": True},
)
CASES: dict[str, tuple[Measure, Callable[[Any, Any], float]]] = {
    **{m.name: (m, lambda x, y, m=m: measured(m, x, y, Draws("test", blocks=0)).value) for m in MEASURES},
    "displacement": (DISPLACEMENT, lambda x, y: semantic_displacement(x, y, blocks=0).value),
    **{
        " and ".join(options): (
            procrustes_measure(**options),
            lambda x, y, options=options: procrustes(x, y, blocks=0, **options).distance,
        )
        for options in OPTIONS
    },
}
KINDS = ("float64", "float32", "far means", "zero rows")
WORDS = 60


def tables(kind: str, measure: Measure) -> tuple[Any, Any]:
    """Two related tables; means so far from 0 that sums alone lose them only where rows are centered."""
    dtype = np.float32 if kind == "float32" else np.float64
    x = random_table(WORDS, 5, dtype=dtype)
    y = (x + random_table(WORDS, 5, 1)).astype(dtype)
    if kind == "far means":
        far = 1e6 if measure.preparation == "centered" else 3.0
        x, y = x + far * np.arange(1, 6), y - far
    if kind == "zero rows":
        x[3] = y[7] = x[20] = y[20] = 0
    return x, y


def left_out(measure: Measure, x: Any, y: Any, blocks: list[Int64]) -> Float64:
    rows = pair_grams("test", [x, y], measure.preparation, "float64").source_rows()
    return values_without_blocks(rows, measure.preparation, blocks, measure.of_products, SILENT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_the_tables_without_the_rows(name: str, kind: str) -> None:
    measure, value = CASES[name]
    x, y = tables(kind, measure)
    blocks = deal(WORDS, 7, 3)
    expected = [value(np.delete(x, block, axis=0), np.delete(y, block, axis=0)) for block in blocks]
    found = left_out(measure, x, y, blocks)
    assert np.isfinite(found).all()
    # Sums of centered rows may stand 1e6 times above the spread of a block whose own means are subtracted.
    assert_allclose(found, expected, rtol=1e-9 if kind != "far means" else 1e-7)


@pytest.mark.parametrize("name", [*(measure.name for measure in MEASURES), "displacement"])
def test_an_interval_is_that_of_the_values_without_blocks_grown_to_all_words(name: str) -> None:
    measure, value = CASES[name]
    x, y = tables("float64", measure)
    smaller = [np.delete(np.arange(WORDS), block) for block in deal(WORDS, 13, 5)]
    grown = np.array([value(x[kept], y[kept]) * (WORDS / len(kept)) ** measure.growth for kept in smaller])
    low, high = jackknife_interval(value(x, y), grown, measure.possible, 0.9)
    found = measured(measure, x, y, Draws("test", blocks=13, seed=5, confidence=0.9))
    assert_allclose(found.interval, (low, high), rtol=1e-6)
    assert (found.blocks, found.undefined, found.confidence) == (13, 0, 0.9)


@pytest.mark.parametrize("options", OPTIONS)
def test_the_options_of_procrustes_enter_its_interval(options: dict[str, bool]) -> None:
    x, y = tables("float64", MEASURES[0])
    smaller = [np.delete(np.arange(WORDS), block) for block in deal(WORDS, 20, 0)]
    grown = [procrustes(x[k], y[k], blocks=0, **options).distance * (WORDS / len(k)) ** 0.5 for k in smaller]
    found = procrustes(x, y, **options)
    expected = jackknife_interval(found.distance, np.array(grown), procrustes_measure(**options).possible)
    assert_allclose(found.interval, expected, rtol=1e-6)


def test_a_distance_grows_with_the_words_and_its_interval_does_not_lag_behind() -> None:
    """Twice as many words of one kind: √2 times the distance, twice the PIP loss, the same cosine."""
    x, y = random_table(4000, 5, 2), random_table(4000, 5, 3)
    for measure in MEASURES:
        whole, half = (measured(measure, x[:n], y[:n], Draws("test", blocks=0)).value for n in (4000, 2000))
        assert math.isclose(whole / half, 2.0**measure.growth, rel_tol=0.05) or measure.growth == 0


@pytest.mark.parametrize("name", CASES)
def test_bits_depend_neither_on_threads_nor_on_the_memory_for_blocks(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure, _ = CASES[name]
    x, y = random_table(9000, 6), random_table(9000, 6, 1)
    blocks = deal(9000, 6, 1)
    expected = left_out(measure, x, y, blocks)
    assert np.isfinite(expected).all()
    for workers in (1, 2, 5):
        with threads.limit(workers):
            assert_same_bits(left_out(measure, x, y, blocks), expected)
    monkeypatch.setattr("gpuemb.geometry.measure.measured.KEPT_BYTES", 0)
    assert_same_bits(left_out(measure, x, y, blocks), expected)


def test_words_are_dealt_once_each_into_blocks_that_differ_by_a_word() -> None:
    dealt = deal(103, 20, 4)
    assert sorted(np.concatenate(dealt)) == list(range(103))
    assert {len(block) for block in dealt} == {5, 6}
    assert all((np.diff(block) > 0).all() for block in dealt)
    assert any((a != b).any() for a, b in zip(deal(100, 20, 4), deal(100, 20, 5), strict=True))
    assert [block_count(words) for words in (1, 19, 20, 499, 500, 10**6)] == [1, 19, 20, 20, 50, 50]


@given(
    words=st.integers(5, 40),
    dim=st.integers(1, 6),
    other=st.integers(1, 6),
    seed=st.integers(0, 999),
    noise=st.sampled_from([0.0, 1e-9, 0.1, 10.0]),
    measure=st.sampled_from([*MEASURES, DISPLACEMENT]),
)
def test_an_interval_holds_the_value_and_stays_in_the_range(
    words: int, dim: int, other: int, seed: int, noise: float, measure: Measure
) -> None:
    x = random_table(words, dim, seed)
    mapped = x if dim == other else x @ random_table(dim, other, seed + 2)
    y = mapped + noise * random_table(words, other, seed + 1)
    found = measured(measure, x, y, Draws("test"))
    low, high = found.interval
    if math.isnan(low):
        assert math.isnan(high)
        assert math.isnan(found.value) or found.blocks - found.undefined < 2 or found.blocks < 2
        return
    possible = measure.possible
    assert possible.low <= low <= high <= possible.high
    assert low <= possible.clipped(found.value) <= high  # rounding may take a value past its range


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_own_terms_of_raw_sums_are_those_of_the_centered_rows(shift: float) -> None:
    x, y = random_table(80, 4, offset=shift), random_table(80, 3, 1, offset=shift)
    lengths = [np.sum((table - table.mean(axis=0)) ** 2, axis=1) for table in (x, y)]
    found = OwnTerms.of_centered(pair_grams("test", [x, y], "raw", "float64"))
    expected = OwnTerms.of_single_words(*lengths)
    for name in ("counts", "lengths", "products"):
        assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)
    assert_same_bits(found.products[1], found.products[0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("words", [15, 30])
def test_word_lists_and_ranks_have_the_same_jackknife(method: Any, words: int) -> None:
    x, y = random_table(40), random_table(seed=1)
    y += x
    listed = np.random.default_rng(3).permutation(40)[:words]
    blocks = deal(words, min(words, 20), 2)
    smaller = [np.delete(listed, block).tolist() for block in blocks]
    values = np.array([rsa(x, y, kept, method=method, blocks=0).value for kept in smaller])
    found = rsa(x, y, listed.tolist(), method=method, seed=2)
    assert found.blocks == len(blocks)
    expected = jackknife_interval(found.value, values, CORRELATION)
    assert_allclose(found.interval, expected, rtol=1e-9)
    assert found.interval[0] < found.value < found.interval[1]
    if method != "kendall":
        everything = rsa(x[listed], y[listed], method=method, seed=2)
        assert_allclose(everything.interval, found.interval, rtol=1e-6)
