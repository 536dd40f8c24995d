"""The only progress bar and the only print."""

from __future__ import annotations

import json
import os
import shlex
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from gpuemb.core.errors import ConfigError, GpuembError
from gpuemb.core.progress import Task

FAILED, USAGE, INTERRUPTED = 1, 2, 130

_errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
_output = Console(highlight=False, soft_wrap=True, emoji=False)


def say(line: str = "") -> None:
    """Print one line of the result."""
    _output.print(line, markup=False)


def say_json(found: Any) -> None:
    """Print a result for programs."""
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False))


def say_claims(claims: Iterable[tuple[str, str]]) -> None:
    """Print short numbers in bold beside what they mean, wrapped to the terminal."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column()
    for number, meaning in claims:
        grid.add_row(escape(number), escape(meaning))
    _output.print(grid)


class _Bar:
    def __init__(self, bars: Progress, number: TaskID) -> None:
        self._bars, self._number = bars, number

    def advance(self, amount: int = 1) -> None:
        """Move the bar."""
        self._bars.advance(self._number, amount)


class TerminalProgress:
    """Shows each phase as a bar on standard error; nothing when that is not a terminal."""

    def __init__(self) -> None:
        self._console = _errors

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Task]:
        """Open a bar for one phase; it stays, with its time, when the phase ends."""
        columns = [
            SpinnerColumn(finished_text="[green]✓[/green]"),
            TextColumn("{task.description:<44}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        ]
        with Progress(*columns, console=self._console, disable=not self._console.is_terminal) as bars:
            number = bars.add_task(name, total=total)
            yield _Bar(bars, number)
            if total is None:
                done = bars.tasks[0].completed
                bars.update(number, total=max(done, 1), completed=max(done, 1))

    def note(self, message: str) -> None:
        """Print one line between the bars."""
        self._console.print(message, markup=False)


@contextmanager
def noting(noted: type[Warning], progress: TerminalProgress) -> Iterator[None]:
    """Tell warnings of one kind as lines between the bars."""
    with warnings.catch_warnings():
        before = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, noted):
                progress.note(str(message))
            else:
                before(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        warnings.simplefilter("always", noted)
        yield


@contextmanager
def failing_clearly(resume: Sequence[str] = (), *, kept: str = "What is finished stays.") -> Iterator[None]:
    """Turn failures into a message, what an interruption left, the command that resumes, and an exit code."""
    try:
        yield
    except GpuembError as error:
        _errors.print(f"[bold red]{type(error).__name__}[/bold red]: {escape(str(error))}")
        raise typer.Exit(USAGE if isinstance(error, ConfigError) else FAILED) from error
    except KeyboardInterrupt as interruption:
        _errors.print(f"Interrupted. {kept}")
        if resume:
            _errors.print(f"Resume with: {shlex.join(resume)}", markup=False)
        raise typer.Exit(INTERRUPTED) from interruption
    except BrokenPipeError as error:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from error


def shown(path: Path) -> str:
    """A path as a person would type it from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path.resolve())
