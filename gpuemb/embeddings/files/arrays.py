"""NumPy's own files: ``.npy`` beside a list of words, ``.npz`` with both."""

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
from gpuemb.embeddings.files.source import Source, members
from gpuemb.embeddings.files.table import WORD_BYTES, Request, Table, check_words, select
from gpuemb.embeddings.files.vocabulary import (
    LineWords,
    beside,
    own_words,
    read_vocabulary,
)

MAGIC = b"\x93NUMPY"
WORDS, VECTORS = "words", "vectors"
WORDS_FILE = "words.txt"
PLAIN = re.compile(r"[<>=|]?[biufcSUVOmM]\d*")  # dtypes that are no records
LARGEST_HEADER = 10_000  # characters, as NumPy itself allows


@dataclass(frozen=True)
class Header:
    """What a ``.npy`` file says of itself.

    Attributes:
        dtype: of the numbers.
        shape: of the array.
        fortran: whether columns follow one another.
        begin: position of the first number.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    begin: int

    def layout(self, name: str) -> Layout:
        """Return how the table lies behind the header.

        Raises:
            FileFormatError: it is no table of floats.
        """
        if self.dtype.kind != "f" or self.dtype.itemsize > 8:
            raise FileFormatError(
                f"load: {name} holds {self.dtype}",
                needed="float16, float32 or float64 is needed; pickled objects are never read.",
                remedy="numpy.save(path, vectors.astype('float32')) writes it.",
            )
        if len(self.shape) != 2 or 0 in self.shape:
            raise FileFormatError(
                f"load: {name} has shape {self.shape}",
                needed="A table is needed: V words in rows, d dimensions in columns, both at least 1.",
                remedy="numpy.save(path, vectors.reshape(words, dimensions)) writes one.",
            )
        height, dim = self.shape
        return Layout(self.dtype, (height, dim), self.dtype.newbyteorder("="), as_stored, self.fortran)


def read_npy(source: Source, request: Request) -> Table:
    """Read ``.npy``; what can be mapped is mapped: whole tables of this machine's floats, in C order.

    Raises:
        FileFormatError: no array of floats, a shape that the bytes do not fill, another number of words.
        StorageError: the list of words is missing.
    """
    with source.open() as file:
        header = read_header(file, source.name)
        layout = header.layout(source.name)
        if source.size is not None and header.begin + layout.bytes > source.size:
            raise FileFormatError(
                f"load: {source.name} promises {layout.shape} numbers of {layout.dtype.itemsize} bytes "
                f"but has {source.size - header.begin} bytes",
                needed="The shape in its header must be that of its numbers.",
                remedy="Fetch or write it again: it was cut off, or its header is wrong.",
            )
        words = _words_beside(source.path, request.vocabulary, layout.shape[0])
        if isinstance(words, LineWords) and _can_be_mapped(source, header, request):
            return Table(words, np.memmap(source.path, header.dtype, "r", header.begin, layout.shape))
        kept = select(words, request)
        vectors = gather(file, layout, kept.rows, name=source.name, progress=request.progress)
    return Table(kept.words, vectors, kept.duplicates)


def _can_be_mapped(source: Source, header: Header, request: Request) -> bool:
    asked = request.memory_map and request.is_whole and request.on_error == "raise"
    return asked and source.packing == "plain" and not header.fortran and header.dtype.isnative


def _words_beside(file: Path, vocabulary: Path | None, rows: int) -> Sequence[str | None]:
    if vocabulary is not None:
        return read_vocabulary(vocabulary, rows)
    found = beside(file, [WORDS_FILE, f"../{WORDS_FILE}"])
    if found is None:
        raise StorageError(
            f"load: {file} has no words beside it",
            needed=f"{own_words(file).name} or {WORDS_FILE} is needed, with one word a line.",
            remedy="Name the list with vocabulary=….",
        )
    return read_vocabulary(found, rows)


def read_header(file: IO[bytes], name: str) -> Header:
    """Read what stands before the numbers; nothing in it is run.

    Raises:
        FileFormatError: it is not a ``.npy`` header.
    """
    start = file.read(8)
    width = 2 if start[6:7] == b"\x01" else 4
    length = int.from_bytes(file.read(width), "little")
    if not start.startswith(MAGIC) or start[6:7] not in (b"\x01", b"\x02", b"\x03"):
        raise _no_array(name, "it does not begin like one")
    if length > LARGEST_HEADER:
        raise _no_array(name, f"its header has {length} bytes")
    text = file.read(length)
    try:
        said = ast.literal_eval(text.decode("utf-8" if start[6] == 3 else "latin-1").strip())
        fortran, shape = said["fortran_order"], said["shape"]
        dtype = np.dtype(said["descr"] if PLAIN.fullmatch(said["descr"]) else "O")
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise _no_array(name, f"its header reads {text[:60]!r}") from error
    if not isinstance(shape, tuple) or not all(type(n) is int and 0 <= n < 2**62 for n in shape):
        raise _no_array(name, f"its shape is {shape!r}")
    return Header(dtype, shape, bool(fortran), 8 + width + length)


def _no_array(name: str, why: str) -> FileFormatError:
    return FileFormatError(
        f"load: {name} is not a NumPy array: {why}",
        needed="A .npy file of numbers is needed; pickled objects are never read.",
        remedy="numpy.save(path, vectors) writes one.",
    )


def write_npy(words: Sequence[str], vectors: FloatMatrix, file: IO[bytes]) -> None:
    """Write the vectors; their words stand in a file beside them."""
    np.save(file, vectors, allow_pickle=False)


def read_npz(source: Source, request: Request) -> Table:
    """Read ``.npz``: an array ``words`` of texts, and ``vectors`` (or the one that ``tensor`` names).

    Raises:
        FileFormatError: one of them is missing, is not what it should be, or is not whole.
    """
    inside = members(source.path)
    vectors = _member(source.path, inside, request.tensor or VECTORS)
    with vectors.open() as file:
        layout = read_header(file, vectors.name).layout(vectors.name)
        words: Sequence[str | None]
        if request.vocabulary is None:
            words = _texts(_member(source.path, inside, WORDS), layout.shape[0])
        else:
            words = read_vocabulary(request.vocabulary, layout.shape[0])
        kept = select(words, request)
        rows = gather(file, layout, kept.rows, name=vectors.name, progress=request.progress)
    return Table(kept.words, rows, kept.duplicates)


def _member(path: Path, inside: dict[str, zipfile.ZipInfo], name: str) -> Source:
    member = f"{name}.npy"
    if member not in inside:
        names = ", ".join(other.removesuffix(".npy") for other in list(inside)[:8])
        raise FileFormatError(
            f"load: {path} has no array {name!r}; it holds {names or 'nothing'}",
            needed=f"An array of texts {WORDS!r} and an array of floats {VECTORS!r} are needed.",
            remedy="Name others with tensor=… and vocabulary=…, or write them with "
            "numpy.savez(path, words=words, vectors=vectors).",
        )
    return Source(path, "zip", member, inside[member].file_size)


def _texts(source: Source, rows: int) -> list[str]:
    """Read an array of ``rows`` texts, a tile at a time."""
    with source.open() as file:
        header = read_header(file, source.name)
        if header.dtype.kind not in "US" or header.dtype.itemsize == 0 or header.shape != (rows,):
            raise FileFormatError(
                f"load: {source.name} holds {header.dtype} of shape {header.shape}",
                needed=f"One text a row is needed, {rows} in all; pickled objects are never read.",
                remedy="numpy.savez(path, words=numpy.array(words, dtype=str), vectors=vectors)",
            )
        step = rows_per_tile(header.dtype.itemsize, TILE)
        sizes = {"words": rows * WORD_BYTES, "a tile of texts": step * header.dtype.itemsize}
        MemoryPlan(f"load: {source.name}", sizes).require()
        words: list[str] = []
        for start, stop in tiles(rows, step):
            words += _decoded(file.read((stop - start) * header.dtype.itemsize), header.dtype, source.name)
    if len(words) != rows:
        raise FileFormatError(
            f"load: {source.name} ends after {len(words)} of {rows} words",
            needed="Its header promises more than follow.",
            remedy="Fetch or write it again: it was cut off.",
        )
    return words


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
            f"load: {name} holds what is no text: {error}",
            needed="Texts are Unicode, or UTF-8 in an array of bytes.",
            remedy="numpy.savez(path, words=numpy.array(words, dtype=str), vectors=vectors)",
        ) from error


def write_npz(words: Sequence[str], vectors: FloatMatrix, file: IO[bytes]) -> None:
    """Write ``words``, packed, and ``vectors``, as they are.

    Raises:
        FileFormatError: a word ends in a zero character, which NumPy's texts lose.
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
            info = zipfile.ZipInfo(f"{name}.npy")  # its date is fixed: equal tables make equal files
            info.compress_type = packing
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
