"""Steps for tests of core.compilation: they log their process to a file, and fail on request."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from numba.core import event

from gpuemb.core.device import Device
from gpuemb.core.jit import njit

FOLDER, OWNER, FAILING = "GPUEMB_TEST_FOLDER", "GPUEMB_TEST_OWNER", "GPUEMB_TEST_FAILING"
LONG = 20.0  # seconds before a wait is given up


def noted() -> list[tuple[str, int]]:
    """Return the steps that began, and the processes they began in."""
    lines = (Path(os.environ[FOLDER]) / "steps").read_text().split("\n")[:-1]
    return [(name, int(process)) for name, process in map(str.split, lines)]


def helping() -> bool:
    return os.getpid() != int(os.environ[OWNER])


def wait_for_another() -> None:
    """Return when another process has begun a step."""
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        if any(process != os.getpid() for _, process in noted()):
            return
        time.sleep(0.01)


def compile_first(_: Device) -> None:
    """Start helpers as a compilation does, and wait until one has begun, if any may start."""
    note("compile_first")
    with event.trigger_event("numba:compile", data={}):
        if os.environ[FAILING] != "nobody comes":
            wait_for_another()


def load_first(_: Device) -> None:
    note("load_first")


def second(_: Device) -> None:
    note("second")
    if os.environ[FAILING] == "killed" and helping():
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ[FAILING] == "helper" and helping():
        raise ValueError("only here")
    if os.environ[FAILING] == "everywhere":
        raise ValueError("everywhere")
    if os.environ[FAILING] == "endless" and helping():
        time.sleep(3 * LONG)


def third(_: Device) -> None:
    note("third")


def interrupted(_: Device) -> None:
    compile_first(_)
    raise KeyboardInterrupt


def note(name: str) -> None:
    with (Path(os.environ[FOLDER]) / "steps").open("a") as file:
        file.write(f"{name} {os.getpid()}\n")


@njit
def doubled(number: int) -> int:
    return 2 * number


@njit
def halved(number: int) -> int:
    return number // 2


def compile_doubled(_: Device) -> None:
    note("compile_doubled")
    doubled(1)
    wait_for_another()


def compile_halved(_: Device) -> None:
    note("compile_halved")
    halved(1)
