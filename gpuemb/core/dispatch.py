"""Dispatch: a kernel runs on the device of its arrays.

A kernel is a folder ``kernels/<name>/``. Its ``__init__.py`` holds the contract with its limits and, under a
decorator below, a slow and correct NumPy reference; ``cpu.py`` and ``cuda.py``, or packages ``cpu/`` and
``cuda/``, hold a function of the same name and signature. The file system is the registry: a device exists
because its file or folder does. Kernels of one contract share a folder.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Generic, ParamSpec, TypeVar, cast

import numpy as np

from gpuemb.core.arrays import native
from gpuemb.core.cuda import cupy
from gpuemb.core.device import Device
from gpuemb.core.errors import DeviceError

P = ParamSpec("P")
R = TypeVar("R")


class Kernel(Generic[P, R]):
    """One operation with one implementation a device.

    Attributes:
        reference: NumPy only, slow; the oracle of every test.
        limits: raises on arguments that no implementation supports; called before each of them.
    """

    def __init__(self, reference: Callable[P, R], limits: Callable[P, None] | None = None) -> None:
        self.__doc__, self.__module__ = reference.__doc__, reference.__module__
        self.limits = limits
        self.reference: Callable[P, R] = reference if limits is None else self._within(limits, reference)
        self.name = reference.__name__

    def on(self, device: Device) -> Callable[P, R]:
        """Return the implementation for ``device``, imported on first use.

        It allocates on that device. Arrays of other libraries are converted to the device's own (NumPy,
        CuPy) through DLPack.

        Raises:
            DeviceError: the kernel has nothing for this kind of device.
        """
        implementation = self.implementation(device.kind)
        if self.limits is not None:
            implementation = self._within(self.limits, implementation)

        @functools.wraps(self.reference)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            with nullcontext() if device.kind == "cpu" else cupy().cuda.Device(device.index):
                return implementation(*map(_enter, args), **{k: _enter(v) for k, v in kwargs.items()})

        return call

    def runs_on(self, kind: str) -> bool:
        """Whether the kernel has a file or a folder for this kind of device."""
        return self.place(kind) != ""

    def place(self, kind: str) -> str:
        """Return what the kernel's folder has for a kind of device: ``cpu.py``, ``cpu/`` or nothing."""
        spec = importlib.util.find_spec(f"{self.reference.__module__}.{kind}")
        if spec is None or spec.origin is None:  # None: a folder without code, such as a stale cache
            return ""
        return f"{kind}.py" if spec.submodule_search_locations is None else f"{kind}/"

    def implementation(self, kind: str) -> Callable[..., R]:
        """Return the bare function of the kernel's file or folder for this kind of device."""
        if not self.runs_on(kind):
            present = [other for other in ("cpu", "cuda") if self.runs_on(other)]
            raise DeviceError(
                f"{self.name}: no implementation for {kind}",
                needed=f"It runs on {' and '.join(present)}.",
                remedy="Copy the arrays to such a device first (gpuemb never moves them implicitly).",
            )
        module = importlib.import_module(f"{self.reference.__module__}.{kind}")
        return cast(Callable[..., R], getattr(module, self.name))

    @staticmethod
    def _within(limits: Callable[..., None], function: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> R:
            limits(*args, **kwargs)
            return function(*args, **kwargs)

        return call


def kernel(reference: Callable[P, R]) -> Kernel[P, R]:
    """Declare the reference function of a kernel folder."""
    return Kernel(reference)


def kernel_within(limits: Callable[P, None]) -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """As :func:`kernel`, with ``limits``, of the same signature, called before every implementation."""
    return functools.partial(Kernel, limits=limits)


def _enter(argument: Any) -> Any:
    """Convert an array to the native library, a sequence of arrays one by one; keep anything else."""
    if isinstance(argument, np.ndarray):
        return argument
    if hasattr(argument, "__dlpack__"):
        return native(argument)
    if isinstance(argument, (list, tuple)) and argument and hasattr(argument[0], "__dlpack__"):
        return [native(x) for x in argument]
    return argument
