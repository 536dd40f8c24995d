"""The rate of exact int8 products: every panel of one table with every panel of another."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Int32
from gpuemb.core.jit import njit
from gpuemb.kernels.panels import SIDE
from gpuemb.kernels.vnni import GROUP, int8_tile, missing

__all__ = ["SIDE", "missing", "pack", "product"]
Bytes: TypeAlias = NDArray[Any]  # (panels, K, 16, 4) of int8 or uint8


def pack(rows: NDArray[Any]) -> Bytes:
    """Pack ``(n, d)`` bytes into panels ``(n / 16, d / 4, 16, 4)``; n and d must be multiples."""
    count, dim = rows.shape
    panels = rows.reshape(count // SIDE, SIDE, dim // GROUP, GROUP).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(panels)


def product(left: Bytes, right: Bytes, out: Int32) -> None:
    """Write all products of two packed tables to ``out`` ``(panels, panels, 16, 16)``, on our workers."""
    multiply = _compiled()
    parts = threads.ranges(len(left), 4 * threads.count())
    threads.run(lambda part: multiply(left, right, out, part[0], part[1]), parts)


@cache
def _compiled() -> Callable[..., None]:
    def multiply(left: Any, right: Any, out: Any, first: int, last: int) -> None:
        for i in range(first, last):
            for j in range(right.shape[0]):
                int8_tile(left[i].ctypes.data, right[j].ctypes.data, left.shape[1], out[i, j].ctypes.data)

    return njit(multiply)
