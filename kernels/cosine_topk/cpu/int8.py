"""Unit rows as int8 with a scale, and a bound of the quantization error.

A row's unit vector is ``u = s·q + e``: q int8, s its largest coordinate / 127. Then by Cauchy-Schwarz
``|u·v − s_u s_v (q_u·q_v)| = |e_u·h_v + u·e_v| ≤ ‖e_u‖‖h_v‖ + ‖e_v‖`` with ``h = s·q``, and the same with u
and v exchanged. Sums of int8 products are exact, and ‖e‖ and ‖h‖ are computed in float64 from the row
itself, so the bound holds for every row. SLACK covers the rest: conversion of D and the thresholds to float32
and one product round by 2⁻²⁴ each of a number below 1.02, the buffered bound by as much: below 4e-7 in all;
the defined score itself errs by less than 1e-13.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import FloatMatrix
from gpuemb.core.jit import njit, njit_inline
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk.cpu.packed_rows import PackedRows, empty_panels
from gpuemb.kernels.cosine_topk.cpu.row_order import OrderedRows
from gpuemb.kernels.panels import SIDE
from gpuemb.kernels.vnni import GROUP

SLACK = 1e-6
PANELS_A_TASK = 256


def quantize(ordered: OrderedRows, dim: int) -> PackedRows:
    """Pack ordered rows of ``dim`` columns as int8."""
    packed = empty_panels(len(ordered.rows), -(-dim // GROUP), GROUP, np.int8)
    parts = tiles(len(packed.panels), PANELS_A_TASK)
    threads.run(lambda part: _quantize(ordered, dim, packed, *part), parts)
    return packed


@njit
def _quantize(ordered: OrderedRows, dim: int, packed: PackedRows, first: int, last: int) -> None:
    integers = np.zeros(packed.panels.shape[1] * GROUP, np.int8)
    for panel in range(first, last):
        for side in range(SIDE):
            row = panel * SIDE + side
            integers[:] = 0
            if row < len(ordered.rows):
                quantize_row(ordered.rows[row], ordered.lengths[row], row, integers[:dim], packed)
            for step in range(packed.panels.shape[1]):
                for place in range(GROUP):
                    packed.panels[panel, step, side, place] = integers[GROUP * step + place]


@njit_inline
def quantize_row(
    values: FloatMatrix, length: float, row: int, integers: FloatMatrix, packed: PackedRows
) -> None:
    """Write the int8 of a row of length above 0 to ``integers``; its scale, sum and norms to ``packed``."""
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
