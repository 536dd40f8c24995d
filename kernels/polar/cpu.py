"""Polar factors on the CPU: LAPACK's SVD, one matrix a worker.

Plan      The matrices are independent; each is decomposed by one thread: by gesdd, and by gesvd where
          that does not converge. The singular vectors below √eps·σ₁ are decomposed once more, alone.
Error     LAPACK's is 10 to 200·eps·σ₁, by the version of OpenBLAS: of NumPy 2.5 it is ten times that of
          2.4 where the σ are graded. The second decomposition errs by that of the small σ only, and what
          is left are the roundings of two products.
Bound by  LAPACK's latency at d = 50, its matrix products at d = 300.
Rejected  Scaled Newton: as fast, but loses digits with the condition; threaded BLAS: 2.3x slower on 45
          matrices of 300 than two one-thread workers.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.kernels.polar import PolarFactors, numerical_rank

SMALL = float(np.sqrt(np.finfo(np.float64).eps))  # of σ₁: above it, 200·eps·σ₁ turn no vector by 1e-5


def polar(products: Float64) -> PolarFactors:
    """See :mod:`gpuemb.kernels.polar`."""
    count, rows, columns = products.shape
    rotation = np.empty((count, rows, columns))
    singular = np.empty((count, min(rows, columns)))

    def decompose(index: int) -> None:
        left, values, right = _sharpened(products[index], *_decomposed(products[index]))
        rotation[index] = left @ right
        singular[index] = values

    threads.run(decompose, range(count))
    taken = np.zeros(count, np.int64)
    return PolarFactors(rotation, singular, numerical_rank(singular, (rows, columns)), taken)


def _sharpened(
    product: Float64, left: Float64, values: Float64, right: Float64
) -> tuple[Float64, Float64, Float64]:
    """Decompose what the vectors of small singular values hold of the product again, without the rest."""
    first = int(np.count_nonzero(values > SMALL * values[0]))
    if not 0 < first < len(values):
        return left, values, right
    inner, small, outer = _decomposed(left[:, first:].T @ product @ right[first:].T)
    left[:, first:] = left[:, first:] @ inner
    right[first:] = outer @ right[first:]
    values[first:] = np.minimum(small, values[first - 1])
    return left, values, right


def _decomposed(product: Float64) -> tuple[Float64, Float64, Float64]:
    """The thin SVD; gesvd is slower and converges where gesdd rarely does not."""
    try:
        return np.linalg.svd(product, full_matrices=False)
    except np.linalg.LinAlgError:
        left, values, right = linalg.svd(product, full_matrices=False, lapack_driver="gesvd")
        return left, values, right
