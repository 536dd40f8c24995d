"""The command, run as people do: in a new process, with its exit code and both of its outputs."""

from __future__ import annotations

import os
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
