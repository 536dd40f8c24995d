"""The leading singular triplets of a sparse matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.core.errors import ConfigError
from gpuemb.core.random import stream
from gpuemb.counts.block_lanczos import Triplets, block_lanczos

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DENSE_WORDS = 512  # up to it LAPACK on the dense matrix is faster than iterations, at any rank
DENSE_RANKS = 4  # and up to so many ranks: the Lanczos basis would be nearly as large as the matrix
TOLERANCE = 3e-4  # of σ_1: the ten nearest words of PPMI tables then agree with the exact ones' to 0.999
SLACK = 2  # what float32 may add to the residual of the small eigenproblem
TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False)
class TruncatedSVD:
    """The leading singular triplets of a matrix.

    Attributes:
        left: ``(V, d)``, orthonormal columns to the residual; columns of a value of 0 are 0.
        singular: ``(d,)`` descending.
        right: ``(V', d)``, orthonormal columns; columns of a value of 0 are 0.
        residual: largest ``‖Aᵀu − σv‖ / σ_1`` over the triplets; ``Av = σu`` holds to rounding.
    """

    left: Float64
    singular: Float64
    right: Float64
    residual: float


@threads.single_threaded_blas()
def truncated_svd(matrix: csr_matrix, rank: int, tolerance: float = TOLERANCE) -> TruncatedSVD:
    """Leading singular triplets, by LAPACK where the matrix is small, else by block Lanczos in float32.

    The start is a fixed stream, so equal matrices give equal bits on one kind of processor; each left
    vector's largest entry is positive.

    Args:
        matrix: sparse.
        rank: number of triplets.
        tolerance: of the residual; 3e-4 keeps the neighbors, 1e-6 is as far as float32 goes.

    Raises:
        ConfigError: ``rank`` exceeds the smaller side of the matrix.

    Source: Golub and Underwood (1977), The block Lanczos method for computing eigenvalues.
    """
    least = min(matrix.shape)
    if rank > least:
        raise ConfigError(
            f"ppmi-svd: dim = {rank} of a matrix of {matrix.shape[0]} × {matrix.shape[1]}",
            needed="There are at most as many dimensions as words.",
            remedy=f"Use dim={least} or less, or lower min_count.",
        )
    if least <= max(DENSE_WORDS, DENSE_RANKS * rank):
        found = _dense(matrix, rank)
    else:
        found = block_lanczos(matrix, rank, tolerance)
        if found.residual > SLACK * tolerance:  # a spectrum so flat that few blocks do not reach it
            found = _arpack(matrix, rank)
    signs = np.where(-found.left.min(axis=0) > found.left.max(axis=0), -1.0, 1.0)
    return TruncatedSVD(found.left * signs, found.singular, found.right * signs, found.residual)


def _arpack(matrix: csr_matrix, rank: int) -> Triplets:
    from scipy.sparse.linalg import svds

    start = stream(0, "truncated-svd", "start")
    left, singular, right = svds(matrix, rank, v0=start.standard_normal(min(matrix.shape)), rng=start)
    order = np.argsort(-singular, kind="stable")
    return _with_residual(matrix, left[:, order], singular[order].astype(np.float64), right[order])


def _dense(matrix: csr_matrix, rank: int) -> Triplets:
    left, singular, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
    return _with_residual(matrix, left[:, :rank], singular[:rank], right[:rank])


def _with_residual(matrix: csr_matrix, left: Float64, singular: Float64, right: Float64) -> Triplets:
    gaps = np.linalg.norm(matrix.T @ left - right.T * singular, axis=0)
    return Triplets(left, singular, right.T, float(gaps.max()) / max(float(singular[0]), TINY))
