"""All products of table pairs in one pass: right, and the same bits for any number of threads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_rotation, random_table
from threadpoolctl import threadpool_limits
from tolerances import EPS64, SAFETY, assert_same_bits, assert_within, sum_error

from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, MemoryBudgetError, NonFiniteError, ShapeError
from gpuemb.embeddings.model import Embedding, EmbeddingStack
from gpuemb.geometry.cca import pwcca
from gpuemb.geometry.cka import cka
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.eigenspace import eigenspace_instability
from gpuemb.geometry.grams.build import plan_cross_grams
from gpuemb.geometry.measures import MEASURES as ALL
from gpuemb.geometry.per_word import aligned_cosines, pip_per_word, second_order_cosine
from gpuemb.geometry.pip import pip_loss
from gpuemb.geometry.procrustes import procrustes
from gpuemb.geometry.rsa import rsa
from gpuemb.geometry.shape_distances import angular, bures
from gpuemb.geometry.spectrum import spectrum
from gpuemb.kernels.gram import BLOCK_ROWS


@pytest.mark.parametrize("words", [1, 30, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 77])
@pytest.mark.parametrize("preparation", ["raw", "unit", "centered"])
def test_every_block_is_the_product_of_its_two_tables(words: int, preparation: Any) -> None:
    tables = [random_table(words, dim, seed) for seed, dim in enumerate((2, 4, 3))]
    prepared = {
        "raw": lambda x: x,
        "unit": lambda x: x / np.linalg.norm(x, axis=1, keepdims=True),
        "centered": lambda x: x - x.mean(axis=0),
    }[preparation]
    grams = cross_grams(tables, preparation)
    for s, first in enumerate(tables):
        for t, second in enumerate(tables):
            largest = [1.0 if preparation == "unit" else float(np.abs(x).max()) for x in (first, second)]
            bound = SAFETY * EPS64 * math.sqrt(words) * words * math.prod(largest)
            assert_within(grams.block(s, t), prepared(first).T @ prepared(second), bound)
            assert_same_bits(grams.block(t, s), grams.block(s, t).T)
    assert (grams.rows, grams.runs, grams.zeros) == (words, 3, 0)


def test_a_stack_an_array_and_a_list_have_the_same_products() -> None:
    vectors = np.stack([random_table(seed=seed) for seed in range(3)])
    words = [f"w{i}" for i in range(40)]
    expected = cross_grams(vectors).products
    for runs in (list(vectors), EmbeddingStack(vectors, words), [Embedding(v, words) for v in vectors]):
        assert_same_bits(cross_grams(runs).products, expected)


def test_all_runs_have_the_sums_of_squared_lengths() -> None:
    tables = [random_table(50, dim, seed) for seed, dim in enumerate((2, 4, 3))]
    kappa = np.stack([(x**2).sum(axis=1) for x in tables])
    bound = SAFETY * EPS64 * 50 * float(kappa.max()) ** 2
    assert_within(cross_grams(tables).norms, kappa @ kappa.T, bound)


def test_parts_cut_on_block_borders_add_up_to_the_same_bits() -> None:
    x = random_table(2 * BLOCK_ROWS + 100, 4)
    parts = [cross_grams([x[start : start + BLOCK_ROWS]]).products for start in range(0, len(x), BLOCK_ROWS)]
    assert_same_bits(cross_grams([x]).products, parts[0] + parts[1] + parts[2])


def test_rows_without_length_are_left_out_of_unit_sums_alone() -> None:
    x, y = random_table(), random_table(seed=1)
    x[3] = y[5] = 0
    kept = [row for row in range(40) if row not in (3, 5)]
    unit, raw = cross_grams([x, y], "unit"), cross_grams([x, y])
    assert (unit.rows, unit.zeros) == (38, 2)
    assert (raw.rows, raw.zeros) == (40, 2)
    assert_within(
        unit.products, cross_grams([x[kept], y[kept]], "unit").products, sum_error(len(kept), len(kept))
    )


ROTATIONS = {dim: random_rotation(dim) for dim in (20, 200)}  # made once: QR is BLAS too
MEASURES = {
    "procrustes": lambda x, y: procrustes(x, y).distance,
    "rotation": lambda x, y: procrustes(x, y).rotation,
    "near": lambda x, y: procrustes(x, x + 1e-7 * y).distance,
    "near pip": lambda x, y: pip_loss(x, x + 1e-7 * y).value,
    "transform": lambda x, y: procrustes(x, y).transform(x),
    "rsa": lambda x, y: rsa(x, y).value,
    "cka": lambda x, y: cka(x, y).value,
    "debiased cka": lambda x, y: cka(x, y, debiased=True).value,
    "far cka": lambda x, y: cka(x + 1e6, y).value,
    "pwcca": lambda x, y: pwcca(x, y).value,
    "pwcca of duplicate columns": lambda x, y: pwcca(np.concatenate([x, x[:, :1]], axis=1), y).value,
    "instability": lambda x, y: eigenspace_instability(x, y).value,
    "near instability": lambda x, y: eigenspace_instability(x, x + 1e-7 * y).value,
    "bures": lambda x, y: bures(x, y).value,
    "near angle": lambda x, y: angular(x, x + 1e-7 * y).value,
    "pip per word": pip_per_word,
    "second-order cosine": second_order_cosine,
    "pip": lambda x, y: pip_loss(x, y).value,
    "spectrum": lambda x, y: spectrum(x).eigenvalues,
    "aligned cosines": lambda x, y: aligned_cosines(x, y, ROTATIONS[x.shape[1]]),
    "unit products": lambda x, y: cross_grams([x, y, x[:, ::2]], "unit").products,
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
@pytest.mark.parametrize(("words", "dim"), [(300, 200), (BLOCK_ROWS + 500, 20)])
def test_the_number_of_threads_changes_no_bit(measure: Any, words: int, dim: int) -> None:
    x, y = random_table(words, dim), random_table(words, dim, 1)
    found = []
    for workers in (1, 2, 3):  # BLAS would otherwise use every core that a machine has
        with threads.limit(workers), threadpool_limits(workers, user_api="blas"):
            found.append(np.asarray(measure(x, y)))
    assert_same_bits(found[1], found[0])
    assert_same_bits(found[2], found[0])


def test_an_unknown_preparation_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="preparation = 'centred' is not known") as refusal:
        cross_grams([random_table()], "centred")  # type: ignore[arg-type]
    assert "centered" in str(refusal.value)


@pytest.mark.parametrize("made", ["raw", "unit", "centered"])
def test_measures_need_no_knowledge_of_preparations(made: Any) -> None:
    tables = [random_table(), random_table(seed=1)]
    grams = cross_grams(tables, made)
    for measure in ALL:
        expected = cross_grams(tables, measure.preparation).take(measure).values
        assert_within(grams.take(measure).values, expected, 1e-12 * np.abs(expected))
        assert grams.prepared(measure.preparation) is grams.prepared(measure.preparation)


def test_parts_refuse_measures_of_another_preparation_and_unit_products_are_not_centered() -> None:
    part = cross_grams([random_table(), random_table(seed=1)], first_row=0)
    assert np.isfinite(part.cka()).all()
    with pytest.raises(ConfigError, match="unit products of a part that was summed as raw"):
        part.rsa()
    with pytest.raises(ConfigError, match="preparation = 'unit'"):
        cross_grams([random_table()], "unit").centered()


def test_the_first_run_and_word_that_are_not_finite_are_named() -> None:
    vectors = np.stack([random_table(3, 2, seed) for seed in range(3)])
    runs = EmbeddingStack(vectors, ["a", "b", "c"])
    vectors[1, 2, 0] = np.inf
    with pytest.raises(NonFiniteError, match="run 1 holds NaN or infinity; row 2, the word 'c'"):
        cross_grams(runs)


@pytest.mark.parametrize("preparation", ["raw", "unit", "centered"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_number_that_is_not_finite_is_no_row_without_length(
    preparation: Any, bad: float, dtype: Any
) -> None:
    x, y = random_table(dtype=dtype), random_table(seed=1, dtype=dtype)
    y[7, 2] = bad
    with pytest.raises(NonFiniteError, match="run 1 holds NaN or infinity; row 7"):
        cross_grams([x, y], preparation)


def test_tables_over_different_words_are_refused() -> None:
    with pytest.raises(ShapeError, match="cross_grams: run 0 has 40 rows but run 2 has 20"):
        cross_grams([random_table(), random_table(), random_table(20)])


def test_products_that_do_not_fit_are_refused_with_their_bytes() -> None:
    with pytest.raises(MemoryBudgetError, match="cross-Grams of 100000000 columns"):
        plan_cross_grams(10**8).require()


@pytest.mark.parametrize("measure", [procrustes, pip_loss, cka], ids=lambda f: f.__name__)
def test_lengths_beyond_float64_are_refused_not_measured(measure: Any) -> None:
    with pytest.raises(NonFiniteError):
        measure(1e200 * random_table(), random_table(seed=1))
