"""A study in a process of its own, forked from one that has loaded everything, which takes seconds."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import gpuemb as ge
from gpuemb.core.errors import GpuembError

PATIENCE = 600.0  # seconds, after which a process counts as hanging
REFUSED, BROKEN = 1, 70  # exit codes: a GpuembError, anything else
LARGEST_SAID = 4000  # bytes: a file of a process whose files are limited may have them
TICK = 0.002  # seconds between two looks at a process
CHANGES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.truncate", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code; negative where a signal killed it.
        said: its message.
        seconds: until it ended.
    """

    code: int
    said: str
    seconds: float

    @property
    def refused(self) -> bool:
        """Whether it failed with a message for people: what was given, what is needed, what to do."""
        return self.code == REFUSED and len(self.said.splitlines()) > 1


@dataclass(frozen=True)
class Running:
    """A process.

    Attributes:
        number: of the process.
        said: file of its message.
        began: when it was started.
    """

    number: int
    said: Path
    began: float

    def ended(self, killed_after: float | None = None) -> Ended:
        """Wait for the process; kill it once some seconds are over, where they are given.

        Raises:
            TimeoutError: it hangs.
        """
        limit = PATIENCE if killed_after is None else killed_after
        while not (status := os.waitpid(self.number, os.WNOHANG))[0]:
            if time.monotonic() - self.began > limit:
                os.kill(self.number, signal.SIGKILL)
                status = os.waitpid(self.number, 0)
                if killed_after is None:
                    raise TimeoutError(f"a study hangs for {PATIENCE} s")
                break
            time.sleep(TICK)
        said = self.said.read_text("utf-8")
        self.said.unlink()
        return Ended(os.waitstatus_to_exitcode(status[1]), said, time.monotonic() - self.began)


def start(config: Path, out: Path, *, change: int = 0, largest_file: int = 0) -> Running:
    """Start a study in a process.

    Args:
        config: its configuration.
        out: its folder.
        change: number of the change of a file before which it kills itself; 0 for none.
        largest_file: bytes that a file may have; 0 for any number.
    """
    said = config.parent / f"said-{time.monotonic_ns()}"
    said.touch()
    number = os.fork()
    if not number:
        _be_a_study(config, out, said, change, largest_file)
    return Running(number, said, time.monotonic())


def run(config: Path, out: Path) -> Ended:
    """Run a study to its end."""
    return start(config, out).ended()


def count_changes(config: Path, out: Path) -> int:
    """Return how many changes of files a study makes."""
    counted = config.parent / "changes"
    number = os.fork()
    if not number:
        _be_a_study(config, out, counted, 0, 0, lambda changes: counted.write_text(str(changes[0])))
    os.waitpid(number, 0)
    return int(counted.read_text())


def _be_a_study(
    config: Path,
    out: Path,
    said: Path,
    change: int,
    largest_file: int,
    done: Callable[[list[int]], object] = lambda _: None,
) -> NoReturn:
    """Run the study and end the process, whatever happens; nothing of the parent goes on here."""
    code = BROKEN
    try:
        changes = _watched(change)
        if largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        ge.study(config, out=out)
        done(changes)
        code = 0
    except GpuembError as error:
        code = REFUSED
        _write(said, str(error))
    except BaseException:
        _write(said, traceback.format_exc())
    finally:
        os._exit(code)


def _write(path: Path, text: str) -> None:
    path.write_text(text[-LARGEST_SAID:], "utf-8")


def _watched(last: int) -> list[int]:
    """Count changes of files from now on, and end the process by SIGKILL before the one of a number."""
    changes = [0]

    def hook(event: str, given: tuple[object, ...]) -> None:
        opened = event == "open" and isinstance(given[2], int) and given[2] & WRITING
        if event in CHANGES or opened:
            changes[0] += 1
            if changes[0] == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return changes
