"""Rows of the GPU's filter: unit rows in float16, in random order, with a bound of the rounding error.

With unit rows ``x``, their float16 neighbors ``h`` and ``δ_i ≥ ‖x_i − h_i‖``, Cauchy and Schwarz give
``|x_i·x_j − h_i·h_j| = |(x_i − h_i)·x_j + h_i·(x_j − h_j)| ≤ δ_i + (1 + δ_i)·δ_j``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Array, FloatMatrix, device_of, wide
from gpuemb.core.cuda.host_streaming import uploaded
from gpuemb.core.device import CPU
from gpuemb.core.memory import TILE_BYTES, rows_per_tile

SOURCES = {"buffered": 0, "warm_start": 1, "all_rows": 2}
EXACT_INSTANCES = tuple(
    f"{kernel}<{number}{source}>"
    for number in ("float", "double")
    for kernel, sources in (
        ("measure", [""]),
        ("to_float16", [""]),
        (
            "rescore",
            [f", {n}, {gathered}" for gathered in ("false", "true") for n in SOURCES.values()],
        ),
    )
    for source in sources
)
EXACT_THREADS = 128  # a launch of any kernel of cosine_topk.cu
WARP, LANES = 32, 16
COLUMNS = 16  # a product's depth on tensor cores: rows are padded to it
ULP = 2.0**-23  # of float32
BLOCK_BYTES = TILE_BYTES  # of a host's rows in one upload
SLACK = 1e-9  # more than all float64 roundings of δ and of the defined score: 65,536 columns take 1e-11


@dataclass(frozen=True, eq=False)
class Float16Rows:
    """One side of a search.

    Attributes:
        rows: ``(V, d)`` as given: float32 or float64 on the GPU, or of any floats on the host.
        lengths: ``(V,)`` float64 ``√κ``.
        numbers: ``(n,)`` int32, the rows of length above 0, in their random order.
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

    @property
    def number(self) -> str:
        """CUDA's name of the numbers that are scored."""
        return _number(self.rows)


def exact_kernels() -> Any:
    """Return the module of ``cosine_topk.cu``."""
    return cuda.load(Path(__file__).parents[1] / "cosine_topk.cu", EXACT_INSTANCES)


