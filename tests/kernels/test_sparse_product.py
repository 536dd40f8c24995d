"""A sparse matrix times a dense one, bit for bit as the reference has it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random_array
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Int32, Int64
from gpuemb.core.device import Device
from gpuemb.kernels.sparse_product import STRIP, sparse_product

KERNEL = sparse_product


def fields(rows: int, columns: int, density: float, seed: int = 0) -> tuple[Int64, Int32, Float32]:
    """A sparse matrix, some rows of which are empty."""
    matrix = csr_matrix(random_array((rows, columns), density=density, rng=np.random.default_rng(seed)))
    matrix.data = np.random.default_rng(seed).standard_normal(matrix.nnz)
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float32)


def dense(rows: int, strips: int, scale: float = 1.0) -> Float32:
    numbers = np.random.default_rng([rows, strips])
    return (scale * numbers.standard_normal((rows, STRIP * strips))).astype(np.float32)


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 30),
    strips=st.integers(1, 4),
    density=st.sampled_from([0.0, 0.05, 1.0]),
    scale=st.sampled_from([1.0, 1e30, 1e-30, 1e-44]),
    seed=st.integers(0, 99),
)
def test_every_sum_is_the_reference_s(
    device: Device, rows: int, columns: int, strips: int, density: float, scale: float, seed: int
) -> None:
    matrix, factor = fields(rows, columns, density, seed), dense(columns, strips, scale)
    assert_same_bits(sparse_product.on(device)(*matrix, factor), sparse_product.reference(*matrix, factor))


def test_repeated_columns_and_columns_out_of_order_are_added_as_they_stand(device: Device) -> None:
    starts, columns = np.array([0, 4, 4, 6], np.int64), np.array([2, 0, 2, 1, 1, 0], np.int32)
    values, factor = np.array([1, -2, 1e-8, 3, 5, 0.1], np.float32), dense(3, 1)
    found = sparse_product.on(device)(starts, columns, values, factor)
    assert_same_bits(found, sparse_product.reference(starts, columns, values, factor))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_number_of_threads_changes_no_bit(count: int) -> None:
    matrix, factor = fields(3000, 500, 0.02), dense(500, 2)
    expected = csr_matrix((matrix[2], matrix[1], matrix[0])) @ factor.astype(np.float64)
    with threads.limit(count):
        found = sparse_product.on(Device("cpu"))(*matrix, factor)
    with threads.limit(1):
        assert_same_bits(found, sparse_product.on(Device("cpu"))(*matrix, factor))
    np.testing.assert_allclose(found, expected, rtol=0, atol=64 * 2.0**-23 * abs(expected).max())
