"""Read rows of an array of raw bytes in bounded memory."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import FloatMatrix, Int64
from gpuemb.core.errors import FileFormatError
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.core.progress import Progress
from gpuemb.embeddings.files.table import plan

TILE = 16 << 20  # bytes read at once
Numbers = Callable[[NDArray[Any]], FloatMatrix]


@dataclass(frozen=True)
class Layout:
    """Layout of an array in its file.

    Attributes:
        dtype: of the stored numbers.
        shape: ``(V, d)``.
        fortran: whether it is in column order.
        result: dtype of the rows read.
        widen: converts the stored numbers to ``result``.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, int]
    result: np.dtype[Any]
    widen: Numbers
    fortran: bool = False

    @property
    def bytes(self) -> int:
        """Size of the array in the file."""
        return math.prod(self.shape) * self.dtype.itemsize


def gather(
    file: IO[bytes], layout: Layout, rows: Int64 | None, *, name: str, progress: Progress
) -> FloatMatrix:
    """Read some rows of an array, or all, into one new C-ordered array.

    Args:
        file: at the array's first byte; it is read forwards only.
        layout: of the array.
        rows: ascending row numbers; None for all.
        name: of the file, for messages.
        progress: reports the rows read or skipped.

    Raises:
        FileFormatError: the file ends too early.
        MemoryBudgetError: the rows do not fit the memory.

    Cost: the result and one tile; of a seekable file only the needed tiles are read.
    """
    count = layout.shape[0] if rows is None else len(rows)
    across = layout.shape[0] if layout.fortran else layout.shape[1]
    line_bytes = across * layout.dtype.itemsize
    plan(name, count, layout.shape[1] * layout.result.itemsize, max(TILE, line_bytes))
    taken = np.empty((count, layout.shape[1]), layout.result)
    if layout.fortran:
        _by_columns(file, layout, rows, taken, name=name, progress=progress)
    else:
        _by_rows(file, layout, rows, taken, name=name, progress=progress)
    return taken


def _by_rows(
    file: IO[bytes], layout: Layout, rows: Int64 | None, out: FloatMatrix, *, name: str, progress: Progress
) -> None:
    dim = layout.shape[1]
    last = layout.shape[0] if rows is None else int(rows[-1]) + 1 if len(rows) else 0
    begun = 0
    with progress.phase(f"reading {name}", last) as task:
        for start, stop in tiles(last, rows_per_tile(dim * layout.dtype.itemsize, TILE)):
            wanted = within(rows, start, stop)
            if wanted is not None and not len(wanted):
                skip(file, (stop - start) * dim * layout.dtype.itemsize, name)
            else:
                tile = _numbers(file, layout.dtype, (stop - start) * dim, name).reshape(-1, dim)
                tile = tile if wanted is None else tile[wanted]
                out[begun : begun + len(tile)] = layout.widen(tile)
                begun += len(tile)
            task.advance(stop - start)


def _by_columns(
    file: IO[bytes], layout: Layout, rows: Int64 | None, out: FloatMatrix, *, name: str, progress: Progress
) -> None:
    height, dim = layout.shape
    with progress.phase(f"reading {name}", dim) as task:
        for start, stop in tiles(dim, rows_per_tile(height * layout.dtype.itemsize, TILE)):
            columns = _numbers(file, layout.dtype, (stop - start) * height, name).reshape(-1, height)
            out[:, start:stop] = layout.widen(columns if rows is None else columns[:, rows]).T
            task.advance(stop - start)


def _numbers(file: IO[bytes], dtype: np.dtype[Any], count: int, name: str) -> NDArray[Any]:
    data = file.read(count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        raise FileFormatError(
            f"load: {name} ends in the middle of its vectors",
            needed="Its header declares more numbers than follow.",
            remedy="Fetch or write it again: it is truncated.",
        )
    return np.frombuffer(data, dtype)


def within(rows: Int64 | None, start: int, stop: int) -> Int64 | None:
    """Return the row numbers between two bounds, relative to the first; None for all."""
    if rows is None:
        return None
    begin, end = np.searchsorted(rows, (start, stop))
    return rows[begin:end] - start


def skip(file: IO[bytes], count: int, name: str) -> None:
    """Skip bytes: by seeking if possible, else by reading."""
    if file.seekable():
        file.seek(count, os.SEEK_CUR)
        return
    while count > 0:
        passed = len(file.read(min(count, TILE)))
        if passed == 0:
            raise FileFormatError(
                f"load: {name} ends before its vectors begin",
                needed="Its header declares more bytes than follow.",
                remedy="Fetch or write it again: it is truncated.",
            )
        count -= passed


def as_stored(numbers: NDArray[Any]) -> FloatMatrix:
    """Return the numbers unchanged."""
    return numbers


def to_float32(numbers: NDArray[Any]) -> FloatMatrix:
    """Widen float16."""
    return numbers.astype(np.float32)


def from_bfloat16(bits: NDArray[Any]) -> FloatMatrix:
    """Widen bfloat16, given as 16-bit integers: the upper half of a float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
