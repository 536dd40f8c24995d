"""Ranks and their correlation, without loading ``scipy.stats``, which takes a second."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64


def average_ranks(values: NDArray[Any]) -> Float64:
    """Rank each value from 1, equal ones by the mean of their places.

    Args:
        values: ``(n,)`` without NaN.

    Cost: one sort.
    """
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    return (last - (sizes - 1) / 2)[group]


def spearman(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Correlation of the ranks of two ``(n,)`` without NaN; NaN where all of one are equal."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(average_ranks(x), average_ranks(y))[0, 1])
