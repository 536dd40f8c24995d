"""A CuPy that computes nothing: streams in any order, memory that runs out, a compiler told what to say.

Only for dispatch, planning, retries, orders of events and error paths; never for numbers of a kernel.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest


class Marker:
    """A point in a stream that an event names."""

    def __init__(self) -> None:
        self.passed = False


class Machine:
    """Streams that run as late as they may, but for those that are told to hurry.

    ``hurry`` names streams that run whatever they can at once: ``"compute"``, ``"copy"``; or
    ``"random"``, and every stream runs a random part of its work after every launch.
    """

    def __init__(self, hurry: str = "", seed: int = 0) -> None:
        self.hurry, self.random = hurry, random.Random(seed)
        self.streams: list[Stream] = []

    def launched(self) -> None:
        if self.hurry == "random":
            for _ in range(self.random.randrange(8)):
                self.random.choice(self.streams).step()
            return
        for stream in self.streams:
            while stream.name in self.hurry.split() and stream.step():
                pass

    def run_until(self, done: Callable[[], bool], stream: Stream) -> None:
        """Run ``stream`` and what it waits for, nothing else."""
        while not done():
            while not stream.step():
                _, waited = stream.queue[0]
                assert waited is not None
                self.run_until(lambda waited=waited: waited.marker.passed, waited.stream)  # type: ignore[misc]


class Stream:
    def __init__(self, machine: Machine, *, non_blocking: bool = False) -> None:
        self.machine, self.name = machine, "copy" if non_blocking else "compute"
        self.queue: deque[tuple[Callable[[], None], Any]] = deque()
        machine.streams.append(self)

    def launch(self, work: Callable[[], None], waiting_for: Any = None) -> None:
        self.queue.append((work, waiting_for))
        self.machine.launched()

    def step(self) -> bool:
        if not self.queue or (self.queue[0][1] is not None and not self.queue[0][1].marker.passed):
            return False
        self.queue.popleft()[0]()
        return True

    def wait_event(self, event: Event) -> None:
        if event.recorded is not None:
            self.launch(lambda: None, event.recorded)

    def synchronize(self) -> None:
        self.machine.run_until(lambda: not self.queue, self)


class Event:
    def __init__(self, *, disable_timing: bool = False) -> None:
        self.recorded: Any = None

    def record(self, stream: Stream) -> None:
        marker = Marker()
        self.recorded = SimpleNamespace(marker=marker, stream=stream)
        stream.launch(lambda: setattr(marker, "passed", True))

    def synchronize(self) -> None:
        if self.recorded is not None:
            stream, marker = self.recorded.stream, self.recorded.marker
            stream.machine.run_until(lambda: marker.passed, stream)


class DeviceArray:
    """Memory of the device: what is written to it is written when its stream gets there."""

    def __init__(self, memory: np.ndarray[Any, Any]) -> None:
        self.memory = memory

    def __getitem__(self, rows: slice) -> DeviceArray:
        return DeviceArray(self.memory[rows])

    def set(self, host: np.ndarray[Any, Any], stream: Stream) -> None:
        assert host.dtype == self.memory.dtype
        assert host.dtype.isnative
        assert host.shape == self.memory.shape
        stream.launch(lambda: np.copyto(self.memory, host))


class CompileException(Exception):
    """As CuPy's: the compiler's log is its text."""


class OutOfMemoryError(MemoryError):
    pass


class FakeCupy(ModuleType):
    """The names of CuPy that gpuemb uses.

    Attributes:
        compiled: what every ``RawModule`` was made from, in order of compilation.
        log: what the compiler complains about; empty: nothing.
        current: the number of the current device.
        on_free: called when the pool is told to free its blocks.
        spare: memory that the pool gives to the next ``empty`` of its shape.
    """

    def __init__(self, machine: Machine | None = None) -> None:
        super().__init__("cupy")
        self.machine = machine or Machine()
        self.__version__ = "14.2.0"
        self.compiled: list[dict[str, Any]] = []
        self.log, self.current = "", 0
        self.on_free: Callable[[], None] = lambda: None
        self.spare: list[np.ndarray[Any, Any]] = []
        self.stream = Stream(self.machine)
        self.matmul = np.matmul
        self.cuda = SimpleNamespace(
            Device=self._device,
            Event=Event,
            Stream=lambda *, non_blocking=False: Stream(self.machine, non_blocking=non_blocking),
            alloc_pinned_memory=bytearray,
            compiler=SimpleNamespace(CompileException=CompileException),
            device=SimpleNamespace(get_cublas_handle=lambda: 1),
            get_current_stream=lambda: self.stream,
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            nvrtc=SimpleNamespace(getVersion=lambda: (13, 0)),
            runtime=SimpleNamespace(
                getDeviceCount=lambda: 1,
                memGetInfo=lambda: (1000, 4000),
                runtimeGetVersion=lambda: 13020,
            ),
        )

    @contextmanager
    def _entered(self, index: int) -> Iterator[None]:
        before, self.current = self.current, index
        yield
        self.current = before

    def _device(self, index: int | None = None) -> Any:
        chosen = self.current if index is None else index
        entered = self._entered(chosen)
        return SimpleNamespaceManager(entered, id=chosen)

    def RawModule(
        self, *, code: str, options: tuple[str, ...], name_expressions: tuple[str, ...], backend: str
    ) -> Any:
        assert isinstance(options, tuple)
        made = {
            "code": code,
            "options": options,
            "names": name_expressions,
            "backend": backend,
            "device": self.current,
        }

        def compile() -> None:
            self.compiled.append(made)
            if self.log:
                raise CompileException(self.log)

        return SimpleNamespace(compile=compile, **made)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        for number, memory in enumerate(self.spare):
            if memory.shape == tuple(shape):
                return DeviceArray(self.spare.pop(number))
        return DeviceArray(np.full(shape, 77, dtype))

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(free_all_blocks=lambda: self.on_free(), free_bytes=lambda: 24)


class SimpleNamespaceManager(SimpleNamespace):
    """A namespace that is also a ``with`` block."""

    def __init__(self, manager: Any, **names: Any) -> None:
        super().__init__(**names)
        self._manager = manager

    def __enter__(self) -> None:
        self._manager.__enter__()

    def __exit__(self, *error: object) -> None:
        self._manager.__exit__(*error)


def install(monkeypatch: pytest.MonkeyPatch, machine: Machine | None = None) -> FakeCupy:
    """Put a fake in CuPy's place, with a cuBLAS that can be loaded."""
    fake = FakeCupy(machine)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    install_cublas(monkeypatch, ModuleType("cublas"))
    return fake


def install_cublas(monkeypatch: pytest.MonkeyPatch, cublas: object | None) -> None:
    """Put something in the place of CuPy's low-level cuBLAS; ``None``: it cannot be loaded."""
    libraries = ModuleType("cupy_backends.cuda.libs")
    if cublas is not None:
        libraries.cublas = cublas  # type: ignore[attr-defined]
    for name in ("cupy_backends", "cupy_backends.cuda"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs", libraries)
    monkeypatch.delitem(sys.modules, "cupy_backends.cuda.libs.cublas", raising=False)
