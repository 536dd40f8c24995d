"""What a GPU can do at most, through CuPy.

Products go through cuBLAS's ``gemmEx``, which names its compute type with each call: nothing global is set.
Waits for a GPU: nothing in this file has run on one yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpuemb.bench.ceilings import Ceiling, Ceilings, ceiling_of
from gpuemb.bench.measure import Timing, alternate
from gpuemb.core.device import Device

COPY_BYTES = 1 << 30  # a side: twenty times the L2 of an H200
TRANSFER_BYTES = 256 << 20
SIDE = 8192
REPEATS = 7
# cublasComputeType_t and cudaDataType of each product; the library's own numbers.
COMPUTE = {"fp16": 68, "tf32": 77, "fp32": 68, "fp64": 70, "int8": 72}
KINDS = {"fp16": (2, 2), "tf32": (0, 0), "fp32": (0, 0), "fp64": (1, 1), "int8": (3, 10)}
INPUTS = {"fp16": np.float16, "tf32": np.float32, "fp32": np.float32, "fp64": np.float64, "int8": np.int8}
OUTPUTS = {**INPUTS, "int8": np.int32}
SCALARS = {"fp16": np.float32, "tf32": np.float32, "fp32": np.float32, "fp64": np.float64, "int8": np.int32}
DEFAULT_ALGORITHM, TRANSPOSED, PLAIN = -1, 1, 0


def measure_cuda(device: Device) -> Ceilings:
    """Measure copy, products of five types, and both transfers; what fails is missing with its reason."""
    import cupy

    tasks: dict[str, Callable[[], Ceiling]] = {
        "copy": _copy,
        "to device": lambda: _transfer("to device"),
        "to host": lambda: _transfer("to host"),
        **{name: (lambda name=name: _product(name)) for name in COMPUTE},  # type: ignore[misc]
    }
    found, missing = {}, {}
    with cupy.cuda.Device(device.index):
        for name, task in tasks.items():
            try:
                found[name] = task()
            except Exception as error:  # one refused type must not hide the others' rates
                missing[name] = f"{type(error).__name__}: {error}"
    return Ceilings(str(device), found, missing)


def finished(call: Callable[[], Any]) -> Callable[[], None]:
    """Return ``call`` with a wait for the device behind it."""
    import cupy

    def run() -> None:
        call()
        cupy.cuda.get_current_stream().synchronize()

    return run


def _alternate(call: Callable[[], Any]) -> Mapping[str, Timing]:
    return alternate({"device": finished(call)}, repeats=REPEATS)


def _copy() -> Ceiling:
    import cupy

    source = cupy.ones(COPY_BYTES // 4, cupy.float32)
    target = cupy.empty_like(source)
    return ceiling_of("copy", "B/s", 2 * COPY_BYTES, _alternate(lambda: cupy.copyto(target, source)))


def _transfer(name: str) -> Ceiling:
    import cupy
    import cupyx

    host = cupyx.empty_pinned(TRANSFER_BYTES // 4, np.float32)
    host[:] = 1
    there = cupy.asarray(host)
    call = (lambda: there.set(host)) if name == "to device" else (lambda: there.get(out=host))
    return ceiling_of(name, "B/s", TRANSFER_BYTES, _alternate(call))


def _product(name: str) -> Ceiling:
    import cupy
    from cupy_backends.cuda.libs import cublas

    numbers = cupy.random.default_rng(0).integers(-3, 4, (2, SIDE, SIDE))
    left, right = (table.astype(INPUTS[name]) for table in numbers)
    out = cupy.empty((SIDE, SIDE), OUTPUTS[name])
    one, zero = (np.array(value, SCALARS[name]) for value in (1, 0))
    handle = cupy.cuda.device.get_cublas_handle()
    given, got = KINDS[name]

    def multiply() -> None:
        cublas.gemmEx(
            handle,
            TRANSPOSED,
            PLAIN,
            SIDE,
            SIDE,
            SIDE,
            one.ctypes.data,
            left.data.ptr,
            given,
            SIDE,
            right.data.ptr,
            given,
            SIDE,
            zero.ctypes.data,
            out.data.ptr,
            got,
            SIDE,
            COMPUTE[name],
            DEFAULT_ALGORITHM,
        )

    unit = "OP/s" if name == "int8" else "FLOP/s"
    return ceiling_of(name, unit, 2 * SIDE**3, _alternate(multiply))
