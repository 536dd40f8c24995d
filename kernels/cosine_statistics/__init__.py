"""Mean and standard deviation of every row's cosines with all others, without the cosines.

    rows    (A, d)  float16, float32 or float64; finite
    others  (B, d)  the same d; None: the rows themselves, each without itself
    →       (A, 2)  float64: mean and standard deviation; NaN without any cosine

Of a population: the divisor is the number of cosines. A deviation below ``FLAT``, which rounding cannot tell
from cosines that are all equal, is 0. Rows of length 0 have no cosine.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix
from gpuemb.core.dispatch import kernel
from gpuemb.kernels.cosine_scores import cosine_scores, panels_of

FLAT = 2.0**-22  # squared 2⁻⁴⁴: 500 roundings of numbers near 1


@kernel
def cosine_statistics(rows: FloatMatrix, others: FloatMatrix | None = None) -> Float64:
    """Measure the cosines of every row.

    Cost: ``2·B·d²`` flops for the Gram matrix, and ``2·A·d²``.
    """
    columns = rows if others is None else others
    cosines = cosine_scores.reference(rows, panels_of(columns), np.empty((len(rows), len(columns))))
    found = np.full((len(rows), 2), np.nan)
    for row, line in enumerate(cosines):
        if others is None:
            line[row] = np.nan
        known = line[~np.isnan(line)]
        if len(known):
            deviation = known.std()
            found[row] = known.mean(), deviation if deviation >= FLAT else 0.0
    return found
