"""Arrays of any library: their namespace, their device, their transfer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gpuemb.core.cuda import cupy
from gpuemb.core.device import CPU, Device, DeviceName, RunsOn, choose
from gpuemb.core.errors import DeviceError, DTypeError, GpuembError, ShapeError

Array: TypeAlias = Any  # an array of any library with the array API
FloatMatrix: TypeAlias = Any  # (V, d) float16, float32 or float64
FloatStack: TypeAlias = Any  # (S, V, d), or a sequence of S matrices (V, d_s)
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

T = TypeVar("T")

NUMBERS = "fiub"  # NumPy's kinds of floating, whole and truth values
DLPACK_CPU, DLPACK_CUDA, DLPACK_CUDA_HOST, DLPACK_CUDA_MANAGED = 1, 2, 3, 13

CACHE_LINE = 64  # bytes


def cache_lines(shape: tuple[int, ...], dtype: DTypeLike, fill: float | None = None) -> Any:
    """Allocate an array that begins with a cache line, so that aligned loads of it touch one line each.

    Args:
        shape: of the array.
        dtype: of its numbers.
        fill: value of all of them; None leaves them as they are.
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    raw = np.empty(size + CACHE_LINE, np.int8)
    first = -raw.ctypes.data % CACHE_LINE
    lines = raw[first : first + size].view(kind).reshape(shape)
    if fill is not None:
        lines[...] = fill
    return lines


def namespace_of(*arrays: Array) -> Any:
    """Return the array-API namespace that the arrays share (NumPy, CuPy, torch, …)."""
    from array_api_compat import array_namespace

    return array_namespace(*arrays)


def device_of(x: Array) -> Device:
    """Return the device whose memory holds ``x``; the CPU for arrays without DLPack.

    Raises:
        DeviceError: ``x`` is on a kind of device that gpuemb has no kernels for.
    """
    if isinstance(x, (list, tuple)):
        return device_of(x[0]) if x else CPU
    if not hasattr(x, "__dlpack_device__"):
        return CPU
    kind, index = x.__dlpack_device__()
    if int(kind) in (DLPACK_CPU, DLPACK_CUDA_HOST):
        return CPU
    if int(kind) in (DLPACK_CUDA, DLPACK_CUDA_MANAGED):
        return Device("cuda", int(index))
    raise DeviceError(
        f"device_of: an array of {type(x).__name__} is on DLPack device type {int(kind)}",
        needed="gpuemb computes on CPU and CUDA devices.",
        remedy="Move the array to one of them first.",
    )


def computing_device(where: str, x: Array, name: DeviceName, needs: Iterable[RunsOn] = ()) -> Device:
    """Return the device that computes on ``x``, by the rule that :class:`gpuemb.core.device.Device` states.

    Args:
        where: the function that was called.
        x: the array.
        name: what was given for ``device=``; None is the device of ``x``.
        needs: kernels that ``auto`` needs.

    Raises:
        ConfigError, DeviceError: as :func:`gpuemb.core.device.choose`.
        DeviceError: ``x`` is on a GPU, and another device is named.
    """
    here = device_of(x)
    if name is None:
        return here
    if here == CPU:
        return choose(name, needs)
    if str(name) not in ("auto", here.kind) and choose(name) != here:
        raise DeviceError(
            f"{where}: the table is on {here}, and device={str(name)!r}",
            needed="gpuemb computes on an array of a GPU where it is, and never moves it implicitly.",
            remedy="Omit device, or copy the table to the host first: cupy.asnumpy(x).",
        )
    return here


def is_mapped(x: Array) -> bool:
    """Whether ``x`` is a memory map of a file."""
    return isinstance(x, np.memmap)


def native(x: Array) -> Any:
    """View ``x`` as its device's own library: NumPy on the CPU, CuPy on a GPU; nothing is copied."""
    if isinstance(x, np.ndarray):
        return x
    if device_of(x).kind == "cuda":
        return cupy().from_dlpack(x)
    if hasattr(x, "__dlpack__"):
        return np.from_dlpack(x)
    return as_numbers(x)


