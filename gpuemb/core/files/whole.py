"""Reading small files as a whole, never from a pipe or a device, which may not end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from gpuemb.core.memory import MemoryPlan

OPEN_FILES = ("/proc/", "/dev/fd/")  # of a process, such as those of <(command)
NO_FILE = "Not a file, but a folder, a pipe or a device"


def read_text(path: str | Path, encoding: str = "utf-8", *, most: int | None = None) -> str:
    """Read a text file.

    Args:
        path: the file.
        encoding: of its bytes.
        most: bytes that it may have.

    Raises:
        OSError: it cannot be read, is no file, or has more bytes.
        UnicodeDecodeError: it is not in that encoding.
        MemoryBudgetError: it does not fit the memory.
    """
    with open(path, encoding=encoding, opener=open_file) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(errno.EFBIG, f"It has {size} bytes, more than {most}", str(path))
        MemoryPlan(f"reading {path}", {"text": size}).require()
        return file.read()


def open_file(path: str, flags: int) -> int:
    """Open a file for ``open(…, opener=open_file)``, never waiting for the other end of a pipe.

    Raises:
        OSError: it cannot be opened, or is no file.
    """
    handle = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, NO_FILE, path)
    return handle


def is_pipe(path: str) -> bool:
    """Whether a path is a process's open pipe, as of ``<(command)``, which can be read only once."""
    opened = os.path.exists(path) and os.path.realpath(path).startswith(OPEN_FILES)
    return opened and stat.S_ISFIFO(os.stat(path).st_mode)
