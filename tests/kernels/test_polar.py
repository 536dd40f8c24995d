from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import matrices, seeds
from tolerances import (
    EPS64,
    assert_same_bits,
    assert_within,
    orthogonality_error,
    polar_error,
    singular_error,
    small_rotation_error,
    sum_error,
)

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, to_device, to_host
from gpuemb.core.device import CPU, Device
from gpuemb.core.errors import NonFiniteError
from gpuemb.kernels.polar import PolarFactors, numerical_rank, polar

KERNEL = polar
sizes = st.integers(1, 12)


@st.composite
def batches(draw: st.DrawFn, *, full_rank: bool = False, square: bool = False) -> tuple[Float64, int]:
    """Draw matrices of one shape and one rank, 0 included, with singular values from 1/4 to 4."""
    rows = draw(sizes)
    columns = rows if square else draw(sizes)
    rank = min(rows, columns) if full_rank else draw(st.integers(0, min(rows, columns)))
    first, count = draw(seeds), draw(st.integers(1, 4))
    return np.stack([matrices((rows, columns), rank, first + i) for i in range(count)]), rank


def factors(device: Device, products: Float64) -> PolarFactors:
    """Run the kernel on the device; bring the factors home."""
    found = polar.on(device)(to_device(products, device))
    return PolarFactors(*map(to_host, (found.rotation, found.singular, found.rank, found.taken)))


def assert_orthogonal(rotation: Float64) -> None:
    """The narrower side of every map is orthonormal."""
    rows, columns = rotation.shape[1:]
    tall = rotation if rows >= columns else rotation.transpose(0, 2, 1)
    identity = np.eye(min(rows, columns))
    assert_within(tall.transpose(0, 2, 1) @ tall, identity[None], orthogonality_error(max(rows, columns)))


@given(batch=batches())
def test_rotations_are_orthogonal_whatever_the_rank(device: Device, batch: tuple[Float64, int]) -> None:
    found = factors(device, batch[0])
    assert found.rotation.shape == batch[0].shape
    assert_orthogonal(found.rotation)


@given(batch=batches(full_rank=True))
def test_factors_are_the_reference_s_within_rounding(device: Device, batch: tuple[Float64, int]) -> None:
    products, _ = batch
    found, expected = factors(device, products), polar.reference(products)
    dim = max(products.shape[1:])
    assert_within(found.singular, expected.singular, singular_error(dim, 4.0))
    assert_within(found.rotation, expected.rotation, polar_error(dim, 4.0, 0.25))
    assert_same_bits(found.rank, expected.rank)


@given(batch=batches())
def test_the_trace_is_the_nuclear_norm_and_no_orthogonal_map_has_more(
    device: Device, batch: tuple[Float64, int]
) -> None:
    products, _ = batch
    found = factors(device, products)
    rows, columns = products.shape[1:]
    bound = sum_error(rows * columns, np.abs(products).sum(axis=(1, 2)))
    nuclear = np.linalg.norm(products, ord="nuc", axis=(1, 2))
    assert_within(np.sum(found.rotation * products, axis=(1, 2)), nuclear, bound)
    for seed in range(5):
        other = matrices((rows, columns), min(rows, columns), seed)
        left, _, right = np.linalg.svd(other, full_matrices=False)
        assert (np.sum((left @ right) * products, axis=(1, 2)) <= nuclear + bound).all()


@given(batch=batches())
def test_the_rank_and_the_singular_values_are_those_the_matrix_was_made_with(
    device: Device, batch: tuple[Float64, int]
) -> None:
    products, rank = batch
    found = factors(device, products)
    assert found.rank.tolist() == [rank] * len(products)
    made = np.zeros(min(products.shape[1:]))
    made[:rank] = np.geomspace(4.0, 0.25, rank)
    assert_within(found.singular, made[None], singular_error(max(products.shape[1:]), 4.0))
    assert (np.diff(found.singular, axis=1) <= 0).all()


@given(dim=sizes, seed=seeds)
def test_an_orthogonal_matrix_is_its_own_factor(device: Device, dim: int, seed: int) -> None:
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((2, dim, dim)))[0]
    found = factors(device, rotation)
    assert_within(found.rotation, rotation, polar_error(dim, 1.0, 1.0))


@given(batch=batches(full_rank=True, square=True), seed=seeds)
def test_rotating_the_matrix_rotates_its_factor(
    device: Device, batch: tuple[Float64, int], seed: int
) -> None:
    products, _ = batch
    dim = products.shape[1]
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]
    found, turned = factors(device, products), factors(device, turn @ products)
    assert_within(turned.rotation, turn @ found.rotation, polar_error(dim, 4.0, 0.25))


@given(batch=batches())
def test_a_matrix_gets_the_same_bits_alone_and_in_a_batch(device: Device, batch: tuple[Float64, int]) -> None:
    together = factors(device, batch[0])
    for index in range(len(batch[0])):
        alone = factors(device, batch[0][[index]])
        assert_same_bits(alone.rotation[0], together.rotation[index])
        assert_same_bits(alone.singular[0], together.singular[index])


