"""Pairs of frequent words: a table of sums; and their rows, mirrored from those of the rarer words.

Plan      Few words make most of a text: of 100,000, the first 512 make two thirds. The pairs among them are
          added, once, into a table of 512 · 512, in one pass over the tokens. A pair of a frequent and a
          rarer word is counted in the rarer one's row, and copied from there when all those rows are done. So
          the windows around frequent words, most of all windows, are never read.
Bound by  additions into the table, whose corner of the most frequent words stays in L1.
Memory    8·513·512 bytes a worker.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.intrinsics import borrowed
from gpuemb.kernels.window_counts.cpu.row_ranges import CellArrays
from gpuemb.kernels.window_counts.cpu.word_positions import Documents, TokenRange, token_ranges

ONE = np.uint64(1)


class _PairWork(NamedTuple):
    ids: Int32
    starts: Int64
    repeats: Int64
    weights: Int64
    table: Int64


class _MirrorWork(NamedTuple):
    """Arrays that writing the rows of frequent words reads and writes.

    Attributes:
        table: ``(F, F)`` the counts among frequent words.
        ends: end of each rarer word's row, after the begin of the first.
        cursor: ``(F,)`` place of the next cell of each frequent word.
        indices, data: all cells.
    """

    table: Int64
    ends: Int64
    cursor: Int64
    indices: Int32
    data: Int64


def count_frequent(corpus: Documents, frequent: int, weights: Int64) -> Int64:
    """Count, both sides, the pairs of words below ``frequent``: ``(F, F)``, symmetric."""

    def count(part: TokenRange) -> Int64:
        table = np.zeros((frequent, frequent + 1), np.int64)
        _add_pairs(_PairWork(*corpus, weights, table), *part)
        return table

    tables = threads.run(count, token_ranges(corpus.starts, threads.count()))
    upper = np.zeros((frequent, frequent), np.int64)
    for table in tables:
        upper += table[:, :frequent]
    both: Int64 = upper + upper.T
    return both


@njit
def _add_pairs(work: _PairWork, first: int, last: int, low: int, high: int) -> None:
    """Add each pair whose first token is in ``low:high`` above the diagonal; rarer words: a last column."""
    work = borrowed(work)
    ids, starts, repeats, weights, table = work.ids, work.starts, work.repeats, work.weights, work.table
    frequent, window = np.int64(table.shape[0]), weights.size - 1
    for document in range(first, last):
        end = starts[document + 1]
        times = repeats[document if repeats.size > 1 else 0]
        if times == 0:
            continue
        for position in range(max(low, starts[document]), min(high, end)):
            word = np.int64(ids[position])
            if word < frequent:
                for distance in range(1, min(window, end - 1 - position) + 1):
                    context = np.int64(ids[np.uint64(position + distance)])
                    row, column = np.uint64(min(word, context)), np.uint64(min(max(word, context), frequent))
                    table[row, column] += times * weights[np.uint64(distance)]


def write_frequent_rows(table: Int64, ends: Int64, cells: CellArrays) -> Int64:
    """Write the frequent words' rows before those of the rarer ones; return the begin of each.

    Args:
        table: counts among the frequent words.
        ends: end of each rarer word's row, after the begin of the first.
        cells: the rows of the rarer words; a frequent word's row is mirrored from them.
    """
    frequent, rare = len(table), len(ends) - 1
    shared = np.zeros((threads.count(), frequent), np.int64)
    equal = np.searchsorted(ends, np.linspace(ends[0], ends[-1], len(shared) + 1)[1:-1])
    parts = list(pairwise([0, *equal.tolist(), rare]))

    def count(part: int) -> None:
        _count_shared(ends, cells.indices, shared[part], *parts[part])

    threads.run(count, range(len(parts)))
    lengths: Int64 = np.count_nonzero(table, axis=1) + shared.sum(axis=0)
    reached = np.cumsum(lengths)
    begins: Int64 = cells.reserve_before(int(reached[-1])) + reached - lengths
    work = _MirrorWork(table, ends, begins.copy(), cells.indices, cells.data)
    shares = np.linspace(0, reached[-1], threads.count() + 1)[1:-1]

    def write(part: tuple[int, int]) -> None:
        _write_rows(work, *part)

    threads.run(write, pairwise([0, *np.searchsorted(reached, shares).tolist(), frequent]))
    return begins


@njit
def _count_shared(ends: Int64, indices: Int32, counts: Int64, first: int, last: int) -> None:
    for row in range(first, last):
        for place in range(ends[row], ends[row + 1]):
            column = indices[place]
            if column >= counts.size:
                break
            counts[np.uint32(column)] += 1


@njit
def _write_rows(work: _MirrorWork, first: int, last: int) -> None:
    """Write the rows of some frequent words: cells of the table, then mirrored cells of the rarer words."""
    work = borrowed(work)
    table, ends, cursor, indices, data = work.table, work.ends, work.cursor, work.indices, work.data
    frequent = table.shape[0]
    for word in range(first, last):
        target = np.uint64(cursor[word])
        for column in range(frequent):
            value = table[word, column]
            if value != 0:
                indices[target] = column
                data[target] = value
                target += ONE
        cursor[word] = target
    for row in range(ends.size - 1):
        for place in range(ends[row], ends[row + 1]):
            word = indices[place]
            if word >= last:
                break
            if word >= first:
                target = np.uint64(cursor[np.uint32(word)])
                cursor[np.uint32(word)] += 1
                indices[target] = frequent + row
                data[target] = data[place]
