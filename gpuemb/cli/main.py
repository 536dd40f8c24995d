"""The entry point of the command: the process is prepared before anything large is imported."""

from __future__ import annotations

import sys
from typing import NoReturn

from gpuemb.cli.process import INTERRUPTED, prepare


def run() -> NoReturn:
    """Run the installed command."""
    prepare()
    try:
        from gpuemb.cli import app

        code = app.run()
    except KeyboardInterrupt as interruption:  # before or after any work
        code = getattr(interruption, "code", INTERRUPTED)
    sys.exit(code)
