"""Counts on the disk: a folder of memory-mapped arrays."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np

from gpuemb.core.errors import FileFormatError, ShapeError, StorageError
from gpuemb.core.files import check_folder
from gpuemb.core.files.checked import (
    CheckedFiles,
    damage_of,
    is_checked,
    open_array,
    replacing_checked_folder,
)
from gpuemb.core.files.whole import read_text
from gpuemb.core.record import versions
from gpuemb.core.results import shown
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.counts.table import CountTable, Provenance, check_columns
from gpuemb.kernels.window_counts import CountedRows

T = TypeVar("T", bound=CountTable)

NO_COUNTS = " does not hold counts: "
SCHEMA, WITHOUT_CHECKSUMS = 2, 1
RECORD, WORDS = "counts.json", "words.json"
INDPTR, INDICES, DATA, FREQUENCIES = "indptr", "indices", "data", "frequencies"


def save_counts(counts: CountTable, path: Path) -> None:
    """Write counts as a folder, atomically.

    ``indptr.npy``, ``indices.npy``, ``data.npy`` are the rows in units, ``frequencies.npy`` and
    ``words.json`` the vocabulary, ``counts.json`` the unit, the provenance and the versions that wrote it,
    ``checksums.json`` the bytes and the CRC-32 of each of these files.

    Raises:
        StorageError: the folder exists, or cannot be written; no partial folder stays.
    """
    check_new(path)
    with replacing_checked_folder(path) as files:
        rows = counts.rows
        for name, array in ((INDPTR, rows.indptr), (INDICES, rows.indices), (DATA, rows.data)):
            files.array(name, array)
        _write_labels(counts, files)


def check_new(path: Path) -> None:
    """Check that a path does not exist, not even as a link to nothing.

    Raises:
        StorageError: it exists, or the folder above cannot be written.
    """
    check_folder(path.parent)
    if os.path.lexists(path):
        raise StorageError(
            f"counts: {path} exists",
            needed="Counts are written as a new folder; nothing is overwritten.",
            remedy="Name another folder, or remove this one.",
        )


def _write_labels(counts: CountTable, files: CheckedFiles) -> None:
    """Write everything except the rows."""
    files.array(FREQUENCIES, counts.vocabulary.counts)
    files.text(WORDS, json.dumps(counts.vocabulary.words, ensure_ascii=False))
    record = {
        "schema": SCHEMA,
        "unit": [counts.unit.numerator, counts.unit.denominator],
        "dropped_tokens": counts.vocabulary.dropped_tokens,
        "provenance": None if counts.provenance is None else asdict(counts.provenance),
        "versions": versions(),
    }
    files.text(RECORD, json.dumps(record, indent=1))


def load_counts(path: Path, kind: type[T]) -> T:
    """Open a folder of :func:`save_counts` as ``kind``: checked whole, then mapped.

    A folder of an earlier version has no checksums: its rows are checked to be those of a table.

    Raises:
        StorageError: the folder or a file of it is missing.
        FileFormatError: it holds something else, files of different counts, or a damaged file.

    Cost: one pass over the files, at about 1 GB/s.
    """
    checked = is_checked(path)
    if checked and (damage := damage_of(path)):
        raise _strange(path, damage)
    try:
        return _opened(path, kind, checked=checked)
    except StorageError:
        raise
    except FileFormatError as error:
        raise _strange(path, error.given.rpartition(NO_COUNTS)[2]) from error
    except OSError as error:
        raise StorageError(
            f"counts: {error.filename or path} cannot be read: {error.strerror}",
            needed="Counts are a folder that Cooccurrence.save or gpuemb count wrote.",
            remedy="Name that folder; Cooccurrence.from_glove reads GloVe's cooccurrence.bin.",
        ) from error
    except ShapeError as error:
        raise _strange(path, error.given.removeprefix("counts: ")) from error
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        raise _strange(path, f"{type(error).__name__}: {error}") from error


def _opened(path: Path, kind: type[T], *, checked: bool) -> T:
    record = json.loads(read_text(path / RECORD))
    words = json.loads(read_text(path / WORDS))
    if record["schema"] != (SCHEMA if checked else WITHOUT_CHECKSUMS):
        sums = "with" if checked else "without"
        raise _strange(path, f"its schema is {record['schema']}, {sums} checksums")
    unit = Fraction(*record["unit"])
    if unit <= 0:
        raise _strange(path, f"its unit is {unit}")
    if len(set(words)) < len(words):
        raise _strange(path, f"{WORDS} lists a word twice")
    "".join(words).encode()  # half a surrogate pair, which JSON can spell, is a ValueError
    arrays = {name: open_array(path / f"{name}.npy") for name in (INDPTR, INDICES, DATA, FREQUENCIES)}
    for name, dtype in ((INDPTR, np.int64), (INDICES, np.int32), (DATA, np.int64), (FREQUENCIES, np.int64)):
        if arrays[name].dtype != dtype or arrays[name].ndim != 1:
            raise _strange(path, f"{name}.npy is {shown(arrays[name])}, not a row of {np.dtype(dtype)}")
    rows, known = CountedRows(arrays[INDPTR], arrays[INDICES], arrays[DATA]), record["provenance"]
    found = kind(
        rows,
        unit,
        Vocabulary(tuple(words), arrays[FREQUENCIES], record["dropped_tokens"]),
        None if known is None else Provenance(**known),
    )
    if not checked:
        check_columns(rows)
    return found


def _strange(path: Path, why: str) -> FileFormatError:
    return FileFormatError(
        f"counts: {path}{NO_COUNTS}{why}",
        needed="A folder that Cooccurrence.save or gpuemb count wrote, with all its files, unchanged.",
        remedy="Count again: gpuemb count TEXT --out DIR.",
    )
