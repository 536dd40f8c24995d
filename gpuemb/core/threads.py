"""Worker threads and the number of them.

All parallel work is a list of independent tasks for our own workers. Meanwhile BLAS is limited to one
thread, so a task's result never depends on the number of workers.
"""

from __future__ import annotations

import operator
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cache
from itertools import pairwise
from threading import RLock, get_ident
from typing import Any, TypeVar

from gpuemb.core.errors import ConfigError, DeviceError
from gpuemb.core.results import shown
from gpuemb.core.system import containers, macos

T = TypeVar("T")
R = TypeVar("R")

MOST = 4096  # threads: more than any machine has cores
VARIABLE = "OMP_NUM_THREADS"

_count: ContextVar[int | None] = ContextVar("gpuemb_threads", default=None)
_chosen: int | None = None  # by set_threads


def available() -> int:
    """Cores that this process may use: those of its affinity, at most its container's CPU quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([cores, *_quotas()])


@cache
def _quotas() -> list[int]:
    return containers.cpu_quotas()


def count() -> int:
    """Number of workers here: of ``limit``, else ``set_threads``, OMP_NUM_THREADS, or all available cores."""
    return _count.get() or _chosen or _environment() or available()


def set_threads(threads: int | None = None) -> None:
    """Choose how many threads every later call uses, in the whole process; no result depends on it.

    Without a choice it is the first number of the environment variable ``OMP_NUM_THREADS``, or all the
    cores that the process may use: those of its affinity, at most the CPU quota of its container.

    Args:
        threads: from 1 to 4,096; ``None`` takes the choice back.

    Raises:
        ConfigError: not such a number.

    Example:
        >>> ge.set_threads(1)
        >>> ge.info().threads
        1
        >>> ge.set_threads(None)
    """
    global _chosen
    _chosen = None if threads is None else _checked("threads", threads)


def _environment() -> int | None:
    said = os.environ.get(VARIABLE, "").partition(",")[0].strip()  # one number for each nested level
    return _checked(VARIABLE, int(said) if said.isdecimal() else said) if said else None


def _checked(name: str, threads: Any) -> int:
    try:
        number = 0 if isinstance(threads, bool) else operator.index(threads)
    except Exception:  # arrays of other libraries raise errors of their own
        number = 0
    if not 1 <= number <= MOST:
        raise ConfigError(
            f"{name} = {shown(threads)}",
            needed=f"At least one thread is needed, and at most {MOST:,} are started.",
            remedy=f"{'Unset' if name == VARIABLE else 'Omit'} it to use all {available()} cores.",
        )
    return number


@contextmanager
def limit(threads: int | None) -> Iterator[None]:
    """Use ``threads`` workers inside the block; ``None`` means as many as without ``limit``."""
    token = _count.set(None if threads is None else _checked("threads", threads))
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
    holder = _hold.enter()
    try:
        yield
    finally:
        _hold.leave(holder)


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
    """Every BLAS at one thread, from the first holder's entry to the last one's leaving."""

    def __init__(self) -> None:
        self.lock = RLock()  # reentrant: a collected generator may leave while another one enters
        self._holders: dict[object, int] = {}  # the thread of each
        self._before: list[tuple[Any, int]] = []

    def enter(self) -> object:
        """Return a new holder."""
        holder = object()
        with self.lock:
            if not self._holders:
                self._before = [(library, library.get_num_threads()) for library in _blas_libraries()]
                for library, _ in self._before:
                    _set_threads(library, 1)
            self._holders[holder] = get_ident()
        return holder

    def leave(self, *holders: object) -> None:
        """Forget holders; those of a process before a fork are forgotten already."""
        with self.lock:
            known = [holder for holder in holders if self._holders.pop(holder, None) is not None]
            if known and not self._holders:
                for library, threads in self._before:
                    _set_threads(library, threads)

    def keep_own(self) -> None:
        """Forget the holders of other threads: a forked child has none of them."""
        self.leave(*[holder for holder, thread in self._holders.items() if thread != get_ident()])


_hold = _BlasHold()


def _forked() -> None:
    """Begin anew in a child: of the parent's threads it has only the one that forked."""
    _pool.cache_clear()
    _hold.lock.release()
    _hold.keep_own()


os.register_at_fork(before=_hold.lock.acquire, after_in_parent=_hold.lock.release, after_in_child=_forked)


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

    found = [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]
    return [*found, macos.Accelerate()] if sys.platform == "darwin" else found


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
        process = os.getpid()
        try:
            for task in tasks:
                waiting.append(_submitted(workers, function, task))
                if len(waiting) >= 2 * workers:
                    yield _result(waiting.popleft(), process)
            while waiting:
                yield _result(waiting.popleft(), process)
        finally:
            if os.getpid() == process:
                wait([future for future in waiting if not future.cancel()])


def _submitted(workers: int, function: Callable[[T], R], task: T) -> Future[R]:
    try:
        return _pool(workers).submit(copy_context().run, _alone, function, task)
    except RuntimeError as error:
        raise DeviceError(
            f"threads: {error}",
            needed=f"{workers} threads are asked for, and the system grants no more of them (ulimit -u).",
            remedy="Use fewer, such as threads=1 (in Python: set_threads).",
        ) from error


def _result(future: Future[R], process: int) -> R:
    if os.getpid() != process:
        raise DeviceError(
            "threads: this iteration began before the process was forked",
            needed="Its next results come from threads of the parent, which a child does not have.",
            remedy="Begin the iteration in the child.",
        )
    return future.result()


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
