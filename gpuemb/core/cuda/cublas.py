"""Products of rows with rows by cuBLAS, in an arithmetic chosen with each call.

CuPy's own ``matmul`` cannot multiply float16 into float32 or int8 into int32, and uses TF32 only by a
setting of the whole process. cuBLAS's ``gemmEx`` can, but CuPy has it in a private module: so it is
called from this file alone, and only in versions of CuPy with the checked signature. With others
``cupy.matmul`` computes the arithmetics that it has, and the rest raises. The calls were checked against
CuPy's signatures, not yet on a GPU.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuemb.core.cuda import cupy
from gpuemb.core.cuda.diagnosis import missing_library
from gpuemb.core.errors import DeviceError, DTypeError, ShapeError

CHECKED = (14,)  # major versions of CuPy whose gemmEx has the signature below
# cudaDataType, from CUDA's library_types.h: CuPy does not name the last one.
DATA_TYPES = {"float32": 0, "float64": 1, "float16": 2, "int8": 3, "int32": 10}
INT8_ALIGNMENT = 4  # bytes: cuBLAS multiplies int8 only where rows begin at multiples of it


@dataclass(frozen=True, slots=True)
class Product:
    """One arithmetic of a matrix product.

    Attributes:
        factors: dtype of both tables.
        sums: dtype in which products are added; also that of cuBLAS's two scalars.
        results: dtypes that the sums may be rounded to.
        compute: cuBLAS's name for it.
    """

    factors: str
    sums: str
    results: tuple[str, ...]
    compute: str


PRODUCTS: Mapping[str, Product] = {
    "fp16": Product("float16", "float32", ("float16", "float32"), "CUBLAS_COMPUTE_32F"),
    "tf32": Product("float32", "float32", ("float32",), "CUBLAS_COMPUTE_32F_FAST_TF32"),
    "fp32": Product("float32", "float32", ("float32",), "CUBLAS_COMPUTE_32F"),
    "fp64": Product("float64", "float64", ("float64",), "CUBLAS_COMPUTE_64F"),
    "int8": Product("int8", "int32", ("int32",), "CUBLAS_COMPUTE_32I"),
}


def row_products(kind: str, left: Any, right: Any, out: Any) -> str:
    """Write ``left @ right.T`` into ``out``: every row with every row.

    Args:
        kind: a name of ``PRODUCTS``. ``fp16`` adds in float32; ``tf32`` rounds its float32 factors to
            10 bits of fraction; ``fp32`` and ``fp64`` round only their sums; ``int8`` is exact.
        left: ``(m, d)``, CuPy; rows may lie further apart than ``d`` numbers.
        right: ``(n, d)``, CuPy.
        out: ``(m, n)``, CuPy, overwritten; of a dtype in the product's ``results``.

    Returns:
        The function used: ``gemmEx``, or ``cupy.matmul`` for the reason of :func:`missing_gemm_ex`.

    Raises:
        DTypeError: a dtype is not the product's.
        ShapeError: the shapes do not fit, or cuBLAS cannot take the layout.
        DeviceError: only ``gemmEx`` has this arithmetic, and it is missing.

    Cost: ``2·m·n·d`` operations; ``cupy.matmul`` also holds ``out`` once more, and copies of float16
    and int8 factors in the dtype of the sums.
    """
    product = PRODUCTS[kind]
    _check(kind, product, left, right, out)
    if missing_gemm_ex():
        _matmul(kind, product, left, right, out)
        return "cupy.matmul"
    _gemm_ex(product, left, right, out)
    return "gemmEx"


def missing_gemm_ex() -> str:
    """Return why ``gemmEx`` is not called; empty if it is."""
    version = str(cupy().__version__)
    if int(version.partition(".")[0]) not in CHECKED:
        known = " and ".join(map(str, CHECKED))
        return f"gemmEx was checked in CuPy {known}, and this is CuPy {version}"
    if reason := missing_library():
        return f"cuBLAS cannot be loaded: {reason}"
    return ""


def _gemm_ex(product: Product, left: Any, right: Any, out: Any) -> None:
    """Call cuBLAS, which reads memory by columns: its ``(n, m)`` is our ``(m, n)``, so right comes first."""
    from cupy_backends.cuda.libs import cublas

    one, zero = np.ones(1, product.sums), np.zeros(1, product.sums)  # read before the call returns
    factors = DATA_TYPES[product.factors]
    cublas.gemmEx(
        cupy().cuda.device.get_cublas_handle(),
        cublas.CUBLAS_OP_T,
        cublas.CUBLAS_OP_N,
        right.shape[0],
        left.shape[0],
        left.shape[1],
        one.ctypes.data,
        right.data.ptr,
        factors,
        _row_step(right),
        left.data.ptr,
        factors,
        _row_step(left),
        zero.ctypes.data,
        out.data.ptr,
        DATA_TYPES[str(out.dtype)],
        _row_step(out),
        getattr(cublas, product.compute),
        cublas.CUBLAS_GEMM_DEFAULT,
    )


def _matmul(kind: str, product: Product, left: Any, right: Any, out: Any) -> None:
    """Multiply by CuPy's public function, in the dtype of the sums: float16 and int8 convert exactly."""
    if kind == "tf32":
        raise DeviceError(
            f"cublas: tf32 products are not possible here: {missing_gemm_ex()}",
            needed="cupy.matmul has TF32 only as a setting for the whole process, which gpuemb never sets.",
            remedy=f"Install CuPy {CHECKED[-1]} with the extra cuda12-ctk or cuda13-ctk.",
        )
    if product.sums == "float32" and int(os.environ.get("CUPY_TF32", "0")) > 0:
        raise DeviceError(
            f"cublas: {kind} products are not possible here: {missing_gemm_ex()}",
            needed="cupy.matmul would round to TF32, as the environment variable CUPY_TF32 asks.",
            remedy="Unset CUPY_TF32.",
        )
    left, right = (x.astype(product.sums, copy=False) for x in (left, right))
    out[...] = cupy().matmul(left, right.T)


