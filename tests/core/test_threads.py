from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, DeviceError


def square(x: int) -> int:
    return x * x


def blas_threads(_: Any = None) -> set[int]:
    """How many threads each BLAS would use now."""
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def two_blas_threads() -> Iterator[None]:
    """Set every BLAS to two threads on any machine; restore the setting."""
    import scipy.linalg  # noqa: F401  its BLAS is held too

    with threadpool_limits(limits=2, user_api="blas"):
        assert blas_threads() == {2}
        yield


class Watched:
    """Squares, and counts how many tasks began and how many run."""

    def __init__(self, failing: int = -1, error: type[BaseException] = ValueError) -> None:
        self.failing, self.error = failing, error
        self.begun = self.running = 0
        self.lock = threading.Lock()

    def __call__(self, task: int) -> int:
        with self.lock:
            self.begun += 1
            self.running += 1
        try:
            if task == self.failing:
                raise self.error(f"task {task}")
            time.sleep(0.02)  # long enough to be seen running by a caller that does not wait
            return task * task
        finally:
            with self.lock:
                self.running -= 1


# The order, and the same for any number of workers.


@given(tasks=st.lists(st.integers()), workers=st.integers(1, 4))
def test_results_come_in_the_order_of_the_tasks(tasks: list[int], workers: int) -> None:
    with threads.limit(workers):
        assert threads.run(square, tasks) == [x * x for x in tasks]
        assert list(threads.stream(square, iter(tasks))) == [x * x for x in tasks]


