"""CuPy's RawModule for the CPU: the same calls, with kernels that compiler.py has built."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from cuda_on_host import compiler
from cuda_on_host.arguments import DeviceMemory, KernelError, Memory, Parameter, mismatch
from slow import cases

SCHEDULES = ("forward", "reverse", "random", "ahead")
EACH_SCHEDULE = cases("random", slow=("forward", "reverse", "ahead"))
FREE_SHARED_BYTES = 48 << 10  # more must be asked for
MOST_SHARED_BYTES = 99 << 10  # a block's on sm_120, the least of the architectures we compile for
MOST_THREADS = 1024
LARGEST_GRID = (2**31 - 1, 65_535, 65_535)
ONE_LAUNCH = Lock()  # the emulator has one device, whichever thread launches


@dataclass(frozen=True)
class Run:
    """How kernels run for the moment.

    Attributes:
        schedule: one of ``SCHEDULES``.
        seed: of the random choices.
        edit: changes a kernel's text before it is compiled.
        blocks: first and last (exclusive) block to run; None runs all.
    """

    schedule: str = "forward"
    seed: int = 0
    edit: Callable[[str], str] = field(default=str)
    blocks: tuple[int, int] | None = None


_run = Run()


@contextmanager
def running(run: Run) -> Iterator[None]:
    """Run kernels so inside the block."""
    global _run
    before, _run = _run, run
    try:
        yield
    finally:
        _run = before


class _Launch(ctypes.Structure):
    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("arguments", ctypes.POINTER(ctypes.c_void_p)),
        ("arrays", ctypes.POINTER(Memory)),
        ("array_count", ctypes.c_int),
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared_bytes", ctypes.c_size_t),
        ("schedule", ctypes.c_int),
        ("seed", ctypes.c_uint64),
        ("first_block", ctypes.c_uint64),
        ("last_block", ctypes.c_uint64),
        ("message", ctypes.c_char_p),
        ("message_bytes", ctypes.c_size_t),
    )


class RawModule:
    """CUDA text with the kernels named by expressions, compiled on first use as CuPy does."""

    def __init__(
        self,
        *,
        code: str,
        options: Sequence[str] = (),
        backend: str = "nvrtc",
        name_expressions: Sequence[str] = (),
    ) -> None:
        assert backend == "nvrtc"
        self._code, self._options, self._names = code, tuple(options), tuple(name_expressions)

    def compile(self) -> None:
        """Compile now; the few kernels of a mutant that run until it is caught, when asked for."""
        if _run.edit is str:
            self._library(self._names)

    def get_function(self, name: str) -> RawKernel:
        """Return the kernel of a name expression."""
        names = self._names if _run.edit is str else (name,)
        return RawKernel(self._library(names), name, names.index(name))

    def _library(self, names: tuple[str, ...]) -> Path:
        return compiler.build(_run.edit(self._code), names, self._options)


class RawKernel:
    """One kernel; called as CuPy's: ``kernel(grid, block, arguments, shared_mem=0)``."""

    def __init__(self, path: Path, name: str, number: int) -> None:
        self.name, self._path = name, path
        self.max_dynamic_shared_size_bytes = FREE_SHARED_BYTES
        found = (Parameter * 64)()
        with ONE_LAUNCH:  # what describes the parameters is watched like a kernel
            self._library = ctypes.CDLL(str(path))
            count = getattr(self._library, f"parameters_{number}")(found)
        self._address = ctypes.cast(getattr(self._library, f"kernel_{number}"), ctypes.c_void_p)
        self._parameters = found[:count]

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: Sequence[Any],
        *,
        shared_mem: int = 0,
        stream: object = None,
    ) -> None:
        """Run the kernel to its end.

        Raises:
            KernelError: the launch is wrong, or what the kernel did is; says which thread, where and what.
        """
        blocks, threads = (*grid, 1, 1)[:3], (*block, 1, 1)[:3]
        self._check_launch(blocks, threads, shared_mem)
        self._check_arguments(args)
        memory = DeviceMemory()
        values = [
            memory.value(i, x, p.bytes) for i, (x, p) in enumerate(zip(args, self._parameters, strict=True))
        ]
        self._run(blocks, threads, values, memory, shared_mem)
        memory.copy_back()

    def _run(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        values: Sequence[Any],
        memory: DeviceMemory,
        shared: int,
    ) -> None:
        first, last = _run.blocks or (0, int(np.prod(grid, dtype=np.int64)))
        message = ctypes.create_string_buffer(2000)
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        regions = (Memory * len(memory.regions))(*memory.regions)
        launch = _Launch(
            self._address,
            pointers,
            regions,
            len(regions),
            (ctypes.c_uint * 3)(*grid),
            (ctypes.c_uint * 3)(*block),
            shared,
            SCHEDULES.index(_run.schedule),
            _run.seed,
            first,
            last,
            ctypes.addressof(message),
            len(message),
        )
        with ONE_LAUNCH:
            failed = self._library.on_host_run(ctypes.byref(launch))
        if failed:
            told = compiler.with_lines(self._path, message.value.decode(errors="replace"))
            raise KernelError(f"{self.name}, schedule {_run.schedule}: {told}")

    def _check_launch(self, grid: Sequence[int], block: Sequence[int], shared: int) -> None:
        threads = int(np.prod(block))
        if not 0 < threads <= MOST_THREADS:
            raise KernelError(
                f"{self.name}: a block of {threads} threads, where 1 to {MOST_THREADS} are possible"
            )
        if not all(0 < n <= most for n, most in zip(grid, LARGEST_GRID, strict=True)):
            raise KernelError(f"{self.name}: the grid {tuple(grid)} is not within 1 and {LARGEST_GRID}")
        if self.max_dynamic_shared_size_bytes > MOST_SHARED_BYTES:
            raise KernelError(
                f"{self.name}: no block of sm_120 has more than {MOST_SHARED_BYTES} bytes of shared memory"
            )
        if shared > self.max_dynamic_shared_size_bytes:
            raise KernelError(
                f"{self.name}: {shared} bytes of shared memory, but max_dynamic_shared_size_bytes is "
                f"{self.max_dynamic_shared_size_bytes}"
            )

    def _check_arguments(self, args: Sequence[Any]) -> None:
        if len(args) != len(self._parameters):
            raise KernelError(f"{self.name}: {len(args)} arguments for {len(self._parameters)} parameters")
        for number, (given, parameter) in enumerate(zip(args, self._parameters, strict=True)):
            wrong = mismatch(given, parameter)
            if wrong:
                raise KernelError(f"{self.name}: argument {number} is {wrong}")
