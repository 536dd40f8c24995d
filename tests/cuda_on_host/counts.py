"""Run window_counts' launchers on the emulator, with blocks so small that little text fills many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cuda_on_host.stand_in import OutOfMemoryError
from strategies import Corpus
from tolerances import assert_same_bits

from gpuemb.core.arrays import Int64, to_device, to_host
from gpuemb.core.device import Device
from gpuemb.kernels.window_counts import (
    CountedRows,
    Side,
    Weighting,
    cuda,
    weights_of,
    window_counts,
)
from gpuemb.kernels.window_counts.cuda import chunk, sort
from gpuemb.kernels.window_counts.cuda.coo_buffer import COOBuffer
from gpuemb.kernels.window_counts.cuda.sort import TILE

CUDA = Device("cuda")
SMALL = {"COUNT_THREADS": 32, "PAIRS_A_BLOCK": 256, "SHORT_WORDS": 3, "PLACES": 128, "ROUNDS": 1}


@contextmanager
def small(**other: int) -> Iterator[None]:
    """Let few positions fill a block and few cells a table, so that a short text takes every path."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SMALL, **other}.items():
            patch.setattr(chunk, name, value)
        yield


@contextmanager
def planned(length: int, capacity: int = 0) -> Iterator[None]:
    """Set the length of chunks, and the capacity of the COO buffer if given."""

    def plan(tokens: int, words: int, documents: int, window: int, free: int, **_: Any) -> cuda.Plan:
        cut = min(length, tokens)
        return cuda.Plan(cut, max(2 * words, capacity or tokens * window, cut * window))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "plan", plan)
        yield


@contextmanager
def running_out(chunks: int) -> Iterator[None]:
    """Let the device's memory run out with each chunk of more tokens."""
    count = cuda.count_chunk

    def sparing(corpus: Any, ids: Any, base: int, begin: int, *rest: Any) -> None:
        if len(ids) - begin > chunks:
            raise OutOfMemoryError("out of memory")
        count(corpus, ids, base, begin, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "count_chunk", sparing)
        yield


@dataclass(frozen=True)
class Case:
    """A corpus, and how it is counted."""

    corpus: Corpus
    window: int = 4
    weighting: Weighting = "harmonic"
    side: Side = "both"
    repeats: Int64 | None = None

    def given(self) -> tuple[Any, ...]:
        """The kernel's arguments, arrays of the host."""
        weights, _ = weights_of(self.window, self.weighting)
        return self.corpus.ids, self.corpus.starts, self.repeats, self.corpus.words, weights, self.side

    def expected(self) -> CountedRows:
        """The reference's counts."""
        return window_counts.reference(*self.given())

    def found(self, *, on_host: bool = False) -> CountedRows:
        """Count on the installed emulator, arrays on the host or on the device; return NumPy's."""
        given = list(self.given())
        if not on_host:
            given = [to_device(one, CUDA) if isinstance(one, np.ndarray) else one for one in given]
        rows = window_counts.on(CUDA)(*given)
        assert type(rows.data) is type(given[0])
        return CountedRows(*(np.array(to_host(one)) for one in (rows.indptr, rows.indices, rows.data)))


def assert_same(found: CountedRows, expected: CountedRows) -> None:
    """Every number is the same."""
    for field in ("indptr", "indices", "data"):
        assert_same_bits(getattr(found, field), getattr(expected, field))


