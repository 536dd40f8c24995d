"""Counts on the disk: a folder of memory-mapped arrays."""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.errors import FileFormatError, StorageError
from gpuemb.core.files import replacing_folder, to_disk
from gpuemb.core.record import versions
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.counts.table import CountTable, Provenance
from gpuemb.kernels.window_counts import CountedRows

T = TypeVar("T", bound=CountTable)

SCHEMA = 1
RECORD, WORDS = "counts.json", "words.json"
INDPTR, INDICES, DATA, FREQUENCIES = "indptr", "indices", "data", "frequencies"


def save_counts(counts: CountTable, path: Path) -> None:
    """Write counts as a folder, atomically.

    ``indptr.npy``, ``indices.npy``, ``data.npy`` are the rows in units, ``frequencies.npy`` and
    ``words.json`` the vocabulary, ``counts.json`` the unit, the provenance and the versions that wrote it.

    Raises:
        StorageError: the folder exists, or cannot be written; no partial folder stays.
    """
    check_new(path)
    with replacing_folder(path) as partial:
        rows = counts.rows
        for name, array in ((INDPTR, rows.indptr), (INDICES, rows.indices), (DATA, rows.data)):
            write_array(partial / f"{name}.npy", array)
        write_labels(counts, partial)


def check_new(path: Path) -> None:
    """Check that a path does not exist.

    Raises:
        StorageError: it exists.
    """
    if path.exists():
        raise StorageError(
            f"counts: {path} exists",
            needed="Counts are written as a new folder; nothing is overwritten.",
            remedy="Name another folder, or remove this one.",
        )


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write one ``.npy`` and flush it to the disk."""
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        to_disk(file)


def write_labels(counts: CountTable, folder: Path) -> None:
    """Write everything except the rows."""
    write_array(folder / f"{FREQUENCIES}.npy", counts.vocabulary.counts)
    (folder / WORDS).write_text(json.dumps(counts.vocabulary.words, ensure_ascii=False), "utf-8")
    record = {
        "schema": SCHEMA,
        "unit": [counts.unit.numerator, counts.unit.denominator],
        "dropped_tokens": counts.vocabulary.dropped_tokens,
        "provenance": None if counts.provenance is None else asdict(counts.provenance),
        "versions": versions(),
    }
    with (folder / RECORD).open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)
        to_disk(file)


def load_counts(path: Path, kind: type[T]) -> T:
    """Open a folder of :func:`save_counts` as ``kind``; numbers are read on first use.

    Raises:
        StorageError: the folder or a file of it is missing.
        FileFormatError: it holds something else, or files of different counts.
    """
    try:
        record = json.loads((path / RECORD).read_text("utf-8"))
        words = json.loads((path / WORDS).read_text("utf-8"))
        arrays = {name: _mapped(path / f"{name}.npy") for name in (INDPTR, INDICES, DATA, FREQUENCIES)}
    except OSError as error:
        raise StorageError(
            f"counts: {error.filename or path} cannot be read: {error.strerror}",
            needed="Counts are a folder that Cooccurrence.save or gpuemb count wrote.",
            remedy="Name that folder; Cooccurrence.from_glove reads GloVe's cooccurrence.bin.",
        ) from error
    except ValueError as error:
        raise _strange(path, str(error)) from error
    rows = CountedRows(arrays[INDPTR], arrays[INDICES], arrays[DATA])
    if record.get("schema") != SCHEMA:
        raise _strange(path, f"its schema is {record.get('schema')}, not {SCHEMA}")
    _check_lengths(path, rows, len(words), len(arrays[FREQUENCIES]))
    known = record["provenance"]
    return kind(
        rows,
        Fraction(*record["unit"]),
        Vocabulary(tuple(words), arrays[FREQUENCIES], record["dropped_tokens"]),
        None if known is None else Provenance(**known),
    )


def _mapped(file: Path) -> NDArray[Any]:
    if file.stat().st_size and np.lib.format.open_memmap(file, "r").size:
        mapped: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
        return mapped
    empty: NDArray[Any] = np.load(file, allow_pickle=False)  # an empty file cannot be mapped
    return empty


def _check_lengths(path: Path, rows: CountedRows, words: int, frequencies: int) -> None:
    stored = int(rows.indptr[-1]) if len(rows.indptr) else -1
    if not (
        len(rows.indptr) == words + 1 == frequencies + 1 and stored == len(rows.indices) == len(rows.data)
    ):
        raise _strange(
            path,
            f"{words} words, {frequencies} frequencies, {len(rows.indptr) - 1} rows, {stored} pairs, "
            f"{len(rows.indices)} columns, {len(rows.data)} counts",
        )


def _strange(path: Path, why: str) -> FileFormatError:
    return FileFormatError(
        f"counts: {path} does not hold counts: {why}",
        needed="A folder that Cooccurrence.save or gpuemb count wrote, with all its files.",
        remedy="Count again; a folder that gpuemb wrote is never half-written.",
    )
