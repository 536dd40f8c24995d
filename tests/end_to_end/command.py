"""The command, run as people do: in a process of its own, with its exit code and both of its outputs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

COMMAND = Path(sys.executable).with_name("gpuemb")
FAILED, USAGE, INTERRUPTED = 1, 2, 130
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "MPLBACKEND": "agg", "GPUEMB_QUIET": "1"}
PATIENCE = 120  # seconds after which a hanging command fails its test
IMPORTED = ["__main__", "gpuemb.cli.app", "gpuemb.stability.study", "gpuemb.report.page", "pyarrow.parquet"]
IMPORTED += ["end_to_end.prepared"]
TESTS = str(Path(__file__).parents[1])
READ, WRITE = os.O_RDONLY, os.O_WRONLY | os.O_CREAT


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def interrupted_at(folder: Path, shown: bytes, *arguments: str | Path) -> Outcome:
    """Run the command in a terminal; press Ctrl-C once ``shown`` is on the screen, which is ``err``."""
    screen, terminal = os.openpty()
    running = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        env={**ENVIRONMENT, "TERM": "xterm", "GPUEMB_QUIET": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=terminal,
        preexec_fn=listen_to_interrupts,
    )
    os.close(terminal)
    said, pressed = b"", False
    try:
        while more := _read(screen):
            said += more
            if shown in said and not pressed:
                running.send_signal(signal.SIGINT)
                pressed = True
        printed, _ = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
        running.wait()
        os.close(screen)
    return Outcome(running.returncode, printed.decode(), said.decode())


def listen_to_interrupts() -> None:
    """Let a child be interrupted where these tests themselves ignore it, as under nohup."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _read(screen: int) -> bytes:
    """What comes next; nothing when the other side has closed the terminal."""
    try:
        return os.read(screen, 4096)
    except OSError:
        return b""


def gpuemb(folder: Path, *arguments: str | Path, typed: bytes = b"") -> Outcome:
    """Run the command in a folder; a traceback is never an answer, nor is a warning.

    Its process is forked from one that has imported what most commands need, which takes a second each:
    ``test_process.py`` starts the installed command itself.
    """
    with TemporaryDirectory() as streams:
        given, out, err = (Path(streams) / name for name in ("typed", "out", "err"))
        given.write_bytes(typed)
        words = [os.fspath(argument) for argument in arguments]
        running = _prepared().Process(target=_run, args=(folder, words, (given, out, err)))
        running.start()
        running.join(PATIENCE)
        if running.exitcode is None:
            running.kill()
            running.join()
            raise TimeoutError(
                f"gpuemb {' '.join(words)}: after {PATIENCE} s it had said {err.read_text()!r}"
            )
        outcome = Outcome(running.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))
    assert "Traceback" not in outcome.err, outcome.err
    assert "Warning" not in outcome.err, outcome.err
    return outcome


@cache
def _prepared() -> ForkServerContext:
    """The process from which the others are forked, with the environment they shall have."""
    context = get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    path = os.pathsep.join(filter(None, [TESTS, os.environ.get("PYTHONPATH")]))
    with patch.dict(os.environ, {**ENVIRONMENT, "PYTHONPATH": path}):
        ensure_running()
    return context


def _run(folder: Path, words: list[str], streams: tuple[Path, Path, Path]) -> None:
    """Be the command: in its folder, with its own streams and arguments."""
    for number, (path, how) in enumerate(zip(streams, (READ, WRITE, WRITE), strict=True)):
        os.dup2(os.open(path, how), number)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww")
    )
    os.chdir(folder)
    sys.argv = [str(COMMAND), *words]
    from gpuemb.cli.main import run

    run()
