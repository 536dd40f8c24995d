"""Preparation of rows for BLAS in one pass: widened, shifted, scaled, with lengths and images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float32, Float64
from gpuemb.core.jit import njit, njit_reassociated


@njit_reassociated
def prepare_rows(
    rows: Any, origin: Float64, probes: Float64, wide: Float64, kappa: Float64, image: Float64
) -> None:
    """Widen rows less ``origin``; take squared lengths and products with the probes.

    Args:
        rows: ``(n, d)`` float32 or float64, C order.
        origin: ``(d,)``, or ``(0,)`` for none.
        probes: ``(k, d)``; k may be 0.
        wide: ``(n, d)``, written.
        kappa: at least n, written: ``‖z_i‖²``.
        image: ``(n, k)`` at least, written: ``z_i·w``.
    """
    moved = len(origin) > 0
    for i in range(rows.shape[0]):
        length = 0.0
        for j in range(rows.shape[1]):
            value = np.float64(rows[i, j])
            if moved:
                value -= origin[j]
            wide[i, j] = value
            length += value * value
        kappa[i] = length
        for p in range(probes.shape[0]):
            dot = 0.0
            for j in range(rows.shape[1]):
                dot += wide[i, j] * probes[p, j]
            image[i, p] = dot


@njit
def scale_rows(wide: Float64, kappa: Float64, image: Float64) -> None:
    """Scale rows and their images to length 1; rows of length 0 stay zeros."""
    for i in range(wide.shape[0]):
        length = math.sqrt(kappa[i])
        if length > 0.0:
            for j in range(wide.shape[1]):
                wide[i, j] /= length
            for p in range(image.shape[1]):
                image[i, p] /= length


@njit
def add_narrow(total: Float64, narrow: Float32) -> None:
    """Add a float32 matrix to a float64 one."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += narrow[i, j]