def test_a_matrix_of_zeros_has_rank_zero_and_some_rotation(device: Device) -> None:
    for shape in ((3, 3), (2, 5), (5, 2), (1, 1)):
        found = factors(device, np.zeros((2, *shape)))
        assert found.rank.tolist() == [0, 0]
        assert not found.singular.any()
        assert_orthogonal(found.rotation)


def test_one_direction_has_rank_one_however_long_it_is(device: Device) -> None:
    line = np.outer(np.arange(1.0, 6.0), np.arange(2.0, 6.0))
    found = factors(device, np.stack([line, line * 1e150, line * 1e-150]))
    assert found.rank.tolist() == [1, 1, 1]
    assert_orthogonal(found.rotation)


def test_no_matrix_gives_no_factor(device: Device) -> None:
    found = factors(device, np.zeros((0, 4, 3)))
    assert found.rotation.shape == (0, 4, 3)
    assert found.singular.shape == (0, 3)
    assert found.rank.shape == (0,)


def test_the_rank_counts_what_lies_above_its_threshold() -> None:
    threshold = 7 * np.finfo(np.float64).eps
    singular = np.array([[1.0, threshold * 1.01, threshold, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert numerical_rank(singular, (4, 7)).tolist() == [2, 0]


def test_any_number_of_threads_gives_the_same_bits() -> None:
    products = np.stack([matrices((150, 150), 150, seed) for seed in range(4)])
    with threads.limit(1):
        expected = factors(CPU, products)
    for workers in (2, 3):
        with threads.limit(workers):
            found = factors(CPU, products)
        assert_same_bits(found.rotation, expected.rotation)
        assert_same_bits(found.singular, expected.singular)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_matrix_that_is_not_finite_is_refused_by_number(device: Device, bad: float) -> None:
    products = np.stack([np.eye(3)] * 4)
    products[2, 1, 0] = bad
    for refuse in (lambda: factors(device, products), lambda: polar.reference(products)):
        with pytest.raises(NonFiniteError, match="polar: matrix 2 of 4 holds NaN or infinity"):
            refuse()


def test_what_gesdd_cannot_decompose_gesvd_does(monkeypatch: pytest.MonkeyPatch) -> None:
    products = np.stack([matrices(shape, rank, 0) for shape, rank in (((5, 3), 3), ((5, 3), 2))])
    expected = polar.reference(products)

    def fail(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(np.linalg, "svd", fail)
    found = factors(CPU, products)
    assert_within(found.singular, expected.singular, singular_error(5, 4.0))
    assert_within(found.rotation[0], expected.rotation[0], polar_error(5, 4.0, 0.25))
    assert_orthogonal(found.rotation)
    assert found.rank.tolist() == [3, 2]


def newton_schulz(product: Float64) -> Any:
    """The orthogonal factor in long double: ``x ← (3x − x xᵀx)/2`` until nothing moves."""
    x, change = np.longdouble(product) / np.linalg.norm(product), 1.0
    while change > 1e-16:
        new = (3 * x - x @ (x.T @ x)) / 2
        x, change = new, float(np.abs(new - x).max())
    return x


@pytest.mark.skipif(np.finfo(np.longdouble).eps == EPS64, reason="long double is double here")
@pytest.mark.parametrize("seed", [0, 1])
def test_large_singular_values_cost_small_ones_no_digits(seed: int) -> None:
    numbers, dim = np.random.default_rng(seed), 50
    product = numbers.standard_normal((dim, 5)) @ numbers.standard_normal((5, dim))
    product += 1e-13 * numbers.standard_normal((dim, dim))
    found = factors(CPU, product[None])
    change = np.float64(found.rotation[0] - newton_schulz(product))
    assert (np.diff(found.singular[0]) <= 0).all()
    assert_orthogonal(found.rotation)
    assert np.linalg.norm(change) <= small_rotation_error(found.singular[0, 5:], found.singular[0, 0])


@pytest.mark.parametrize("shape", [(8, 8), (6, 9), (9, 6)])
def test_whatever_is_small_the_factors_are_the_matrix_s(shape: tuple[int, int]) -> None:
    rows, columns = shape
    size = min(shape)
    left, right = (np.linalg.qr(np.random.default_rng(n).standard_normal((n, n)))[0] for n in shape)
    for small in (1, 3, size):
        made = np.r_[np.ones(size - small), np.geomspace(1e-9, 1e-13, small)]
        product = (left[:, :size] * made) @ right[:size]
        found = factors(CPU, product[None])
        assert_orthogonal(found.rotation)
        assert_within(found.singular[0], made, singular_error(max(shape), made[0]))
        nuclear = np.sum(found.rotation[0] * product)
        assert_within(nuclear, made.sum(), sum_error(rows * columns, np.abs(product).sum()))


def test_the_cpu_takes_no_products() -> None:
    assert factors(CPU, np.stack([np.eye(3)] * 2)).taken.tolist() == [0, 0]
