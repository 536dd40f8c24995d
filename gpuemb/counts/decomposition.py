"""The leading singular triplets of a sparse matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.core.errors import ConfigError
from gpuemb.core.random import stream

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DENSE_WORDS = 512  # up to it LAPACK on the dense matrix is faster than iterations, at any rank
TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class TruncatedSVD:
    """The leading singular triplets of a matrix.

    Attributes:
        left: ``(V, d)``, orthonormal columns.
        singular: ``(d,)`` descending.
        residual: largest ``‖Av − σu‖ / σ_1`` over the triplets.
    """

    left: Float64
    singular: Float64
    residual: float


@threads.single_threaded_blas()
def truncated_svd(matrix: csr_matrix, rank: int) -> TruncatedSVD:
    """Leading singular triplets to machine precision, by restarted Lanczos iterations (ARPACK).

    The start vector is a fixed stream, so equal matrices give equal bits; each left vector's largest
    entry is positive.

    Raises:
        ConfigError: ``rank`` exceeds the smaller side of the matrix.

    Source: Lehoucq, Sorensen and Yang (1998), ARPACK users' guide.
    """
    least = min(matrix.shape)
    if rank > least:
        raise ConfigError(
            f"ppmi-svd: dim = {rank} of a matrix of {matrix.shape[0]} × {matrix.shape[1]}",
            needed="There are at most as many dimensions as words.",
            remedy=f"Use dim={least} or less, or lower min_count.",
        )
    left, singular, right = (
        _dense(matrix, rank) if least <= max(DENSE_WORDS, 2 * rank) else _lanczos(matrix, rank)
    )
    residual = np.linalg.norm(matrix @ right.T - left * singular, axis=0).max()
    left = left * np.where(left[np.abs(left).argmax(axis=0), np.arange(rank)] < 0, -1.0, 1.0)
    return TruncatedSVD(left, singular, float(residual) / max(float(singular[0]), TINY))


def _dense(matrix: csr_matrix, rank: int) -> tuple[Float64, Float64, Float64]:
    left, singular, right = np.linalg.svd(matrix.toarray(), full_matrices=False)
    return left[:, :rank], singular[:rank], right[:rank]


def _lanczos(matrix: csr_matrix, rank: int) -> tuple[Float64, Float64, Float64]:
    from scipy.sparse.linalg import svds

    start = stream(0, "truncated-svd", "start")
    left, singular, right = svds(matrix, rank, v0=start.standard_normal(min(matrix.shape)), rng=start)
    order = np.argsort(-singular, kind="stable")
    return left[:, order], singular[order].astype(np.float64), right[order]
