"""Jackknife over blocks of words: the products of two tables with one block of words left out at a time."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int64, device_of
from gpuemb.core.device import CPU
from gpuemb.core.memory import buffer
from gpuemb.core.progress import Progress
from gpuemb.core.random import stream
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import in_library
from gpuemb.kernels.gram import GramSums

FEW_WORDS, FEW_BLOCKS, BLOCKS = 500, 20, 50  # Definitions §5
KEPT_BYTES = 1 << 29  # of sums of blocks; where they take more, each block is summed twice


def block_count(words: int) -> int:
    """Return how many blocks a jackknife over so many words has."""
    return min(words, FEW_BLOCKS if words < FEW_WORDS else BLOCKS)


def deal(words: int, blocks: int, seed: int) -> list[Int64]:
    """Deal the words to blocks by a named stream; return the rows of each block, ascending."""
    order = stream(seed, "jackknife", "words").permutation(words)
    return [np.sort(order[block::blocks]) for block in range(blocks)]


def values_without_blocks(
    grams: Grams, blocks: Sequence[Int64], value: Callable[[Grams], float], progress: Progress
) -> Float64:
    """Return a measure with one block of words left out at a time.

    The sums of each block are kept and subtracted from their total, so that rows are read once.

    Args:
        grams: products of the tables of one measure, with their rows.
        blocks: the rows of each block.
        value: the measure of such products; they come without rows.
        progress: of the blocks.

    Returns:
        ``(B,)``; the same bits for any number of threads.

    Cost: one float64 pass over the rows and ``B`` evaluations; ``8·B·D²`` bytes, at most ``KEPT_BYTES``.
    """
    rows = grams.source_rows()

    def sums_of(block: Int64) -> GramSums:
        return in_library(rows.taken(block).sums("float64"), grams.products)

    def summed() -> list[GramSums]:
        together = threads.run if device_of(grams.products) == CPU else _in_order
        return together(sums_of, blocks)

    keep = len(blocks) * buffer(tuple(grams.products.shape), np.float64) <= KEPT_BYTES
    parts = summed() if keep else None
    total = functools.reduce(operator.add, parts or map(sums_of, blocks))

    def without(place: int) -> float:
        part = parts[place] if parts is not None else sums_of(blocks[place])
        return value(_left(grams, total, part, rows.count - len(blocks[place])))

    values = np.empty(len(blocks))
    with progress.phase("jackknife over words", len(blocks)) as task:
        for place, one in enumerate(threads.stream(without, range(len(blocks)))):
            values[place] = one
            task.advance()
    return values


def _in_order(function: Callable[[Int64], GramSums], tasks: Sequence[Int64]) -> list[GramSums]:
    return [function(task) for task in tasks]


def _left(grams: Grams, total: GramSums, part: GramSums, words: int) -> Grams:
    """The products of the words that are left, prepared as ``grams`` are, without rows."""
    sums = total - part
    zeros = int(sums.left_out)
    left = replace(
        grams,
        preparation="raw" if grams.preparation == "centered" else grams.preparation,
        rows=words - (zeros if grams.preparation == "unit" else 0),
        products=sums.products,
        sums=sums.sums,
        norms=sums.norms,
        weighted=sums.weighted,
        zeros=zeros,
        lengths=sums.lengths,
        images=None,
        source=None,
        forced=True,
        first_row=None,
        nodes=(),
    )
    return left.centered() if grams.preparation == "centered" else left
