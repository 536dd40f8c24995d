"""Block Lanczos on ``AᵀA`` in float32, re-orthogonalized twice, with its true residual."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, Int32, Int64
from gpuemb.core.device import CPU
from gpuemb.core.memory import tiles
from gpuemb.core.random import stream
from gpuemb.kernels.sparse_product import STRIP, sparse_product

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BLOCK_ROWS = 1024  # of a dense product: sums over blocks are added in float64, in order
BLOCK = STRIP  # columns of a block: one strip of the sparse product
NEAR = 2 * BLOCK  # columns of the basis that an image is not orthogonal to but for rounding
FIRST_CHECK = 3, 4  # ranks of columns, and blocks, before the small eigenproblem is solved for the first time
MOST, LEAST_BLOCKS = 12, 16  # ranks of columns at most, or blocks: PPMI tables need four or five ranks
LOST = 1e-6  # of the largest value: what float32 products leave of a direction that is spanned already


@dataclass(frozen=True, eq=False)
class Sparse:
    """A matrix in CSR form, float32, and its transpose."""

    rows: tuple[Int64, Int32, Float32]
    columns: tuple[Int64, Int32, Float32]

    @classmethod
    def of(cls, matrix: csr_matrix) -> Sparse:
        """Return a sparse matrix with its transpose, float32."""
        narrow = matrix.astype(np.float32)
        return cls(_fields(narrow), _fields(narrow.T.tocsr()))

    def times(self, dense: Float32) -> Float32:
        """``A dense``."""
        return sparse_product.on(CPU)(*self.rows, dense)

    def transposed_times(self, dense: Float32) -> Float32:
        """``Aᵀ dense``."""
        return sparse_product.on(CPU)(*self.columns, dense)


def _fields(matrix: csr_matrix) -> tuple[Int64, Int32, Float32]:
    return (
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32, copy=False),
        matrix.data,
    )


class Triplets(NamedTuple):
    """Singular triplets, see :class:`gpuemb.counts.decomposition.TruncatedSVD`."""

    left: Float64
    singular: Float64
    right: Float64
    residual: float


def block_lanczos(matrix: csr_matrix, rank: int, tolerance: float) -> Triplets:
    """Return the leading singular triplets, values descending, and their residual.

    ``AᵀA V = V T + Q S`` with ``T`` kept whole: its leading eigenvectors give the right vectors. Every block
    is made orthogonal to the two before it, of which alone its image has more than rounding, and then to
    all. The norms of ``A v`` are the singular values, so these do not carry the square of a condition. A
    direction that float32 cannot tell from those spanned is replaced by a random one, as at the start.

    Cost: some ``10·d`` products with the matrix, ``2·nonzeros`` flops each, ``80·V·d²`` flops and
    ``4·V·6·d`` bytes.
    """
    operator, words = Sparse.of(matrix), matrix.shape[1]
    numbers = stream(0, "truncated-svd", "start")

    def start() -> Float32:
        return numbers.standard_normal((words, BLOCK)).astype(np.float32)

    most = min(max(LEAST_BLOCKS, -(-MOST * rank // BLOCK)), words // BLOCK)
    basis = np.empty((words, BLOCK * most), np.float32)
    small = np.zeros((BLOCK * most, BLOCK * most))
    block, seen = _orthonormal(start(), basis[:, :0], 0.0, start)[0], Residuals(rank, tolerance)
    scale, vectors = 0.0, np.zeros((0, rank))
    for number in range(most):
        columns = BLOCK * (number + 1)
        basis[:, columns - BLOCK : columns] = block
        image = operator.transposed_times(operator.times(block))
        scale = max(scale, float(_lengths(image).max()))
        block, beyond, inside = _orthonormal(image, basis[:, :columns], LOST * scale, start)
        small[:columns, columns - BLOCK : columns] = inside
        small[columns - BLOCK : columns, :columns] = inside.T
        last = number == most - 1
        if last or columns >= seen.next_check:
            vectors = _leading(small[:columns, :columns], rank)
            values = np.sqrt(np.einsum("ij,ij->j", vectors, small[:columns, :columns] @ vectors).clip(0))
            gaps = np.linalg.norm(beyond @ vectors[columns - BLOCK :], axis=0)
            if last or seen.enough(columns, gaps, values):
                break
    return _triplets(operator, _times(basis[:, :columns], vectors), rank)


class Residuals:
    """The residuals that were seen, and where the next one is worth its eigenproblem."""

    def __init__(self, rank: int, tolerance: float) -> None:
        ranks, blocks = FIRST_CHECK
        self.tolerance, self.next_check = tolerance, float(ranks * rank + blocks * BLOCK)
        self._before: tuple[int, float] | None = None

    def enough(self, columns: int, gaps: Float64, values: Float64) -> bool:
        """Whether ``‖Aᵀu − σv‖/σ_1`` is within the tolerance; else predict where it may be."""
        known = values > LOST * values[0]
        worst = float((gaps[known] / values[known]).max(initial=0.0)) / max(float(values[0]), 1e-300)
        if worst <= self.tolerance:
            return True
        ahead = float(2 * BLOCK)
        if self._before is not None and 0 < worst < self._before[1]:
            fall = math.log(self._before[1] / worst) / (columns - self._before[0])
            ahead = min(4 * BLOCK, max(BLOCK, 0.9 * math.log(worst / self.tolerance) / fall))
        self._before, self.next_check = (columns, worst), columns + ahead
        return False


def _leading(small: Float64, rank: int) -> Float64:
    from scipy.linalg import eigh

    size = len(small)
    found: Float64 = eigh(small, subset_by_index=[size - rank, size - 1])[1][:, ::-1]
    return found


def _triplets(operator: Sparse, right: Float32, rank: int) -> Triplets:
    """Left vectors and singular values ``‖A v‖`` of right vectors, and how far ``Aᵀu`` is from ``σv``."""
    wide = np.zeros((len(right), -(-rank // STRIP) * STRIP), np.float32)
    wide[:, :rank] = right
    image = operator.times(wide)
    values = _lengths(image)
    order = np.argsort(-values[:rank], kind="stable")
    values = values[order]
    known = values > LOST * values[0]
    values = np.where(known, values, 0.0)

    def scaled(table: Float32, factors: Float64) -> Float32:
        select = np.zeros((wide.shape[1], wide.shape[1]))
        select[order, np.arange(rank)] = factors
        return _times(table, select)

    left = scaled(image, np.where(known, 1.0 / np.where(known, values, 1.0), 0.0))
    right = scaled(wide, known.astype(np.float64))
    gaps = _lengths(operator.transposed_times(left)[:, :rank] - right[:, :rank] * values.astype(np.float32))
    residual = float(gaps.max()) / max(float(values[0]), 1e-300)
    return Triplets(left[:, :rank].astype(np.float64), values, right[:, :rank].astype(np.float64), residual)


def _orthonormal(
    image: Float32, basis: Float32, least: float, fresh: Callable[[], Float32]
) -> tuple[Float32, Float64, Float64]:
    """Return ``Q, S, H`` of ``image = basis H + Q S``, ``Q`` orthonormal and orthogonal to the basis.

    Directions shorter than ``least`` have no part in ``S``, and a fresh one in ``Q``.
    """
    image, inside = _without(basis, image, NEAR)
    turn, beyond, short = _factor(_gram(image, image), least)
    image = _times(image, turn)
    if short:
        image[:, :short] = fresh()[:, :short]
        image, _ = _without(basis, image, basis.shape[1])
    for _ in range(2 if short else 1):
        turn, back, _ = _factor(_gram(image, image), 0.0)
        image, beyond = _times(image, turn), back @ beyond
    return image, beyond, inside


def _without(basis: Float32, image: Float32, near: int) -> tuple[Float32, Float64]:
    """Return ``image`` less its part in the last ``near`` columns, then in the whole basis; and that part."""
    inside = np.zeros((basis.shape[1], image.shape[1]))
    for first in (max(0, basis.shape[1] - near), 0):
        part = _gram(basis[:, first:], image)
        image = _times(basis[:, first:], part, image)
        inside[first:] += part
    return image, inside


def _factor(gram: Float64, least: float) -> tuple[Float64, Float64, int]:
    """``M, R`` with ``image M`` orthonormal and ``image = (image M) R``; how many columns are too short."""
    values, vectors = np.linalg.eigh((gram + gram.T) / 2)
    floor = max(least**2, 1e-12 * float(values[-1]), 1e-300)
    short = int((values <= floor).sum())
    lengths = np.sqrt(np.where(values > floor, values, 1.0))
    turn = vectors / lengths
    turn[:, :short] = 0.0
    back = lengths[:, None] * vectors.T
    back[:short] = 0.0
    return turn, back, short


def _lengths(table: Float32) -> Float64:
    """Norms of the columns, summed over blocks of rows in float64, in order."""

    def part(cut: tuple[int, int]) -> Float64:
        rows = table[cut[0] : cut[1]].astype(np.float64)
        squares: Float64 = np.einsum("ij,ij->j", rows, rows)
        return squares

    total = np.zeros(table.shape[1])
    for squares in threads.stream(part, tiles(len(table), BLOCK_ROWS)):
        total += squares
    lengths: Float64 = np.sqrt(total)
    return lengths


def _gram(left: Float32, right: Float32) -> Float64:
    """``leftᵀ right``, summed over blocks of rows in float64, in order."""

    def part(cut: tuple[int, int]) -> Float64:
        product: Float64 = (left[cut[0] : cut[1]].T @ right[cut[0] : cut[1]]).astype(np.float64)
        return product

    total = np.zeros((left.shape[1], right.shape[1]))
    for product in threads.stream(part, tiles(len(left), BLOCK_ROWS)):
        total += product
    return total


def _times(left: Float32, small: Float64, minus: Float32 | None = None) -> Float32:
    """``left small``, or ``minus`` less it, block by block."""
    narrow = np.ascontiguousarray(small, np.float32)
    product = np.empty((len(left), small.shape[1]), np.float32)

    def multiply(cut: tuple[int, int]) -> None:
        rows = slice(*cut)
        np.matmul(left[rows], narrow, out=product[rows])
        if minus is not None:
            np.subtract(minus[rows], product[rows], out=product[rows])

    threads.run(multiply, tiles(len(left), BLOCK_ROWS))
    return product
