"""Atomic writing of files and folders."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from gpuemb.core.errors import StorageError
from gpuemb.core.files.partial import partial_file, partial_folder
from gpuemb.core.memory import readable

FOLDER_MODE, FILE_MODE = 0o755, 0o644
PERMISSION = "You need write permission for the folder."
NEEDED = {  # by the error's number
    errno.ENOSPC: "The disk is full.",
    errno.EDQUOT: "The disk is full.",
    errno.EFBIG: "The file is larger than the disk or the limit on files (ulimit -f) allows.",
    errno.ELOOP: "A path through links must end at a file or folder.",
    errno.EMFILE: "More files must be open at once than the limit allows: ulimit -n 256.",
}
NUMPY_SHORT = ("requested and", "Not enough free space")  # NumPy's messages on a full disk, without an errno


@contextmanager
def replacing(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file that replaces ``path`` when the block ends without an error.

    If ``path`` is a link, its target is replaced and the link stays.

    Raises:
        StorageError: ``path`` is a folder or a device, the folder cannot be written, or the disk is full;
            ``path`` is unchanged.
    """
    path = check_replaceable(path)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            partial_file(path.parent) as (handle, partial),
            os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as file,
        ):
            yield file
            to_disk(file)
            os.chmod(partial, FILE_MODE)
            os.replace(partial, path)
            names_to_disk(path.parent)


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


def check_replaceable(path: Path) -> Path:
    """Return where the links of a path lead, which is nothing yet or a file.

    Raises:
        StorageError: it is a folder, a device or a pipe.
    """
    with writing(path.parent):
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode if os.path.lexists(target) else stat.S_IFREG
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
        with partial_folder(path.parent) as partial:
            yield partial
            partial.chmod(FOLDER_MODE)
            names_to_disk(partial)
            try:
                partial.rename(path)
            except OSError:
                if not path.is_dir():
                    raise
            names_to_disk(path.parent)


def discard(path: Path) -> None:
    """Remove a folder or file at once: it is renamed before it is deleted.

    Raises:
        StorageError: the folder that holds it cannot be written.
    """
    with writing(path.parent), partial_folder(path.parent) as partial, suppress(FileNotFoundError):
        path.rename(partial / path.name)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn errors of writing into StorageError."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        short = error.errno is None and any(words in str(error) for words in NUMPY_SHORT)
        needed = NEEDED.get(errno.ENOSPC if short else error.errno or 0, PERMISSION)
        raise StorageError(
            f"writing below {folder}: {error.strerror or error}",
            needed=needed,
            remedy=f"{_free(folder)} What is finished stays; run the same command again.",
        ) from error


def to_disk(file: IO[Any]) -> None:
    """Flush the file to the disk: a rename must not become visible before the contents."""
    file.flush()
    os.fsync(file.fileno())


def names_to_disk(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the file system and the permissions allow it."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that one may write to, but not list
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks have no such call
            raise
    finally:
        os.close(handle)


def _free(folder: Path) -> str:
    while not os.path.exists(folder):  # also False for an invalid name
        folder = folder.parent
    return f"{readable(shutil.disk_usage(folder).free)} are free there."
