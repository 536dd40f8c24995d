"""The only progress bar, and how commands fail."""

from __future__ import annotations

import shlex
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Task as BarTask,
)
from rich.text import Text

from gpuemb.cli.flags import in_flags
from gpuemb.cli.printing import errors
from gpuemb.cli.process import INTERRUPTED, silence
from gpuemb.core.errors import ConfigError, GpuembError, StorageError
from gpuemb.core.progress import Task
from gpuemb.core.system.refusals import refusal

FAILED, USAGE = 1, 2

_quiet: ContextVar[bool] = ContextVar("gpuemb_quiet", default=False)


class _Rate(ProgressColumn):
    """Finished units a second, or the seconds of one where it takes longer."""

    def render(self, task: BarTask) -> Text:
        """Return what the column shows."""
        speed = task.finished_speed or task.speed
        return Text(rate_of(speed) if speed else "", style="progress.data.speed")


def rate_of(speed: float) -> str:
    """Spell units a second: ``"3.2/s"``, or ``"12 s each"`` where one takes longer."""
    if speed < 1:
        return f"{1 / speed:.3g} s each"
    return f"{speed:.3g}/s" if speed < 100 else f"{speed:,.0f}/s"


class _Bar:
    def __init__(self, bars: Progress, number: TaskID) -> None:
        self._bars, self._number = bars, number

    def advance(self, amount: int = 1) -> None:
        """Move the bar."""
        self._bars.advance(self._number, amount)


def be_quiet(quiet: bool) -> None:
    """Show progress, or none."""
    _quiet.set(quiet)


class TerminalProgress:
    """Shows each phase as a bar on standard error, or as one line at its end where that is no terminal.

    Attributes:
        notes: lines that were printed between the bars.
    """

    def __init__(self) -> None:
        self._console = errors
        self.notes: list[str] = []

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Task]:
        """Open a bar for one phase; it stays, with its time, when the phase ends."""
        shown, began = self._console.is_terminal and not _quiet.get(), time.monotonic()
        columns = [
            SpinnerColumn(finished_text="[green]✓[/green]"),
            TextColumn("{task.description:<44}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        ]
        with Progress(*columns, console=self._console, disable=not shown) as bars:
            number = bars.add_task(name, total=total)
            yield _Bar(bars, number)
            if total is None:
                done = bars.tasks[0].completed
                bars.update(number, total=max(done, 1), completed=max(done, 1))
        if not (shown or _quiet.get()):
            self._console.print(_line(name, bars.tasks[0].completed, time.monotonic() - began), markup=False)

    def note(self, message: str) -> None:
        """Print one line between the bars."""
        self.notes.append(message)
        self._console.print(message, markup=False)


def _line(name: str, done: float, seconds: float) -> str:
    """A finished phase: what was done, in which time, how fast."""
    rate = f", {rate_of(done / seconds)}" if done > 1 and seconds > 0 else ""
    return f"{name}: {done:,.0f} in {seconds:.1f} s{rate}"


@contextmanager
def noting(noted: type[Warning] | tuple[type[Warning], ...], progress: TerminalProgress) -> Iterator[None]:
    """Tell warnings of some kinds as lines between the bars."""
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
        for kind in noted if isinstance(noted, tuple) else (noted,):
            warnings.simplefilter("always", kind)
        yield


@contextmanager
def failing_clearly(resume: Sequence[str] = (), *, kept: str = "What is finished stays.") -> Iterator[None]:
    """Turn failures into a message, what an interruption left, the command that resumes, and an exit code."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        complain(f"Interrupted. {kept}")
        if resume:
            complain(f"Resume with: {shlex.join(resume)}")
        raise typer.Exit(getattr(interruption, "code", INTERRUPTED)) from interruption
    except BrokenPipeError as error:  # the reader of our output has gone
        silence(sys.stdout)
        raise typer.Exit(FAILED) from error
    except (GpuembError, OSError, MemoryError) as error:
        told = refusal(error) or _unforeseen(error)
        complain(in_flags(str(told)), kind=type(told).__name__)
        raise typer.Exit(USAGE if isinstance(error, ConfigError) else FAILED) from error


def complain(text: str, kind: str = "") -> None:
    """Print on standard error, after the class of an error where it is one."""
    if kind:
        errors.print(kind, style="bold red", end=": ")
    errors.print(text, markup=False)


def _unforeseen(error: Exception) -> GpuembError:
    """An error in three parts, of one that no function has put so."""
    if isinstance(error, GpuembError):
        return error
    name = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    return StorageError(
        f"{name}{getattr(error, 'strerror', None) or error}",
        needed="The operating system refused it.",
        remedy="Look at the path, its permissions and the free space (ls -ld, df -h).",
    )
