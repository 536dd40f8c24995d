"""Compile kernels in several processes at once.

Numba compiles one function at a time in a process, and caches the result on disk. So the compiling steps are
a queue shared by several processes, and this process loads the results of the others from the cache. The
queue is a pipe with one byte a step: the process that reads the byte runs the step, without a lock.

No process is started if everything is cached, on one core, or for a GPU. A helper that fails or is killed
costs only time: its steps are run here, where errors are raised.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from io import FileIO
from typing import Any

from gpuemb.core import threads
from gpuemb.core.device import CPU, Device
from gpuemb.core.progress import Task

Step = Callable[[Device], None]

MOST_HELPERS = 2  # a study's longest step lasts as long as a third of them all
RARELY = 20_000  # objects between collections of garbage: with Python's own 700 compiling takes 13 % longer
INPUT, OUTPUT = 0, 1  # file descriptors of a helper: the queue, and the finished steps
HELP = "from gpuemb.core.compilation import help_along; help_along()"


def run_steps(steps: Sequence[Step], device: Device, task: Task) -> None:
    """Run every step once, here or in a helper.

    Args:
        steps: functions importable by name, the longest first, at most 255. No two may call the same
            compiled function: Numba's cache breaks if two processes compile it for different types.
        device: argument of each step.
        task: advanced once a step.
    """
    missing = set(range(len(steps)))

    def tell(number: int) -> None:
        if number in missing:
            missing.remove(number)
            task.advance()

    def do(number: int) -> None:
        steps[number](device)
        tell(number)

    most = min(MOST_HELPERS, threads.count() - 1) if device == CPU else 0
    with _pipe() as queue, _pipe() as finished, _rare_collections():
        queue.fill(range(len(steps)))
        with _helpers(steps, most, queue, finished):
            for number in queue:
                do(number)
            finished.fill(())  # close this end: the pipe now ends with the helpers
            for number in finished:
                tell(number)
        for number in sorted(missing):
            do(number)


def help_along() -> None:
    """Be a helper: steps are named by the arguments, the queue is the input, what is done the output."""
    queue, finished = FileIO(INPUT, "r", closefd=False), FileIO(OUTPUT, "w", closefd=False)
    with threads.limit(1), _rare_collections():
        for number in _Pipe(queue, finished):
            module, name = sys.argv[1 + number].split(":")
            getattr(import_module(module), name)(CPU)
            finished.write(bytes([number]))


class _Pipe:
    """A queue of numbers below 256, shared by processes."""

    def __init__(self, reading: FileIO, writing: FileIO) -> None:
        self.reading, self.writing = reading, writing

    def fill(self, numbers: Iterable[int]) -> None:
        """Write the last numbers of this process and close its end."""
        self.writing.write(bytes(numbers))
        self.writing.close()

    def __iter__(self) -> Iterator[int]:
        while byte := self.reading.read(1):
            yield byte[0]


@contextmanager
def _pipe() -> Iterator[_Pipe]:
    reading, writing = os.pipe()
    with FileIO(reading, "r") as source, FileIO(writing, "w") as sink:
        yield _Pipe(source, sink)


@contextmanager
def _helpers(steps: Sequence[Step], most: int, queue: _Pipe, finished: _Pipe) -> Iterator[None]:
    """Start helpers once Numba compiles inside the block; stop them at its end."""
    from numba.core import event

    helpers: list[subprocess.Popen[bytes]] = []
    unborn = iter(range(most if sys.executable and not getattr(sys, "frozen", False) else 0))

    class Starter(event.Listener):
        def on_start(self, _: Any) -> None:
            with suppress(OSError):  # if no process can be started, all steps run here
                helpers.extend(_helper(steps, queue, finished) for _ in unborn)

        def on_end(self, _: Any) -> None: ...

    try:
        with event.install_listener("numba:compile", Starter()):
            yield
    finally:
        for helper in helpers:
            helper.kill()
            helper.wait()


def _helper(steps: Sequence[Step], queue: _Pipe, finished: _Pipe) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-c", HELP, *(f"{step.__module__}:{step.__qualname__}" for step in steps)],
        stdin=queue.reading,
        stdout=finished.writing,
        stderr=subprocess.DEVNULL,  # a failed step is run again here, where its error is raised
        env={**os.environ, "PYTHONPATH": paths},
    )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Collect garbage less often: a compiler allocates many long-lived objects."""
    first, *others = gc.get_threshold()
    gc.set_threshold(max(first, RARELY), *others)
    try:
        yield
    finally:
        gc.set_threshold(first, *others)
