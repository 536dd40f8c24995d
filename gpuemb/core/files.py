"""Atomic writing of files and folders."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gpuemb.core.errors import StorageError
from gpuemb.core.memory import readable

PARTIAL = ".partial-"  # prefix of the names of unfinished files
FOLDER_MODE, FILE_MODE = 0o755, 0o644
NUMPY_SHORT = ("requested and", "Not enough free space")  # NumPy's messages on a full disk, without an errno


@contextmanager
def replacing(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file that replaces ``path`` when the block ends without an error.

    If ``path`` is a link, its target is replaced and the link stays.

    Raises:
        StorageError: ``path`` is a folder or a device, the folder cannot be written, or the disk is full;
            ``path`` is unchanged.
    """
    path = _replaceable(path)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix=PARTIAL, dir=path.parent)
        try:
            with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
                yield file
                to_disk(file)
            os.chmod(partial, FILE_MODE)
            os.replace(partial, path)
        finally:
            Path(partial).unlink(missing_ok=True)


def check_folder(path: Path) -> None:
    """Check that a folder exists or can be created, and is writable.

    Raises:
        StorageError: the path or a parent is not a folder, or is not writable.
    """
    there = Path(os.path.abspath(path))
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise StorageError(
            f"writing below {path}: {there} is not a folder",
            needed="Results are written to a folder.",
            remedy="Name another folder, or one that does not exist yet.",
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise StorageError(
            f"writing below {path}: {there} is not writable",
            needed="You need write permission for the folder.",
            remedy="Name another folder, or change its permissions (ls -ld).",
        )


def _replaceable(path: Path) -> Path:
    """Follow links; raise on a folder, device or pipe."""
    with writing(path.parent):
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode if target.exists() else stat.S_IFREG
    if not stat.S_ISREG(mode):
        raise StorageError(
            f"writing {path}: it is a {'folder' if stat.S_ISDIR(mode) else 'device or a pipe'}",
            needed="A file can replace only a file.",
            remedy=f"Name a file in it, such as {path / 'NAME'}." if stat.S_ISDIR(mode) else "Name a file.",
        )
    return target


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that is renamed to ``path`` when the block ends without an error.

    If ``path`` exists by then it is kept: another process did the same work.

    Raises:
        StorageError: as :func:`replacing`.
    """
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=path.parent))
        try:
            yield partial
            partial.chmod(FOLDER_MODE)
            try:
                partial.rename(path)
            except OSError:
                if not path.is_dir():
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn errors of writing into StorageError."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        short = error.errno is None and any(words in str(error) for words in NUMPY_SHORT)
        full = short or error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StorageError(
            f"writing below {folder}: {error.strerror or error}",
            needed="The disk is full." if full else "You need write permission for the folder.",
            remedy=f"{_free(folder)} What is finished stays; run the same command again.",
        ) from error


def to_disk(file: IO[Any]) -> None:
    """Flush the file to the disk: a rename must not become visible before the contents."""
    file.flush()
    os.fsync(file.fileno())


def _free(folder: Path) -> str:
    while not os.path.exists(folder):  # also False for an invalid name
        folder = folder.parent
    return f"{readable(shutil.disk_usage(folder).free)} are free there."
