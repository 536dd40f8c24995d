"""The only progress bar and the only print."""

from __future__ import annotations

import json
import shlex
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

import typer
from rich.console import Console
from rich.markup import escape
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
from rich.table import Table
from rich.text import Text

from gpuemb.cli.flags import in_flags
from gpuemb.cli.process import INTERRUPTED, silence
from gpuemb.core.errors import ConfigError, GpuembError, StorageError
from gpuemb.core.progress import Task
from gpuemb.core.system.refusals import refusal

FAILED, USAGE = 1, 2


class _StandardError:
    """Standard error wherever it goes: a terminal that has gone, or a full disk, ends no work."""

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(sys.stderr, "rich_proxied_file", sys.stderr), name)

    def write(self, text: str) -> None:
        """Write what can be written."""
        with suppress(OSError):
            self.__getattr__("write")(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with suppress(OSError):
            self.__getattr__("flush")()


_errors = Console(file=cast(TextIO, _StandardError()), highlight=False, soft_wrap=True, emoji=False)
_output = Console(highlight=False, soft_wrap=True, emoji=False)


def say(line: str = "") -> None:
    """Print one line of the result."""
    with _printing():
        _output.print(line, markup=False)


def say_json(found: Any, indent: int = 1) -> None:
    """Print a result for programs; escaped where the terminal's encoding lacks a character."""
    text = json.dumps(found, indent=indent, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        text = json.dumps(found, indent=indent)
    with _printing():
        sys.stdout.write(f"{text}\n")


def say_claims(claims: Iterable[tuple[str, str]]) -> None:
    """Print short numbers in bold beside what they mean, wrapped to the terminal."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column()
    for number, meaning in claims:
        grid.add_row(escape(number), escape(meaning))
    with _printing():
        _output.print(grid)


def flush() -> None:
    """Write what is printed and not yet written.

    Raises:
        StorageError: standard output cannot be written.
    """
    with _printing():
        sys.stdout.flush()


def flush_quietly() -> None:
    """Write or forget what is left: the interpreter would complain of it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            silence(stream)


@contextmanager
def _printing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        silence(sys.stdout)
        raise StorageError(
            f"standard output cannot be written: {error.strerror}",
            needed="What the command prints needs a terminal, a pipe, or a disk that has room.",
            remedy="Send it elsewhere: gpuemb … > FILE. Files that were written stay.",
        ) from error


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
            _Rate(),
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
        _errors.print(kind, style="bold red", end=": ")
    _errors.print(text, markup=False)


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


def shown(path: Path) -> str:
    """A path as a person would type it from here."""
    try:
        absolute = path.resolve()
    except RuntimeError:  # a link that leads to itself
        absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)
