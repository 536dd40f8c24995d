"""What an operating system refuses to everybody: open files, memory, a closed standard input."""

from __future__ import annotations

import errno
import resource
import sys
from typing import IO, Any

from gpuemb.core.errors import GpuembError, MemoryBudgetError, StorageError


def refusal(error: BaseException) -> GpuembError | None:
    """Return an error in three parts for one that is no matter of its place; ``None`` for another.

    Args:
        error: of Python, or of gpuemb about one of Python.
    """
    if isinstance(error, MemoryError) and not isinstance(error, GpuembError):
        return MemoryBudgetError(
            f"memory: {error or 'none is left'}",
            needed="What was free as the work was planned is used now.",
            remedy="Close other programs, or make the work smaller.",
        )
    cause = error.__cause__ if isinstance(error, StorageError) else error
    if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        name = f"{cause.filename}: " if cause.filename else ""
        return StorageError(
            error.given if isinstance(error, StorageError) else f"{name}{cause.strerror}",
            needed=f"The process may hold {most:,} files open at once.",
            remedy="Allow more before it starts, for example by ulimit -n 4096.",
        )
    return None


def standard_input() -> IO[bytes]:
    """Return the bytes of standard input.

    Raises:
        StorageError: it is closed, or has no bytes, as in a notebook.
    """
    stream: Any = sys.stdin
    if not hasattr(stream, "buffer"):
        raise StorageError(
            "standard input cannot be read: it is closed, or no stream of bytes",
            needed="The text is expected there where '-' is named.",
            remedy="Name a file, or send one: < FILE.",
        )
    return stream.buffer  # type: ignore[no-any-return]
