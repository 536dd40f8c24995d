"""Skip-gram on a GPU: launches ``skipgram_epoch_pairs.cu`` a piece, ``skipgram_epoch.cu`` a round.

Plan      Pairs are counted, written in the order of the text, and arranged by CuPy's stable sorts. Rounds
          follow each other on the current stream. One run has a thread block for each of a round's B buckets;
          runs of several seeds fill the device from streams of their own.
Waits     for the number of pairs, once a piece, and for the losses.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Float32, Int32, Int64
from gpuemb.core.errors import ConfigError
from gpuemb.kernels.skipgram_epoch import BATCH, Noise, Pairs, UInt64, arranged, bounds_of

TILES = 5, 12  # negatives at once: up to those that the default recipe draws
INSTANCES = {
    "skipgram_epoch": tuple(f"visit_round<{BATCH}, {tile}>" for tile in TILES),
    "skipgram_epoch_pairs": ("count_pairs", "fill_pairs"),
}
PAIR_THREADS, WARP = 256, 32
MOST_THREADS, HELD = 160, 2  # of the text: columns of a thread
FREE_SHARED_BYTES = 48 << 10  # more needs the kernel's attribute
MOST_SHARED_BYTES = 99 << 10  # a block's on sm_120, less the 256 bytes that the text names itself
STATIC_BYTES = 256


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
    """See :mod:`gpuemb.kernels.skipgram_epoch`; the pairs stay on the device."""
    xp = cuda.cupy()
    tokens = span[1] - span[0]
    text = tuple(map(xp.asarray, (ids, starts, keep)))
    piece = np.int64(span[0]), np.int64(tokens), np.uint64(len(starts) - 1)
    rules = np.uint64(key), np.uint32(window)
    ends, total = xp.zeros(0, np.int64), 0
    if tokens:
        module = cuda.load(
            Path(__file__).with_name("skipgram_epoch_pairs.cu"), INSTANCES["skipgram_epoch_pairs"]
        )
        grid = (-(-tokens // PAIR_THREADS),), (PAIR_THREADS,)
        lefts, rights = xp.empty(tokens, np.int32), xp.empty(tokens, np.int32)
        module.get_function("count_pairs")(*grid, (*text, lefts, rights, *piece, *rules))
        ends = xp.cumsum(lefts + rights, dtype=np.int64)
        total = int(ends[-1])
    inputs, outputs, buckets = (xp.empty(total, np.int32) for _ in range(3))
    if total:
        arrays = *text, xp.asarray(blocks), lefts, rights, ends, inputs, outputs, buckets
        sizes = *piece, np.uint64(blocks.shape[1]), *rules, np.int32(block_count)
        module.get_function("fill_pairs")(*grid, (*arrays, *sizes))
    bounds = bounds_of(xp.bincount(buckets, minlength=block_count**2), block_count, xp)
    order = arranged(buckets, inputs, xp)
    return Pairs(inputs[order], outputs[order], bounds)


def skipgram_steps(
    pairs: Pairs,
    noise: Noise,
    vectors: Float32,
    rounds: Int64,
    rates: Float32,
    negatives: int,
    key: int,
) -> float:
    """See :mod:`gpuemb.kernels.skipgram_epoch`; ``rounds`` and ``rates`` are the host's.

    Raises:
        ConfigError: so many negatives that their products do not fit a block's shared memory.
    """
    xp = cuda.cupy()
    count, (_, words, width) = len(pairs.bounds), vectors.shape
    threads = min(MOST_THREADS, -(-width // (HELD * WARP)) * WARP)
    tile = next((tile for tile in TILES if tile >= negatives), TILES[-1])
    memory = shared_bytes(threads, negatives, tile)
    module = cuda.load(Path(__file__).with_name("skipgram_epoch.cu"), INSTANCES["skipgram_epoch"])
    visit = module.get_function(f"visit_round<{BATCH}, {tile}>")
    if memory > FREE_SHARED_BYTES:
        visit.max_dynamic_shared_size_bytes = memory
    losses = xp.zeros((count, count), np.float64)
    tables = noise.words, noise.starts, noise.limits, noise.aliases, noise.weights
    arrays = pairs.inputs, pairs.outputs, pairs.bounds, *map(xp.asarray, tables), vectors, losses
    sizes = np.uint64(words), np.uint64(key), np.int32(width)
    for round_, rate in zip(rounds.tolist(), rates, strict=True):
        given = *arrays, *sizes, np.int32(round_), np.int32(negatives), np.float32(rate)
        visit((count,), (threads,), given, shared_mem=memory)
    return math.fsum(xp.asnumpy(losses).ravel().tolist())


def shared_bytes(threads: int, negatives: int, tile: int) -> int:
    """Bytes of a block's products, words and merged slots.

    Raises:
        ConfigError: more than every GPU has.
    """
    of_tile = 4 * (threads // WARP * BATCH * (tile + 1) + 2 * tile)
    fixed, most = 16 * BATCH, MOST_SHARED_BYTES - STATIC_BYTES
    needed = fixed + max(1, -(-negatives // tile)) * of_tile
    if needed > most:
        raise ConfigError(
            f"skipgram_steps: {negatives} negatives of a batch need {needed} bytes of shared memory",
            needed=f"A block of {threads} threads has {most} for them.",
            remedy=f"Draw at most {(most - fixed) // of_tile * tile}, or use device='cpu'.",
        )
    return needed