def _check(kind: str, product: Product, left: Any, right: Any, out: Any) -> None:
    given = tuple(str(x.dtype) for x in (left, right, out))
    if given[:2] != (product.factors, product.factors) or given[2] not in product.results:
        raise DTypeError(
            f"cublas: {kind} was asked for {given[0]} and {given[1]} into {given[2]}",
            needed=f"It multiplies {product.factors} into {' or '.join(product.results)}.",
            remedy=f"Convert the tables, or choose among {', '.join(PRODUCTS)}.",
        )
    (m, d), (n, other) = left.shape, right.shape
    if d != other or out.shape != (m, n) or 0 in (m, n, d):
        raise ShapeError(
            f"cublas: left is {left.shape}, right {right.shape} and out {out.shape}",
            needed="The shapes are (m, d), (n, d) and (m, n), none of them empty.",
            remedy="Both tables hold rows: give right as it is, not transposed.",
        )
    for name, x in (("left", left), ("right", right), ("out", out)):
        _check_layout(kind, name, x)


def _check_layout(kind: str, name: str, x: Any) -> None:
    side_by_side = x.strides[1] == x.itemsize or x.shape[1] == 1
    apart = x.shape[0] == 1 or (x.strides[0] >= x.shape[1] * x.itemsize and x.strides[0] % x.itemsize == 0)
    aligned = (
        kind != "int8"
        or name == "out"
        or (_row_step(x) % INT8_ALIGNMENT == 0 and x.data.ptr % INT8_ALIGNMENT == 0)
    )
    if not (side_by_side and apart and aligned):
        raise ShapeError(
            f"cublas: {name} is {x.shape} {x.dtype} with strides {x.strides}",
            needed="A row's numbers must be contiguous"
            + (", and rows begin at multiples of 4 bytes." if kind == "int8" else "."),
            remedy=f"Give cupy.ascontiguousarray({name})"
            + (", its columns padded with zeros to a multiple of 4." if kind == "int8" else "."),
        )


def _row_step(x: Any) -> int:
    """Numbers from the beginning of a row to that of the next."""
    return int(x.strides[0] // x.itemsize) if x.shape[0] > 1 else int(x.shape[1])
