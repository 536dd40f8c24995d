"""Nearest orthogonal maps of a batch of small matrices.

    products  (P, d, e)  float64, C = U Σ Wᵀ
    →         rotation (P, d, e)  U Wᵀ over the min(d, e) singular pairs: maximizes tr(QᵀC)
              singular (P, min(d, e))  Σ, descending
              rank     (P,)       int64, singular values above max(d, e)·eps·Σ_1

Where the rank is short, the rotation is one of many: ``rank < min(d, e)`` says so. A matrix of zeros
has rank 0 and some orthogonal rotation. Source: Schönemann (1966); Definitions §2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.dispatch import kernel


@dataclass(frozen=True)
class PolarFactors:
    """The batch of the module's contract."""

    rotation: Float64
    singular: Float64
    rank: Int64


def numerical_rank(singular: Float64, shape: tuple[int, int]) -> Int64:
    """Count singular values above ``max(shape)·eps`` of the largest, for each row."""
    threshold = max(shape) * np.finfo(np.float64).eps * singular[:, :1]
    above: Int64 = np.sum(singular > threshold, axis=1).astype(np.int64)
    return above


@kernel
def polar(products: Float64) -> PolarFactors:
    """Return the orthogonal polar factor of every matrix of the batch.

    Cost: about ``22·d³`` flops a matrix.
    """
    left, singular, right = np.linalg.svd(products, full_matrices=False)
    return PolarFactors(left @ right, singular, numerical_rank(singular, products.shape[1:]))
