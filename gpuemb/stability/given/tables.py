"""Finished tables over the words of a study's text, kept as units of work."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import FloatMatrix, Int64, to_host
from gpuemb.core.errors import DroppedWarning, StorageError, VocabularyError
from gpuemb.core.progress import Progress
from gpuemb.corpus.sources import fingerprint
from gpuemb.embeddings.files import load
from gpuemb.embeddings.model import Embedding, EmbeddingStack
from gpuemb.embeddings.parts import parts_of
from gpuemb.embeddings.stack import Case, stack
from gpuemb.stability.config import digest_of
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.graph import Arrays, Context, Kept, Source, Unit
from gpuemb.stability.kept.runs import RunHistories
from gpuemb.stability.result import ModelResult, WordMeasures
from gpuemb.stability.units.text import vocabulary_of

Cell = TypeVar("Cell", bound=np.generic)
TABLE = "tables"  # units of work that hold the rows of one file


@dataclass(frozen=True)
class ReadTables:
    """Reads files of vectors, over the words that a text and all files have.

    Attributes:
        model: the files.
        states: of each of their parts as its digest was taken.
    """

    model: TablesConfig
    states: tuple[tuple[Path, tuple[int, int]], ...]

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> dict[str, Arrays]:
        """Return the rows of each file under its place, with the places of their words in the text.

        Raises:
            StorageError, FileFormatError, NonFiniteError, MemoryBudgetError: as :func:`gpuemb.load`, or a
                file changed while it was read.
            VocabularyError: fewer than two words are shared.
        """
        found, rows = _shared(self.model, vocabulary_of(inputs["text"]).words, context.progress)
        for path, state in self.states:
            if _state(path) != state:
                raise _changed(path)
        tables = found.tables()
        return {name: {"vectors": _floats(tables[int(name)]), "rows": rows} for name in wanted}


def tables_unit(model: TablesConfig, text: Source) -> Unit:
    """Return the unit of finished tables.

    It is kept under the contents of all files: which words are shared depends on each.

    Raises:
        StorageError: a file cannot be read.
    """
    states = tuple((path, _state(path)) for file in model.files for path in parts_of(file))
    contents = [[fingerprint(str(path)) for path in parts_of(file)] for file in model.files]
    digest = text.kept.digest
    kept = {
        str(place): Kept(TABLE, digest_of(digest, model.case, contents, own))
        for place, own in enumerate(contents)
    }
    return Unit(f"read {model.name}", ReadTables(model, states), kept, {"text": text})


def note_shared(
    model: TablesConfig, keys: Sequence[str], rows: Int64, words: int, progress: Progress
) -> None:
    """Say how many words are shared, and which files hold the same table."""
    progress.note(
        f"{model.name}: {len(rows):,} of the {words:,} words of the text are in all {len(keys)} tables."
    )
    for place, key in enumerate(keys):
        if key in keys[:place]:
            a, b = model.files[keys.index(key)], model.files[place]
            progress.note(f"{model.name}: {a} and {b} hold the same table, so they agree in all.")


def _shared(model: TablesConfig, words: Sequence[str], progress: Progress) -> tuple[EmbeddingStack, Int64]:
    """Read every file, and keep the words of the text that all have, in the order of the text."""
    wanted = words if model.case == "exact" else None  # case is folded after reading
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DroppedWarning)  # what is kept is said instead
        opened = [load(file, words=wanted, progress=progress).check() for file in model.files]
    text = Embedding(np.zeros((len(words), 1), np.float32), words, name="the text")
    together = stack([text, *opened], case=model.case)
    if len(together.index_to_key) < 2:
        raise VocabularyError(
            f"tables {model.name}: the text and its {len(opened)} tables share 1 word",
            needed="Neighbors of a word are others that the text and all tables have.",
            remedy="Match words without regard to case: case = 'lower'.",
        )
    tables = tuple(together.tables()[1:])
    rows = _first_rows(words, model.case, together.index_to_key)
    return EmbeddingStack(tables, together.index_to_key, runs=model.runs), rows


def _first_rows(words: Sequence[str], case: Case, shared: Sequence[str]) -> Int64:
    first: dict[str, int] = {}
    for row, word in enumerate(words):
        first.setdefault(word.lower() if case == "lower" else word, row)
    return np.array([first[word] for word in shared], np.int64)


def _floats(table: FloatMatrix) -> NDArray[Any]:
    """Return what measures take: float16 is widened."""
    host = to_host(table)
    return host.astype(np.float32) if host.dtype == np.float16 else host


def _state(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _changed(path: Path) -> StorageError:
    return StorageError(
        f"tables: {path} changed while it was read",
        needed="A table must not change while it is read.",
        remedy="Read it again when no process writes to it, or read a copy.",
    )


def spread(found: ModelResult, rows: Int64, words: int) -> ModelResult:
    """Set what was found of some words of a vocabulary among all of them.

    Args:
        found: over ``W`` words.
        rows: ``(W,)`` their places.
        words: ``V``, of the vocabulary.

    Returns:
        Words that were not measured have no neighbors and no values, as words without a vector have.
    """
    shape = (len(found.runs), words, found.neighbor_ids.shape[2])
    ids, scores = np.full(shape, -1, np.int32), np.full(shape, np.nan)
    ids[:, rows] = np.where(found.neighbor_ids >= 0, rows[found.neighbor_ids], -1)
    scores[:, rows] = found.neighbor_scores
    of = found.words

    def placed(values: NDArray[Cell]) -> NDArray[Cell]:
        whole = np.full(words, 0 if values.dtype.kind == "i" else np.nan).astype(values.dtype)
        whole[rows] = values
        return whole

    none = tuple(np.empty(0) for _ in found.runs)
    measures = WordMeasures(
        overlap=placed(of.overlap),
        overlap_low=placed(of.overlap_low),
        aligned_cosine=placed(of.aligned_cosine),
        unaligned_cosine=placed(of.unaligned_cosine),
        neighbors_in_all_runs=placed(of.neighbors_in_all_runs),
        joint_reliability=placed(of.joint_reliability),
        k_occurrence=placed(of.k_occurrence),
        more={name: placed(values) for name, values in of.more.items()},
    )
    histories = RunHistories(none, none)
    return replace(found, neighbor_ids=ids, neighbor_scores=scores, words=measures, histories=histories)
