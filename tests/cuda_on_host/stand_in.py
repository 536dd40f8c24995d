"""NumPy under CuPy's names, so that ``kernels/<name>/cuda.py`` itself runs on the CPU."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import ModuleType, SimpleNamespace
from typing import Any

import array_api_compat
import array_api_compat.numpy
import numpy as np
import pytest
from cuda_on_host import compiler, launch
from cuda_on_host.arguments import DeviceArray, on_device
from cuda_on_host.launch import Run

from gpuemb.core.cuda import diagnosis

FREE_BYTES = 1 << 34  # that the device says it has
GARBAGE = 0xA5  # what fresh device memory holds


class StandIn(ModuleType):
    """A library of the device: its own few names, else NumPy's function that returns a device array."""

    def __init__(self, name: str, library: Any) -> None:
        super().__init__(name)
        self._library = library

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._library, name)
        return _on_device(found) if callable(found) and not isinstance(found, type) else found


class OutOfMemoryError(MemoryError):
    """CuPy's, under its own name; no test of the emulator itself raises it."""


class OneDevice:
    """The emulator, as CuPy names a device."""

    def __init__(self, index: int = 0) -> None:
        self.id = index

    def __enter__(self) -> OneDevice:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class OneStream:
    """Streams, and events on them: whatever is launched, or copied, is done when the call returns."""

    def __init__(self, *, non_blocking: bool = False) -> None:
        self.non_blocking = non_blocking

    def __enter__(self) -> OneStream:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def wait_event(self, event: OneEvent) -> None:
        pass


class OneEvent:
    """A point in a stream that is past already."""

    def __init__(self, *, disable_timing: bool = False) -> None:
        self.disable_timing = disable_timing

    def record(self, stream: OneStream) -> None:
        pass

    def synchronize(self) -> None:
        pass


def _on_device(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return on_device(function(*args, **kwargs))

    return call


def _empty(shape: Any, dtype: Any = float) -> DeviceArray:
    made = np.empty(shape, dtype)
    made.reshape(-1).view(np.uint8)[:] = GARBAGE
    return made.view(DeviceArray)


def _asarray(x: Any, dtype: Any = None) -> DeviceArray:
    """Copy what is not on the device yet."""
    if isinstance(x, DeviceArray):
        return np.asarray(x, dtype).view(DeviceArray)
    return np.array(x, dtype).view(DeviceArray)


def _make() -> StandIn:
    made = StandIn("cupy", np)
    made.__dict__.update(
        ndarray=DeviceArray,
        empty=_empty,
        asarray=_asarray,
        asnumpy=np.array,
        from_dlpack=_asarray,
        is_available=lambda: True,
        RawModule=launch.RawModule,
        get_default_memory_pool=lambda: SimpleNamespace(free_all_blocks=lambda: None, free_bytes=lambda: 0),
        cuda=SimpleNamespace(
            Device=OneDevice,
            compiler=SimpleNamespace(CompileException=compiler.CompileException),
            Event=OneEvent,
            Stream=OneStream,
            alloc_pinned_memory=bytearray,
            get_current_stream=OneStream,
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            runtime=SimpleNamespace(getDeviceCount=lambda: 1, memGetInfo=lambda: (FREE_BYTES, FREE_BYTES)),
        ),
    )
    return made


def _namespaces() -> Callable[..., Any]:
    """Return the function that finds arrays their namespace; device arrays have one, as CuPy's have."""
    find, of_the_device = array_api_compat.array_namespace, StandIn("namespace", array_api_compat.numpy)

    def namespace(*arrays: Any) -> Any:
        here = {isinstance(array, DeviceArray) for array in arrays}
        assert len(here) == 1, "arrays of the host and of the device have no common namespace"
        return of_the_device if here == {True} else find(*arrays)

    return namespace


@contextmanager
def installed(run: Run) -> Iterator[None]:
    """Let ``Device("cuda")`` be this emulator inside the block."""
    with pytest.MonkeyPatch.context() as patch, launch.running(run):
        patch.setitem(sys.modules, "cupy", _make())
        patch.setattr(diagnosis, "lack_of_cuda", lambda: diagnosis.Lack("", ""))
        patch.setattr(array_api_compat, "array_namespace", _namespaces())
        yield


def is_installed() -> bool:
    """Whether ``Device("cuda")`` is the emulator now."""
    return isinstance(sys.modules.get("cupy"), StandIn)
