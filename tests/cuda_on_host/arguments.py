"""What a launch hands to a kernel: is it what the kernel's parameters take, and where does it lie?"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

ALIGNMENT = RED_ZONE = 256
DLPACK_CUDA = 2
LARGEST_COPY = 64 << 20  # larger arrays are handed over as they are


class KernelError(RuntimeError):
    """A launch is wrong, or a kernel did what a GPU forbids or leaves undefined."""


class DeviceArray(np.ndarray[Any, Any]):
    """An array that a launcher made on the device; a kernel takes no other.

    What NumPy's functions make of it is on the device too, and as with CuPy's arrays none of the host
    may take part.
    """

    def __dlpack_device__(self) -> Any:
        return DLPACK_CUDA, 0

    def set(self, host: np.ndarray[Any, Any], stream: object = None) -> None:
        """Copy from the host, as CuPy's: the same shape and dtype, in one piece."""
        assert type(host) is np.ndarray
        assert (host.shape, host.dtype) == (self.shape, self.dtype)
        assert host.flags.c_contiguous
        np.copyto(self.view(np.ndarray), host)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **named: Any) -> Any:
        for given in (*inputs, *out):
            if type(given) is np.ndarray and given.ndim:
                raise TypeError(f"{ufunc.__name__}: Unsupported type {type(given)}")  # CuPy's words
        if out:
            named["out"] = tuple(map(_plain, out))
        made = getattr(ufunc, method)(*map(_plain, inputs), **named)
        return out[0] if out else on_device(made)

    def __array_function__(self, function: Any, types: Any, arguments: Any, named: Any) -> Any:
        return on_device(super().__array_function__(function, types, arguments, named))


def on_device(made: Any) -> Any:
    """Arrays, and tuples of them, as the device's."""
    if isinstance(made, tuple):
        return tuple(map(on_device, made))
    return made.view(DeviceArray) if type(made) is np.ndarray else made


def _plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, DeviceArray) else x


class Parameter(ctypes.Structure):
    """A kernel's parameter, as ``host/emulator.hpp`` describes it."""

    _fields_ = (
        ("kind", ctypes.c_char),
        ("pointee", ctypes.c_char),
        ("bytes", ctypes.c_int),
        ("pointee_bytes", ctypes.c_int),
    )


class Memory(ctypes.Structure):
    """An array, as ``host/emulator.hpp`` describes it."""

    _fields_ = (("start", ctypes.c_void_p), ("bytes", ctypes.c_size_t), ("argument", ctypes.c_int))


def mismatch(given: Any, parameter: Parameter) -> str:
    """Say how an argument differs from its parameter; CuPy would pass its bytes whatever they are."""
    if parameter.kind == b"p":
        return _pointer_mismatch(given, parameter)
    if isinstance(given, (bool, int, float)):
        given = np.asarray(given)[()]  # CuPy too passes numbers as 64 bits
    if not isinstance(given, np.generic):
        return f"a {type(given).__name__}, but the kernel takes a number"
    kind = parameter.kind.decode()
    if (given.dtype.kind, given.dtype.itemsize) != (kind, parameter.bytes):
        return f"{given.dtype}, but the kernel takes {8 * parameter.bytes} bits of kind {kind}"
    return ""


def _pointer_mismatch(given: Any, parameter: Parameter) -> str:
    if not isinstance(given, DeviceArray):
        return f"a {type(given).__name__}, but the kernel takes a pointer to the device's memory"
    if not given.flags.c_contiguous:
        return "an array with gaps or in another order; a kernel sees nothing but memory"
    kind, size = parameter.pointee.decode(), parameter.pointee_bytes
    if kind != "V" and (given.dtype.kind, given.itemsize) != (kind, size):
        return f"{given.dtype}, but the kernel points to {8 * size} bits of kind {kind}"
    if size and given.nbytes % size:
        return f"{given.nbytes} bytes, but the kernel points to parts of {size}"
    return ""


class DeviceMemory:
    """Copies of the arrays, far enough from each other that no step beyond one falls into another."""

    def __init__(self) -> None:
        self.regions: list[Memory] = []
        self._copies: dict[tuple[int, int], tuple[DeviceArray, Any]] = {}

    def value(self, number: int, given: Any, size: int) -> Any:
        """Return what the kernel gets for an argument, as ctypes memory."""
        if not isinstance(given, np.ndarray):
            return (ctypes.c_char * size).from_buffer_copy(np.asarray(given).tobytes())
        key = (given.ctypes.data, given.nbytes)
        if key not in self._copies:
            if any(np.may_share_memory(given, other) for other, _ in self._copies.values()):
                raise KernelError(f"argument {number} overlaps another")
            copy = _aligned_copy(given) if given.nbytes < LARGEST_COPY else given
            self._copies[key] = (given, copy)
            self.regions.append(Memory(copy.ctypes.data, given.nbytes, number))
        return ctypes.c_void_p(self._copies[key][1].ctypes.data)

    def copy_back(self) -> None:
        """Bring what the kernel wrote into the arrays."""
        for given, copy in self._copies.values():
            if copy is not given:
                given.reshape(-1).view(np.uint8)[:] = copy


def _aligned_copy(given: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    raw = np.empty(given.nbytes + ALIGNMENT + 2 * RED_ZONE, np.uint8)
    start = RED_ZONE + -(raw.ctypes.data + RED_ZONE) % ALIGNMENT
    copy = raw[start : start + given.nbytes]
    copy[:] = given.reshape(-1).view(np.uint8)
    return copy
