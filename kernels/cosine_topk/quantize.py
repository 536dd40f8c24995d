"""Unit rows as int8 with a scale, and how far that is from them.

A row's unit vector is ``u = s·q + e``: q int8, s its largest coordinate / 127. Then by Cauchy-Schwarz
``|u·v − s_u s_v (q_u·q_v)| = |e_u·h_v + u·e_v| ≤ ‖e_u‖‖h_v‖ + ‖e_v‖`` with ``h = s·q``. Sums of int8 products
are exact, and ‖e‖ and ‖h‖ are computed in float64 from the row itself, so the bound holds for every row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, FloatMatrix, Int32
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk.arrange import Arranged
from gpuemb.kernels.vnni import GROUP, SIDE

LINE = 64  # bytes: panels begin with a cache line, so that no load touches two
PANELS_A_TASK = 256


class Quantized(NamedTuple):
    """A table's rows in panels of sixteen, the last one padded with rows of zeros; m rows in all.

    Attributes:
        panels: ``(m / 16, K, 16, 4)`` int8.
        scale: ``(m,)`` float32 s.
        start: ``(m,)`` int32 ``−128·Σq``, which takes back the 128 that the other side is raised by.
        residual: ``(m,)`` float64 ‖e‖.
        length: ``(m,)`` float64 ‖h‖.
    """

    panels: FloatMatrix
    scale: Float32
    start: Int32
    residual: Float64
    length: Float64


def quantize(arranged: Arranged, dim: int) -> Quantized:
    """Quantize arranged rows of ``dim`` columns."""
    panels = -(-len(arranged.rows) // SIDE)
    padded = panels * SIDE
    quantized = Quantized(
        _aligned((panels, -(-dim // GROUP), SIDE, GROUP)),
        np.zeros(padded, np.float32),
        np.zeros(padded, np.int32),
        np.zeros(padded),
        np.zeros(padded),
    )
    threads.run(lambda part: _quantize(arranged, dim, quantized, *part), tiles(panels, PANELS_A_TASK))
    return quantized


def _aligned(shape: tuple[int, ...]) -> FloatMatrix:
    size = int(np.prod(shape))
    raw = np.empty(size + LINE, np.int8)
    first = -raw.ctypes.data % LINE
    return raw[first : first + size].reshape(shape)


@njit
def _quantize(arranged: Arranged, dim: int, quantized: Quantized, first: int, last: int) -> None:
    integers = np.zeros(quantized.panels.shape[1] * GROUP, np.int8)
    for panel in range(first, last):
        for side in range(SIDE):
            row = panel * SIDE + side
            integers[:] = 0
            if row < len(arranged.rows):
                _quantize_row(arranged.rows[row], arranged.lengths[row], row, integers[:dim], quantized)
            for step in range(quantized.panels.shape[1]):
                for place in range(GROUP):
                    quantized.panels[panel, step, side, place] = integers[GROUP * step + place]


@njit_inline
def _quantize_row(
    values: FloatMatrix, length: float, row: int, integers: FloatMatrix, quantized: Quantized
) -> None:
    largest = 0.0
    for column in range(integers.size):
        largest = max(largest, abs(np.float64(values[column])))
    scale = np.float32(largest / length / 127)
    steps, inverse = 127 / largest, 1 / length
    residual, squared, total = 0.0, 0.0, 0
    for column in range(integers.size):
        value = np.float64(values[column])
        integer = np.rint(value * steps)
        near = np.float64(scale) * integer
        residual += (value * inverse - near) ** 2
        squared += near**2
        total += int(integer)
        integers[column] = np.int8(integer)
    quantized.scale[row] = scale
    quantized.start[row] = -128 * total
    quantized.residual[row] = np.sqrt(residual)
    quantized.length[row] = np.sqrt(squared)
