"""Flags of every command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from gpuemb.cli.options import Version
from gpuemb.cli.terminal import be_quiet

Quiet = Annotated[
    bool,
    typer.Option("--quiet", envvar="GPUEMB_QUIET", help="Show no progress; errors and warnings are told."),
]
ADDED = {"quiet": Quiet, "version": Version}


def with_flags_of_all(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that also takes ``--quiet`` and ``--version``."""

    @functools.wraps(command)
    def run(*args: Any, quiet: bool = False, version: bool = False, **kwargs: Any) -> None:
        be_quiet(quiet)
        command(*args, **kwargs)

    signature = inspect.signature(command, eval_str=True)  # typer reads options from it and the annotations
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in ADDED.items()
    ]
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, **ADDED}
    return run
