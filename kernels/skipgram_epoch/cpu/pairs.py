"""Pairs of a piece of the corpus, counted and then written bucket by bucket."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.skipgram_epoch import GOLDEN, HALF, PARTS, RUN, Pairs, UInt64, bounds_of
from gpuemb.kernels.skipgram_epoch.cpu.numbers import mixed

Kept = tuple[Int32, Int32, Int32, Int32, Int32]  # words, blocks as input and as output, windows


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
    sizes = np.zeros((len(parts), block_count**2), np.int64)
    kept: dict[int, Kept] = {}
    rows = blocks[0] * np.int32(block_count)

    def count(part: int) -> None:
        first, last = (span[0] + cut for cut in parts[part])
        kept[part] = _keep(ids, starts, first, last, keep, window, np.uint64(key), rows, blocks[1])
        _count(kept[part], sizes[part])

    threads.run(count, range(len(parts)))
    of_buckets = sizes.sum(axis=0)
    ends = np.cumsum(of_buckets)
    bounds = np.stack([ends - of_buckets, ends], axis=1).reshape(block_count, block_count, 2)
    places = np.cumsum(sizes, axis=0) - sizes + bounds[:, :, 0].ravel()  # where each part's pairs begin
    dealt = np.empty(int(ends[-1]), np.uint64)
    threads.run(lambda part: _deal(kept[part], places[part], dealt), range(len(parts)))
    kept.clear()
    return Pairs(*_arranged(dealt, bounds, blocks[0]), bounds_of(of_buckets, block_count))


def _arranged(dealt: UInt64, bounds: Int64, blocks: Int32) -> tuple[Int32, Int32]:
    """Bring the pairs of every bucket into their order, all buckets of an input block in one go."""
    members = np.argsort(blocks.astype(np.min_scalar_type(len(bounds))), kind="stable").astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(blocks, minlength=len(bounds)))])
    inputs, outputs = (np.empty(len(dealt), np.int32) for _ in range(2))

    def arrange(block: int) -> None:
        own = members[starts[block] : starts[block + 1]]
        _arrange(dealt, bounds[block], own, np.zeros(len(blocks), np.int32), inputs, outputs)

    threads.run(arrange, range(len(bounds)))
    return inputs, outputs


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """View an array so that one compiled kernel serves memory maps and arrays."""
    viewed = np.asarray(array).view()
    viewed.flags.writeable = False
    return viewed


@njit
def _keep(
    ids: Int32,
    starts: Int64,
    first: int,
    last: int,
    keep: UInt64,
    window: int,
    key: np.uint64,
    rows: Int32,
    columns: Int32,
) -> Kept:
    """List the kept tokens of a part: words, blocks, and windows as places in the list.

    Tokens around the part, of the documents that it cuts, have empty windows.
    """
    size = last - first + 2 * window + 1  # one more is written before it is known to be kept
    words, reach = np.empty(size, np.int32), np.empty(size, np.int32)
    begins, ends = np.empty(size, np.int32), np.empty(size, np.int32)
    document = np.searchsorted(starts, first, side="right") - 1
    kept = 0
    while document < len(starts) - 1 and starts[document] < last:
        begin, end = starts[document], starts[document + 1]
        document += 1
        near, place = kept, min(max(begin, first), end)
        before = 0
        while place > begin and before < window:
            place -= 1
            before += _number(key, place) >> np.uint64(32) < keep[ids[place]]
        for outer in range(place, min(first, end)):
            words[kept] = ids[outer]
            kept += _number(key, outer) >> np.uint64(32) < keep[ids[outer]]
        inner = kept
        for place in range(max(begin, first), min(end, last)):
            number, word = _number(key, place), ids[place]
            words[kept] = word
            reach[kept] = 1 + np.int32((number & np.uint64(HALF - 1)) * np.uint64(window) >> np.uint64(32))
            kept += number >> np.uint64(32) < keep[word]
        after, place = kept, min(end, last)
        while place < end and kept < after + window:
            words[kept] = ids[place]
            kept += _number(key, place) >> np.uint64(32) < keep[ids[place]]
            place += 1
        for i in range(near, kept):
            begins[i] = ends[i] = i
        for i in range(inner, after):
            begins[i], ends[i] = max(near, i - reach[i]), min(kept, i + reach[i] + 1)
    words = words[:kept]
    return words, rows[words], columns[words], begins[:kept], ends[:kept]


@njit
def _count(kept: Kept, sizes: Int64) -> None:
    """Count the pairs of each bucket."""
    _, rows, columns, begins, ends = kept
    for i in range(len(rows)):
        for other in range(begins[i], ends[i] - 1):
            sizes[rows[other + (other >= i)] + columns[i]] += 1


@njit
def _deal(kept: Kept, places: Int64, dealt: UInt64) -> None:
    """Write each pair, input and output in one number, where its bucket goes on; ``places`` move on."""
    words, rows, columns, begins, ends = kept
    for i in range(len(words)):
        output, column = np.uint64(words[i]) << np.uint64(32), columns[i]
        for other in range(begins[i], ends[i] - 1):
            j = other + (other >= i)
            place = places[rows[j] + column]
            dealt[place] = output | np.uint64(words[j])
            places[rows[j] + column] = place + 1


@njit
def _arrange(
    dealt: UInt64, bounds: Int64, members: Int32, left: Int32, inputs: Int32, outputs: Int32
) -> None:
    """Order the pairs of buckets by layer and input; ``left``, zero for all words, is so again at the end."""
    listed, ends = np.empty(len(members) + 1, np.int32), np.empty(len(left), np.int32)
    of_words = np.empty((bounds[:, 1] - bounds[:, 0]).max(), np.int32)  # outputs, by input
    for bucket in range(len(bounds)):
        begin, end = bounds[bucket]
        for place in range(begin, end):
            left[dealt[place] & np.uint64(HALF - 1)] += 1
        words, before = 0, 0
        for word in members:
            listed[words] = word
            words += left[word] > 0
            ends[word] = before
            before += left[word]
        for place in range(begin, end):
            word = np.int64(dealt[place] & np.uint64(HALF - 1))
            of_words[ends[word]] = np.int32(dealt[place] >> np.uint64(32))
            ends[word] += 1
        place = begin
        while words > 0:
            more = 0
            for i in range(words):
                word = listed[i]
                first, size = ends[word] - left[word], min(left[word], RUN)
                for j in range(size):
                    inputs[place + j] = word
                    outputs[place + j] = of_words[first + j]
                place += size
                left[word] -= size
                listed[more] = word
                more += left[word] > 0
            words = more


@njit
def _number(key: np.uint64, counter: int) -> np.uint64:
    return mixed(key + np.uint64(counter) * np.uint64(GOLDEN))