def launched(threads: int) -> tuple[tuple[int], tuple[int]]:
    """Return grid and block of a launch of so many threads."""
    return (-(-threads // EXACT_THREADS),), (EXACT_THREADS,)


def to_float16(rows: FloatMatrix, exact: Any) -> Float16Rows:
    """Measure, shuffle and round rows, at least one, with :func:`exact_kernels`; float16 is widened, exactly.

    Rows of the host stay there: they stream through the GPU, which keeps their float16 rows.

    Cost: two passes over ``rows``.
    """
    xp = cuda.cupy()
    lengths = xp.empty(len(rows), np.float64)
    if device_of(rows) == CPU:
        for first, block in blocks(rows):
            _measure(block, lengths[first : first + len(block)], exact)
        numbers = _with_length(lengths)
        half, residual = _rounded_blocks(rows, lengths, numbers, exact)
    else:
        rows = xp.ascontiguousarray(rows, wide(rows))
        _measure(rows, lengths, exact)
        numbers = _with_length(lengths)
        half, residual = _rounded(rows, lengths, numbers, exact)
    largest = float(xp.max(residual)) if len(numbers) else 0.0
    return Float16Rows(rows, lengths, numbers, half, residual, largest)


def blocks(rows: FloatMatrix) -> Iterator[tuple[int, Array]]:
    """Yield the first row of each block of a host's table, and the block on the GPU, until the next one."""
    for first, block in uploaded(rows, rows_at_once(rows.shape[1], rows.dtype.itemsize)):
        yield first, cuda.cupy().ascontiguousarray(block, wide(rows))


def rows_at_once(dim: int, itemsize: int) -> int:
    """Rows of a host's table in one upload."""
    return rows_per_tile(max(dim * max(itemsize, 4), 2 * padded_columns(dim)), BLOCK_BYTES)


def padded_columns(dim: int) -> int:
    """Columns of float16 rows."""
    return -(-dim // COLUMNS) * COLUMNS


def _number(rows: FloatMatrix) -> str:
    return "double" if wide(rows) is np.float64 else "float"


def _measure(rows: FloatMatrix, lengths: Array, exact: Any) -> None:
    words, dim = rows.shape
    arguments = rows, lengths, np.uint64(words), np.int32(dim)
    exact.get_function(f"measure<{_number(rows)}>")(*launched(words * LANES), arguments)


def _with_length(lengths: Array) -> Array:
    xp = cuda.cupy()
    return shuffled(xp.flatnonzero(lengths > 0).astype(np.int32), xp)


def _rounded(rows: FloatMatrix, lengths: Array, numbers: Array, exact: Any) -> tuple[Array, Array]:
    """Float16 rows and residuals of rows on the GPU, in the order of ``numbers``."""
    xp, (count, dim) = cuda.cupy(), (len(numbers), rows.shape[1])
    padded = padded_columns(dim)
    half, residual = xp.empty((count, padded), np.uint16), xp.empty(count, np.float64)
    if count:
        sizes = np.uint64(count), np.int32(dim), np.int32(padded)
        kernel = exact.get_function(f"to_float16<{_number(rows)}>")
        kernel(*launched(count * WARP), (rows, lengths, numbers, half, residual, *sizes))
    return half, residual


def _rounded_blocks(rows: FloatMatrix, lengths: Array, numbers: Array, exact: Any) -> tuple[Array, Array]:
    """The same of rows of the host, block by block."""
    xp = cuda.cupy()
    half = xp.empty((len(numbers), padded_columns(rows.shape[1])), np.uint16)
    residual, places = xp.empty(len(numbers), np.float64), xp.argsort(numbers)
    ascending = numbers[places]
    for first, block in blocks(rows):
        last = first + len(block)
        start, stop = map(int, xp.searchsorted(ascending, xp.asarray([first, last], dtype=np.int32)))
        numbered = ascending[start:stop] - np.int32(first)
        mine = places[start:stop]
        half[mine], residual[mine] = _rounded(block, lengths[first:last], numbered, exact)
    return half, residual


def shuffled(numbers: Array, xp: Any) -> Array:
    """Put distinct numbers into the order of their hashes: as good as random, and the same everywhere.

    Source: the bijection ``lowbias32``, Wellons (2018), https://nullprogram.com/blog/2018/07/31/.
    """
    key = numbers.astype(np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        key = (key ^ (key >> np.uint32(shift))) * np.uint32(factor)
    return numbers[xp.argsort(key ^ (key >> np.uint32(16)))]


def errors(queries: Float16Rows, table: Float16Rows) -> Array:
    """Bound, for each query, the errors of a float16 score and of the threshold.

    ``δ_i·(1 + δ_max) + δ_max`` for the rows' rounding, then the sums', and an ulp for the threshold's.
    """
    sums = sum_error(table.half.shape[1], max(queries.largest, table.largest))
    return queries.residual * (1 + table.largest) + (table.largest + sums + ULP + SLACK)


def sum_error(terms: int, largest: float) -> float:
    """Bound the error of tensor cores in sums of ``terms`` products of float16 rows, residuals ≤ ``largest``.

    A product of two float16 numbers is exact in float32. Whatever the order, and even if what does not
    fit is cut off instead of rounded: each product, and at most as many partial sums, is cut once when it
    is aligned or stored, by at most an ulp of the largest sum of magnitudes,
    ``Σ|h_ik·h_jk| ≤ ‖h_i‖·‖h_j‖ ≤ (1 + δ)²``, itself grown by these cuts: ``t/(1 − t)`` of it,
    ``t = 2·terms·2⁻²³``.
    """
    cut = 2 * terms * ULP
    return cut / (1 - cut) * (1 + largest) ** 2
