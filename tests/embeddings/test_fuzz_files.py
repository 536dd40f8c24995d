"""Spoiled files, ten thousands if slow: each is a table or one of our errors, soon, in little memory."""

from __future__ import annotations

import gzip
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embeddings.tables import ENDINGS, FRUIT, archive, npy, numbers, table
from slow import cases

from gpuemb.core.errors import DroppedWarning, GpuembError
from gpuemb.core.memory import peak_bytes
from gpuemb.embeddings.files import load, save

SEED = 20_240_229
INPUTS = {".npy": 14_000, ".npz": 9_000, ".bin": 14_000, ".bin.gz": 5_000, ".bin.zip": 5_000}
INPUTS |= {".safetensors": 14_000, ".json": 10_000, ".parquet": 6_000}
SECONDS = 5  # no spoiled file of a few hundred bytes may take longer
MOST = 200 << 20  # bytes that all of them may add to the process
TELLING = [
    b"\x00" * 8,
    b"\xff" * 8,
    b"\xff\xff\xff\x7f",
    b"\x80",
    b"\xff",
    b"\n",
    b" ",
    b"9" * 18,
    b"-1",
    b"{",
    b"[",
]
TELLING += [b"'<U9'", b"'|O'", b"True", b"None", b"]" * 40, b"1e9", b"nan", b'"', b"PK\x03\x04", b"\x93NUMPY"]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"limit": 2},
    {"words": ["apple", "fig"]},
    {"on_error": "skip"},
    {"memory_map": False},
]


def spoil(data: bytes, numbers: np.random.Generator) -> bytes:
    """Cut, repeat, overwrite or insert, once or a few times."""
    spoiled = bytearray(data)
    for _ in range(int(numbers.integers(1, 5))):
        at = int(
            numbers.integers(0, len(spoiled) + 1) if numbers.random() < 0.5 else numbers.integers(0, 100)
        )
        kind = numbers.integers(6)
        piece = TELLING[int(numbers.integers(len(TELLING)))]
        if kind == 0:
            del spoiled[at:]
        elif kind == 1:
            spoiled[at : at + 1] = bytes([int(numbers.integers(256))])
        elif kind == 2:
            spoiled[at : at + len(piece)] = piece
        elif kind == 3:
            spoiled[at:at] = piece
        elif kind == 4:
            del spoiled[at : at + int(numbers.integers(1, 9))]
        else:
            spoiled[at:at] = spoiled[: int(numbers.integers(1, 40))]
    return bytes(spoiled)


def whole(ending: str, folder: Path) -> list[bytes]:
    """Good files to begin with."""
    path = folder / f"whole{ending}"
    if ending == ".json":
        pairs = ", ".join(f'"{word}": {row}' for row, word in enumerate(FRUIT))
        return [
            f"{{{pairs}}}".encode(),
            f'{{"model": {{"vocab": {{{pairs}}}}}, "added_tokens": [{{"id": 0, "content": "x"}}]}}'.encode(),
        ]
    if ending in ENDINGS:
        save(table(), path)
    else:
        save(table(), folder / "inner.bin")
        inner = (folder / "inner.bin").read_bytes()
        if ending == ".bin.zip":
            archive(path, {"inner.bin": inner})
        else:
            path.write_bytes(gzip.compress(inner))
    found = [path.read_bytes()]
    if ending == ".npy":
        found += [npy(np.asfortranarray(numbers(5))), gzip.compress(found[0])]
    return found


@pytest.mark.parametrize("share", cases(1 / 60, slow=(1,)))
@pytest.mark.parametrize("ending", INPUTS)
def test_a_spoiled_file_is_a_table_or_an_error_of_ours(ending: str, share: float, tmp_path: Path) -> None:
    random = np.random.default_rng([SEED, *ending.encode()])
    originals = whole(ending, tmp_path)
    (tmp_path / "spoiled.words.txt").write_text("\n".join(FRUIT) + "\n")
    path = tmp_path / "spoiled"
    table_path = path
    if ending == ".json":
        path, table_path = tmp_path / "vocab.json", tmp_path / "spoiled.npy"
        table_path.write_bytes(npy(numbers(5)))
    before, slowest, outcomes = peak_bytes(), 0.0, Counter[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DroppedWarning)
        for _ in range(round(share * INPUTS[ending])):
            data = spoil(originals[int(random.integers(len(originals)))], random)
            path.write_bytes(data)
            options = dict(OPTIONS[int(random.integers(len(OPTIONS)))])
            if ending == ".json":
                options["vocabulary"] = path
            begun = time.perf_counter()
            try:
                outcomes[type(load(table_path, **options).check()).__name__] += 1
            except GpuembError as error:
                outcomes[type(error).__name__] += 1
            except BaseException:
                (tmp_path / "witness").write_bytes(data)
                raise
            slowest = max(slowest, time.perf_counter() - begun)
    assert slowest < SECONDS
    assert peak_bytes() - before < MOST
    assert len(outcomes) > 1, outcomes  # some were read, some refused: the spoiling is neither idle nor blunt


def test_there_are_enough_of_them() -> None:
    assert sum(INPUTS.values()) >= 70_000
