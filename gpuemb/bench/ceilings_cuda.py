"""Ceilings of a GPU, through CuPy.

Products are those of :mod:`gpuemb.core.cuda.cublas`, which takes their arithmetic with each call.
Not yet run on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from gpuemb.bench.ceiling import Ceiling, Ceilings, ceiling_of
from gpuemb.bench.measure import Timing, alternate
from gpuemb.core.arrays import Float32
from gpuemb.core.cuda import cupy
from gpuemb.core.cuda.cublas import PRODUCTS, missing_gemm_ex, row_products
from gpuemb.core.device import Device
from gpuemb.core.errors import DeviceError

COPY_BYTES = 1 << 30  # a side: twenty times the L2 of an H200
TRANSFER_BYTES = 256 << 20
SIDE = 8192
PRODUCTS_A_ROUND = 8  # in a row: Python's overhead overlaps with the product before
REPEATS = 7


def measure_cuda(device: Device) -> Ceilings:
    """Measure copy, products of five types, and both transfers; failures are listed with their reason."""
    tasks: dict[str, Callable[[], Ceiling]] = {
        "copy": _copy,
        "to device": lambda: _transfer("to device"),
        "to host": lambda: _transfer("to host"),
        **{name: partial(_product, name) for name in PRODUCTS},
    }
    found, missing = {}, {}
    with cupy().cuda.Device(device.index):
        for name, task in tasks.items():
            try:
                found[name] = task()
            except Exception as error:  # one unsupported type must not hide the others' rates
                missing[name] = f"{type(error).__name__}: {error}"
    return Ceilings(str(device), found, missing)


def finished(call: Callable[[], Any]) -> Callable[[], None]:
    """Return ``call`` followed by a synchronization of the device."""

    def run() -> None:
        call()
        cupy().cuda.get_current_stream().synchronize()

    return run


def _alternate(call: Callable[[], Any]) -> Mapping[str, Timing]:
    return alternate({"device": finished(call)}, repeats=REPEATS)


def _copy() -> Ceiling:
    source = cupy().ones(COPY_BYTES // 4, np.float32)
    target = cupy().empty_like(source)
    return ceiling_of("copy", "B/s", 2 * COPY_BYTES, _alternate(lambda: cupy().copyto(target, source)))


def _transfer(name: str) -> Ceiling:
    pinned = cupy().cuda.alloc_pinned_memory(TRANSFER_BYTES)
    host: Float32 = np.ndarray(TRANSFER_BYTES // 4, np.float32, buffer=pinned)
    host[:] = 1
    there = cupy().asarray(host)
    call = (lambda: there.set(host)) if name == "to device" else (lambda: there.get(out=host))
    return ceiling_of(name, "B/s", TRANSFER_BYTES, _alternate(call))


def _product(name: str) -> Ceiling:
    if reason := missing_gemm_ex():
        raise DeviceError(
            f"ceiling {name}: {reason}",
            needed="Another function would not reach the machine's rate.",
            remedy="Install the extra cuda12-ctk or cuda13-ctk.",
        )
    product = PRODUCTS[name]
    numbers = cupy().random.default_rng(0).integers(-3, 4, (2, SIDE, SIDE))
    left, right = (table.astype(product.factors) for table in numbers)
    out = cupy().empty((SIDE, SIDE), product.results[0])
    unit = "OP/s" if name == "int8" else "FLOP/s"

    def multiply() -> None:
        for _ in range(PRODUCTS_A_ROUND):
            row_products(name, left, right, out)

    return ceiling_of(name, unit, PRODUCTS_A_ROUND * 2 * SIDE**3, _alternate(multiply))
