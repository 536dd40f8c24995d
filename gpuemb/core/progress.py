"""Progress reports of long operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable


class Task(Protocol):
    """One running phase."""

    def advance(self, amount: int = 1) -> None:
        """Report ``amount`` more finished units."""


@runtime_checkable
class Progress(Protocol):
    """A receiver of progress reports: a terminal, a log."""

    def phase(self, name: str, total: int | None = None) -> AbstractContextManager[Task]:
        """Open a phase of ``total`` units (``None``: unknown); use it in a ``with`` statement."""

    def note(self, message: str) -> None:
        """Report one line of text."""


class _Nobody:
    def advance(self, amount: int = 1) -> None:
        pass

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Task]:
        yield self

    def note(self, message: str) -> None:
        pass


SILENT: Progress = _Nobody()
