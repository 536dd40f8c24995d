"""Worker threads and the number of them.

All parallel work is a list of independent tasks for our own workers. Meanwhile BLAS is limited to one
thread, so a task's result never depends on the number of workers.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cache
from itertools import pairwise
from threading import Lock
from typing import Any, TypeVar

from gpuemb.core.errors import ConfigError

T = TypeVar("T")
R = TypeVar("R")

_count: ContextVar[int | None] = ContextVar("gpuemb_threads", default=None)


def available() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def count() -> int:
    """Number of workers in the current context."""
    return _count.get() or available()


@contextmanager
def limit(threads: int | None) -> Iterator[None]:
    """Use ``threads`` workers inside the block; ``None`` means every available core."""
    if threads is not None and threads < 1:
        raise ConfigError(
            f"threads = {threads}",
            needed="At least one thread is needed.",
            remedy=f"Omit it to use all {available()} cores.",
        )
    token = _count.set(threads)
    try:
        yield
    finally:
        _count.reset(token)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit every BLAS to one thread, so that its sums have one order; also a decorator.

    BLAS has one setting for the whole process. Blocks may overlap in any order, in one thread or in
    several: the first changes the setting, the last restores it.
    """
    _hold.enter()
    try:
        yield
    finally:
        _hold.leave()


@contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Give every BLAS this many threads inside the block: for benchmarks; kernels limit it to one."""
    before = [(library, library.get_num_threads()) for library in _blas_libraries()]
    for library, _ in before:
        _set_threads(library, threads)
    try:
        yield
    finally:
        for library, number in before:
            _set_threads(library, number)


class _BlasHold:
    def __init__(self) -> None:
        self._lock, self._holders = Lock(), 0
        self._before: list[tuple[Any, int]] = []

    def enter(self) -> None:
        with self._lock:
            if self._holders == 0:
                self._before = [(library, library.get_num_threads()) for library in _blas_libraries()]
                for library, _ in self._before:
                    _set_threads(library, 1)
            self._holders += 1

    def leave(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                for library, threads in self._before:
                    _set_threads(library, threads)


_hold = _BlasHold()


def _set_threads(library: Any, threads: int) -> None:
    """Set the threads of one BLAS, from any thread: threadpoolctl binds the setting to its first one."""
    forget = getattr(library, "clear_controlling_thread", None)
    if forget is not None:
        forget(force=True)
    library.set_num_threads(threads)
    if forget is not None:
        forget(force=True)


@cache
def _blas_libraries() -> list[Any]:
    import scipy.linalg  # noqa: F401  its BLAS must be loaded before the controller looks
    from threadpoolctl import ThreadpoolController

    return [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]


def stream(function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
    """Yield ``function(task)`` in the order of the tasks, at most two a worker in flight.

    The result of a task must not depend on other tasks. A task that itself calls ``stream`` runs
    its own tasks one by one.
    """
    workers = count()
    with single_threaded_blas():
        if workers == 1:
            yield from map(function, tasks)
            return
        waiting: deque[Future[R]] = deque()
        try:
            for task in tasks:
                waiting.append(_pool(workers).submit(copy_context().run, _alone, function, task))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            running = [future for future in waiting if not future.cancel()]
            wait(running)


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    """Return the pool, kept between calls: starting threads costs more than a small task."""
    return ThreadPoolExecutor(workers, thread_name_prefix="gpuemb")


def run(function: Callable[[T], R], tasks: Iterable[T]) -> list[R]:
    """Return ``function(task)`` of every task, in order."""
    return list(stream(function, tasks))


def _alone(function: Callable[[T], R], task: T) -> R:
    _count.set(1)
    return function(task)


def ranges(length: int, parts: int) -> list[tuple[int, int]]:
    """Cut ``range(length)`` into at most ``parts`` consecutive, nearly equal, non-empty pieces."""
    parts = max(1, min(parts, length))
    cuts = [length * p // parts for p in range(parts + 1)]
    return list(pairwise(cuts)) if length else []
