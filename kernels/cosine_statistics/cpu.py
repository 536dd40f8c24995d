"""Moments of cosines on the CPU: a row's are a product and a quadratic form with sums over all unit rows.

Plan      Of the n unit rows y: m = Σy/n and C = Σ(y − m)(y − m)ᵀ, from one Gram matrix. A unit row x has the
          mean x·m and the squared deviations xᵀCx; what x itself adds, a cosine of 1, is taken off after.
          A row's sums are one thread's, in the order of its columns: they depend on no other row asked.
Bound     C loses ‖Σy‖²/n·2⁻⁵³ to the mean of the rows, so a squared deviation is right within about 2⁻⁵⁰.
Bound by  float64 products of the Gram matrix, then of the quadratic forms.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, wide
from gpuemb.core.device import CPU
from gpuemb.core.jit import njit
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_statistics import FLAT
from gpuemb.kernels.gram import gram

CHUNK = 1024  # rows of a task


def cosine_statistics(rows: FloatMatrix, others: FloatMatrix | None = None) -> Float64:
    """See :mod:`gpuemb.kernels.cosine_statistics`."""
    columns = rows if others is None else others
    sums = gram.on(CPU)([columns], "unit")
    count = len(columns) - int(sums.zeros[0])
    found = np.full((len(rows), 2), np.nan)
    if count <= (others is None):
        return found
    mean = sums.sums / count
    scatter = sums.products - count * np.outer(mean, mean)
    table = np.ascontiguousarray(rows, wide(rows)).view(np.ndarray)
    threads.run(
        lambda part: _measure(table, mean, scatter, count, others is None, found, *part),
        tiles(len(rows), CHUNK),
    )
    return found


@njit
def _measure(
    rows: FloatMatrix,
    mean: Float64,
    scatter: Float64,
    count: int,
    itself: bool,
    found: Float64,
    first: int,
    last: int,
) -> None:
    dim = rows.shape[1]
    unit, image = np.empty(dim), np.empty(dim)
    for row in range(first, last):
        squared = 0.0
        for column in range(dim):
            squared += np.float64(rows[row, column]) * np.float64(rows[row, column])
        if squared == 0:
            continue
        center, image[:] = 0.0, 0.0
        for column in range(dim):
            unit[column] = rows[row, column] / np.sqrt(squared)
            center += unit[column] * mean[column]
            for other in range(dim):
                image[other] += unit[column] * scatter[column, other]
        deviations, cosines = 0.0, count
        for column in range(dim):
            deviations += image[column] * unit[column]
        if itself:
            cosines, away = count - 1, 1 - center
            center -= away / cosines
            deviations -= away * away + away * away / cosines
        deviation = np.sqrt(max(deviations / cosines, 0.0))
        found[row, 0], found[row, 1] = center, deviation if deviation >= FLAT else 0.0
