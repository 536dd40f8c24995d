"""cuBLAS's gemmEx as its manual defines it: column-major memory, leading dimensions, raw addresses."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np

CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_GEMM_DEFAULT = 0, 1, -1
CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F, CUBLAS_COMPUTE_32I, CUBLAS_COMPUTE_32F_FAST_TF32 = 68, 70, 72, 77
DTYPES = {0: np.float32, 1: np.float64, 2: np.float16, 3: np.int8, 10: np.int32}
# The manual's table of cublasGemmEx: compute type → dtype of the scalars, and (factors, result).
ALLOWED = {
    CUBLAS_COMPUTE_32F: (np.float32, {(2, 2), (2, 0), (0, 0), (3, 0)}),
    CUBLAS_COMPUTE_32F_FAST_TF32: (np.float32, {(0, 0)}),
    CUBLAS_COMPUTE_64F: (np.float64, {(1, 1)}),
    CUBLAS_COMPUTE_32I: (np.int32, {(3, 10)}),
}


class Table(np.ndarray[Any, Any]):
    """An array with CuPy's way to its address."""

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.ctypes.data)


def table(x: Any, dtype: Any = None) -> Any:
    return np.asarray(x, dtype).view(Table)


def columns(address: int, dtype: Any, rows: int, count: int, step: int) -> Any:
    """See ``(rows, count)`` numbers of memory, column by column, columns ``step`` numbers apart."""
    assert step >= max(1, rows), "the leading dimension is at least the rows"
    size = np.dtype(dtype).itemsize
    whole = (ctypes.c_char * (((count - 1) * step + rows) * size)).from_address(address)
    return np.ndarray((rows, count), dtype, buffer=whole, strides=(size, step * size))


class EmulatedCublas:
    """Counts its calls; refuses what cuBLAS refuses."""

    CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_GEMM_DEFAULT = CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_GEMM_DEFAULT
    CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F = CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F
    CUBLAS_COMPUTE_32I, CUBLAS_COMPUTE_32F_FAST_TF32 = CUBLAS_COMPUTE_32I, CUBLAS_COMPUTE_32F_FAST_TF32

    def __init__(self) -> None:
        self.computed: list[int] = []

    def gemmEx(
        self,
        handle: int,
        transa: int,
        transb: int,
        m: int,
        n: int,
        k: int,
        alpha: int,
        a: int,
        a_type: int,
        lda: int,
        b: int,
        b_type: int,
        ldb: int,
        beta: int,
        c: int,
        c_type: int,
        ldc: int,
        compute: int,
        algorithm: int,
    ) -> None:
        scalar, allowed = ALLOWED[compute]
        assert a_type == b_type
        assert (a_type, c_type) in allowed, "CUBLAS_STATUS_NOT_SUPPORTED"
        if compute == CUBLAS_COMPUTE_32I:
            assert not any(x % 4 for x in (a, b, lda, ldb)), "CUBLAS_STATUS_NOT_SUPPORTED"
        left = columns(a, DTYPES[a_type], *((k, m) if transa else (m, k)), lda)
        right = columns(b, DTYPES[b_type], *((n, k) if transb else (k, n)), ldb)
        sums = (left.T if transa else left).astype(scalar) @ (right.T if transb else right).astype(scalar)
        one, zero = (columns(x, scalar, 1, 1, 1)[0, 0] for x in (alpha, beta))
        result = columns(c, DTYPES[c_type], m, n, ldc)
        result[...] = one * sums + (zero * result if zero else 0)
        self.computed.append(compute)
