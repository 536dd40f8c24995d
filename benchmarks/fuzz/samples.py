"""Small valid files of every kind that is read, as ``{path: bytes}``."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import gpuemb as ge
from gpuemb.core.arrays import FloatMatrix
from gpuemb.core.random import stream

Files = dict[str, bytes]

WORDS = (
    *("the", "cat", "sat", "on", "mat", "dog", "a", "of", "größe", "naïve", "日本", "東京", "кот", "don't"),
    *("w1", "w2", "w3", "rock-n-roll", "🙂", "é", "x_y", "42", "Paris", "end"),
)
DIM = 5
CHECKSUMS = "checksums.json"  # of the files of a folder
HERE = "@HERE@"  # where a study's folder lies: the same bytes wherever that is


def vectors(dtype: str = "f4") -> FloatMatrix:
    """Return the vectors of every sample table."""
    rows = stream(0, "benchmarks", "fuzz").standard_normal((len(WORDS), DIM)).round(4)
    made: FloatMatrix = rows.astype(dtype)
    return made


def saved(name: str, **options: Any) -> Callable[[Path], None]:
    """Return a writer of a table under a name, as ``gpuemb.save`` writes it."""

    def write(folder: Path) -> None:
        ge.save(ge.Embedding(vectors(options.get("dtype", "f4")), WORDS), folder / name)

    return write


def table_text(*, header: bool, separator: str = " ", end: str = "\n") -> bytes:
    """Return a table as text, with another separator or line end where asked."""
    rows = [
        separator.join([w, *map(repr, row)]) for w, row in zip(WORDS, vectors("f8").tolist(), strict=True)
    ]
    return end.join([*([f"{len(WORDS)} {DIM}"] if header else []), *rows, ""]).encode()


def zipped(members: Files, *, packed: bool = True) -> bytes:
    """Return a zip archive without the time in it."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=archive.compression)
    return whole.getvalue()


def npy(array: Any, **options: Any) -> bytes:
    """Return an array as ``.npy``."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def table(columns: dict[str, Any], **options: Any) -> bytes:
    """Return a Parquet file of some columns."""
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def safetensors(tensors: dict[str, FloatMatrix], kind: str = "F32") -> bytes:
    """Return a safetensors file of some float32 tables."""
    header, data = dict[str, Any](), b""
    for name, rows in tensors.items():
        raw = rows.tobytes()
        header[name] = {
            "dtype": kind,
            "shape": [*rows.shape],
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    spelled = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    spelled += b" " * (-len(spelled) % 8)
    return len(spelled).to_bytes(8, "little") + spelled + data


def tokenizer() -> dict[str, Any]:
    """Return a tokenizer.json of the words."""
    added = [{"id": len(WORDS) - 1, "content": WORDS[-1], "special": True}]
    return {
        "version": "1.0",
        "added_tokens": added,
        "model": {"type": "WordPiece", "vocab": {word: row for row, word in enumerate(WORDS)}},
    }


@cache
def documents() -> tuple[str, ...]:
    """Return forty short documents of the words."""
    numbers = stream(1, "benchmarks", "fuzz")
    lengths = numbers.integers(1, 12, 40)
    return tuple(" ".join(numbers.choice(WORDS, length, p=_zipf())) for length in lengths)


def _zipf() -> Any:
    weights = 1 / np.arange(1, len(WORDS) + 1)
    return weights / weights.sum()


def text(end: str = "\n") -> bytes:
    """Return the documents, one a line, with two blank lines among them."""
    return end.join([*documents()[:20], "", *documents()[20:], "", "Tail"]).encode()


def records() -> bytes:
    """Return the documents as JSON lines."""
    return "".join(json.dumps({"id": n, "text": one}) + "\n" for n, one in enumerate(documents())).encode()


def read(folder: Path) -> Files:
    """Return every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def without_checksums(files: Files) -> Files:
    """Return folders as an earlier version wrote them: without sums, and counts with the schema of then."""
    kept = {name: data for name, data in files.items() if not name.endswith(CHECKSUMS)}
    return {
        name: data.replace(b'"schema": 2', b'"schema": 1') if name.endswith("counts.json") else data
        for name, data in kept.items()
    }


def packed(data: bytes, how: str) -> bytes:
    """Pack bytes as ``gz``, ``bz2`` or ``zst``."""
    if how == "gz":
        return gzip.compress(data, mtime=0)
    return bz2.compress(data) if how == "bz2" else bytes(pa.Codec("zstd").compress(data, asbytes=True))
