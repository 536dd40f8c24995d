"""Ceilings of the CPU: bandwidth, products and additions, measured beside the workloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.bench import vnni
from gpuemb.bench.ceiling import Ceiling, Ceilings, ceiling_of
from gpuemb.bench.ceilings_cuda import measure_cuda
from gpuemb.bench.measure import Timing, alternate
from gpuemb.core import threads
from gpuemb.core.checks import check_choice
from gpuemb.core.device import Device
from gpuemb.core.jit import njit
from gpuemb.core.random import stream
from gpuemb.kernels.gram.cpu import panels
from gpuemb.kernels.panels import wide_registers

COPY_BYTES = 256 << 20  # a side: eight times the largest cache of common processors
SIDE = 3072  # of a matrix product: BLAS reaches its full rate from about 2048
INT8_ROWS, INT8_DIM = 4096, 320  # a right side of 1024 rows stays in a core's L2
ADD_CELLS, ADDS = 32_768, 1 << 22  # a row of 256 kB, as the counting kernel's
REPEATS = 5


def measure_ceilings(device: Device, names: Sequence[str] = ()) -> Ceilings:
    """Measure the named ceilings, or all; about ten seconds on two cores.

    Raises:
        ConfigError: an unknown name.
    """
    if device.kind == "cuda":
        return measure_cuda(device)
    for name in names:
        check_choice("bench", "ceiling", name, tuple(_CPU))
    found, missing = {}, {}
    for name in names or _CPU:
        reason = vnni.missing() if name == "int8" else ""
        if reason:
            missing[name] = reason
        else:
            found[name] = _CPU[name](name)
    return Ceilings(str(device), found, missing)


def _copy(name: str) -> Ceiling:
    source = np.ones(COPY_BYTES // 4, np.float32)
    target = np.zeros_like(source)

    def copy(parts: int) -> None:
        pieces = threads.ranges(len(source), parts)
        threads.run(lambda part: np.copyto(target[slice(*part)], source[slice(*part)]), pieces)

    roads = {"workers": lambda: copy(threads.count()), "one core": lambda: copy(1)}
    return ceiling_of(name, "B/s", 2 * COPY_BYTES, alternate(roads, repeats=REPEATS))


def _products(name: str) -> Ceiling:
    """Matrix products of two disjoint operands: NumPy has another, slower path for ``X @ X.T``."""
    dtype = np.float32 if name == "sgemm" else np.float64
    left, right = stream(0, "bench", "product").standard_normal((2, SIDE, SIDE)).astype(dtype)
    out = np.empty((SIDE, SIDE), dtype)

    def slab(part: tuple[int, int]) -> None:
        np.matmul(left[slice(*part)], right, out=out[slice(*part)])

    def workers() -> None:
        threads.run(slab, threads.ranges(SIDE, threads.count()))

    calls: dict[str, Callable[[], object]] = {"workers": workers}
    if wide_registers():
        calls["registers"] = _in_registers(left, right)
    roads: dict[str, Timing] = dict(alternate(calls, repeats=REPEATS))
    with threads.blas_threads(threads.count()):
        roads |= alternate({"BLAS threads": lambda: np.matmul(left, right, out=out)}, repeats=REPEATS)
    return ceiling_of(name, "FLOP/s", 2 * SIDE**3, roads)


def _in_registers(left: NDArray[Any], right: NDArray[Any]) -> Callable[[], object]:
    """Products by the ``gram`` kernel: BLAS may not use 512-bit registers, or not support the processor."""
    slabs = [np.ascontiguousarray(left[:, slice(*part)]) for part in threads.ranges(SIDE, threads.count())]
    *blocks, whole = [_laid_out(rows) for rows in (*slabs, right)]

    def slab(task: tuple[NDArray[Any], NDArray[Any]]) -> None:
        panels.product(task[0], whole, SIDE, task[1].shape[1])

    return lambda: threads.run(slab, list(zip(blocks, slabs, strict=True)))


def _laid_out(rows: NDArray[Any]) -> NDArray[Any]:
    block = panels.empty_block(len(rows), rows.shape[1], rows.dtype.type)
    image = np.empty((len(rows), 0))
    panels.fill(rows, np.empty(0), np.empty((0, rows.shape[1])), False, block, np.empty(len(rows)), image)
    return block


def _int8(name: str) -> Ceiling:
    numbers = stream(0, "bench", "int8")
    left = vnni.pack(numbers.integers(-127, 128, (INT8_ROWS, INT8_DIM)).astype(np.int8))
    right = vnni.pack(numbers.integers(0, 256, (1024, INT8_DIM)).astype(np.uint8))
    out = np.empty((len(left), len(right), vnni.SIDE, vnni.SIDE), np.int32)
    roads = alternate({"workers": lambda: vnni.product(left, right, out)}, repeats=4 * REPEATS)
    return ceiling_of(name, "OP/s", 2 * INT8_ROWS * 1024 * INT8_DIM, roads)


def _adds(name: str) -> Ceiling:
    """Integer additions into random cells of a row in L2, as in counting."""
    places = stream(0, "bench", "adds").integers(0, ADD_CELLS, ADDS).astype(np.int32)
    add = _compiled_adds()
    workers = threads.count()

    def run() -> None:
        threads.run(lambda _: add(places, np.zeros(ADD_CELLS, np.int64)), range(workers))

    return ceiling_of(name, "OP/s", ADDS * workers, alternate({"workers": run}, repeats=REPEATS))


@cache
def _compiled_adds() -> Callable[[Any, Any], int]:
    def add(places: Any, row: Any) -> int:
        for place in places:
            row[place] += 1
        return int(row[0])

    return njit(add)


_CPU: Mapping[str, Callable[[str], Ceiling]] = {
    "copy": _copy,
    "sgemm": _products,
    "dgemm": _products,
    "int8": _int8,
    "adds": _adds,
}
