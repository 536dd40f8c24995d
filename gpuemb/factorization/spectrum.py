"""The leading singular values and right vectors of users × items, from which every solution follows."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, device_of, library_of, to_host
from gpuemb.core.device import CPU, require
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.results import result
from gpuemb.counts.block_lanczos import BLOCK, LEAST_BLOCKS, MOST
from gpuemb.counts.decomposition import truncated_svd
from gpuemb.factorization.matrix import UserItems

GRAM_ITEMS = 5000  # up to it the spectrum of XᵀX is computed whole; beyond, block Lanczos of X
TOLERANCE = 1e-5  # of block Lanczos, of σ_1: right vectors are then improved by one product in float64
LEAST = 1e-6  # of σ_1: what float32 products tell from 0
FLAT = 4  # eps·p of σ_1²: eigenvalues of XᵀX below it are rounding
Method: TypeAlias = Literal["gram", "lanczos"]


@result
class InteractionSpectrum:
    """Leading singular triplets of users × items.

    Attributes:
        singular_values: ``(k,)`` float64 on the host, descending; 0 where X has no further axis.
        vectors: ``(p, k)`` float64 right singular vectors on X's device, orthonormal columns, the largest
            entry of each positive; rows of items that nobody chose are 0.
        rounding: ``(p,)`` lengths of a row, over the kept axes, that rounding alone makes: the item is apart
            from them, and its vector counts as 0.
        method: ``gram``: the eigenvalues of ``XᵀX``; ``lanczos``: block Lanczos of ``X``.
        residual: of ``lanczos``, the largest ``‖Xᵀu − σv‖ / σ_1`` before the last improvement; 0 of ``gram``.
        empty_users: how many users chose nothing.
        empty_items: how many items nobody chose.
    """

    singular_values: Float64
    vectors: Array
    rounding: Array
    method: Method
    residual: float
    empty_users: int
    empty_items: int

    @property
    def rank(self) -> int:
        """How many axes are at hand."""
        return len(self.singular_values)


def interaction_spectrum(where: str, data: UserItems, rank: int) -> InteractionSpectrum:
    """Compute ``rank`` leading triplets, at most as many as items.

    Raises:
        MemoryBudgetError: they do not fit.

    Cost: up to ``GRAM_ITEMS`` items ``n·p²`` flops and ``9·p³``; beyond, some ``10·k`` products with X.
    """
    exact = data.shape[1] <= GRAM_ITEMS or data.device != CPU
    require(_plan(where, data, rank, exact=exact), data.device)
    users, items = data.chosen()
    values, vectors, rounding, residual = _of_gram(data, rank) if exact else _of_lanczos(data, rank)
    xp = library_of(vectors)
    vectors[~items] = 0.0
    vectors[:, xp.asarray(values == 0)] = 0.0
    largest = xp.abs(vectors).argmax(axis=0)
    vectors *= xp.where(vectors[largest, xp.arange(rank)] < 0, -1.0, 1.0)
    return InteractionSpectrum(
        singular_values=values,
        vectors=vectors,
        rounding=rounding,
        method="gram" if exact else "lanczos",
        residual=residual,
        empty_users=int((~users).sum()),
        empty_items=int((~items).sum()),
    )


def eigen(gram: Array, rank: int) -> tuple[Float64, Array]:
    """Return the square roots of the largest eigenvalues, descending, and their vectors.

    Values that rounding makes are 0.
    """
    size = len(gram)
    if device_of(gram) == CPU:
        from scipy.linalg import eigh

        subset = None if rank == size else [size - rank, size - 1]
        with threads.single_threaded_blas():
            squared, vectors = eigh(gram, subset_by_index=subset, overwrite_a=True)
    else:
        squared, vectors = library_of(gram).linalg.eigh(gram)
        squared, vectors = squared[size - rank :], vectors[:, size - rank :]
    largest_first = to_host(squared)[::-1]
    floor = FLAT * size * np.finfo(np.float64).eps * max(float(largest_first[0]), 0.0)
    values: Float64 = np.sqrt(np.where(largest_first > floor, largest_first, 0.0))
    return values, library_of(vectors).ascontiguousarray(vectors[:, ::-1])


def _of_gram(data: UserItems, rank: int) -> tuple[Float64, Array, Array, float]:
    values, vectors = eigen(data.gram(), rank)
    rounding = np.full(data.shape[1], data.shape[1] * np.finfo(np.float64).eps)
    return values, vectors, library_of(vectors).asarray(rounding), 0.0


def _of_lanczos(data: UserItems, rank: int) -> tuple[Float64, Float64, Float64, float]:
    """Left vectors of block Lanczos; right ones by one product in float64, exact row by row."""
    matrix = data.matrix
    if not data.sparse:
        from scipy.sparse import csr_matrix

        matrix = csr_matrix(matrix)
    if matrix.dtype.kind != "f":
        matrix = matrix.astype(np.float32 if matrix.dtype.itemsize < 4 else np.float64)
    few = min(rank, *data.shape)
    found = truncated_svd(matrix, few, TOLERANCE)
    values, vectors = np.zeros(rank), np.zeros((data.shape[1], rank))
    image = matrix.T @ found.left
    lengths = np.linalg.norm(image, axis=0)
    kept = found.singular > LEAST * found.singular[0]
    order = np.argsort(-lengths[kept], kind="stable")
    count = len(order)
    values[:count] = lengths[kept][order]
    vectors[:, :count] = image[:, kept][:, order] / values[:count]
    columns = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0), np.float64).ravel())
    rounding = np.finfo(np.float32).eps * columns / values[count - 1]
    return values, vectors, rounding, found.residual


def _plan(where: str, data: UserItems, rank: int, *, exact: bool) -> MemoryPlan:
    (users, items), workers = data.shape, threads.count() if data.device == CPU else 1
    purpose = f"{where} of {users} users, {items} items, rank {rank}"
    held = {"right vectors": 2 * buffer((items, rank), np.float64)}
    if exact:
        gram = buffer((items, items), np.float64)
        block = buffer((min(users, data.gram_rows), items), np.float64)
        return MemoryPlan(
            purpose,
            held
            | {
                "XᵀX and its eigenvectors": 3 * gram,
                "products of blocks of users": 2 * workers * (gram // 2 + 2 * block),
            },
        )
    copies = 3 if data.sparse else 5
    basis = buffer((items, min(items, BLOCK * max(LEAST_BLOCKS, -(-MOST * rank // BLOCK)))), np.float32)
    whole = 2 * buffer(data.shape, np.float64) if min(data.shape) <= MOST // 3 * rank else 0
    return MemoryPlan(
        purpose,
        held
        | {
            "X and its transpose": copies * data.bytes,
            "Lanczos basis": 2 * basis,
            "left vectors": 4 * buffer((users, rank), np.float64),
            "X as a dense matrix": whole,
        },
    )
