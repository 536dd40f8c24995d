"""Sources of text: files, folders, patterns, standard input and data sets."""

from __future__ import annotations

import bz2
import glob
import gzip
import hashlib
import importlib.util
import io
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from gpuemb.core.errors import FileFormatError, StorageError
from gpuemb.core.files.whole import is_pipe, open_file
from gpuemb.core.memory import MemoryPlan, readable
from gpuemb.core.results import shown
from gpuemb.core.system.installing import install
from gpuemb.core.system.refusals import standard_input
from gpuemb.corpus.formats import HEAD, check_encoding, check_ending

DATASET = "dataset:"
CONVERSATIONS = DATASET + "conversations"
CONVERSATIONS_PACKAGE = "chitchat_dataset"
STANDARD_INPUT = "-"
IN_MEMORY = "Is it text? Documents in memory are a list: read_corpus([text])."
CHUNK = 1 << 20
PACKINGS = {".gz": ("gzip", b"\x1f\x8b"), ".bz2": ("bzip2", b"BZh"), ".zst": ("zstd", b"\x28\xb5\x2f\xfd")}
LARGEST_RATIO = 1000  # decompressed bytes a compressed byte: text reaches 10, repeated lines hundreds
UNSUSPECTED = 64 << 20  # decompressed bytes up to which any ratio is accepted
DOCUMENT_TIMES = 16  # memory of a document over its bytes: its characters, and objects of its tokens
BZIP2_BLOCK = (b"1AY&SY", b"\x17rE8P\x90")  # after "BZh" and a digit: "BZh" alone may begin a text


def expand(sources: Sequence[str]) -> tuple[str, ...]:
    """Replace each folder and pattern by its files, in the order of their paths; check that all exist.

    Raises:
        StorageError: a path is missing, or a folder or pattern has no file.
    """
    found: list[str] = []
    for source in sources:
        path = Path(source)
        if source == STANDARD_INPUT or source.startswith(DATASET):
            found.append(source)
        elif os.path.isdir(source):  # Path's own methods raise for names that are too long
            found += _files_of(source, path.rglob("*"), "folder", "A folder is read as all files below it.")
        elif os.path.exists(source):
            found.append(source)
        elif glob.has_magic(source):
            matches = map(Path, glob.glob(source, recursive=True))
            found += _files_of(source, matches, "pattern", "* is any part of a name, ** any folders.")
        else:
            raise StorageError(
                f"corpus: {shown(source) if source.split()[1:] else source} does not exist",
                needed="A corpus is files, folders, patterns, '-' or dataset:conversations.",
                remedy=IN_MEMORY if source.split()[1:] else _nearby(path),
            )
    for source in found:
        check_ending(source, kind_of(source))
        check_end("corpus", source)
    return tuple(found)


def fingerprint(source: str) -> str:
    """Digest of a source's bytes, independent of its path."""
    return copy(source, None)


def copy(source: str, file: IO[bytes] | None) -> str:
    """Copy a source's bytes into a file, if there is one; return their digest."""
    digest = hashlib.blake2b(digest_size=16)
    with _open(str(conversations_path(source)) if source.startswith(DATASET) else source) as raw:
        while chunk := raw.read(CHUNK):
            digest.update(chunk)
            if file is not None:
                file.write(chunk)
    return digest.hexdigest()


def size_of(sources: Sequence[str]) -> int | None:
    """Total bytes of all files; None if the size of one is unknown before it is read."""
    paths = [str(conversations_path(s)) if s.startswith(DATASET) else s for s in sources]
    if not all(os.path.isfile(path) for path in paths):
        return None
    return sum(os.path.getsize(path) for path in paths)


def kind_of(source: str) -> str:
    """Return the ending that names a file's format, without that of its compression."""
    path = Path(source)
    return (Path(path.stem) if path.suffix.lower() in PACKINGS else path).suffix.lower()


