"""Unit rows as int8 with a scale, and how far that is from them.

A row's unit vector is ``u = s·q + e``: q int8, s its largest coordinate / 127. Then by Cauchy-Schwarz
``|u·v − s_u s_v (q_u·q_v)| = |e_u·h_v + u·e_v| ≤ ‖e_u‖‖h_v‖ + ‖e_v‖`` with ``h = s·q``, and the same with u
and v exchanged. Sums of int8 products are exact, and ‖e‖ and ‖h‖ are computed in float64 from the row
itself, so the bound holds for every row. SLACK covers the rest: turning D and the thresholds to float32 and
one product round by 2⁻²⁴ each of a number below 1.02, the waiting bound by as much: below 4e-7 together; the
defined score itself errs by less than 1e-13.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import FloatMatrix
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk.cpu.packed_rows import Packed, empty_panels
from gpuemb.kernels.cosine_topk.cpu.row_order import Arranged
from gpuemb.kernels.panels import SIDE
from gpuemb.kernels.vnni import GROUP

SLACK = 1e-6
PANELS_A_TASK = 256


def quantize(arranged: Arranged, dim: int) -> Packed:
    """Pack arranged rows of ``dim`` columns as int8."""
    packed = empty_panels(len(arranged.rows), -(-dim // GROUP), GROUP, np.int8)
    parts = tiles(len(packed.panels), PANELS_A_TASK)
    threads.run(lambda part: _quantize(arranged, dim, packed, *part), parts)
    return packed


@njit
def _quantize(arranged: Arranged, dim: int, packed: Packed, first: int, last: int) -> None:
    integers = np.zeros(packed.panels.shape[1] * GROUP, np.int8)
    for panel in range(first, last):
        for side in range(SIDE):
            row = panel * SIDE + side
            integers[:] = 0
            if row < len(arranged.rows):
                quantize_row(arranged.rows[row], arranged.lengths[row], row, integers[:dim], packed)
            for step in range(packed.panels.shape[1]):
                for place in range(GROUP):
                    packed.panels[panel, step, side, place] = integers[GROUP * step + place]


@njit_inline
def quantize_row(values: FloatMatrix, length: float, row: int, integers: FloatMatrix, packed: Packed) -> None:
    """Write the int8 of a row with length to ``integers``, and what is kept of it to ``packed``."""
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
    packed.scale[row] = scale
    packed.start[row] = -128 * total
    packed.residual[row] = np.sqrt(residual)
    packed.length[row] = np.sqrt(squared)
