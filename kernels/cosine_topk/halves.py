"""Rows as the GPU's filter sees them: unit rows in float16, in a random order, and what rounding took.

With unit rows ``x``, their float16 neighbors ``h`` and ``δ_i ≥ ‖x_i − h_i‖``, Cauchy and Schwarz give
``|x_i·x_j − h_i·h_j| = |(x_i − h_i)·x_j + h_i·(x_j − h_j)| ≤ δ_i + (1 + δ_i)·δ_j``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Array, FloatMatrix

NUMBERS = {"float32": "float", "float64": "double"}  # NumPy's names, and CUDA's
SOURCES = {"waiting": 0, "likely": 1, "every": 2}
EXACT_INSTANCES = tuple(
    f"{kernel}<{number}{source}>"
    for number in NUMBERS.values()
    for kernel, sources in (
        ("measure", [""]),
        ("halve", [""]),
        ("settle", [f", {n}" for n in SOURCES.values()]),
    )
    for source in sources
)
EXACT_THREADS = 128  # a launch of any kernel of cosine_topk.cu
WARP, LANES = 32, 16
COLUMNS = 16  # a product's depth on tensor cores: rows are padded to it
ULP = 2.0**-23  # of float32
SLACK = 1e-9  # more than all float64 roundings of δ and of the defined score: 65,536 columns take 1e-11


@dataclass(frozen=True)
class Halves:
    """One side of a search.

    Attributes:
        rows: ``(V, d)`` float32 or float64, as given.
        lengths: ``(V,)`` float64 ``√κ``.
        numbers: ``(n,)`` int32, the rows with a length, in their random order.
        half: ``(n, padded)`` uint16, the bits of float16.
        residual: ``(n,)`` float64 ``δ``.
        largest: the largest of them.
    """

    rows: FloatMatrix
    lengths: Array
    numbers: Array
    half: Array
    residual: Array
    largest: float


def exact_kernels() -> Any:
    """Return the module of ``cosine_topk.cu``."""
    return cuda.load(Path(__file__).with_name("cosine_topk.cu"), EXACT_INSTANCES)


def launched(threads: int) -> tuple[tuple[int], tuple[int]]:
    """Return grid and block of a launch of so many threads."""
    return (-(-threads // EXACT_THREADS),), (EXACT_THREADS,)


def halve(rows: FloatMatrix, exact: Any) -> Halves:
    """Measure, shuffle and round rows, at least one, with :func:`exact_kernels`; float16 is widened, exactly.

    Cost: two passes over ``rows``.
    """
    xp = cuda.cupy()
    rows = xp.ascontiguousarray(rows, np.float64 if rows.dtype.itemsize == 8 else np.float32)
    (words, dim), number = rows.shape, NUMBERS[str(rows.dtype)]
    lengths = xp.empty(words, np.float64)
    arguments = rows, lengths, np.uint64(words), np.int32(dim)
    exact.get_function(f"measure<{number}>")(*launched(words * LANES), arguments)
    numbers = shuffled(xp.flatnonzero(lengths > 0).astype(np.int32), xp)
    count, padded = len(numbers), -(-dim // COLUMNS) * COLUMNS
    half, residual = xp.empty((count, padded), np.uint16), xp.empty(count, np.float64)
    if count:
        sizes = np.uint64(count), np.int32(dim), np.int32(padded)
        kernel = exact.get_function(f"halve<{number}>")
        kernel(*launched(count * WARP), (rows, lengths, numbers, half, residual, *sizes))
    return Halves(rows, lengths, numbers, half, residual, float(xp.max(residual)) if count else 0.0)


def shuffled(numbers: Array, xp: Any) -> Array:
    """Put distinct numbers into the order of their hashes: as good as random, and the same everywhere.

    Source: the bijection ``lowbias32``, Wellons (2018), https://nullprogram.com/blog/2018/07/31/.
    """
    key = numbers.astype(np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        key = (key ^ (key >> np.uint32(shift))) * np.uint32(factor)
    return numbers[xp.argsort(key ^ (key >> np.uint32(16)))]


def errors(asked: Halves, table: Halves) -> Array:
    """Bound, for each row that asks, how far a float16 score and a threshold may be from the defined ones.

    ``δ_i·(1 + δ_max) + δ_max`` for the rows' rounding, then the sums', and an ulp for the threshold's.
    """
    sums = sum_error(table.half.shape[1], max(asked.largest, table.largest))
    return asked.residual * (1 + table.largest) + (table.largest + sums + ULP + SLACK)


def sum_error(terms: int, largest: float) -> float:
    """Bound what tensor cores lose when they add ``terms`` products of halves with residuals of ``largest``.

    A product of two float16 numbers is exact in float32. Whatever the order, and even if what does not
    fit is cut off instead of rounded: each product, and at most as many partial sums, is cut once when it
    is aligned or stored, by at most an ulp of the largest sum of magnitudes,
    ``Σ|h_ik·h_jk| ≤ ‖h_i‖·‖h_j‖ ≤ (1 + δ)²``, itself grown by these cuts: ``t/(1 − t)`` of it,
    ``t = 2·terms·2⁻²³``.
    """
    cut = 2 * terms * ULP
    return cut / (1 - cut) * (1 + largest) ** 2