def zipf(tokens: int, words: int, seed: int, length: int = 40) -> Corpus:
    """Documents of a few frequent words and many rare ones, numbered in no order of frequency."""
    numbers = np.random.default_rng(seed)
    shares = 1 / np.arange(1, words + 1)
    drawn = numbers.permutation(words)[numbers.choice(words, tokens, p=shares / shares.sum())]
    cuts = np.sort(numbers.integers(0, tokens, tokens // length))
    return Corpus([part.tolist() for part in np.split(drawn, cuts)], words)


CASES = {
    "one word": Case(Corpus([[0] * 70], 1), 5),
    "one word, left": Case(Corpus([[0] * 30, [], [0] * 3], 1), 3, "flat", "left"),
    "all distinct": Case(Corpus([list(range(60))], 60), 6),
    "all distinct, right": Case(Corpus([list(range(59, -1, -1))], 60), 6, "linear", "right"),
    "empty": Case(Corpus([], 3)),
    "empty documents": Case(Corpus([[], [], []], 2)),
    "one token": Case(Corpus([[2]], 4)),
    "single tokens": Case(Corpus([[3], [1], [], [3], [0]], 4)),
    "short documents": Case(Corpus([[1, 0], [2, 2, 1], [0], [4, 3, 4]], 5), 20),
    "repeated": Case(zipf(120, 20, 1, 9), 5, "harmonic", "both", np.arange(14) % 3),
    "repeated, left": Case(zipf(120, 20, 2, 9), 3, "linear", "left", np.arange(14) % 4),
    "beyond 32 bits": Case(Corpus([[0, 1, 1, 0] * 8], 2), 25, "harmonic", "right", np.array([10**6])),
    "at 32 bits": Case(Corpus([[0, 1], [1, 0, 2]], 3), 1, "flat", "both", np.array([2**32 - 1, 1])),
    "zipf": Case(zipf(300, 90, 3), 7),
    "zipf, right": Case(zipf(300, 90, 4), 7, "flat", "right"),
    "wide": Case(zipf(90, 300, 5), 25),
}


SIZES = [(1, 8), (33, 5), (700, 20), (TILE + 5, 11), (3 * TILE - 1, 3), (900, 64)]


def assert_sorted(size: int, bits: int, width: int) -> None:
    """Sort numbers with many equals, as two blocks of several tiles where there are as many."""
    numbers = np.random.default_rng(size + bits)
    dtype = np.dtype(f"uint{8 * width}")
    given = numbers.integers(0, 2**bits - 1, size, dtype, endpoint=True)
    given[numbers.integers(0, size, size // 2)] = given[:1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sort, "MOST_BLOCKS", 2)
        keys = to_device(given, CUDA), to_device(np.zeros_like(given), CUDA)
        places = to_device(np.arange(size, dtype=dtype), CUDA), to_device(np.zeros_like(given), CUDA)
        at = sort.Sorter().sort(keys, places, size, bits)
    order = np.argsort(given, kind="stable")
    assert_same_bits(np.array(keys[at]), given[order])
    assert_same_bits(np.array(places[at]), order.astype(dtype))


def drawn_cells(cells: COOBuffer, size: int, words: int, *, lower: bool = False) -> Int64:
    """Append entries in any order; return the matrix of their sums."""
    numbers = np.random.default_rng(size + words)
    rows, columns = numbers.integers(0, words, (2, size))
    if lower:
        rows, columns = np.maximum(rows, columns), np.minimum(rows, columns)
    sums = numbers.integers(1, 2**40, size)
    cells.keys[0, :size] = to_device((rows * words + columns).astype(np.uint64), CUDA)
    cells.sums[0, :size] = to_device(sums.astype(np.uint64), CUDA)
    cells.filled[:] = cells.most = size
    whole = np.zeros((words, words), np.int64)
    np.add.at(whole, (rows, columns), sums)
    return whole


def assert_merged(size: int, words: int) -> None:
    """Entries of equal cells become one, in order."""
    cells = COOBuffer(words, max(2 * words, size), sort.Sorter())
    whole = drawn_cells(cells, size, words).reshape(-1)
    cells.merge()
    there = np.flatnonzero(whole)
    assert cells.most == int(cells.filled[0]) == len(there)
    assert_same_bits(np.array(cells.keys[cells.side, : cells.most]), there.astype(np.uint64))
    assert_same_bits(np.array(cells.sums[cells.side, : cells.most]).view(np.int64), whole[there])


def assert_rows(words: int, capacity: int, *, mirrored: bool) -> None:
    """Rows are those of the words that the ranks name, and images are added."""
    cells = COOBuffer(words, capacity, sort.Sorter())
    ranked = drawn_cells(cells, capacity, words, lower=mirrored)
    order = np.random.default_rng(words).permutation(words)
    whole = np.zeros_like(ranked)
    whole[np.ix_(order, order)] = ranked + ranked.T if mirrored else ranked
    found = cells.rows(to_device(order.astype(np.int32), CUDA), mirrored=mirrored, on_host=True)
    rows, columns = np.nonzero(whole)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=words))]).astype(np.int64)
    assert_same(found, CountedRows(indptr, columns.astype(np.int32), whole[rows, columns]))
    assert cells.most == int(cells.filled[0]) == 0
