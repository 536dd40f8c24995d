"""Counts of corpora larger than memory: runs of whole documents on the disk, merged once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.files import writing
from gpuemb.core.files.partial import partial_folder
from gpuemb.core.memory import MemoryPlan
from gpuemb.core.progress import Progress
from gpuemb.corpus.tokens import Tokens
from gpuemb.kernels.window_counts import CountedRows, plan_window_counts

Count: TypeAlias = Callable[[Int32, Int64, Int64 | None], CountedRows]
MERGE_BYTES = 64  # of a cell while it is merged: read, added two by two, written
LONGEST_RUN = 2**31 - 1  # tokens: positions are int32


@dataclass(frozen=True)
class RunBudget:
    """Memory budget of counting.

    Attributes:
        bytes: beside the tokens.
        words: ``V``.
        reach: tokens in a window without its center.
        scratch: folder for runs; None is the system's.
    """

    bytes: int
    words: int
    reach: int
    scratch: Path | None = None

    def plan(self, tokens: int, *, resampled: bool) -> MemoryPlan:
        """Return the memory of counting that many tokens at once."""
        return plan_window_counts(tokens, self.words, self.reach, resampled=resampled)


def count_within(
    count: Count, tokens: Tokens, repeats: Int64 | None, budget: RunBudget, progress: Progress
) -> CountedRows:
    """Count in memory if that surely fits the budget, else in runs, to the same bits.

    Raises:
        MemoryBudgetError: not even one document fits.
        StorageError: the runs cannot be written.
    """
    runs = cut_documents(tokens.starts, repeats, budget)
    if len(runs) <= 1:
        return count(tokens.ids, tokens.starts, repeats)
    place = Path(tempfile.gettempdir()) if budget.scratch is None else budget.scratch
    with writing(place), partial_folder(place) as folder:
        with progress.phase("counting runs", len(runs)) as task:
            for number, (first, last) in enumerate(runs):
                low, high = tokens.starts[first], tokens.starts[last]
                times = None if repeats is None else repeats[first:last]
                starts = np.asarray(tokens.starts[first : last + 1] - low)
                _write_run(folder / f"{number}.run", count(tokens.ids[low:high], starts, times))
                task.advance()
        return _merged(folder, len(runs), budget, progress)


def cut_documents(starts: Int64, repeats: Int64 | None, budget: RunBudget) -> list[tuple[int, int]]:
    """Cut the documents into the fewest runs that fit the budget.

    Raises:
        MemoryBudgetError: one document alone does not fit; its bytes are named.
    """
    resampled = repeats is not None
    most = _most_tokens(int(starts[-1]), budget, resampled=resampled)
    found, first = [], 0
    while first < len(starts) - 1:
        last = int(np.searchsorted(starts, starts[first] + most, side="right")) - 1
        if last <= first:
            last = first + 1
            budget.plan(int(starts[last] - starts[first]), resampled=resampled).require(budget.bytes)
        found.append((first, last))
        first = last
    return found


def _most_tokens(tokens: int, budget: RunBudget, *, resampled: bool) -> int:
    """Return the most tokens that fit at once, by bisection of the plan, which grows with them."""
    low, high = 0, min(tokens, LONGEST_RUN) + 1
    while high - low > 1:
        middle = (low + high) // 2
        fits = budget.plan(middle, resampled=resampled).bytes <= budget.bytes
        low, high = (middle, high) if fits else (low, middle)
    return low


def _write_run(path: Path, rows: CountedRows) -> None:
    """Write a run as one file: indptr, then data, then indices."""
    with path.open("wb") as file:
        for array in (rows.indptr, rows.data, rows.indices):
            array.tofile(file)


def _open_run(path: Path, words: int) -> CountedRows:
    indptr: Any = np.memmap(path, np.int64, "r", shape=(words + 1,))
    cells = int(indptr[-1])
    if not cells:
        return CountedRows(indptr, np.empty(0, np.int32), np.empty(0, np.int64))
    data: Any = np.memmap(path, np.int64, "r", offset=indptr.nbytes, shape=(cells,))
    indices: Any = np.memmap(path, np.int32, "r", offset=indptr.nbytes + data.nbytes, shape=(cells,))
    return CountedRows(indptr, indices, data)


def _merged(folder: Path, number: int, budget: RunBudget, progress: Progress) -> CountedRows:
    """Add the runs, a block of rows at a time, into two mapped files; their names may be deleted."""
    runs = [_open_run(folder / f"{run}.run", budget.words) for run in range(number)]
    blocks = _row_blocks(np.sum([np.diff(run.indptr) for run in runs], axis=0), budget.bytes // MERGE_BYTES)
    lengths: list[Int64] = [np.zeros(1, np.int64)]
    columns, values = folder / "indices", folder / "data"
    with (
        progress.phase("merging runs", len(blocks)) as task,
        columns.open("wb") as indices,
        values.open("wb") as data,
    ):
        for first, last in blocks:
            lengths.append(_write_sum(runs, first, last, budget.words, indices, data))
            task.advance()
    indptr = np.cumsum(np.concatenate(lengths))
    if not indptr[-1]:
        return CountedRows(indptr, np.empty(0, np.int32), np.empty(0, np.int64))
    return CountedRows(indptr, np.memmap(columns, np.int32, "r"), np.memmap(values, np.int64, "r"))


def _row_blocks(cells: Int64, most: int) -> list[tuple[int, int]]:
    """Cut the rows into blocks of at most ``most`` cells of all runs (a single row may hold more)."""
    reached = np.concatenate([[0], np.cumsum(cells)])
    found, first = [], 0
    while first < len(cells):
        last = int(np.searchsorted(reached, reached[first] + most, side="right")) - 1
        last = max(first + 1, last)
        found.append((first, last))
        first = last
    return found


def _write_sum(
    runs: Sequence[CountedRows], first: int, last: int, words: int, indices: IO[bytes], data: IO[bytes]
) -> Int64:
    """Add some rows of all runs and append the sums; return the cells of each row."""
    parts = list(_rows(runs, first, last, words))
    while len(parts) > 1:
        parts = [sum(parts[at + 1 : at + 2], parts[at]) for at in range(0, len(parts), 2)]
    whole = parts[0]
    whole.indices.astype(np.int32).tofile(indices)
    whole.data.tofile(data)
    ends: Int64 = np.asarray(whole.indptr).astype(np.int64)
    return np.diff(ends)


def _rows(runs: Sequence[CountedRows], first: int, last: int, words: int) -> Iterator[Any]:
    from scipy.sparse import csr_matrix

    for run in runs:
        borders = np.asarray(run.indptr[first : last + 1])
        cells = slice(borders[0], borders[-1])
        values, columns = np.asarray(run.data[cells]), np.asarray(run.indices[cells])
        yield csr_matrix((values, columns, borders - borders[0]), shape=(last - first, words))
