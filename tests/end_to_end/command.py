"""The command, run as people do: in a new process, with its exit code and both of its outputs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

COMMAND = Path(sys.executable).with_name("gpuemb")
FAILED, USAGE, INTERRUPTED = 1, 2, 130
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "MPLBACKEND": "agg"}
PATIENCE = 120  # seconds after which a hanging command fails its test


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
        env={**ENVIRONMENT, "TERM": "xterm"},
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
    """Run the command in a folder; a traceback is never an answer, nor is a warning."""
    done = subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        input=typed,
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
        timeout=PATIENCE,
    )
    outcome = Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in outcome.err, outcome.err
    assert "Warning" not in outcome.err, outcome.err
    return outcome
