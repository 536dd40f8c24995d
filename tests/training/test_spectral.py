"""PPMI-SVD: nothing random in it, and equal to the plain decomposition."""

from __future__ import annotations

import numpy as np
import pytest
from corpus.texts import random_tokens
from counts.dense import ppmi as dense_ppmi
from scipy.sparse import csr_matrix, random_array
from threadpoolctl import threadpool_limits

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.core.errors import ConfigError, NonFiniteError
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.counts.decomposition import DENSE_WORDS, TOLERANCE, truncated_svd
from gpuemb.counts.pmi import ppmi
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.training.recipes import PPMISVD
from gpuemb.training.seeds import train
from gpuemb.training.spectral import train_ppmi_svd

EPS = float(np.finfo(np.float64).eps)
EPS32 = float(np.finfo(np.float32).eps)
TOKENS = random_tokens()
COUNTS = count_cooccurrences(TOKENS, 5)
LARGE = DENSE_WORDS + 88  # beyond it the iteration works, not LAPACK on the dense matrix


def sparse(words: int, seed: int = 0) -> csr_matrix:
    """A sparse, positive, unsymmetric matrix."""
    return csr_matrix(random_array((words, words), density=0.05, rng=np.random.default_rng(seed)))


def test_every_seed_has_the_same_bits() -> None:
    runs = train(COUNTS, PPMISVD(dim=6), seeds=[0, 1, 99])
    np.testing.assert_array_equal(runs.vectors[0], runs.vectors[1])
    np.testing.assert_array_equal(runs.vectors[0], runs.vectors[2])


def test_the_neighbors_of_all_seeds_are_the_same() -> None:
    runs = train(TOKENS, PPMISVD(dim=6), seeds=[0, 1], window=5)
    assert float(neighbor_overlap(*(nearest_neighbors(run, 10) for run in runs))) == 1.0


@pytest.mark.parametrize("power", [0.0, 0.5, 2.0])
def test_words_and_contexts_multiply_to_the_best_approximation_and_say_how_exact_it_is(power: float) -> None:
    model = train(COUNTS, PPMISVD(dim=6, power=power), seeds=[0]).models[0]
    left, singular, right = np.linalg.svd(ppmi(COUNTS, smoothing=0.75).toarray())
    found = model.words.astype(np.float64) @ model.contexts.T
    scale = float(singular[0]) * max(1.0, float(singular[0] / singular[5]) ** abs(power - 1))
    np.testing.assert_allclose(found, left[:, :6] * singular[:6] @ right[:6], rtol=0, atol=64 * EPS32 * scale)
    assert model.residual is not None
    assert model.residual <= 64 * EPS


def test_bootstrap_samples_differ_and_are_named_by_their_seed() -> None:
    runs = train(TOKENS, PPMISVD(dim=6), seeds=[0, 1], vary="bootstrap", window=5)
    again = train(TOKENS, PPMISVD(dim=6), seeds=[1], vary="bootstrap", window=5)
    assert (runs.vectors[0] != runs.vectors[1]).any()
    np.testing.assert_array_equal(runs.vectors[1], again.vectors[0])


def test_a_power_that_leaves_float32_is_named() -> None:
    with pytest.raises(NonFiniteError, match=r"power = 300\.0 of singular values to \d"):
        train_ppmi_svd(COUNTS, PPMISVD(dim=6, power=300))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_table_is_the_dense_decomposition_of_ppmi(power: float) -> None:
    dim = 5
    expected = dense_ppmi(COUNTS.to_float().toarray(), 2.0, 0.75)
    left, singular, _ = np.linalg.svd(expected)
    left = left[:, :dim] * np.sign(left[np.abs(left).argmax(axis=0), np.arange(len(left))])[:dim]
    found = train(COUNTS, PPMISVD(dim=dim, power=power, shift=2.0), seeds=[0]).vectors[0]
    gap = float(
        np.abs(np.subtract.outer(singular[:dim], singular))[~np.eye(dim, len(singular), dtype=bool)].min()
    )
    # a singular vector turns by (error of the matrix) / (gap to the next value); float32 rounds once
    turned = 64 * len(left) * EPS * float(singular[0]) / gap
    scale = float((singular[:dim] ** power).max())
    np.testing.assert_allclose(
        found, left * singular[:dim] ** power, rtol=EPS32, atol=(turned + EPS32) * scale
    )


