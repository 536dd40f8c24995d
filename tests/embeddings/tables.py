"""Small tables for tests of files, and the bytes that formats make of them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float32
from gpuemb.embeddings.model import Embedding

FRUIT = ["apple", "banana", "cherry", "date", "elderberry"]
ENDINGS = (".txt", ".vec", ".bin", ".npy", ".npz", ".safetensors", ".parquet", ".txt.gz", ".vec.gz")


def numbers(words: int, dim: int = 3, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).standard_normal((words, dim)).astype(np.float32)


def table(words: list[str] = FRUIT, dtype: Any = np.float32) -> Embedding:
    return Embedding(numbers(len(words)).astype(dtype), words)


def npy(array: Any, *, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def npy_claiming(shape: str, descr: str = "'<f4'", *, fortran: str = "False", data: bytes = b"") -> bytes:
    """A ``.npy`` file with any header."""
    header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def archive(path: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def safetensors(header: Any, data: bytes = b"") -> bytes:
    """A safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def word2vec(header: str, rows: list[tuple[bytes, Float32]], between: bytes = b"\n") -> bytes:
    """A word2vec binary file with any header."""
    return header.encode() + b"".join(
        word + b" " + row.astype("<f4").tobytes() + between for word, row in rows
    )
