"""Order of a table's rows with similar ones side by side: one k-means step, then a greedy chain of centers.

The order decides the speed and never the answer: a block of similar rows holds many of each other's
neighbors, so that the thresholds start near their final values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, FloatMatrix, Int32, Int64
from gpuemb.core.jit import njit, njit_reassociated
from gpuemb.core.memory import tiles
from gpuemb.core.random import stream
from gpuemb.kernels.scoring import LANES, measure_lengths

CHUNK = 4096  # rows a task
CENTERS, SAMPLE_A_CENTER = 1024, 32  # at most; rows a center is the mean of, on average


class OrderedRows(NamedTuple):
    """Rows of length above 0, reordered.

    Attributes:
        rows: ``(n, 16·g)`` float32 or float64, columns padded with zeros.
        lengths: ``(n,)`` √κ.
        numbers: ``(n,)`` int32, which row of the caller's table each is.
        excluded: ``(n,)`` int32, the row of the table to leave out of its list, or −1.
    """

    rows: FloatMatrix
    lengths: Float64
    numbers: Int32
    excluded: Int32


def centers_of(table: FloatMatrix, lengths: Float64, block: int) -> Float32:
    """Draw one center a block from the rows of length above 0, replace it by a mean, chain similar ones."""
    numbers = stream(0, "cosine_topk", "centers")
    present = np.flatnonzero(lengths > 0)
    count = max(1, min(CENTERS, len(present) // block))
    if len(present) <= block:
        return np.zeros((1, table.shape[1]), np.float32)
    drawn = numbers.choice(present, min(len(present), SAMPLE_A_CENTER * count), replace=False)
    sample = _unit(table[drawn], lengths[drawn])
    nearest = np.argmax(sample @ sample[:count].T, axis=1)
    means = np.zeros((count, sample.shape[1]), np.float32)
    np.add.at(means, nearest, sample)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.float32(1e-30))
    return np.ascontiguousarray(means[_chain(means @ means.T)])


def _chain(similar: Float32) -> Int64:
    """Go from each center to the most similar one not yet in the chain."""
    order = np.zeros(len(similar), np.int64)
    free = np.ones(len(similar), bool)
    for step in range(1, len(similar)):
        free[order[step - 1]] = False
        order[step] = np.argmax(np.where(free, similar[order[step - 1]], -np.inf))
    return order


def nearest_centers(table: FloatMatrix, lengths: Float64, centers: Float32) -> Int32:
    """Position in the chain of the center most similar to each row."""
    nearest = np.zeros(len(table), np.int32)
    if len(centers) == 1:
        return nearest

    def label(part: tuple[int, int]) -> None:
        rows = slice(*part)
        nearest[rows] = np.argmax(_unit(table[rows], lengths[rows]) @ centers.T, axis=1)

    threads.run(label, tiles(len(table), CHUNK))
    return nearest


def _unit(rows: FloatMatrix, lengths: Float64) -> Float32:
    divisors = np.where(lengths > 0, lengths, 1.0)[:, None]
    return np.divide(rows, divisors, dtype=np.float64).astype(np.float32)


def approximate_lengths(table: FloatMatrix) -> Float64:
    """Lengths to a few digits: enough to find rows of length 0 and to scale the others."""
    lengths = np.empty(len(table))
    threads.run(lambda part: _approximate_lengths(table, lengths, *part), tiles(len(table), CHUNK))
    return lengths


def reorder(table: FloatMatrix, order: Int64, itself: Int64 | None) -> OrderedRows:
    """Copy the rows in ``order``, padded to whole groups of lanes."""
    rows = np.empty((len(order), max(1, -(-table.shape[1] // LANES)) * LANES), table.dtype)
    lengths = np.empty(len(order))

    def gather(part: tuple[int, int]) -> None:
        _gather(table, order, rows, *part)
        measure_lengths(rows, lengths, *part)

    threads.run(gather, tiles(len(order), CHUNK))
    excluded = np.full(len(order), -1) if itself is None else itself[order]
    return OrderedRows(rows, lengths, order.astype(np.int32), excluded.astype(np.int32))


@njit
def _gather(table: FloatMatrix, order: Int64, rows: FloatMatrix, first: int, last: int) -> None:
    dim = table.shape[1]
    for row in range(first, last):
        source = table[order[row]]
        for column in range(dim):
            rows[row, column] = source[column]
        for column in range(dim, rows.shape[1]):
            rows[row, column] = 0


@njit_reassociated
def _approximate_lengths(table: FloatMatrix, lengths: Float64, first: int, last: int) -> None:
    for row in range(first, last):
        total = 0.0
        for column in range(table.shape[1]):
            total += np.float64(table[row, column]) * np.float64(table[row, column])
        lengths[row] = np.sqrt(total)
