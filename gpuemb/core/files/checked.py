"""Folders of arrays and texts with a checksum of every file, read back only when whole."""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.errors import FileFormatError, StorageError
from gpuemb.core.files import replacing_folder, to_disk
from gpuemb.core.files.whole import open_file, read_text

CHECKSUMS = "checksums.json"
BLOCK = 1 << 20  # bytes that are summed at a time
NO_ARRAY = (ValueError, TypeError, EOFError, OverflowError, SyntaxError, TokenError)  # damaged headers
LOST = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.EINVAL, errno.EIO)  # damage, not denial


class CheckedFiles:
    """Writes the files of one folder and sums what is written; CRC-32 finds every flipped bit.

    Args:
        folder: where they are written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sums: dict[str, tuple[int, int]] = {}

    def array(self, name: str, array: NDArray[Any]) -> None:
        """Write ``name.npy``."""
        with self._summed(f"{name}.npy") as file:
            np.save(file, array, allow_pickle=False)

    def text(self, name: str, text: str) -> None:
        """Write a text in UTF-8."""
        with self._summed(name) as file:
            file.write(text.encode())

    def journal(self, name: str, text: str) -> None:
        """Write a text in UTF-8 that no checksum covers, so that equal folders may differ in it."""
        with (self.folder / name).open("w", encoding="utf-8") as file:
            file.write(text)
            to_disk(file)

    @contextmanager
    def _summed(self, name: str) -> Iterator[Any]:
        with (self.folder / name).open("wb") as file:
            summed = _Summed(file)
            yield summed
            to_disk(file)
        self.sums[name] = (summed.size, summed.crc)


class _Summed:
    """A file that sums what is written to it; NumPy writes to it in blocks of 16 MB."""

    def __init__(self, file: Any) -> None:
        self.file, self.size, self.crc = file, 0, 0

    def write(self, data: bytes) -> None:
        """Write and sum."""
        self.file.write(data)
        self.size, self.crc = self.size + len(data), zlib.crc32(data, self.crc)


@contextmanager
def replacing_checked_folder(path: Path) -> Iterator[CheckedFiles]:
    """Write a folder as :func:`gpuemb.core.files.replacing_folder`, with the checksums of its files.

    Raises:
        StorageError: it cannot be written.
    """
    with replacing_folder(path) as partial:
        files = CheckedFiles(partial)
        yield files
        with (partial / CHECKSUMS).open("w", encoding="utf-8") as file:
            json.dump(files.sums, file, indent=1)
            to_disk(file)


def is_checked(folder: Path) -> bool:
    """Whether a folder has checksums."""
    return os.path.lexists(folder / CHECKSUMS)


def damage_of(folder: Path) -> str:
    """Read every file of a checked folder once; say what is damaged, empty where nothing is.

    Raises:
        StorageError: a file may not be read.

    Cost: one pass over the files, at about 1 GB/s.
    """
    try:
        sums = json.loads(read_text(folder / CHECKSUMS))
        for name, (size, crc) in sums.items():
            found = _sum_of(folder / name, size)
            if found != (size, crc):
                wrong = "holds other bytes than were written"
                return f"{name} {f'has {found[0]} of {size} bytes' if found[0] != size else wrong}"
    except OSError as error:
        if error.errno not in LOST:
            raise StorageError(
                f"{error.filename or folder} cannot be read: {error.strerror or error}",
                needed="What was kept is read again.",
                remedy="Check its permissions (ls -l), or how many files may be open (ulimit -n).",
            ) from error
        return f"{Path(error.filename or folder).name} is lost: {error.strerror or error}"
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        return f"{CHECKSUMS} is no list of checksums: {error}"
    return ""


def is_copy(file: Path, original: Path) -> bool:
    """Whether a file has the checksum of a file in a checked folder, which is not read again."""
    size, crc = json.loads(read_text(original.parent / CHECKSUMS))[original.name]
    return _sum_of(file, size) == (size, crc)


def open_array(file: Path) -> NDArray[Any]:
    """Map the array of a ``.npy`` file.

    Raises:
        StorageError: it is lost, or more files would be open than the process may have.
        FileFormatError: its header is damaged, or it holds objects.
    """
    try:
        with np.errstate(over="ignore"):  # a shape beyond int64 fits no file
            mapped: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise StorageError(
            f"{file} cannot be mapped: {error.strerror or error}",
            needed="Every array that is in use is an open file.",
            remedy="Allow more of them (ulimit -n 4096); what is finished stays.",
        ) from error
    except NO_ARRAY as error:
        raise FileFormatError(
            f"{file} holds no array: {type(error).__name__}: {error}",
            needed="A .npy file of numbers, as it was written, is needed.",
            remedy=f"Remove {file.parent}, and make it again.",
        ) from error
    return mapped


def _sum_of(path: Path, expected: int) -> tuple[int, int]:
    """Return the bytes and the CRC-32 of a file; it is not read where the bytes are not as expected."""
    crc = 0
    with open(path, "rb", buffering=0, opener=open_file) as file:
        size = os.fstat(file.fileno()).st_size
        buffer = memoryview(bytearray(min(size, BLOCK)))
        while size == expected and (read := file.readinto(buffer)):
            crc = zlib.crc32(buffer[:read], crc)
    return size, crc
