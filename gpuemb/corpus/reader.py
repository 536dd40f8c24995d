"""Documents from files, folders, standard input and data sets."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import importlib.util
import io
import json
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from gpuemb.core.errors import FileFormatError, StorageError

DATASET = "dataset:"
CONVERSATIONS_PACKAGE = "chitchat_dataset"
CHUNK = 1 << 20
HEAD = 4096  # bytes in which a binary file shows itself


def read_documents(source: str, *, encoding_errors: str = "strict") -> Iterator[str]:
    """Yield the documents of one source: lines of a file, messages of a conversation.

    Args:
        source: a file (``.gz`` is unpacked), ``-`` for standard input, or ``dataset:conversations``.
        encoding_errors: ``strict``, ``replace`` or ``ignore``, for bytes that are not UTF-8.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: a binary file, invalid UTF-8 (the position is named), or a broken archive.
    """
    if source.startswith(DATASET):
        yield from _conversations(source)
        return
    yield from _lines(source, encoding_errors)


def expand(sources: Sequence[str]) -> tuple[str, ...]:
    """Replace each folder by the files below it, in the order of their paths; check that all exist.

    Raises:
        StorageError: a path is missing or a folder holds no file.
    """
    found: list[str] = []
    for source in sources:
        path = Path(source)
        if source == "-" or source.startswith(DATASET):
            found.append(source)
        elif path.is_dir():
            inside = sorted(str(p) for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
            if not inside:
                raise StorageError(
                    f"corpus: the folder {source} holds no files",
                    needed="A folder is read as all text files below it.",
                    remedy="Name the folder that holds the text.",
                )
            found += inside
        elif path.exists():
            found.append(source)
        else:
            raise StorageError(
                f"corpus: {source} does not exist",
                needed="A corpus is text files, folders, '-' or dataset:conversations.",
                remedy=_nearby(path),
            )
    return tuple(found)


def fingerprint(source: str) -> str:
    """Digest of the bytes behind a source: equal text, equal fingerprint, wherever the file lies."""
    digest = hashlib.blake2b(digest_size=16)
    with _open(str(_conversations_path()) if source.startswith(DATASET) else source) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _nearby(path: Path) -> str:
    parent = path.parent if path.parent.is_dir() else Path()
    names = sorted(p.name for p in parent.iterdir())[:8]
    return f"The folder {parent.resolve()} holds: {', '.join(names) or 'nothing'}."


def _open(source: str) -> io.BufferedReader:
    if source == "-":
        return io.BufferedReader(cast(io.RawIOBase, sys.stdin.buffer))
    try:
        return open(source, "rb")
    except OSError as error:
        raise StorageError(
            f"corpus: {source} cannot be read: {error.strerror}",
            needed="A corpus file must exist and be readable by you.",
            remedy="Check the path and its permissions (ls -l).",
        ) from error


def _lines(source: str, encoding_errors: str) -> Iterator[str]:
    name = "standard input" if source == "-" else source
    offset = 0
    with _open(source) as raw:
        packed = (
            io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=raw)))
            if source.endswith(".gz")
            else raw
        )
        try:
            head, zero, _ = packed.peek(HEAD).partition(b"\0")
            if zero:
                raise _not_text(name, head.count(b"\n") + 1)
            for number, line in enumerate(packed, 1):
                mark = len(codecs.BOM_UTF8) if number == 1 and line.startswith(codecs.BOM_UTF8) else 0
                yield _decode(line[mark:], name, number, offset + mark, encoding_errors)
                offset += len(line)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileFormatError(
                f"corpus: {name} is not a whole gzip file: {error}",
                needed="A name that ends in .gz must hold gzip data.",
                remedy="Check it with gzip -t, or rename it.",
            ) from error


def _not_text(name: str, number: int) -> FileFormatError:
    return FileFormatError(
        f"corpus: {name} is not text: line {number} holds a zero byte",
        needed="A corpus is UTF-8 text, one document a line.",
        remedy="Extract the text first, or leave this file out.",
    )


def _decode(line: bytes, name: str, number: int, offset: int, encoding_errors: str) -> str:
    if b"\0" in line:
        raise _not_text(name, number)
    try:
        return line.decode("utf-8", errors=encoding_errors)
    except UnicodeDecodeError as error:
        bad = line[error.start : error.start + 4].hex(" ")
        raise FileFormatError(
            f"corpus: {name}, line {number}, byte {offset + error.start}: {bad} is not UTF-8",
            needed="Text must be UTF-8.",
            remedy="Convert it (iconv -t UTF-8), or use --encoding-errors replace or ignore.",
        ) from error


def _conversations_path() -> Path:
    spec = importlib.util.find_spec(CONVERSATIONS_PACKAGE)  # finds the package without running it
    if spec is None or spec.origin is None:
        raise StorageError(
            "corpus: the conversation data set is not installed",
            needed="It comes as the package chitchat-dataset.",
            remedy="pip install 'gpuemb[demo]'",
        )
    return Path(spec.origin).with_name("dataset.json")


def _conversations(source: str) -> Iterator[str]:
    """Every message of every conversation, in the order of the file."""
    if source != DATASET + "conversations":
        raise StorageError(
            f"corpus: {source} is not known",
            needed="Known: dataset:conversations.",
            remedy="Spell it so, or name a file.",
        )
    with _open(str(_conversations_path())) as file:
        dialogues = json.load(file)
    for dialogue in dialogues.values():
        for turn in dialogue["messages"]:
            for message in turn:
                yield message["text"]
