"""The order in which GloVe visits its nonzeros: blocks that workers share, and in them tiles that fit caches.

Words and contexts are dealt to B blocks by frequency: of every B words that follow each other in rank, each
block gets one at random. So every block has the same share of common words, and blocks of a round are
equally long. Inside a block the contexts are cut by rank into tiles that fill half a core's L2 with their
AdaGrad sums, and the words by rank into groups. Tiles are visited in random order, groups of a tile in random
order, and the nonzeros that a group and a tile share at random.

Common words share nearly all their cells, rare ones nearly none: a tile of contexts of like rank is reused as
often as its cells are dense. A nonzero reads and writes 2 rows of 8·width bytes. What of that goes past L2
(128,128 words of technical text and news, 38.5 M nonzeros, d = 100): 0.72 rows, 1,290 bytes, where blocks
were random words and contexts, as many as fit L2, 438 × 438 blocks of 200 nonzeros; 0.23 to 0.28 here, 0.1 to
0.2 of them from memory (each block's words and contexts once), the rest from L3.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, Int32, Int64
from gpuemb.core.device import CPU, Device
from gpuemb.core.memory import buffer
from gpuemb.core.random import stream
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.kernels.glove_epoch import LANES, Strata
from gpuemb.training.recipes import GloVe, Recipe, Vary

LEAST_BLOCKS, MOST_SHARED = 16, 64  # blocks a round: enough for 8 threads to stay busy, and for 32
SHARE = 1 << 20  # nonzeros: a table of so many a block is worth more blocks, for more threads
WORD_BYTES = 1 << 23  # words of a block with their sums: they stay in L3 while its tiles are visited
TILE_BYTES = 1 << 18  # contexts of a tile with their sums: half of 512 KB of L2
GROUP = 32  # words: their vectors stay near the core while a tile is visited, at random among them
CUDA_BYTES = 1 << 19  # words and contexts of a block on a GPU, where many blocks run at once
NO_WORD = -1
BITS = 64
DRAW_BYTES = 48  # a nonzero of a block, while its order is drawn
DRAWN_AT_ONCE = 8  # blocks at most, so that their memory does not grow with the threads


def padded_width(dim: int) -> int:
    """Columns of a vector: ``dim`` and zeros, whole cache lines."""
    return -(-dim // LANES) * LANES


def block_count(words: int, nonzeros: int, dim: int, device: Device = CPU) -> int:
    """Return B, from the sizes and the kind of device alone, never from the threads."""
    row_bytes = 2 * 4 * padded_width(dim)
    if device.kind == "cuda":
        return max(LEAST_BLOCKS, -(-2 * words * row_bytes // CUDA_BYTES))
    return max(LEAST_BLOCKS, min(MOST_SHARED, nonzeros // SHARE), -(-words * row_bytes // WORD_BYTES))


class SharedStrata:
    """The order of runs that share it, dealt when the first of them asks."""

    def __init__(self) -> None:
        self._strata: Strata | None = None
        self._dealing = Lock()

    @property
    def are_dealt(self) -> bool:
        """Whether a run has asked for them."""
        return self._strata is not None

    def dealt(self, deal: Callable[[], Strata]) -> Strata:
        """Return the strata of the first call of ``deal``, whichever run's thread comes first."""
        with self._dealing:
            if self._strata is None:
                self._strata = deal()
            return self._strata


def shared_strata(recipe: Recipe, vary: Vary) -> SharedStrata | None:
    """Return where the runs of a model keep the strata that they share; None where each has its own."""
    return SharedStrata() if isinstance(recipe, GloVe) and vary == "init" else None