@dataclass(eq=False)
class Stream:
    """The bytes of one source, unpacked.

    Attributes:
        name: for messages.
        raw: the file, still compressed.
        unpacked: the file to read; ``raw`` itself without compression.
        packing: gzip, bzip2, zstd or empty.
        size: bytes of ``raw`` when it was opened; None if unknown.
        done: bytes unpacked so far.
    """

    name: str
    raw: io.BufferedReader
    unpacked: BinaryIO
    packing: str
    size: int | None
    done: int = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; empty at the end."""
        try:
            found = self.unpacked.read(size)
        except (OSError, EOFError, zlib.error) as error:
            if not self.packing:
                raise _unreadable(self.name, error) from error
            raise FileFormatError(
                f"corpus: {self.name} is not a whole {self.packing} file: {error}",
                needed=f"A file that ends or begins as {self.packing} files do must be one.",
                remedy="Fetch it again, or rename it.",
            ) from error
        if self.size is not None and self.position() > self.size:  # a growing file would be read forever
            raise changed(self.name)
        if self.packing:
            self.unpack(len(found))
        return found

    def unpack(self, size: int) -> None:
        """Count unpacked bytes.

        Raises:
            FileFormatError: they are more than any packed text holds.
        """
        self.done += size
        if self.size is not None and self.done > max(UNSUSPECTED, LARGEST_RATIO * self.size):
            raise FileFormatError(
                f"corpus: {self.name}: {readable(self.size)} unpack to more than {readable(self.done)}",
                needed=f"Packed text unpacks to less than {LARGEST_RATIO} times its size.",
                remedy="If it is meant, unpack it first (gunzip, bunzip2, unzstd) and read the file.",
            )

    def position(self) -> int:
        """Return the bytes read so far; 0 if unknown."""
        return self.raw.tell() if self.raw.seekable() else 0


@contextmanager
def opened(source: str) -> Iterator[Stream]:
    """Open a source; decompress gzip, bzip2 or zstd, known by its first bytes or its ending.

    Raises:
        StorageError: it cannot be read, or it changed while it was read.
    """
    name = "standard input" if source == STANDARD_INPUT else source
    with _open(source) as raw:
        before = _state(source, raw)
        packing = _packing(source, raw)
        yield Stream(name, raw, _unpacked(raw, packing), packing, before and before[0])
        if _state(source, raw) != before:
            raise changed(name)


def read_whole(where: str, path: Path) -> str:
    """Return the text of one small file.

    Raises:
        StorageError: it cannot be read, is a device or a named pipe, or is not in UTF-8.
        FileFormatError: it is in UTF-16 or UTF-32.
        MemoryBudgetError: it does not fit.
    """
    check_end(where, str(path))
    found = bytearray()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(CHUNK):
                found += chunk
                check_document(str(path), len(found))
        check_encoding(f"{where}: {path}", bytes(found[:HEAD]))
        return found.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f"{where}: {path} cannot be read: {getattr(error, 'strerror', None) or error}",
            needed="The file must exist, be readable by you, and hold text in UTF-8.",
            remedy="Check the path and its permissions (ls -l).",
        ) from error


def check_document(name: str, size: int) -> None:
    """Check that a document of ``size`` bytes can be held as a whole.

    Raises:
        MemoryBudgetError: it cannot.
    """
    MemoryPlan(f"corpus: {name}, a document", {"its text and tokens": DOCUMENT_TIMES * size}).require()


def conversations_path(source: str) -> Path:
    """Return the file of the conversation data set.

    Raises:
        StorageError: another data set was named, or the package is absent.
    """
    if source != CONVERSATIONS:
        raise StorageError(
            f"corpus: {source} is not known",
            needed=f"Known: {CONVERSATIONS}.",
            remedy="Use that name, or name a file.",
        )
    spec = importlib.util.find_spec(CONVERSATIONS_PACKAGE)  # finds the package without running it
    if spec is None or spec.origin is None:
        raise StorageError(
            "corpus: the conversation data set is not installed",
            needed="It comes as the package chitchat-dataset.",
            remedy=install("demo"),
        )
    return Path(spec.origin).with_name("dataset.json")


def check_end(where: str, source: str) -> None:
    """Check that a path leads to bytes with an end: a file, or a pipe that is open already.

    Raises:
        StorageError: a device, or a named pipe, which may wait for a writer forever.
    """
    mode = os.stat(source).st_mode if os.path.exists(source) else stat.S_IFREG
    named = stat.S_ISFIFO(mode) and not is_pipe(source)
    if named or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise StorageError(
            f"{where}: {source} is a {'named pipe' if named else 'device'}",
            needed="What is read must have an end.",
            remedy=f"Keep it in a file first: cat {source} > FILE."
            if named
            else "Name a file, or - for a pipe.",
        )


def _files_of(source: str, paths: Iterator[Path], kind: str, needed: str) -> list[str]:
    inside = sorted(str(p) for p in paths if p.is_file() and not p.name.startswith("."))
    if not inside:
        raise StorageError(
            f"corpus: the {kind} {source} holds no files",
            needed=needed,
            remedy=IN_MEMORY if source.split()[1:] else "Name what holds the text.",
        )
    return inside


def _nearby(path: Path) -> str:
    parent = path.parent if path.parent.is_dir() else Path()
    names = sorted(p.name for p in parent.iterdir())[:8]
    return f"The folder {parent.resolve()} holds: {', '.join(names) or 'nothing'}."


def _open(source: str) -> io.BufferedReader:
    if source == STANDARD_INPUT:
        return io.BufferedReader(cast(io.RawIOBase, standard_input()))
    try:
        return open(source, "rb", opener=None if is_pipe(source) else open_file)
    except OSError as error:
        raise _unreadable(source, error) from error


def _unreadable(name: str, error: Exception) -> StorageError:
    return StorageError(
        f"corpus: {name} cannot be read: {getattr(error, 'strerror', None) or error}",
        needed="A corpus file must exist and be readable by you.",
        remedy="Check the path and its permissions (ls -l).",
    )


def changed(name: str) -> StorageError:
    """Return the error for a source that was written meanwhile."""
    return StorageError(
        f"corpus: {name} changed while it was read",
        needed="A corpus must not change while it is read.",
        remedy="Read it again when no process writes to it, or read a copy.",
    )


def _state(source: str, raw: io.BufferedReader) -> tuple[int, int] | None:
    """Size and time of the last write; None for standard input."""
    if source == STANDARD_INPUT:
        return None
    status = os.fstat(raw.fileno())
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _packing(source: str, raw: io.BufferedReader) -> str:
    head = raw.peek(16)
    for ending, (packing, magic) in PACKINGS.items():
        begins = head.startswith(magic) and (packing != "bzip2" or head[4:10] in BZIP2_BLOCK)
        if begins or source.lower().endswith(ending):
            return packing
    return ""


def _unpacked(raw: io.BufferedReader, packing: str) -> BinaryIO:
    if packing == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if packing == "bzip2":
        return cast(BinaryIO, bz2.BZ2File(raw))
    if packing == "zstd":
        import pyarrow

        return cast(BinaryIO, pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, mode="r"), packing))
    return raw
