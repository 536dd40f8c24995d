"""The bytes of a file: plain, gzip, or a member of a zip archive."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.errors import FileFormatError, GpuembError, StorageError
from gpuemb.core.memory import MemoryPlan, readable, tiles

Packing = Literal["plain", "gzip", "zip"]
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
UNPACKED_IN_PARTS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack a whole block at once
NOT_FILES = ("__MACOSX/", "._", ".DS_Store")  # what macOS adds to archives: folder, prefixes of names
FORMATS_THAT_ARE_ARCHIVES = (".npy", "data.pkl")  # members of NumPy's and torch's archives
BLOCK = 64 << 20  # bytes of a plain file mapped at once
PIPE = "-"  # standard input on command lines; a file of that name is ./-
UNPACKED_BLOCK = 4 << 20  # bytes decompressed at once
LARGEST_RATIO = 100  # decompressed bytes a compressed byte: tables reach about 3, deflate's limit is 1032
UNSUSPECTED = 64 << 20  # decompressed bytes up to which any ratio is accepted
_DAMAGED = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    struct.error,
    UnicodeDecodeError,
)


@dataclass(frozen=True)
class Source:
    """One file to read.

    Attributes:
        path: the file on the disk.
        packing: its compression.
        member: the name inside a zip archive.
        size: decompressed bytes, where known.
        most: upper bound of the decompressed bytes, where known: what declares more is refused at once.
    """

    path: Path
    packing: Packing = "plain"
    member: str | None = None
    size: int | None = None
    most: int | None = None

    @property
    def name(self) -> str:
        """The path as typed by a user."""
        return str(self.path) if self.member is None else f"{self.path}:{self.member}"

    @property
    def stem(self) -> str:
        """The name without folders, ``.gz`` and ending."""
        return Path(Path(self.member or self.path).name.removesuffix(".gz")).stem

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the decompressed bytes as a file for reading forwards.

        Raises:
            StorageError: it cannot be read.
            FileFormatError: the compressed data are damaged, or a decompression bomb.
        """
        with reading(self.name), open(self.path, "rb") as raw:
            if self.packing == "plain":
                yield raw
            elif self.packing == "gzip":
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield bounded(cast(IO[bytes], unpacked), raw.tell, self.name)
            else:
                with zipfile.ZipFile(raw) as archive:
                    info = archive.getinfo(self.member or "")
                    with _unlocked(archive, info, self.name) as unpacked:
                        yield bounded(unpacked, lambda: info.compress_size, self.name)

    def blocks(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the decompressed bytes in order; a plain file is mapped, not copied."""
        if self.packing == "plain":
            with self.open() as file:
                for start, stop in tiles(self.size or 0, BLOCK):
                    yield np.memmap(file, np.uint8, "r", start, (stop - start,))
            return
        with self.open() as file:
            while block := file.read(UNPACKED_BLOCK):
                yield np.frombuffer(block, np.uint8)

    def head(self, size: int) -> bytes:
        """Return the first bytes."""
        with self.open() as file:
            return file.read(size)

    def contents(self, memory: int) -> bytes:
        """Return all bytes.

        Raises:
            MemoryBudgetError: ``memory`` bytes for each do not fit the memory.
        """
        parts: list[bytes] = []
        total = self.size or 0
        with self.open() as file:
            while True:
                MemoryPlan(f"load: {self.name}", {"contents": memory * total}).require()
                parts.append(file.read(UNPACKED_BLOCK))
                if not parts[-1]:
                    return b"".join(parts)
                total = max(total, sum(map(len, parts)))


def find(path: str | Path) -> Source:
    """Find a file by its path; ``archive.zip:member`` names one file of an archive.

    A zip archive that is not an ``.npz`` and holds one file stands for that file.

    Raises:
        StorageError: missing, unreadable, or not a file.
        FileFormatError: empty, or an archive of several files without a member's name.
    """
    file, member = _split(path)
    with reading(str(path)), open(_regular(file), "rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        magic = raw.read(4)
    if size == 0:
        raise empty_file(str(path))
    if member is not None or magic == ZIP:
        return _in_archive(file, member)
    if magic.startswith(GZIP):
        return Source(file, "gzip", None, None, most_of(size))
    return Source(file, "plain", None, size, size)


def empty_file(name: str) -> FileFormatError:
    """Return the error for a file without bytes, also after decompression."""
    return FileFormatError(
        f"load: {name} is empty",
        needed="A table holds at least one word and its vector.",
        remedy="Repeat its download or conversion.",
    )


def members(path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the files of a zip archive by name; what macOS adds is left out."""
    with reading(str(path)), open(path, "rb") as raw, zipfile.ZipFile(raw) as archive:
        inside = {info.filename: info for info in archive.infolist() if not info.filename.endswith("/")}
    return {
        name: info
        for name, info in inside.items()
        if not name.startswith(NOT_FILES) and not name.rpartition("/")[2].startswith(NOT_FILES)
    }


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn errors of reading into FileFormatError and StorageError."""
    try:
        yield
    except GpuembError:
        raise
    except _DAMAGED as error:
        raise FileFormatError(
            f"load: {name} is damaged: {error}",
            needed="A compressed file must decompress without an error.",
            remedy="Fetch it again, and check it with gzip -t or unzip -t.",
        ) from error
    except OSError as error:
        raise StorageError(
            f"load: {name} cannot be read: {error.strerror or error}",
            needed="The file must exist and be readable.",
            remedy="Check the path and its permissions (ls -l).",
        ) from error


def _split(path: str | Path) -> tuple[Path, str | None]:
    """Split ``archive.zip:member``, unless a file has that name with its colon."""
    text = os.fspath(path)
    if "\0" in text:
        raise StorageError(
            f"load: {text!r} is not a path", needed="A path has no zero byte.", remedy="Check the path."
        )
    parts = text.split(":")
    for cut in range(len(parts) - 1, 0, -1):
        file = Path(":".join(parts[:cut]))
        if not os.path.lexists(text) and file.is_file():
            return file, ":".join(parts[cut:])
    return Path(text), None


def _regular(path: Path) -> Path:
    mode = stat.S_IFIFO if str(path) == PIPE else path.stat().st_mode
    if stat.S_ISDIR(mode):
        inside = ", ".join(sorted(entry.name for entry in path.iterdir())[:8])
        raise StorageError(
            f"load: {path} is a folder",
            needed="A table is one file.",
            remedy=f"Name a file in it; it holds: {inside or 'nothing'}.",
        )
    if not stat.S_ISREG(mode):
        raise StorageError(
            f"load: {path} is neither a file nor a folder (a pipe, or a device)",
            needed="A table is read from a file on a disk.",
            remedy="Write the output of a pipe to a file first.",
        )
    return path


def _in_archive(path: Path, member: str | None) -> Source:
    inside = members(path)
    if member is None and any(name.endswith(FORMATS_THAT_ARE_ARCHIVES) for name in inside):
        size = path.stat().st_size
        return Source(path, "plain", None, size, size)
    if member is None and len(inside) == 1:
        member = next(iter(inside))
    if member not in inside:
        names = ", ".join(list(inside)[:8])
        raise FileFormatError(
            f"load: {path} is a zip archive of {len(inside)} files"
            + ("" if member is None else f", none of them {member}"),
            needed="The name of one member is needed.",
            remedy=f"Write it as {path}:NAME; it holds: {names or 'nothing'}.",
        )
    return in_zip(path, inside[member])


def in_zip(path: Path, info: zipfile.ZipInfo) -> Source:
    """Return a member of a zip archive.

    Raises:
        FileFormatError: it would unpack to much more than its size.
    """
    if info.file_size > most_of(info.compress_size):
        raise bomb(f"{path}:{info.filename}", info.compress_size, info.file_size)
    return Source(path, "zip", info.filename, info.file_size, info.file_size)


def most_of(packed: int) -> int:
    """Return how many bytes compressed ones may unpack to."""
    return max(UNSUSPECTED, LARGEST_RATIO * packed)


def bomb(name: str, packed: int, unpacked: int) -> FileFormatError:
    """Return the error for bytes that unpack to more than :func:`most_of` them."""
    return FileFormatError(
        f"load: {name} unpacks {readable(packed)} to more than {readable(unpacked)}",
        needed=f"Beyond {readable(UNSUSPECTED)}, tables unpack to at most {LARGEST_RATIO} times their size.",
        remedy="If you trust the file, decompress it with gzip -d or unzip first.",
    )


@contextmanager
def _unlocked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Iterator[IO[bytes]]:
    if info.flag_bits & 1:
        raise FileFormatError(
            f"load: {name} is encrypted",
            needed="Archives must not need a password.",
            remedy="Decrypt it first.",
        )
    if info.compress_type not in UNPACKED_IN_PARTS:
        raise FileFormatError(
            f"load: {name} is packed by method {info.compress_type} of zip (12 is bzip2, 14 LZMA)",
            needed="Members of archives are stored or deflated, as zip does by default: other methods may "
            "unpack to any size at once.",
            remedy="Unpack it first (unzip), and give the file.",
        )
    with archive.open(info) as unpacked:
        yield unpacked


class _Bounded(io.RawIOBase):
    """A decompressed stream that raises when it exceeds the allowed ratio."""

    def __init__(self, unpacked: IO[bytes], packed: Callable[[], int], name: str) -> None:
        self._unpacked, self._packed, self._name, self._given = unpacked, packed, name, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._unpacked.read(len(buffer))
        buffer[: len(data)] = data
        self._given += len(data)
        packed = max(self._packed(), 1)
        if self._given > most_of(packed):
            raise bomb(self._name, packed, self._given)
        return len(data)


def bounded(unpacked: IO[bytes], packed: Callable[[], int], name: str) -> IO[bytes]:
    """Return the stream as one that raises when it unpacks to more than :func:`most_of` what is packed."""
    return cast(IO[bytes], io.BufferedReader(_Bounded(unpacked, packed, name), UNPACKED_BLOCK))