def stratify(counts: Cooccurrence, recipe: GloVe, seed: int, device: Device = CPU) -> Strata:
    """Deal words and contexts to blocks, and order the nonzeros: the same for any number of threads.

    Args:
        counts: symmetric counts.
        recipe: dimensions and weights.
        seed: decides the order.
        device: where it is visited: a GPU takes more and smaller blocks.

    Cost: one sort of each block's nonzeros, as many blocks at once as there are workers.
    """
    words = len(counts.vocabulary)
    blocks = block_count(words, counts.nonzeros, recipe.dim, device)
    indptr = np.asarray(counts.rows.indptr, np.int64)
    by_frequency = np.argsort(-np.diff(indptr), kind="stable").astype(np.int32)
    numbers = stream(seed, "glove", "order")
    members, contexts = (_dealt(by_frequency, blocks, numbers) for _ in range(2))
    tile = max(1, TILE_BYTES // (8 * padded_width(recipe.dim)))
    (of_context, tile_of), tiles = _places(contexts, words, tile), -(-len(contexts) // tile)
    sizes = np.diff(indptr)
    ends = np.cumsum([0, *(sizes[column[column >= 0]].sum() for column in members.T)])
    strata = _empty(counts.nonzeros, blocks)

    def draw(block: int) -> None:
        own = members[members[:, block] >= 0, block]
        rounds = (of_context - block) % blocks
        numbers = stream(seed, "glove", "order", block)
        at, rows, shares = _visited(counts, own, (rounds, tile_of), (blocks, tiles), numbers)
        place = slice(ends[block], ends[block + 1])
        strata.rows[place], strata.columns[place] = rows, counts.rows.indices[at]
        values: Float64 = counts.rows.data[at] * np.float64(counts.unit)
        strata.logs[place], strata.weights[place] = _weighted(values, recipe)
        after = ends[block] + np.cumsum([0, *shares])
        strata.bounds[:, block] = np.stack([after[:-1], after[1:]], axis=1)

    with threads.limit(min(DRAWN_AT_ONCE, threads.count())):
        threads.run(draw, range(blocks))
    return strata


def stratify_bytes(words: int, nonzeros: int, dim: int) -> dict[str, int]:
    """State the bytes of the ordered nonzeros, and of drawing their order."""
    blocks = block_count(words, nonzeros, dim)
    largest = min(nonzeros, nonzeros // blocks + words)  # dealt by frequency, none exceeds the mean by a row
    return {
        "ordered nonzeros": buffer((4, nonzeros), np.float32) + buffer((blocks, blocks, 2), np.int64),
        "order while it is drawn": DRAWN_AT_ONCE * (DRAW_BYTES * largest + buffer((4, words), np.int64)),
    }


def _dealt(by_frequency: Int32, blocks: int, numbers: np.random.Generator) -> Int32:
    """Return ``(⌈V/B⌉, B)``: the words of block b by frequency are column b, before any ``NO_WORD``."""
    table = np.full((-(-len(by_frequency) // blocks), blocks), NO_WORD, np.int32)
    table.ravel()[: len(by_frequency)] = by_frequency
    return numbers.permuted(table, axis=1)


def _places(dealt: Int32, words: int, tile: int) -> tuple[Int32, Int32]:
    """Return the block and the tile ``(V,)`` of each context."""
    rank, block = np.nonzero(dealt >= 0)
    found = np.empty((2, words), np.int32)
    found[:, dealt[rank, block]] = block, rank // tile
    return found[0], found[1]


def _empty(nonzeros: int, blocks: int) -> Strata:
    ids, numbers = np.empty((2, nonzeros), np.int32), np.empty((2, nonzeros), np.float32)
    bounds = np.empty((blocks, blocks, 2), np.int64)
    return Strata(ids[0], ids[1], numbers[0], numbers[1], bounds)


def _visited(
    counts: Cooccurrence,
    members: Int32,
    contexts: tuple[Int32, Int32],
    shape: tuple[int, int],
    numbers: np.random.Generator,
) -> tuple[Int64, Int32, Int64]:
    """Order the nonzeros of a block of words by round, tile and group, each in random order.

    They are sorted by keys of 64 bits; from the highest: round and tile, group, a random number, place among
    the block's nonzeros. No two keys are equal, so every way of sorting gives the same order.

    Args:
        counts: of all words.
        members: words of the block, by frequency.
        contexts: round in which each context is visited, and its tile, ``(V,)`` each.
        shape: how many rounds there are, and how many tiles.
        numbers: of the block.

    Returns:
        where each nonzero is in ``counts``, its word, and ``(B,)`` how many each round has.
    """
    indptr = np.asarray(counts.rows.indptr, np.int64)
    sizes = indptr[members + 1] - indptr[members]
    places = np.arange(sizes.sum())
    at = np.repeat(indptr[members] - (np.cumsum(sizes) - sizes), sizes) + places
    turns = numbers.permuted(np.tile(np.arange(shape[1], dtype=np.int32), (shape[0], 1)), axis=1)
    tile = (contexts[0] * shape[1] + turns[contexts]).astype(np.uint64)
    groups = -(-len(members) // GROUP)
    group = numbers.permutation(groups).astype(np.uint64)[np.arange(len(members)) // GROUP]
    high, middle, low = (max(1, n - 1).bit_length() for n in (shape[0] * shape[1], groups, len(at)))
    keys = numbers.bit_generator.random_raw(len(at)) >> np.uint64(high + middle + low) << np.uint64(low)
    keys |= places.view(np.uint64)
    keys |= np.repeat(group << np.uint64(BITS - high - middle), sizes)
    keys |= (tile << np.uint64(BITS - high))[counts.rows.indices[at]]
    keys.sort()
    first = np.arange(shape[0] + 1, dtype=np.uint64) * np.uint64(shape[1])
    ends = np.searchsorted(keys, first[1:-1] << np.uint64(BITS - high))
    keys &= np.uint64((1 << low) - 1)
    chosen = keys.view(np.int64)
    return at[chosen], np.repeat(members, sizes)[chosen], np.diff([0, *ends, len(at)])


def _weighted(values: Float64, recipe: GloVe) -> tuple[Float32, Float32]:
    """Return ``log X`` and ``min(1, (X/x_max)^alpha)``, computed in float64."""
    logs = np.log(values)
    weights = np.exp(np.minimum(0.0, recipe.alpha * (logs - np.log(recipe.x_max))))
    return logs.astype(np.float32), weights.astype(np.float32)
