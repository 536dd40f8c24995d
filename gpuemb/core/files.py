"""Files that appear whole or not at all."""

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

PARTIAL = ".partial-"  # how the names of unfinished files begin
FOLDER_MODE, FILE_MODE = 0o755, 0o644
NUMPY_SHORT = ("requested and", "Not enough free space")  # its words for a full disk, without an errno


@contextmanager
def replacing(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file that takes the place of ``path`` when the block ends well.

    Where ``path`` is a link, what it leads to is replaced and the link stays.

    Raises:
        StorageError: ``path`` is a folder or a device, the folder cannot be written, or the disk is full;
            ``path`` is as it was.
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
    """A folder that is to be written to later must be one, or be possible to make.

    Raises:
        StorageError: something else stands there or on the way, or may not be written to.
    """
    there = Path(os.path.abspath(path))
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise StorageError(
            f"writing below {path}: {there} is no folder",
            needed="Results are files of a folder of their own.",
            remedy="Name another folder, or one that does not exist yet.",
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise StorageError(
            f"writing below {path}: {there} may not be written to",
            needed="The folder must be one that you may write to.",
            remedy="Name another folder, or change its permissions (ls -ld).",
        )


def _replaceable(path: Path) -> Path:
    """Follow links; refuse what a file must not take the place of."""
    with writing(path.parent):
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode if target.exists() else stat.S_IFREG
    if not stat.S_ISREG(mode):
        raise StorageError(
            f"writing {path}: it is a {'folder' if stat.S_ISDIR(mode) else 'device or a pipe'}",
            needed="A file takes the place of a file only.",
            remedy=f"Name a file in it, such as {path / 'NAME'}." if stat.S_ISDIR(mode) else "Name a file.",
        )
    return target


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that is renamed to ``path`` when the block ends well.

    If ``path`` has appeared meanwhile, what is there stays: another process did the same work.

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
    """Say clearly what kept a file from being written."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        short = error.errno is None and any(words in str(error) for words in NUMPY_SHORT)
        full = short or error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StorageError(
            f"writing below {folder}: {error.strerror or error}",
            needed="The disk is full." if full else "The folder must be one that you may write to.",
            remedy=f"{_free(folder)} What is finished stays; run the same command again.",
        ) from error


def to_disk(file: IO[Any]) -> None:
    """Wait until the file is on the disk: a rename must not be seen before its contents."""
    file.flush()
    os.fsync(file.fileno())


def _free(folder: Path) -> str:
    while not os.path.exists(folder):  # False, too, for a name that cannot exist
        folder = folder.parent
    return f"{readable(shutil.disk_usage(folder).free)} are free there."
