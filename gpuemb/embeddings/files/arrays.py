"""NumPy's formats: ``.npy`` beside a list of words, ``.npz`` with both."""

from __future__ import annotations

import ast
import re
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from gpuemb.core.arrays import FloatMatrix
from gpuemb.core.errors import FileFormatError, StorageError
from gpuemb.core.memory import MemoryPlan, rows_per_tile, tiles
from gpuemb.embeddings.files.rows import TILE, Layout, as_stored, gather
from gpuemb.embeddings.files.source import Source, in_zip, members
from gpuemb.embeddings.files.table import WORD_BYTES, Request, Table, check_words, select
from gpuemb.embeddings.files.vocabulary import (
    LineWords,
    RowWords,
    beside,
    own_words,
    read_vocabulary,
)

MAGIC = b"\x93NUMPY"
WORDS, VECTORS = "words", "vectors"
WORDS_FILE = "words.txt"
LISTS = (WORDS_FILE, f"../{WORDS_FILE}")  # of words, beside a table without one of its own
PLAIN = re.compile(r"[<>=|]?[biufcSUVOmM]\d*")  # dtypes other than records
LARGEST_HEADER = 10_000  # characters, NumPy's own limit
LONG = re.compile(r"(?<=\d)L\b")  # behind Python 2's integers