@pytest.mark.parametrize(("words", "rank"), [(40, 40), (40, 1), (LARGE, 7), (LARGE, 1), (LARGE, 60)])
def test_singular_triplets_are_those_of_lapack(words: int, rank: int) -> None:
    matrix = sparse(words)
    found = truncated_svd(matrix, rank, 1e-6)
    dense: Float64 = matrix.toarray()
    largest = np.linalg.svd(dense, compute_uv=False)
    eps = EPS if words < LARGE else EPS32  # both are backward stable: a multiple of eps·σ_1
    scale = 64 * eps * largest[0]
    np.testing.assert_allclose(found.singular, largest[:rank], rtol=0, atol=scale)
    np.testing.assert_allclose(found.left.T @ found.left, np.eye(rank), rtol=0, atol=64 * eps)
    np.testing.assert_allclose(found.right.T @ found.right, np.eye(rank), rtol=0, atol=64 * eps)
    np.testing.assert_allclose(dense @ found.right, found.left * found.singular, rtol=0, atol=scale)
    left_out = dense @ (dense.T @ found.left) - found.left * found.singular**2
    assert np.abs(left_out).max() <= scale * largest[0]
    assert found.residual <= max(2e-6, 64 * eps) * largest[0] / found.singular[-1]


@pytest.mark.slow
def test_neighbors_of_a_table_are_those_of_the_exact_decomposition() -> None:
    """What people see: the ten nearest words; a gate on the residual alone would not show them."""
    counts = count_cooccurrences(random_tokens(6000, 800), 5)
    matrix = ppmi(counts, smoothing=0.75)
    found = truncated_svd(matrix, 60)
    left, singular, _ = np.linalg.svd(matrix.toarray())
    lists = [
        nearest_neighbors(rows * values**0.5, 10)
        for rows, values in ((left[:, :60], singular[:60]), (found.left, found.singular))
    ]
    assert float(neighbor_overlap(*lists)) >= 0.99
    np.testing.assert_allclose(found.singular, singular[:60], rtol=1e-4)
    assert found.residual <= 2 * TOLERANCE


@pytest.mark.parametrize("true_rank", [0, 1, 3, 40])
def test_a_matrix_of_low_rank_has_its_values_and_zeros(true_rank: int) -> None:
    numbers = np.random.default_rng(true_rank)
    factors = numbers.standard_normal((2, LARGE, true_rank))
    matrix = csr_matrix(factors[0] @ factors[1].T)
    found = truncated_svd(matrix, 6)
    expected = np.linalg.svd(matrix.toarray(), compute_uv=False)[:6]
    largest = max(float(expected[0]), 1.0)
    np.testing.assert_allclose(found.singular, expected, rtol=1e-4, atol=2e-6 * largest)
    assert not found.left[:, min(true_rank, 6) :].any()
    assert not found.right[:, min(true_rank, 6) :].any()
    assert found.residual <= 2 * TOLERANCE


@pytest.mark.parametrize("words", [40, LARGE])
def test_the_largest_entry_of_every_left_vector_is_positive(words: int) -> None:
    left = truncated_svd(sparse(words), 6).left
    assert (left[np.abs(left).argmax(axis=0), np.arange(6)] > 0).all()


@pytest.mark.parametrize("words", [300, LARGE])
def test_equal_matrices_have_equal_bits_for_any_number_of_threads(words: int) -> None:
    counts = count_cooccurrences(random_tokens(3 * words, words), 5)
    recipe = PPMISVD(dim=20)
    found = []
    for workers in (1, 2):
        with threads.limit(workers), threadpool_limits(workers, user_api="blas"):
            found.append(train(counts, recipe, seeds=[0]).vectors)
    np.testing.assert_array_equal(found[0], found[1])


def test_more_dimensions_than_words_are_refused() -> None:
    with pytest.raises(ConfigError, match="dim = 61 of a matrix of 60 × 60"):
        train_ppmi_svd(COUNTS, PPMISVD(dim=61))
