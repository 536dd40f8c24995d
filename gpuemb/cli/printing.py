"""What commands print: the only print, loaded in a tenth of a second."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gpuemb.cli.process import silence
from gpuemb.core.errors import StorageError


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


errors = Console(file=cast(TextIO, _StandardError()), highlight=False, soft_wrap=True, emoji=False)
output = Console(highlight=False, soft_wrap=True, emoji=False)


def say(line: str = "") -> None:
    """Print one line of the result."""
    with _printing():
        output.print(line, markup=False)


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
        output.print(grid)


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


def shown(path: Path) -> str:
    """A path as a person would type it from here."""
    try:
        absolute = path.resolve()
    except RuntimeError:  # a link that leads to itself
        absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)