def as_array(x: Any, where: str = "array") -> Array:
    """Return ``x`` as an array: one of any library as it is, what speaks DLPack alone as its device's own.

    Every door takes arrays through here, so that a rule for what may enter is written once.

    Raises:
        DTypeError: a masked array, or no numbers.
        DeviceError: on a kind of device that gpuemb has no kernels for.
        ShapeError: nested lists of unequal lengths.
    """
    from array_api_compat import is_array_api_obj

    if isinstance(x, np.ndarray) and x.dtype.kind in NUMBERS and not _is_masked(x):
        return x
    foreign = not isinstance(x, (np.ndarray, type)) and (is_array_api_obj(x) or hasattr(x, "__dlpack__"))
    if not foreign:
        return as_numbers(x, where)
    if is_array_api_obj(x):
        return x
    try:
        return native(x)
    except (BufferError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        if isinstance(error, GpuembError):
            raise
        raise DTypeError(
            f"{where}: {type(x).__name__} cannot be exchanged by DLPack: {error}",
            needed="__dlpack__ and __dlpack_device__ must give an array of numbers.",
            remedy="Convert it first: numpy.asarray(x).",
        ) from error


def _is_masked(x: Any) -> bool:
    return isinstance(x, np.ma.MaskedArray)


def as_numbers(x: Any, where: str = "array") -> NDArray[Any]:
    """Turn nested Python numbers into an array; raise on other types.

    Raises:
        DTypeError: a masked array, or no numbers.
        ShapeError: lists of unequal lengths.
    """
    if _is_masked(x) or (isinstance(x, (list, tuple)) and any(map(_is_masked, x))):
        raise DTypeError(
            f"{where}: a masked array was given",
            needed="Every entry is a number: missing entries are not supported.",
            remedy="Drop their rows: x.data[~x.mask.any(axis=1)], or fill them: x.filled(0).",
        )
    try:
        array = np.asarray(x)
    except TypeError as error:
        raise DTypeError(
            f"{where}: {type(x).__name__} cannot become an array: {error}",
            needed="Arrays of numbers, from NumPy, CuPy, torch or nested lists.",
            remedy="Convert it first: numpy.array(x).",
        ) from error
    except ValueError as error:
        raise ShapeError(
            f"{where}: the rows of the {type(x).__name__} differ in length",
            needed="Every row needs equally many numbers.",
            remedy="Find the odd one with {len(row) for row in rows}.",
        ) from error
    if array.dtype.kind not in NUMBERS:
        raise DTypeError(
            f"{where}: expected numbers, but got {type(x).__name__} holding {array.dtype}",
            needed="Arrays of numbers, from NumPy, CuPy, torch or nested lists.",
            remedy="A file is opened with gpuemb.load(path), a word looked up with embedding[word].",
        )
    return array


def wide(x: Array) -> DTypeLike:
    """Return the dtype in which kernels read a table: float64, or float32 for narrower dtypes, exactly."""
    return np.float64 if x.dtype.itemsize == 8 else np.float32


def library_of(x: Array) -> Any:
    """Return the native library of the device of ``x``: NumPy, or CuPy on a GPU."""
    return np if device_of(x).kind == "cpu" else cupy()


def empty(shape: tuple[int, ...], dtype: DTypeLike, device: Device) -> Any:
    """Allocate a native array on ``device``; uninitialized."""
    if device.kind == "cpu":
        return np.empty(shape, dtype)
    with cupy().cuda.Device(device.index):
        return cupy().empty(shape, dtype)


def like(result: Array, x: Array) -> Array:
    """Convert ``result`` (native) to the library of ``x``, without a copy on the same device."""
    xp = namespace_of(x)
    return result if namespace_of(result) is xp else xp.from_dlpack(result)


def to_device(x: Array, device: Device) -> Array:
    """Copy ``x`` to ``device`` as that device's own library; no copy when it is there already."""
    if device_of(x) == device:
        return native(x)
    if device.kind == "cpu":
        return to_host(x)
    with cupy().cuda.Device(device.index):
        return cupy().asarray(native(x))


def fields_to_device(record: T, device: Device) -> T:
    """Copy a dataclass of arrays to ``device``, as :func:`to_device` copies each."""
    return type(record)(**{name: to_device(x, device) for name, x in vars(record).items()})


def to_host(x: Array) -> NDArray[Any]:
    """Return ``x`` as a NumPy array of the host."""
    if device_of(x).kind == "cuda":
        return cupy().asnumpy(native(x))  # type: ignore[no-any-return]
    return native(x)  # type: ignore[no-any-return]
