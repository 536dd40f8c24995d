"""What is mapped: one table, or several runs and their consensus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int64, device_of, native
from gpuemb.core.checks import LARGEST_FOURTH_POWER, check_matrix, check_range
from gpuemb.core.device import CPU
from gpuemb.core.errors import DeviceError, VocabularyError
from gpuemb.core.progress import Progress
from gpuemb.embeddings.model import Embedding, EmbeddingStack, named_table, vectors_of
from gpuemb.embeddings.named_tables import NamedTables
from gpuemb.geometry.consensus import Consensus, consensus

LEAST_WORDS = 2
RUNS = 3  # axes of an array of several tables


@dataclass(frozen=True, eq=False)
class Mapped:
    """The table to be drawn, and the runs that it is the mean of.

    Attributes:
        name: of the table in pictures.
        table: ``(V, d)``, native; of several runs their mean after rotation.
        words: of its rows, where known.
        counts: ``(V,)`` occurrences, where known.
        runs: names of the ``S`` runs; none of a single table.
        tables: ``S`` matrices ``(V, d)``.
    """

    name: str
    table: FloatMatrix
    words: Sequence[str] | None
    counts: Int64 | None
    runs: tuple[str, ...]
    tables: list[FloatMatrix]


def mapped(where: str, given: Any, progress: Progress) -> Mapped:
    """Return what is to be drawn: a table as it is, the consensus of several runs.

    Raises:
        VocabularyError: fewer than two words.
        ShapeError, DTypeError, NonFiniteError: no finite table, or runs that have no consensus.
        DeviceError: a table that lies on a GPU.
    """
    if isinstance(given, Consensus):
        table = check_matrix(where, "the consensus", given.mean)
        return _checked(where, Mapped("consensus", table, given.words, None, (), []))
    if (
        isinstance(given, EmbeddingStack)
        or getattr(given, "ndim", 0) == RUNS
        or isinstance(given, list | tuple)
    ):
        return _of_runs(where, given, progress)
    given = named_table(given)
    if isinstance(given, Embedding):
        table = given.check().vectors
        found = Mapped(given.name, table, given.index_to_key, given.counts, (), [])
    else:
        found = Mapped("table", check_matrix(where, "the table", vectors_of(given)), None, None, (), [])
    return _checked(where, found)


def _of_runs(where: str, given: Any, progress: Progress) -> Mapped:
    runs = NamedTables.checked(where, given)
    counts = given.counts if isinstance(given, EmbeddingStack) else None
    for table in runs.tables:
        check_host(where, table)
    if len(runs.tables) == 1:
        return _checked(where, Mapped(runs.names[0], runs.tables[0], runs.words, counts, (), []))
    common = consensus(runs.tables, progress=progress)
    name = f"consensus of {len(runs.tables)} runs"
    return _checked(where, Mapped(name, common.mean, runs.words, counts, tuple(runs.names), runs.tables))


def _checked(where: str, found: Mapped) -> Mapped:
    check_host(where, found.table)
    check_range(where, "the table", found.table, LARGEST_FOURTH_POWER)
    if found.table.shape[0] < LEAST_WORDS:
        raise VocabularyError(
            f"{where}: the table has {found.table.shape[0]} word",
            needed=f"A map needs at least {LEAST_WORDS} words.",
            remedy="Give a table of more words.",
        )
    return Mapped(
        found.name,
        native(found.table),
        found.words,
        found.counts,
        found.runs,
        [native(table) for table in found.tables],
    )


def check_host(where: str, table: FloatMatrix) -> None:
    """Check that an array lies on the host.

    Raises:
        DeviceError: it lies on a GPU.
    """
    if device_of(table) != CPU:
        raise DeviceError(
            f"{where}: the table is on {device_of(table)}",
            needed="Maps are made on the host, and gpuemb never moves a table implicitly.",
            remedy="Copy it first: cupy.asnumpy(x); device='cuda' searches its neighbors on the GPU.",
        )


def unit_rows(table: FloatMatrix, rows: Int64) -> Float64:
    """Return some rows, which have a length, scaled to length 1."""
    taken: Float64 = np.asarray(table[rows], np.float64)
    largest = np.abs(taken).max(axis=1, keepdims=True)  # lengths of tiny rows would vanish
    taken = taken / largest
    taken /= np.sqrt(np.sum(taken**2, axis=1, keepdims=True))
    return taken