def test_a_late_task_does_not_overtake_an_early_one() -> None:
    second = threading.Event()

    def wait_for_the_second(task: int) -> int:
        if task == 0:
            assert second.wait(timeout=60)
        if task == 1:
            second.set()
        return task

    with threads.limit(2):
        assert threads.run(wait_for_the_second, range(5)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_tasks_are_taken_as_results_are(workers: int) -> None:
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for task in range(1000):
            taken += 1
            yield task

    with threads.limit(workers):
        results = threads.stream(square, tasks())
        for done in range(1, 20):
            next(results)
            assert taken <= done + 2 * workers
        results.close()  # type: ignore[attr-defined]


def test_no_tasks_give_no_results() -> None:
    assert threads.run(square, []) == []


# Failure.


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_comes_out_and_leaves_no_work_running(error: type[BaseException], workers: int) -> None:
    watched = Watched(failing=2, error=error)
    with threads.limit(workers), pytest.raises(error, match="task 2"):
        threads.run(watched, range(1000))
    assert watched.running == 0
    begun = watched.begun
    assert begun <= 3 + 2 * workers
    assert threads.run(square, range(9)) == [x * x for x in range(9)]  # the workers are fit for more
    assert watched.begun == begun


@pytest.mark.parametrize("workers", [1, 3])
def test_tasks_that_cannot_be_made_leave_no_work_running(workers: int) -> None:
    watched = Watched()

    def tasks() -> Iterator[int]:
        yield from range(4)
        raise OSError("the source broke")

    with threads.limit(workers), pytest.raises(OSError, match="the source broke"):
        threads.run(watched, tasks())
    assert watched.running == 0


def test_results_nobody_wants_leave_no_work_running() -> None:
    watched = Watched()
    with threads.limit(3):
        results = threads.stream(watched, range(1000))
        next(results)
        results.close()  # type: ignore[attr-defined]
    assert watched.running == 0
    assert watched.begun <= 1 + 2 * 3


# Tasks that have tasks of their own.


def test_a_task_runs_its_own_tasks_one_by_one_in_its_own_thread() -> None:
    def inner(_: int) -> tuple[str, int]:
        return threading.current_thread().name, threads.count()

    def outer(_: int) -> tuple[str, list[tuple[str, int]]]:
        return threading.current_thread().name, threads.run(inner, range(5))

    with threads.limit(3):
        for name, seen in threads.run(outer, range(12)):
            assert seen == [(name, 1)] * 5


@pytest.mark.parametrize("depth", [2, 3])
def test_nested_runs_give_what_loops_give(depth: int) -> None:
    def total(depth: int) -> int:
        return 1 if depth == 0 else sum(threads.run(lambda _: total(depth - 1), range(4)))

    with threads.limit(3):
        assert total(depth) == 4**depth


def test_a_nested_exception_comes_out() -> None:
    def fail(task: int) -> NoReturn:
        raise LookupError(f"inner {task}")

    with threads.limit(3), pytest.raises(LookupError, match="inner 0"):
        threads.run(lambda _: threads.run(fail, range(3)), range(3))


# How many.


def test_the_limit_holds_inside_its_block_only() -> None:
    before = threads.count()
    with threads.limit(3):
        assert threads.count() == 3
        with threads.limit(1):
            assert threads.count() == 1
        with threads.limit(None):
            assert threads.count() == before
        assert threads.count() == 3
    assert threads.count() == before


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Nobody has said how many threads there are, before and after."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads.set_threads()
    yield monkeypatch
    threads.set_threads()


@pytest.mark.parametrize(("quotas", "cores"), [([], 8), ([3], 3), ([16, 1], 1), ([64], 8)])
def test_a_cpu_quota_bounds_the_cores(quotas: list[int], cores: int, unset: pytest.MonkeyPatch) -> None:
    unset.setattr(os, "sched_getaffinity", lambda _: range(8))
    unset.setattr(threads, "_quotas", lambda: quotas)
    assert threads.count() == threads.available() == cores


def test_set_threads_is_over_the_variable_and_limit_over_both(unset: pytest.MonkeyPatch) -> None:
    unset.setenv("OMP_NUM_THREADS", " 5, 2")
    assert threads.count() == 5
    threads.set_threads(3)
    seen = [threads.count()]
    other = threading.Thread(target=lambda: seen.append(threads.count()))
    other.start()
    other.join()
    assert seen == [3, 3]
    with threads.limit(2):
        assert threads.count() == 2
        with threads.limit(None):
            assert threads.count() == 3
    threads.set_threads(None)
    assert threads.count() == 5
    unset.setenv("OMP_NUM_THREADS", "")
    assert threads.count() == threads.available()


@pytest.mark.parametrize("said", ["0", "-1", "many", "2.5", "5000"])
def test_a_variable_that_is_no_number_of_threads_is_named(said: str, unset: pytest.MonkeyPatch) -> None:
    unset.setenv("OMP_NUM_THREADS", said)
    with pytest.raises(ConfigError, match=r"OMP_NUM_THREADS = .*\n.*At least one thread"):
        threads.count()


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("number", [0, -1, 4097, True, 2.5, "2", [2]])
def test_what_is_no_number_of_threads_is_refused(number: Any) -> None:
    with pytest.raises(ConfigError, match=r"threads = .*\n.*At least one thread"):
        threads.set_threads(number)
    assert threads.count() == threads.available()


def test_a_system_that_grants_no_thread_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    threads._pool.cache_clear()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with threads.limit(2), pytest.raises(DeviceError, match=r"can't start new thread\n.*2 threads"):
        threads.run(square, range(3))
    threads._pool.cache_clear()


def test_the_limit_ends_with_an_exception() -> None:
    before = threads.count()
    with pytest.raises(ValueError, match="inside"), threads.limit(2):
        raise ValueError("inside")
    assert threads.count() == before


@pytest.mark.parametrize("workers", [0, -1])
def test_less_than_one_thread_is_refused(workers: int) -> None:
    with (
        pytest.raises(ConfigError, match=f"threads = {workers}\n.*At least one"),
        threads.limit(workers),
    ):
        pass


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_at_most_the_limit_of_tasks_run_at_once(workers: int) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def task(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        sum(range(20_000))
        with lock:
            running -= 1

    with threads.limit(workers):
        threads.run(task, range(40))
    assert 1 <= most <= workers


# BLAS.


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.parametrize("workers", [1, 3])
def test_blas_has_one_thread_inside_and_its_own_again_outside(workers: int) -> None:
    with threads.limit(workers):
        assert threads.run(blas_threads, range(8)) == [{1}] * 8
    assert blas_threads() == {2}


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.parametrize("workers", [1, 3])
def test_blas_gets_its_threads_back_after_an_exception(workers: int) -> None:
    with threads.limit(workers), pytest.raises(ValueError, match="task 1"):
        threads.run(Watched(failing=1), range(9))
    assert blas_threads() == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_blas_has_one_thread_in_nested_tasks_and_after_them() -> None:
    def outer(_: int) -> list[set[int]]:
        return [*threads.run(blas_threads, range(3)), blas_threads()]

    with threads.limit(3):
        assert threads.run(outer, range(9)) == [[{1}] * 4] * 9
    assert blas_threads() == {2}


@pytest.mark.usefixtures("two_blas_threads")
@pytest.mark.parametrize("workers", [1, 2])
def test_blas_has_one_thread_in_a_stream_after_an_older_one_has_ended(workers: int) -> None:
    with threads.limit(workers):
        older, newer = (threads.stream(blas_threads, range(30)) for _ in range(2))
        seen = [next(older), next(newer), *older, *newer]
    assert seen == [{1}] * 60


@pytest.mark.usefixtures("two_blas_threads")
def test_blas_gets_its_threads_back_after_streams_that_overlapped() -> None:
    with threads.limit(2):
        older, newer = (threads.stream(square, range(30)) for _ in range(2))
        assert [next(older), next(newer), *older, *newer]
    assert blas_threads() == {2}


OVERLAPPING_HOLDS = """
import threading
from threadpoolctl import threadpool_info
from gpuemb.core import threads

first_began, first_ended, second_began = (threading.Event() for _ in range(3))

def wait_for_the_second(_):
    first_began.set()
    assert second_began.wait(timeout=60)

def wait_for_the_first(_):
    second_began.set()
    assert first_ended.wait(timeout=60)
    print({pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})

def first():
    threads.run(wait_for_the_second, range(1))
    first_ended.set()

users = [
    threading.Thread(target=first),
    threading.Thread(target=lambda: threads.run(wait_for_the_first, range(1))),
]
users[0].start()
assert first_began.wait(timeout=60)
users[1].start()
for user in users:
    user.join()
"""


def test_blas_has_one_thread_in_work_begun_by_a_thread_while_another_s_ends() -> None:
    # In a process of its own: OpenBLAS ignores other threads once the main thread has set a number.
    done = subprocess.run(
        [sys.executable, "-c", OVERLAPPING_HOLDS], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("{1}", 0), done.stderr


# Ranges.


@given(length=st.integers(0, 200), parts=st.integers(-1, 50))
def test_ranges_are_consecutive_nearly_equal_and_cover_all(length: int, parts: int) -> None:
    found = threads.ranges(length, parts)
    assert [x for first, last in found for x in range(first, last)] == list(range(length))
    sizes = {last - first for first, last in found}
    assert 0 not in sizes
    assert len(found) == min(max(parts, 1), length)
    assert not sizes or max(sizes) - min(sizes) <= 1


ONE_AFTER_ANOTHER = """
import threading
import scipy.linalg
from threadpoolctl import threadpool_info
from gpuemb.core import threads

def blas_threads(_=None):
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

before = blas_threads()
seen = threads.run(blas_threads, range(2))
user = threading.Thread(target=lambda: seen.extend(threads.run(blas_threads, range(2))))
user.start()
user.join()
print(seen, blas_threads() == before)
"""


def test_blas_has_one_thread_in_the_work_of_a_thread_after_the_main_thread_s() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2"},
    )
    assert (done.stdout.strip(), done.returncode) == ("[{1}, {1}, {1}, {1}] True", 0), done.stderr


@pytest.mark.usefixtures("two_blas_threads")
def test_blas_has_one_thread_in_the_work_of_a_thread_where_the_main_thread_has_set_a_number() -> None:
    seen: list[set[int]] = []
    user = threading.Thread(target=lambda: seen.extend(threads.run(blas_threads, range(3))))
    user.start()
    user.join()
    assert seen == [{1}] * 3
    assert blas_threads() == {2}


@pytest.mark.usefixtures("two_blas_threads")
def test_blas_may_be_given_threads_for_measuring_and_work_inside_still_has_one() -> None:
    with threads.blas_threads(3):
        assert blas_threads() == {3}
        assert threads.run(blas_threads, range(2)) == [{1}] * 2
        assert blas_threads() == {3}
    assert blas_threads() == {2}
    with pytest.raises(ValueError, match="task 0"), threads.blas_threads(3):
        threads.run(Watched(failing=0), range(2))
    assert blas_threads() == {2}
