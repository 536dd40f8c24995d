"""Stream a table of the host through the GPU: one block of rows is copied while one is computed on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gpuemb.core.arrays import Int64
from gpuemb.core.cuda import cupy
from gpuemb.core.memory import TILE_BYTES, MemoryPlan, buffer, rows_per_tile, tiles

SLOTS = 2  # one block being copied, one in use


def plan_upload(shape: tuple[int, ...], dtype: DTypeLike, rows: int) -> tuple[MemoryPlan, MemoryPlan]:
    """Return the buffers of :func:`uploaded` in the host's pinned memory, and on the device.

    CuPy rounds pinned memory up to a power of two.
    """
    block = buffer((min(rows, shape[0]), *shape[1:]), dtype)
    pinned = 1 << max(block - 1, 511).bit_length()
    return (
        MemoryPlan("upload, pinned host memory", {"pinned blocks": SLOTS * pinned}),
        MemoryPlan("upload, device memory", {"device blocks": SLOTS * block}),
    )


def rows_per_block(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    """Rows of a block of at most 64 MiB: transfers are at their full rate long before."""
    return min(shape[0], rows_per_tile(buffer(shape[1:], dtype), TILE_BYTES))


def uploaded(
    table: NDArray[Any], rows: int | None = None, numbers: Int64 | None = None
) -> Iterator[tuple[int, Any]]:
    """Yield every block of ``table`` on the current device, in order: its first row, and its rows.

    The table may be a memory map larger than both memories. While the GPU computes on one block, the
    next is read into pinned memory and copied on a stream of its own.

    Args:
        table: ``(V, …)`` on the host, any byte order.
        rows: of a block; by default 64 MiB.
        numbers: row numbers to upload, in this order; None for all. Ascending ones are read fastest.

    Yields:
        ``(start, block)``; ``block`` is a CuPy array, valid for kernels launched on the current stream
        until the next block is requested. Copy it to keep it longer.

    Raises:
        MemoryBudgetError: the pinned memory does not fit the host; nothing was allocated.

    Cost: the rows are read once; two blocks pinned, two on the device.
    """
    shape = (table.shape[0] if numbers is None else len(numbers), *table.shape[1:])
    rows = rows_per_block(shape, table.dtype) if rows is None else min(rows, shape[0])
    if 0 in shape:
        return iter(())
    host, _ = plan_upload(shape, table.dtype, rows)
    host.require()
    return _blocks(table, rows, numbers)


def copied(
    table: NDArray[Any], dtype: DTypeLike, rows: int | None = None, numbers: Int64 | None = None
) -> Any:
    """Copy a table of the host, or some of its rows, to the current device as one array of ``dtype``.

    Args:
        table: as for :func:`uploaded`.
        dtype: of the array; wider numbers than the table's are exact.
        rows: as for :func:`uploaded`.
        numbers: as for :func:`uploaded`.

    Raises:
        MemoryBudgetError: as :func:`uploaded`.

    Cost: that of :func:`uploaded`, and the array.
    """
    count = table.shape[0] if numbers is None else len(numbers)
    found = cupy().empty((count, *table.shape[1:]), dtype)
    for start, block in uploaded(table, rows, numbers):
        found[start : start + len(block)] = block
    return found


def _blocks(table: NDArray[Any], rows: int, numbers: Int64 | None) -> Iterator[tuple[int, Any]]:
    def read(start: int, stop: int) -> NDArray[Any]:
        wanted: NDArray[Any] = table[slice(start, stop) if numbers is None else numbers[start:stop]]
        return wanted

    module = cupy()
    copying = module.cuda.Stream(non_blocking=True)
    slots = [_Slot(module, (rows, *table.shape[1:]), table.dtype.newbyteorder("=")) for _ in range(SLOTS)]
    parts = tiles(table.shape[0] if numbers is None else len(numbers), rows)
    try:
        slots[0].fill(read(*parts[0]), copying)
        for number, (start, stop) in enumerate(parts):
            current = slots[number % SLOTS]
            if number + 1 < len(parts):
                # Reading and copying overlap with the kernels on the current block.
                slots[(number + 1) % SLOTS].fill(read(*parts[number + 1]), copying)
            yield start, current.given(stop - start)
            current.taken_back()
    finally:
        # A running copy would write into memory that the pools may reuse.
        copying.synchronize()


class _Slot:
    """A pinned block, its buffer on the device, and the two events that order their use."""

    def __init__(self, module: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        memory = module.cuda.alloc_pinned_memory(buffer(shape, dtype))
        self._pinned: NDArray[Any] = np.ndarray(shape, dtype, buffer=memory)
        self._device = module.empty(shape, dtype)
        self._module = module
        self._copied = module.cuda.Event(disable_timing=True)
        self._free = module.cuda.Event(disable_timing=True)
        # The pool may return memory that earlier kernels of this stream still write to.
        self._free.record(module.cuda.get_current_stream())

    def fill(self, block: NDArray[Any], copying: Any) -> None:
        """Read a block and start its copy, once the slot's last block is copied and no longer used."""
        self._copied.synchronize()
        np.copyto(self._pinned[: len(block)], block)
        copying.wait_event(self._free)
        self._device[: len(block)].set(self._pinned[: len(block)], stream=copying)
        self._copied.record(copying)

    def given(self, rows: int) -> Any:
        """Return the block; later work on the current stream is ordered after the copy."""
        self._module.cuda.get_current_stream().wait_event(self._copied)
        return self._device[:rows]

    def taken_back(self) -> None:
        """Order the next copy after all work on the current stream."""
        self._free.record(self._module.cuda.get_current_stream())
