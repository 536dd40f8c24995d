"""The entry point of the command: the process is prepared before anything large is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from gpuemb.cli.process import INTERRUPTED, prepare

KEPT = ("study", "demo")  # commands whose answers are kept


def run() -> NoReturn:
    """Run the installed command."""
    prepare()
    try:
        code = _run()
    except KeyboardInterrupt as interruption:  # before or after any work
        code = getattr(interruption, "code", INTERRUPTED)
    sys.exit(code)


def _run() -> int:
    """Print an answer that a folder holds, or do what was typed; return the exit code."""
    if sys.argv[1:] and sys.argv[1] in KEPT:
        from gpuemb.cli.studies.again import answer_of

        answer = answer_of(sys.argv[1:])
        if answer is not None:
            return answer.say(_failed)
    from gpuemb.cli import app

    return app.run()


def _failed(work: Callable[[], object]) -> int:
    from gpuemb.cli import app

    return app.ended(work)
