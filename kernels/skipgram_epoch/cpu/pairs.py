"""Pairs of a piece of the corpus, counted and then written bucket by bucket."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.skipgram_epoch import GOLDEN, HALF, PARTS, Pairs, UInt64, bounds_of
from gpuemb.kernels.skipgram_epoch.cpu.numbers import mixed


def skipgram_pairs(
    ids: Int32,
    starts: Int64,
    span: tuple[int, int],
    keep: UInt64,
    window: int,
    key: int,
    blocks: Int32,
    block_count: int,
) -> Pairs:
    """See :mod:`gpuemb.kernels.skipgram_epoch`."""
    ids, starts = _read_only(ids), _read_only(starts)
    parts = threads.ranges(span[1] - span[0], PARTS * threads.count())
    places = np.zeros((len(parts), block_count**2), np.int64)
    rows, columns = blocks[0] * np.int32(block_count), blocks[1]

    def visit(part: int, inputs: Int32, outputs: Int32) -> None:
        first, last = (span[0] + cut for cut in parts[part])
        place = places[part]
        _visit(ids, starts, first, last, keep, window, np.uint64(key), rows, columns, place, inputs, outputs)

    nothing = np.empty(0, np.int32)
    threads.run(lambda part: visit(part, nothing, nothing), range(len(parts)))
    sizes = places.sum(axis=0)
    before = np.cumsum(places, axis=0) - places
    places[:] = before + (np.cumsum(sizes) - sizes)  # where each part writes its pairs of each bucket
    inputs, outputs = (np.empty(int(sizes.sum()), np.int32) for _ in range(2))
    if len(inputs):
        threads.run(lambda part: visit(part, inputs, outputs), range(len(parts)))
    return Pairs(inputs, outputs, bounds_of(sizes, block_count))


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """View an array so that one compiled kernel serves memory maps and arrays."""
    viewed = np.asarray(array).view()
    viewed.flags.writeable = False
    return viewed


@njit
def _visit(
    ids: Int32,
    starts: Int64,
    first: int,
    last: int,
    keep: UInt64,
    window: int,
    key: np.uint64,
    rows: Int32,
    columns: Int32,
    places: Int64,
    inputs: Int32,
    outputs: Int32,
) -> None:
    """Count the pairs of a part, or write them if there are arrays for them; ``places`` moves on."""
    words = np.empty(last - first + 2 * window, np.int32)
    reach = np.empty(last - first + 2 * window, np.int64)
    document = np.searchsorted(starts, first, side="right") - 1
    while document < len(starts) - 1 and starts[document] < last:
        begin, end = starts[document], starts[document + 1]
        document += 1
        before = np.int64(0)  # kept tokens of the document in front of the part
        place = min(max(begin, first), end) - 1
        while place >= begin and before < window:
            if _number(key, place) >> np.uint64(32) < keep[ids[place]]:
                before += 1
                words[window - before] = ids[place]
            place -= 1
        after = np.int64(window)  # where outputs end
        for place in range(max(begin, first), min(end, last)):
            number, word = _number(key, place), ids[place]
            if number >> np.uint64(32) < keep[word]:
                words[after] = word
                low = number & np.uint64(HALF - 1)
                reach[after] = 1 + np.int64(low * np.uint64(window) >> np.uint64(32))
                after += 1
        kept = after
        place = min(end, last)
        while place < end and kept < after + window:
            if _number(key, place) >> np.uint64(32) < keep[ids[place]]:
                words[kept] = ids[place]
                kept += 1
            place += 1
        _emit(words, reach, window - before, after, kept, window, rows, columns, places, inputs, outputs)


@njit
def _emit(
    words: Int32,
    reach: Int64,
    begin: np.int64,
    after: np.int64,
    end: np.int64,
    window: int,
    rows: Int32,
    columns: Int32,
    places: Int64,
    inputs: Int32,
    outputs: Int32,
) -> None:
    writing = len(inputs) > 0
    for i in range(window, after):
        output = words[i]
        column = columns[output]
        for j in range(max(begin, i - reach[i]), min(end, i + reach[i] + 1)):
            if j != i:
                bucket = rows[words[j]] + column
                if writing:
                    inputs[places[bucket]] = words[j]
                    outputs[places[bucket]] = output
                places[bucket] += 1


@njit
def _number(key: np.uint64, counter: int) -> np.uint64:
    return mixed(key + np.uint64(counter) * np.uint64(GOLDEN))
