"""How long work reports on itself, without knowing to whom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable


class Task(Protocol):
    """One phase under way."""

    def advance(self, amount: int = 1) -> None:
        """Say that ``amount`` more units are done."""


@runtime_checkable
class Progress(Protocol):
    """Whoever wants to know: a terminal, a log, nobody."""

    def phase(self, name: str, total: int | None = None) -> AbstractContextManager[Task]:
        """Open a phase of ``total`` units (``None``: unknown); use it in a ``with`` statement."""

    def note(self, message: str) -> None:
        """Tell one line that is not a step."""


class _Nobody:
    def advance(self, amount: int = 1) -> None:
        pass

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Task]:
        yield self

    def note(self, message: str) -> None:
        pass


SILENT: Progress = _Nobody()
