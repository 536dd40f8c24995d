"""Tables as text: a word and its numbers a line, with or without a first line ``V d``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import FloatMatrix
from gpuemb.core.errors import FileFormatError
from gpuemb.core.progress import Progress
from gpuemb.embeddings.files.table import Table, check_words


def read_text(
    blocks: Iterator[NDArray[np.uint8]],
    *,
    name: str,
    size: int | None,
    header: bool | None,
    dim: int | None,
    limit: int | None,
    words: Collection[str] | None,
    on_error: Literal["raise", "skip"],
    progress: Progress,
) -> Table:
    """Read a word and ``d`` numbers a line; the numbers are the last ``d`` of it."""
    lines = b"".join(block.tobytes() for block in blocks).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    lines = [line.removesuffix(b"\r").rstrip(b" ") for line in lines[: -1 if lines[-1] == b"" else None]]
    first = lines[0].split(b" ") if lines else []
    if header or (header is None and len(first) == 2 and all(part.isdigit() for part in first)):
        lines = lines[1:]
    kept: dict[str, list[float]] = {}
    duplicates = skipped = 0
    for number, line in enumerate(lines, 1):
        dim = dim or line.count(b" ")
        if len(kept) == limit:
            break
        try:
            word, *numbers = line.decode("utf-8").rsplit(" ", dim)
            row = [float(text) for text in numbers]
            if not dim or len(row) != dim:
                raise ValueError
        except ValueError as error:
            if on_error == "skip":
                skipped += 1
                continue
            raise FileFormatError(
                f"load: {name}, line {number}: {line[:40]!r}",
                needed=f"A word and {dim} numbers are needed.",
                remedy="on_error='skip' leaves such lines out.",
            ) from error
        if word in kept:
            duplicates += 1
        elif words is None or word in words:
            kept[word] = row
    with np.errstate(over="ignore"):
        vectors = np.array(list(kept.values()), np.float64).reshape(len(kept), dim or 1).astype(np.float32)
    return Table(list(kept), vectors, duplicates, skipped)


def write_text(words: Sequence[str], vectors: FloatMatrix, file: IO[bytes], *, header: bool) -> None:
    """Write a word and ``d`` numbers a line."""
    check_words(words, " \t\n\r\v\f", kind="a text of vectors")
    if header:
        file.write(b"%d %d\n" % vectors.shape)
    for word, row in zip(words, vectors.astype(np.float32), strict=True):
        file.write(f"{word} {' '.join(map(str, row))}\n".encode())
