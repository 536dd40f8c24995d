"""Strategy of packed panels multiplied in registers of 512 bits; the signatures of ``blas``, exactly.

Plan      A block is packed (kernels/panels.py) into panels of columns: ``(P, n, 16)`` float32 or ``(P, n,
          8)`` float64, a cache line a row and panel. Rows are widened, shifted, scaled and packed in one
          pass. A product takes ``STEPS`` rows at a time: two panels of the right stay in L1 while the left
          passes from L2. Sums of a chunk stay in registers, then one addition in float64. Of E with itself
          only micro-tiles on or above the diagonal are computed.
Bound by  fused multiply-adds: on one thread 89 to 92 % of a large SGEMM of OpenBLAS set to registers
          of 512 bits, d = 300; 1.8 times the same products as it is (AMD EPYC of family 26, AVX2).
Bits      A product's are those of its two columns alone: one fused multiply-add a row, chunks in order.
          Chunks of 96 rows are as fast as of 256, and twice to three times as close to the sum.
Rejected  Panels offset by some cache lines, so that they map to other sets: no faster.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64
from gpuemb.core.jit import njit, njit_reassociated
from gpuemb.kernels.gram import CHUNK_ROWS
from gpuemb.kernels.gram.cpu.microtile import BYTES, TALL, add_one, add_two
from gpuemb.kernels.panels import LINE

STEPS = 96  # rows of a chunk
SQUARE = 320  # columns of both sides whose sums stay in L2 from chunk to chunk: 0.8 MB


def empty_block(rows: int, columns: int, dtype: type[np.generic]) -> NDArray[Any]:
    """Allocate a block; panels begin with a cache line, so that no load touches two."""
    lanes = LINE // np.dtype(dtype).itemsize
    shape = -(-columns // lanes), rows, lanes
    raw = np.empty(math.prod(shape) * LINE // lanes + LINE, np.int8)
    first = -raw.ctypes.data % LINE
    return raw[first : first + len(raw) - LINE].view(dtype).reshape(shape)


def clear(block: NDArray[Any], rows: NDArray[np.intp]) -> None:
    """Make some rows zeros."""
    block[:, rows] = 0.0


@njit_reassociated
def fill(
    rows: Any, origin: Float64, probes: Float64, unit: bool, block: Any, kappa: Float64, image: Float64
) -> None:
    """Widen rows less ``origin``, take squared lengths and products with the probes, lay them into a block.

    Args:
        rows: ``(n, d)`` float32 or float64, C order.
        origin: ``(d,)``, or ``(0,)`` for none.
        probes: ``(k, d)``; k may be 0.
        unit: divide rows and images by their length; rows of length 0 are zeros.
        block: of :func:`empty_block`, written from its first row.
        kappa: at least n, written: ``‖z_i‖²`` before scaling.
        image: ``(n, k)`` at least, written: ``z_i·w``.
    """
    moved, lanes = len(origin) > 0, block.shape[2]
    wide = np.zeros(block.shape[0] * lanes)
    for i in range(rows.shape[0]):
        length = 0.0
        for j in range(rows.shape[1]):
            value = np.float64(rows[i, j])
            if moved:
                value -= origin[j]
            wide[j] = value
            length += value * value
        kappa[i] = length
        scale = 1.0
        if unit:
            scale = 1.0 / math.sqrt(length) if length > 0.0 else 0.0
        for p in range(probes.shape[0]):
            dot = 0.0
            for j in range(rows.shape[1]):
                dot += wide[j] * probes[p, j]
            image[i, p] = dot * scale
        for panel in range(block.shape[0]):
            for lane in range(lanes):
                block[panel, i, lane] = wide[panel * lanes + lane] * scale


def packed(factors: Float64) -> Float64:
    """Lay ``(n, m)`` factors, m a multiple of ``TALL``, into a block."""
    parts = factors.reshape(len(factors), -1, TALL)
    block: Float64 = empty_block(len(factors), factors.shape[1], np.float64)
    block[...] = parts.transpose(1, 0, 2)
    return block


def product(left: NDArray[Any], right: NDArray[Any], rows: int, columns: int) -> Float64:
    """``EᵀF`` of the first rows of two blocks, E of so many columns, padded with zeros.

    Of a block with itself, entries below the diagonal may be missing.
    """
    total = _total(columns, right)
    add_products(left, 0, right, 0, rows, total, left is right)
    return total


def factored(factors: Float64, first: int, block: Float64) -> Float64:
    """``MᵀE`` of arranged factors, from column ``first`` on, a multiple of ``TALL``, and a float64 block."""
    chosen = factors[first // TALL :]
    total = _total(TALL * len(chosen), block)
    add_products(chosen, 0, block, 0, factors.shape[1], total, False)
    return total


def widened_factored(factors: Float64, first: int, rows: Any, origin: Float64, unit: bool) -> Float64:
    """``MᵀE`` as :func:`factored`, from the rows: their block in float64 is made a chunk at a time."""
    chosen, chunk = factors[first // TALL :], empty_block(CHUNK_ROWS, rows.shape[1], np.float64)
    total = _total(TALL * len(chosen), chunk)
    _add_chunks(chosen, rows, origin, unit, chunk, total)
    return total


def _total(columns: int, right: NDArray[Any]) -> Float64:
    return np.zeros((-(-columns // TALL) * TALL, right.shape[0] * right.shape[2]))


@njit
def _add_chunks(
    factors: Float64, rows: Any, origin: Float64, unit: bool, chunk: Float64, total: Float64
) -> None:
    nothing, kappa = np.empty((0, rows.shape[1])), np.empty(chunk.shape[1])
    image = np.empty((chunk.shape[1], 0))
    for start in range(0, rows.shape[0], chunk.shape[1]):
        stop = min(rows.shape[0], start + chunk.shape[1])
        fill(rows[start:stop], origin, nothing, unit, chunk, kappa, image)
        add_products(factors, start, chunk, 0, stop - start, total, False)


@njit
def add_products(
    left: Any, left_row: int, right: Any, right_row: int, rows: int, total: Float64, upper: bool
) -> None:
    """Add the products of so many rows of two blocks, from a row of each on.

    Args:
        left: ``(P, n, L)``.
        left_row: of the first product.
        right: ``(Q, m, L)``.
        right_row: as ``left_row``.
        rows: multiplied.
        total: ``(r, Q·L)``, r a multiple of ``TALL`` that the left has columns for.
        upper: leave out micro-tiles below the diagonal.
    """
    together = SQUARE // right.shape[2]
    for top in range(0, total.shape[0], SQUARE):
        for panel in range(top // right.shape[2] if upper else 0, right.shape[0], together):
            for start in range(0, rows, STEPS):
                count = min(STEPS, rows - start)
                corner = top, panel
                _add_chunk(left, left_row + start, right, right_row + start, count, total, corner, upper)


@njit
def _add_chunk(
    left: Any,
    left_row: int,
    right: Any,
    right_row: int,
    rows: int,
    total: Float64,
    corner: tuple[int, int],
    upper: bool,
) -> None:
    """Add the products of one chunk to one square of the total, from a row and a panel on."""
    lanes, (top, side) = right.shape[2], corner
    before, apart, stride = LINE * left.shape[1], LINE * right.shape[1], BYTES * total.shape[1]
    first, beside = left.ctypes.data + LINE * left_row, right.ctypes.data + LINE * right_row
    panels = min(right.shape[0], side + SQUARE // lanes)
    for panel in range(side, panels, 2):
        stop = min(total.shape[0], top + SQUARE, (panel + 2) * lanes if upper else total.shape[0])
        for row in range(top, stop, TALL):
            words = first + row // lanes * before + row % lanes * (LINE // lanes)
            place = total.ctypes.data + row * stride + BYTES * lanes * panel
            if panel + 1 < panels:
                add_two(right, words, beside + panel * apart, apart, rows, place, stride)
            else:
                add_one(right, words, beside + panel * apart, apart, rows, place, stride)
