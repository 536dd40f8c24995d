"""Compile kernels in several processes at once.

Numba compiles one function at a time in a process, and keeps what it made on the disk. So the steps that
compile stand in a queue that other processes share, and what those made is only loaded here. The queue is a
pipe with one byte a step: whoever reads the byte does the step, and nobody needs a lock.

No process is started where everything is on the disk already, where one core may be used, or for a GPU. A
helper that fails or is killed costs time and nothing else: its steps are done here, where an error is told.
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
INPUT, OUTPUT = 0, 1  # of a helper: the queue, and whoever waits for what is done
HELP = "from gpuemb.core.compilation import help_along; help_along()"


def run_steps(steps: Sequence[Step], device: Device, task: Task) -> None:
    """Do every step once, here or in a helper.

    Args:
        steps: functions that can be imported by their names, the longest first, at most 255. No two may
            enter one compiled function: Numba's files do not bear two processes that compile it for
            different types.
        device: given to each step.
        task: told once a step.
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
            finished.fill(())  # now it ends with the helpers
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
    """Numbers below 256 that whoever reads takes away."""

    def __init__(self, reading: FileIO, writing: FileIO) -> None:
        self.reading, self.writing = reading, writing

    def fill(self, numbers: Iterable[int]) -> None:
        """Put the last ones in from here."""
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
    """Start helpers when Numba compiles something inside the block, and end them with it."""
    from numba.core import event

    helpers: list[subprocess.Popen[bytes]] = []
    unborn = iter(range(most if sys.executable and not getattr(sys, "frozen", False) else 0))

    class Starter(event.Listener):
        def on_start(self, _: Any) -> None:
            with suppress(OSError):  # where no other process may start, all steps are done here
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
        stderr=subprocess.DEVNULL,  # what fails is done again where its error is told
        env={**os.environ, "PYTHONPATH": paths},
    )


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Collect garbage more rarely: a compiler makes many objects and keeps most of them."""
    first, *others = gc.get_threshold()
    gc.set_threshold(max(first, RARELY), *others)
    try:
        yield
    finally:
        gc.set_threshold(first, *others)
