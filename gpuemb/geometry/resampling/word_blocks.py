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
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import Preparation, in_library
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.kernels.gram import GramSums

KEPT_BYTES = 1 << 29  # of sums of blocks; where they take more, each block is summed twice


def values_without_blocks(
    rows: Rows,
    preparation: Preparation,
    blocks: Sequence[Int64],
    value: Callable[[Grams], float],
    progress: Progress,
) -> Float64:
    """Return a measure with one block of words left out at a time.

    The sums of each block are kept and subtracted from their total, so that rows are read once.

    Args:
        rows: of the tables of one measure; around their means where they are to be ``centered``.
        preparation: of the rows.
        blocks: the rows of each block.
        value: the measure, from products that come without rows: raw ones where they are to be ``centered``.
        progress: of the blocks.

    Returns:
        ``(B,)``; the same bits for any number of threads.

    Cost: one float64 pass over the rows and ``B`` evaluations; ``8·B·D²`` bytes, at most ``KEPT_BYTES``.
    """
    tables = rows.tables()
    kind: Preparation = "unit" if preparation == "unit" else "raw"

    def sums_of(block: Int64) -> GramSums:
        return in_library(rows.taken(block).sums("float64"), tables[0])

    each = threads.stream if device_of(tables[0]) == CPU else map  # a GPU takes launches in order
    width = sum(int(table.shape[1]) for table in tables)
    parts: list[GramSums] | None = None
    if len(blocks) * buffer((width, width), np.float64) <= KEPT_BYTES:
        parts = list(each(sums_of, blocks))
    total = functools.reduce(operator.add, parts or map(sums_of, blocks))

    def without(place: int) -> float:
        left = total - (sums_of(blocks[place]) if parts is None else parts[place])
        grams = Grams.of(left, rows, kind, forced=True)
        return value(replace(grams, rows=grams.rows - len(blocks[place]), source=None))

    values = np.empty(len(blocks))
    with progress.phase("jackknife over words", len(blocks)) as task:
        for place, one in enumerate(each(without, range(len(blocks)))):
            values[place] = one
            task.advance()
    return values
