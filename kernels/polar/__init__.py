"""Nearest orthogonal maps of a batch of small matrices.

    products  (P, d, e)  float64, C = U Σ Wᵀ
    →         rotation (P, d, e)  U Wᵀ over the min(d, e) singular pairs: maximizes tr(QᵀC)
              singular (P, min(d, e))  Σ, descending
              rank     (P,)       int64, singular values above max(d, e)·eps·Σ_1
              taken    (P,)       int64, matrix products of the iteration; 0: computed by SVD

Where the rank is short, the rotation is one of many: there ``rank < min(d, e)``. A matrix of zeros
has rank 0 and some orthogonal rotation. Source: Schönemann (1966); Definitions §2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.dispatch import kernel_within
from gpuemb.core.errors import NonFiniteError


@dataclass(frozen=True, eq=False)
class PolarFactors:
    """The batch of the module's contract."""

    rotation: Float64
    singular: Float64
    rank: Int64
    taken: Int64


def numerical_rank(singular: Float64, shape: tuple[int, int]) -> Int64:
    """Count singular values above ``max(shape)·eps`` of the largest, for each row."""
    threshold = max(shape) * float(np.finfo(np.float64).eps) * singular[:, :1]
    above: Int64 = (singular > threshold).sum(axis=1).astype(np.int64)
    return above


def check_finite(products: Float64) -> None:
    """Refuse NaN and infinity.

    Raises:
        NonFiniteError: NaN or infinity; the first matrix is named.
    """
    finite = (abs(products) < math.inf).all(axis=(1, 2))
    if not bool(finite.all()):
        raise NonFiniteError(
            f"polar: matrix {int(finite.argmin())} of {len(products)} holds NaN or infinity",
            needed="Every number must be finite.",
            remedy="Look for NaN or for overflow in the tables that were multiplied.",
        )


@kernel_within(check_finite)
def polar(products: Float64) -> PolarFactors:
    """Return the orthogonal polar factor of every matrix of the batch.

    Raises:
        NonFiniteError: as :func:`check_finite`.

    Cost: about ``22·d³`` flops a matrix.
    """
    left, singular, right = np.linalg.svd(products, full_matrices=False)
    taken = np.zeros(len(products), np.int64)
    return PolarFactors(left @ right, singular, numerical_rank(singular, products.shape[1:]), taken)