@dataclass(frozen=True)
class Header:
    """Header of a ``.npy`` file.

    Attributes:
        dtype: of the numbers.
        shape: of the array.
        fortran: whether it is in column order.
        begin: position of the first number.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    begin: int

    def layout(self, name: str) -> Layout:
        """Return the layout of the table after the header.

        Raises:
            FileFormatError: it is not a table of floats.
        """
        if self.dtype.kind != "f" or self.dtype.itemsize > 8:
            raise FileFormatError(
                f"load: {name} holds {self.dtype}",
                needed="The dtype must be float16, float32 or float64; pickled objects are never read.",
                remedy="numpy.save(path, vectors.astype('float32')) writes it.",
            )
        if len(self.shape) != 2 or 0 in self.shape:
            raise FileFormatError(
                f"load: {name} has shape {self.shape}",
                needed="A table has V words in rows and d dimensions in columns, both at least 1.",
                remedy="numpy.save(path, vectors.reshape(words, dimensions)) writes one.",
            )
        height, dim = self.shape
        return Layout(self.dtype, (height, dim), self.dtype.newbyteorder("="), as_stored, self.fortran)


def read_npy(source: Source, request: Request) -> Table:
    """Read ``.npy``; a full table in C order and native byte order is mapped.

    Raises:
        FileFormatError: not an array of floats, fewer bytes than the shape needs, another number of words.
        StorageError: the list of words is missing.
    """
    with source.open() as file:
        header = read_header(file, source.name)
        layout = header.layout(source.name)
        _require_numbers(source, header, layout)
        found = _words_beside(source.path, request.vocabulary, layout.shape[0])
        words = found.words
        if isinstance(words, LineWords) and _can_be_mapped(source, header, request):
            return Table(words, np.memmap(source.path, header.dtype, "r", header.begin, layout.shape))
        kept = select(words, request)
        vectors = gather(file, layout, kept.rows, name=source.name, progress=request.progress)
    return kept.table(vectors, unused=found.unused)


def _require_numbers(source: Source, header: Header, layout: Layout) -> None:
    """Check that the file can hold the declared numbers, before memory is reserved for them."""
    if source.most is not None and header.begin + layout.bytes > source.most:
        raise FileFormatError(
            f"load: {source.name} declares {layout.shape} numbers of {layout.dtype.itemsize} bytes "
            f"but has {'' if source.packing == 'plain' else 'at most '}{source.most - header.begin} bytes",
            needed="The shape in its header must be that of its numbers.",
            remedy="Fetch or write it again: it is truncated, or its header is wrong.",
        )


def _can_be_mapped(source: Source, header: Header, request: Request) -> bool:
    unchanged = request.is_whole and request.on_error == "raise" and request.repeated is None
    asked = request.memory_map and unchanged
    return asked and source.packing == "plain" and not header.fortran and header.dtype.isnative


def _words_beside(file: Path, vocabulary: Path | None, rows: int) -> RowWords:
    if vocabulary is not None:
        return read_vocabulary(vocabulary, rows)
    found = beside(file, LISTS)
    if found is None:
        raise StorageError(
            f"load: {file} has no words beside it",
            needed=f"Its words are in {own_words(file).name} or {WORDS_FILE}, one a line.",
            remedy="Name the list with vocabulary=….",
        )
    return read_vocabulary(found, rows)


def read_header(file: IO[bytes], name: str) -> Header:
    """Read the header; no code in it is run.

    Raises:
        FileFormatError: it is not a ``.npy`` header.
    """
    start = file.read(8)
    width = 2 if start[6:7] == b"\x01" else 4
    length = int.from_bytes(file.read(width), "little")
    if not start.startswith(MAGIC) or start[6:7] not in (b"\x01", b"\x02", b"\x03"):
        raise _no_array(name, "its first bytes are not those of .npy")
    if length > LARGEST_HEADER:
        raise _no_array(name, f"its header has {length} bytes")
    text = file.read(length)
    try:
        said = text.decode("utf-8" if start[6] == 3 else "latin-1").strip()
        fields = ast.literal_eval(LONG.sub("", said))
        fortran, shape = fields["fortran_order"], fields["shape"]
        dtype = np.dtype(fields["descr"] if PLAIN.fullmatch(fields["descr"]) else "O")
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise _no_array(name, f"its header reads {text[:60]!r}") from error
    if not isinstance(shape, tuple) or not all(type(n) is int and 0 <= n < 2**62 for n in shape):
        raise _no_array(name, f"its shape is {shape!r}")
    return Header(dtype, shape, bool(fortran), 8 + width + length)


def _no_array(name: str, why: str) -> FileFormatError:
    return FileFormatError(
        f"load: {name} is not a NumPy array: {why}",
        needed="The file must be .npy with numbers; pickled objects are never read.",
        remedy="numpy.save(path, vectors) writes one.",
    )


def write_npy(words: Sequence[str], vectors: FloatMatrix, file: IO[bytes]) -> None:
    """Write the vectors; their words are written to a separate file."""
    np.save(file, vectors, allow_pickle=False)


def read_npz(source: Source, request: Request) -> Table:
    """Read ``.npz``: an array ``words`` of texts, and ``vectors`` (or the array ``tensor``).

    Raises:
        FileFormatError: one of them is missing, of another kind, or truncated.
    """
    inside = members(source.path)
    vectors = _member(source.path, inside, request.tensor or VECTORS)
    with vectors.open() as file:
        header = read_header(file, vectors.name)
        layout = header.layout(vectors.name)
        _require_numbers(vectors, header, layout)
        if request.vocabulary is None:
            found = RowWords(_texts(_member(source.path, inside, WORDS), layout.shape[0]))
        else:
            found = read_vocabulary(request.vocabulary, layout.shape[0])
        kept = select(found.words, request)
        rows = gather(file, layout, kept.rows, name=vectors.name, progress=request.progress)
    return kept.table(rows, unused=found.unused)


def _member(path: Path, inside: dict[str, zipfile.ZipInfo], name: str) -> Source:
    member = f"{name}.npy"
    if member not in inside:
        names = ", ".join(other.removesuffix(".npy") for other in list(inside)[:8])
        raise FileFormatError(
            f"load: {path} has no array {name!r}; it holds {names or 'nothing'}",
            needed=f"It must hold an array of texts {WORDS!r} and an array of floats {VECTORS!r}.",
            remedy="Name others with tensor=… and vocabulary=…, or write them with "
            "numpy.savez(path, words=words, vectors=vectors).",
        )
    return in_zip(path, inside[member])


def _texts(source: Source, rows: int) -> list[str]:
    """Read an array of ``rows`` texts, a tile at a time."""
    with source.open() as file:
        header = read_header(file, source.name)
        if header.dtype.kind not in "US" or header.dtype.itemsize == 0 or header.shape != (rows,):
            raise FileFormatError(
                f"load: {source.name} holds {header.dtype} of shape {header.shape}",
                needed=f"It must hold one text a row, {rows} in all; pickled objects are never read.",
                remedy="numpy.savez(path, words=numpy.array(words, dtype=str), vectors=vectors)",
            )
        if source.most is not None and rows * header.dtype.itemsize > source.most:
            raise _truncated_words(source.name, f"has room for less than {rows} words")
        step = rows_per_tile(header.dtype.itemsize, TILE)
        sizes = {"words": rows * WORD_BYTES, "a tile of texts": step * header.dtype.itemsize}
        MemoryPlan(f"load: {source.name}", sizes).require()
        words: list[str] = []
        for start, stop in tiles(rows, step):
            words += _decoded(file.read((stop - start) * header.dtype.itemsize), header.dtype, source.name)
    if len(words) != rows:
        raise _truncated_words(source.name, f"ends after {len(words)} of {rows} words")
    return words


def _truncated_words(name: str, what: str) -> FileFormatError:
    return FileFormatError(
        f"load: {name} {what}",
        needed="Its header declares more than follow.",
        remedy="Fetch or write it again: it is truncated.",
    )


def _decoded(data: bytes, dtype: np.dtype[Any], name: str) -> list[str]:
    whole = data[: len(data) // dtype.itemsize * dtype.itemsize]
    units = np.dtype(np.uint32).newbyteorder(dtype.byteorder)
    codes = np.frombuffer(whole if dtype.kind == "U" else b"", units)
    try:
        if codes.max(initial=0) > sys.maxunicode:
            raise ValueError(f"character number {codes.max()}")
        texts: list[Any] = np.frombuffer(whole, dtype).tolist()
        return texts if dtype.kind == "U" else [text.decode("utf-8") for text in texts]
    except ValueError as error:
        raise FileFormatError(
            f"load: {name} holds invalid text: {error}",
            needed="Texts are Unicode, or UTF-8 in an array of bytes.",
            remedy="numpy.savez(path, words=numpy.array(words, dtype=str), vectors=vectors)",
        ) from error


def write_npz(words: Sequence[str], vectors: FloatMatrix, file: IO[bytes]) -> None:
    """Write ``words``, compressed, and ``vectors``, uncompressed.

    Raises:
        FileFormatError: a word ends in a zero character, which NumPy's texts drop.
        MemoryBudgetError: the array of texts, as wide as its longest word, does not fit the memory.
    """
    check_words(words, "", kind="an .npz file")
    check_words([word for word in words if word.endswith("\0")], "\0", kind="an array of texts")
    widest = max(map(len, words), default=1)
    MemoryPlan("save", {"texts as wide as the longest word": 4 * widest * len(words)}).require()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array, packing in (
            (WORDS, np.array(words, np.str_), zipfile.ZIP_DEFLATED),
            (VECTORS, vectors, zipfile.ZIP_STORED),
        ):
            info = zipfile.ZipInfo(f"{name}.npy")  # with a fixed date: equal tables give equal files
            info.compress_type = packing
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
