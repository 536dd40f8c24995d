"""Packed panels (kernels/panels.py) of a table's rows: sixteen rows a panel, a cache line a step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuemb.core.arrays import Float32, Float64, FloatMatrix, Int32, cache_lines
from gpuemb.kernels.cosine_topk.cpu.microtile import WIDE
from gpuemb.kernels.panels import SIDE


class PackedRows(NamedTuple):
    """Rows in panels, padded with rows of zeros to m, a multiple of 32.

    Attributes:
        panels: ``(m / 16, K, 16, 4)`` int8 or ``(m / 16, K, 16, 1)`` float32.
        scale: ``(m,)`` float32 s; 0 for padding.
        start: ``(m,)`` int32 ``−128·Σq``, compensates the offset of 128 of the other side.
        residual: ``(m,)`` float64 ‖e‖.
        length: ``(m,)`` float64 ‖h‖.
    """

    panels: FloatMatrix
    scale: Float32
    start: Int32
    residual: Float64
    length: Float64


def padded(rows: int) -> int:
    """Rows, rounded up to whole pairs of panels."""
    return -(-rows // WIDE) * WIDE


def empty_panels(rows: int, steps: int, group: int, dtype: type[np.generic]) -> PackedRows:
    """Allocate panels of so many rows of ``steps`` words of ``group`` numbers."""
    whole = padded(rows)
    shape = whole // SIDE, steps, SIDE, group
    return PackedRows(
        cache_lines(shape, dtype),
        np.zeros(whole, np.float32),
        np.zeros(whole, np.int32),
        np.zeros(whole),
        np.zeros(whole),
    )
