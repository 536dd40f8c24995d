"""Unfinished files and folders: locked while they are written, removed once their writer is gone."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL = ".partial-"  # prefix of the names of unfinished files, of earlier versions too
OWN = f"{PARTIAL}gpuemb-"  # in folders that hold files of other programs, only such names are swept


@contextmanager
def partial_file(folder: Path) -> Iterator[tuple[int, Path]]:
    """Yield the handle and path of a new file, which the block renames; what is left of it is removed."""
    sweep(folder)
    while True:
        handle, name = tempfile.mkstemp(prefix=OWN, dir=folder)
        if _lock(handle, name):
            break
        os.close(handle)
    try:
        yield handle, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def partial_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder, which the block may rename; what is left of it is removed."""
    sweep(parent)
    while True:
        made = tempfile.mkdtemp(prefix=OWN, dir=parent)
        with suppress(FileNotFoundError):  # swept before it was locked
            handle = os.open(made, os.O_RDONLY)
            if _lock(handle, made):
                break
            os.close(handle)
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(handle)


def sweep(folder: Path, prefix: str = OWN) -> None:
    """Remove unfinished files and folders whose writer is gone.

    Args:
        folder: what it holds is looked at, not what its folders hold.
        prefix: of the names.
    """
    try:
        names = [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:  # no such folder, or one that may not be listed
        return
    for name in names:
        with suppress(OSError):  # locked: it is being written; or another user's, or swept already
            _remove(os.path.join(folder, name))


def _remove(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (shutil.rmtree if stat.S_ISDIR(os.fstat(handle).st_mode) else os.unlink)(path)
    finally:
        os.close(handle)


def _lock(handle: int, path: str) -> bool:
    """Lock a new file or folder until its handle is closed; return whether nobody had swept it before."""
    with suppress(OSError):  # a file system without locks: nobody can lock it to sweep it either
        fcntl.flock(handle, fcntl.LOCK_EX)
    return os.path.exists(path)
