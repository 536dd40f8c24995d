"""Users × items in any form, with the products that a factorization takes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import NUMBERS, Array, as_array, device_of, library_of, native
from gpuemb.core.checks import check_finite, dtype_name
from gpuemb.core.device import CPU, Device
from gpuemb.core.errors import ConfigError, DTypeError, NonFiniteError, ShapeError
from gpuemb.core.memory import TILE_BYTES, rows_per_tile, tiles
from gpuemb.core.results import result, shown
from gpuemb.embeddings.inputs import is_frame

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DENSE_RATE = 200  # multiply-adds of a dense float32 product in the time of one of a sparse product
EXACT = 2.0**24  # integers below it are float32 numbers
FINEST = 8  # ratings in steps of 1/8 or more are integers after a power of two
LARGEST = 1e70  # of an entry: sums of fourth powers stay inside float64


@result
class UserItems:
    """A checked matrix of users × items.

    Attributes:
        values: ``(n, p)`` native dense array, or ``(nonzeros,)`` of CSR.
        columns: ``(nonzeros,)`` item of each; None of a dense array.
        starts: ``(n + 1,)`` where the entries of each user begin; None of a dense array.
        shape: users and items.
        source: the array as it came, whose library results are given in.
        users: names of the rows, or None.
        items: names of the columns, or None.
    """

    values: Array
    columns: Array
    starts: Array
    shape: tuple[int, int]
    source: Array
    users: Sequence[str] | None
    items: Sequence[str] | None

    @property
    def sparse(self) -> bool:
        """Whether it is held in CSR form."""
        return self.starts is not None

    @cached_property
    def matrix(self) -> Any:
        """``(n, p)`` CSR, or the dense array; nothing is copied."""
        if not self.sparse:
            return self.values
        from scipy.sparse import csr_matrix

        return csr_matrix((self.values, self.columns, self.starts), shape=self.shape, copy=False)

    def with_values(self, values: Array) -> UserItems:
        """Return the same cells with other numbers."""
        return replace(self, values=values)

    @property
    def device(self) -> Device:
        """Where it lies."""
        return CPU if self.sparse else device_of(self.matrix)

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return int(self.values.nbytes + (self.columns.nbytes if self.columns is not None else 0))

    def chosen(self) -> tuple[Array, Array]:
        """``(n,)`` and ``(p,)``: whether each user and each item has an entry that is not zero."""
        if self.sparse:
            items = np.zeros(self.shape[1], bool)
            items[self.matrix.indices[self.matrix.data != 0]] = True
            filled = np.add.reduceat(np.r_[self.matrix.data != 0, False], self.matrix.indptr[:-1]) > 0
            return filled & (np.diff(self.matrix.indptr) > 0), items
        return (self.matrix != 0).any(axis=1), (self.matrix != 0).any(axis=0)

    def times(self, dense: Array) -> Array:
        """``X dense`` in float64, a block of rows at a time."""
        if self.sparse:
            return self.matrix @ dense
        xp = library_of(self.matrix)
        product = xp.empty((self.shape[0], dense.shape[1]))

        def multiply(cut: tuple[int, int]) -> None:
            xp.matmul(self.matrix[slice(*cut)].astype(np.float64), dense, out=product[slice(*cut)])

        self._each(multiply, tiles(self.shape[0], rows_per_tile(8 * self.shape[1])))
        return product

    def transposed_times(self, dense: Array) -> Array:
        """``Xᵀ dense`` in float64, blocks of rows added in order."""
        if self.sparse:
            return self.matrix.T @ dense
        total = library_of(self.matrix).zeros((self.shape[1], dense.shape[1]))
        for start, stop in tiles(self.shape[0], rows_per_tile(8 * self.shape[1])):
            with threads.single_threaded_blas():
                total += self.matrix[start:stop].astype(np.float64).T @ dense[start:stop]
        return total

    def gram(self) -> Array:
        """``XᵀX`` in float64: exact for integers and fractions in eighths below 2²⁴ in every sum.

        A block of rows whose sums of squares are such numbers is multiplied in float32, where no sum then
        rounds; any other in float64. A sparse matrix of few entries is multiplied as it is.
        """
        if self.sparse:
            lengths = np.diff(self.matrix.indptr).astype(np.float64)
            if DENSE_RATE * float(lengths @ lengths) < math.prod(self.shape) * float(self.shape[1]):
                wide = self.matrix.astype(np.float64)
                return (wide.T @ wide).toarray()
        total = library_of(self.values).zeros((self.shape[1],) * 2)
        cuts = tiles(self.shape[0], self.gram_rows)
        if self.device == CPU:
            for product in threads.stream(self._block_gram, cuts):
                total += product
            return total
        for start, stop in cuts:  # one stream of the GPU, in float64
            block = self.matrix[start:stop].astype(np.float64)
            total += block.T @ block
        return total

    @property
    def gram_rows(self) -> int:
        """Rows of a block of the Gram matrix: the blocks belong to the definition of the sum."""
        return rows_per_tile(16 * self.shape[1], TILE_BYTES)

    def _block_gram(self, cut: tuple[int, int]) -> Any:
        block = self.matrix[slice(*cut)]
        dense = block.toarray() if self.sparse else block
        narrow = dense.astype(np.float32)
        if not _sums_are_exact(block.data if self.sparse else dense, dense, narrow):
            narrow = dense.astype(np.float64)
        return narrow.T @ narrow

    def _each(self, function: Any, cuts: list[tuple[int, int]]) -> None:
        if self.device == CPU:
            threads.run(function, cuts)
        else:
            for cut in cuts:
                function(cut)


def _sums_are_exact(values: Any, dense: Any, narrow: Any) -> bool:
    """Whether float32 sums of products of columns never round (Cauchy-Schwarz bounds them all)."""
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))  # int8 has no 128
    if not largest < EXACT:
        return False
    scaled = values.astype(np.float64) * FINEST
    if (np.rint(scaled) != scaled).any():
        return False
    scale = 1 if (np.rint(values) == values).all() else FINEST
    if len(dense) * (largest * scale) ** 2 < EXACT:
        return True
    squares = np.einsum("ij,ij->j", narrow, narrow, dtype=np.float64)
    return float(squares.max(initial=0.0)) * scale**2 < EXACT


def user_items(where: str, x: Any) -> UserItems:
    """Check users × items in any form.

    Args:
        where: the function that was called.
        x: an array, a SciPy sparse matrix, a data frame of users × items, or an object with ``matrix``,
            ``users`` and ``items``.

    Raises:
        ShapeError, DTypeError: no such matrix.
        NonFiniteError: NaN or infinity, or numbers whose powers leave float64.
        ConfigError: all entries are zero.
    """
    if isinstance(x, (str, PathLike)):
        raise DTypeError(
            f"{where}: X is the name {str(x)!r}",
            needed="A matrix of users × items is needed.",
            remedy=f"gpuemb.read_interactions({str(x)!r}) reads a file of (user, item, weight).",
        )
    users = items = None
    if all(hasattr(x, name) for name in ("matrix", "users", "items")):
        x, users, items = x.matrix, x.users, x.items
    elif is_frame(x):
        users, items = list(map(str, x.index)), list(map(str, x.columns))
        x = x.to_numpy()
    matrix = _csr(where, x) if _is_sparse(x) else native(as_array(x, where))
    values = matrix.data if hasattr(matrix, "indptr") else matrix
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ShapeError(
            f"{where}: X has shape {tuple(matrix.shape)}",
            needed="Users are rows and items are columns; at least one of each is needed.",
            remedy="A single user is X[None, :].",
        )
    if values.dtype.kind not in NUMBERS:
        raise DTypeError(
            f"{where}: X holds {values.dtype}",
            needed="Counts, ratings or other real numbers are needed.",
            remedy="Convert it first, for example with X.astype('float32').",
        )
    _check_values(where, matrix, values)
    shape = (int(matrix.shape[0]), int(matrix.shape[1]))
    if hasattr(matrix, "indptr"):
        return UserItems(values, matrix.indices, matrix.indptr, shape, values, users, items)
    return UserItems(values, None, None, shape, as_array(x, where), users, items)


def _is_sparse(x: Any) -> bool:
    if not type(x).__module__.startswith("scipy.sparse"):
        return False
    from scipy.sparse import issparse

    return bool(issparse(x))


def _csr(where: str, x: Any) -> csr_matrix:
    """Return a CSR matrix in which no cell is stored twice."""
    from scipy.sparse import csr_matrix

    if x.ndim != 2:
        raise ShapeError(
            f"{where}: X has shape {tuple(x.shape)}",
            needed="Users are rows and items are columns.",
            remedy="A single user is X.reshape(1, -1).",
        )
    matrix = csr_matrix(x)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    return matrix


def _check_values(where: str, matrix: Any, values: Any) -> None:
    xp = library_of(values)
    if values.dtype.kind == "f":
        if values.ndim == 2:
            check_finite(where, "X", values)
        elif not np.isfinite(values).all():
            place = int(np.isfinite(values).argmin())
            user = int(np.searchsorted(matrix.indptr, place, side="right")) - 1
            raise NonFiniteError(
                f"{where}: X holds NaN or infinity; user {user}, item {matrix.indices[place]} is the first",
                needed="Every entry must be finite; what a user did not choose is not stored, or 0.",
                remedy="X.data[~numpy.isfinite(X.data)] = 0, then X.eliminate_zeros().",
            )
    largest = 0.0
    if values.size:
        largest = max(abs(float(xp.max(values))), abs(float(xp.min(values))))
    if largest == 0:
        raise ConfigError(
            f"{where}: every entry of X {shown(matrix)} is 0",
            needed="At least one user must have chosen an item.",
            remedy="Check how the matrix was made: rows are users, columns are items.",
        )
    if not 1 / LARGEST <= largest <= LARGEST:
        raise NonFiniteError(
            f"{where}: the largest entry of X is near {largest:.1e} ({dtype_name(values)})",
            needed=f"Largest entries between {1 / LARGEST:.0e} and {LARGEST:.0e} keep sums of powers finite.",
            remedy="Divide X by it, and the penalty by its square; cosines do not change.",
        )
