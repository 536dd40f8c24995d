"""Lines of words in small files: pairs, questions, dictionaries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gpuemb.core.errors import FileFormatError
from gpuemb.embeddings.files.source import find

LONGEST_LINE = 1 << 16  # bytes of a line of words


def lines_of(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are neither empty nor comments, with their numbers from 1.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: a line that is too long, or no UTF-8.
    """
    with find(path).open() as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
            if len(line) == LONGEST_LINE:
                raise odd_line(path, number, repr(line), f"A line has less than {LONGEST_LINE} bytes.")
            try:
                text = line.decode("utf-8-sig").strip("\r\n")
            except UnicodeDecodeError as error:
                raise odd_line(path, number, repr(line), "Words are UTF-8 text.") from error
            if text.strip() and not text.startswith("#"):
                yield number, text


def odd_line(path: str | Path, number: int, line: str, needed: str) -> FileFormatError:
    """Return the error for a line that is not understood."""
    return FileFormatError(
        f"datasets: {path}, line {number}: {line[:60]!r}",
        needed=needed,
        remedy="Correct the line, or begin it with # to leave it out.",
    )
