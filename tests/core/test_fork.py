"""A child of a fork works, or says at once that it cannot: never does it wait for threads of its parent."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

BEGINNING = """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of newer Pythons: a fork with several threads
import numpy as np
import gpuemb as ge
from gpuemb.core import threads

def blas():
    from threadpoolctl import threadpool_info
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

def forked(work):
    child = os.fork()
    if not child:
        try:
            print(work())
        except ge.GpuembError as error:
            print(f"{type(error).__name__}: {error.given}")
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)

x = np.random.default_rng(0).normal(size=(3000, 8))
ge.set_threads(2)
"""


def printed(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-u", "-c", BEGINNING + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_children_of_multiprocessing_compute_what_their_parent_does() -> None:
    code = """
import multiprocessing
def neighbors(k):
    return ge.nearest_neighbors(x, k).ids.sum(), float(ge.rsa(x, x[::-1], blocks=0))
here = [neighbors(k) for k in (1, 2)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(neighbors, (1, 2)) == here)
forked(lambda: [forked(lambda: neighbors(1) == here[0]), neighbors(2) == here[1]])
print(neighbors(1) == here[0])
"""
    assert printed(code) == ["True", "True", "[None, True]", "True"]


def test_an_iteration_of_the_parent_is_refused_in_a_child_and_goes_on_in_the_parent() -> None:
    code = """
squares = threads.stream(lambda task: task * task, range(100))
next(squares)
forked(lambda: next(squares))
forked(lambda: squares.close() or "closed")
forked(lambda: threads.run(str, range(3)))
print(sum(squares))
"""
    refused = "DeviceError: threads: this iteration began before the process was forked"
    assert printed(code) == [refused, "closed", "['0', '1', '2']", str(sum(n * n for n in range(100)))]


def test_blas_is_held_in_a_child_by_its_own_work_alone() -> None:
    code = """
threads._blas_libraries()
holding, ended = threading.Event(), threading.Event()
def hold():
    with threads.single_threaded_blas():
        holding.set()
        ended.wait()
other = threading.Thread(target=hold)
other.start()
holding.wait()
forked(blas)
forked(lambda: (threads.run(lambda _: blas(), range(3)), blas()))
with threads.single_threaded_blas():
    forked(blas)
ended.set()
other.join()
print(blas())
"""
    assert printed(code) == ["{2}", "([{1}, {1}, {1}], {2})", "{1}", "{2}"]


def test_a_child_can_compile_where_another_thread_was_compiling() -> None:
    code = """
from gpuemb.core.jit import njit
from numba.core.compiler_lock import global_compiler_lock
doubled = njit(lambda number: 2 * number)
compiling = threading.Event()
def compile():
    with global_compiler_lock:
        compiling.set()
        time.sleep(0.2)
other = threading.Thread(target=compile)
other.start()
compiling.wait()
forked(lambda: doubled(4))
print(doubled(5))
"""
    assert printed(code) == ["8", "10"]
