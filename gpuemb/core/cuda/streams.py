"""Independent jobs on streams of their own, so that small launches of several fill the GPU together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, TypeVar

from gpuemb.core.cuda import cupy
from gpuemb.core.progress import Task

T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):
    """Raised in a job whose result nobody waits for any more."""


class StoppableTask:
    """A task that several jobs advance; once stopped, it ends each of them at its next report."""

    def __init__(self, task: Task | None) -> None:
        self.stopped = Event()
        self._task = task

    def advance(self, amount: int = 1) -> None:
        """Report finished units.

        Raises:
            Stopped: another job failed, or the caller has gone.
        """
        if self.stopped.is_set():
            raise Stopped
        if self._task is not None:
            self._task.advance(amount)


def side_by_side(
    function: Callable[[T], R], jobs: Iterable[T], at_once: int, device: int, task: StoppableTask
) -> Iterator[R]:
    """Yield ``function(job)`` in the order of the jobs, each in a thread and on a stream of its own.

    What a job launches, allocates and copies is ordered in its stream, and in no other's. Its result is
    yielded when its stream is done; it must not depend on other jobs. When one fails, or the caller stops
    asking, the others end at their next report to ``task``.

    Args:
        function: does a job.
        jobs: taken one by one, when a thread is free for it.
        at_once: jobs that run at the same time, at most.
        device: number of the GPU.
        task: reports of all jobs go to it.
    """
    module = cupy()

    streams: SimpleQueue[Any] = SimpleQueue()  # used again: their memory is

    def work(job: T) -> R:
        with module.cuda.Device(device):
            try:
                stream = streams.get_nowait()
            except Empty:
                stream = module.cuda.Stream(non_blocking=True)
            with stream:
                found = function(job)
                stream.synchronize()
            streams.put(stream)
            return found

    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="gpuemb-stream") as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(copy_context().run, work, job))
                if len(waiting) == at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            task.stopped.set()
            for future in waiting:
                future.cancel()
