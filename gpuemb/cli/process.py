"""The process of the command: its streams, its open files, its signals."""

from __future__ import annotations

import io
import os
import resource
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import TextIO

INTERRUPTED = 130  # exit code after Ctrl-C
STOPPING = (signal.SIGTERM, signal.SIGHUP)
FILES = 65_536  # open at once, where the system allows it: a mapped table holds one
OUTPUTS = {"stdout": os.O_RDONLY, "stderr": os.O_WRONLY}  # how a null device stands in for a closed one


class Stopped(KeyboardInterrupt):
    """A signal asked for an end, as Ctrl-C does.

    Attributes:
        code: exit code, as shells give it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


def prepare() -> None:
    """Let the process print in any encoding, map many tables, and be stopped by signals."""
    _open_streams()
    _allow_files()
    for number in STOPPING:
        if signal.getsignal(number) == signal.SIG_DFL:  # else ignored, as under nohup
            signal.signal(number, _stop)


def silence(stream: TextIO) -> None:
    """Send what is left in a broken stream nowhere: the interpreter would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_streams() -> None:
    """Open what the caller closed, so that no file gets its number; results cannot be written to it."""
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
    for name, opened in OUTPUTS.items():
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, opened), "w", encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # of standard error Python itself takes care


def _allow_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _stop(number: int, frame: FrameType | None) -> None:
    for other in STOPPING:  # cleaning up is not stopped again
        signal.signal(other, signal.SIG_IGN)
    raise Stopped(number)
