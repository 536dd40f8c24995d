"""Workers of this machine: one process that holds dask's scheduler and looks after them.

It is a program of its own, so that the caller needs no ``if __name__ == "__main__"``, a Ctrl-C reaches the
caller alone, and all of them end with the caller, whatever it ends of.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from gpuemb.core import threads
from gpuemb.core.errors import ClusterError
from gpuemb.core.memory import available_host_bytes

LOOPBACK = "127.0.0.1"
STARTING, ENDING = 120.0, 10.0  # seconds
SETTINGS: dict[str, Any] = {
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.scheduler.worker-ttl": "30s",  # a worker that is silent for so long is replaced
    # Units plan their memory within the worker's limit; dask would count mapped files as memory too.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
}


@contextmanager
def own_workers(count: int) -> Iterator[str]:
    """Start worker processes, which share this machine's threads and free memory; yield the address.

    Raises:
        ClusterError: they do not start.
    """
    shares = max(1, threads.count() // count), available_host_bytes() // count
    told, tell = os.pipe()
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-P", "-m", __name__, *map(str, (count, *shares, tell))]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(tell,),
            start_new_session=True,
        )
        try:
            os.close(tell)
            yield _address(told, log)
        finally:
            os.close(told)
            _end(process)


def _address(told: int, log: IO[bytes]) -> str:
    """Wait for the address; nothing comes where the process ended."""
    with selectors.DefaultSelector() as selector:
        selector.register(told, selectors.EVENT_READ)
        said = os.read(told, 1000).decode() if selector.select(STARTING) else ""
    if not said:
        log.seek(0)
        lines = log.read().decode("utf-8", "replace").strip().splitlines()
        raise ClusterError(
            f"study: workers do not start: {lines[-1] if lines else f'nothing came in {STARTING:.0f} s'}",
            needed="Worker processes of this machine need dask's distributed, memory and processes.",
            remedy="Use fewer workers, or none: the results are the same.",
        )
    return said


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and its workers, frozen ones too."""
    for number in (signal.SIGTERM, signal.SIGCONT):
        _signal(process.pid, number)
    end = time.monotonic() + ENDING
    with suppress(subprocess.TimeoutExpired):
        process.wait(ENDING)
    while _signal(process.pid, 0) and time.monotonic() < end:
        time.sleep(0.02)
    _signal(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _signal(group: int, number: int) -> bool:
    """Send a signal to a group of processes; return whether there was one."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS forbids to signal what is ending
        return False
    return True


def main(count: int, each: int, size: int, tell: int) -> None:
    """Serve until the caller ends, which closes our standard input.

    Args:
        count: workers.
        each: threads of one.
        size: bytes of one.
        tell: handle that gets the address.
    """
    import dask
    from distributed import LocalCluster

    with (
        dask.config.set(SETTINGS),
        LocalCluster(
            n_workers=count,
            threads_per_worker=each,
            memory_limit=size,
            processes=True,
            host=LOOPBACK,
            dashboard_address=None,
            worker_dashboard_address=None,
            scheduler_kwargs={"dashboard": False, "dashboard_address": f"{LOOPBACK}:0"},
        ) as cluster,
    ):
        os.write(tell, cluster.scheduler_address.encode())
        os.close(tell)
        sys.stdin.buffer.read()
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        for number in (signal.SIGTERM, signal.SIGCONT):
            os.killpg(0, number)
        os._exit(0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
