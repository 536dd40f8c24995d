"""One process at a time in a folder."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gpuemb.core.errors import StorageError
from gpuemb.core.files import writing

TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


@contextmanager
def alone_in(where: str, folder: Path) -> Iterator[None]:
    """Keep other processes (and other calls of this one) out of a folder while the block runs.

    The folder itself is locked, and the system frees it when the process ends, however it ends. A folder that
    is not there is made, and removed again where the block fails and leaves it empty. Where the file system
    has no locks, or the path is no folder, nothing is locked.

    Args:
        where: the function, for the message.
        folder: what the block writes into.

    Raises:
        StorageError: another process works in it, or it cannot be made.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        yield  # whoever writes into it says what is wrong
        return
    made = _made(folder)
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(where, folder, handle)
        try:
            yield
        except BaseException:
            for path in made:  # the innermost first; one that holds anything stays
                with suppress(OSError):
                    path.rmdir()
            raise
    finally:
        os.close(handle)


def _made(folder: Path) -> list[Path]:
    """Make a folder and those above it; return what was not there, the innermost first."""
    absent = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return absent


def _lock(where: str, folder: Path, handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in TAKEN:
            raise StorageError(
                f"{where}: another process works in {folder}",
                needed="One process at a time writes the results of a folder.",
                remedy="Wait until it has ended (a second run then finds everything done), or name another"
                " folder with --out.",
            ) from error
