"""Alias tables of a noise distribution that is cut into blocks (Vose 1991)."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float64, Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.skipgram_epoch import HALF, Noise, UInt64


def noise_of(chances: Float64, blocks: Int32, block_count: int, strength: float = 1.0) -> Noise:
    """Build the alias tables, and the weights that make the noise exact in expectation.

    Args:
        chances: ``(V,)`` of each word to be drawn, sum 1.
        blocks: ``(V,)`` of each word as output, dealt at random.
        block_count: B.
        strength: factor of all weights: negatives of a pair over those that are drawn.

    Cost: ``O(V)``.
    """
    words = np.argsort(blocks, kind="stable").astype(np.int32)
    sizes = np.bincount(blocks, minlength=block_count)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    limits, aliases = np.full(len(words), HALF, np.uint64), words.copy()
    _fill(words, starts, chances, limits, aliases)
    together = (
        sizes @ (sizes - 1) / max(1, len(words) * (len(words) - 1))
    )  # chance that two words share a block
    shares = np.bincount(blocks, chances, block_count)
    return Noise(words, starts, limits, aliases, (strength * shares / (together or 1)).astype(np.float32))


@njit
def _fill(words: Int32, starts: Int64, chances: Float64, limits: UInt64, aliases: Int32) -> None:
    small, large = np.empty(len(words), np.int64), np.empty(len(words), np.int64)
    left = np.empty(len(words))
    for block in range(len(starts) - 1):
        first, last = starts[block], starts[block + 1]
        total = 0.0
        for place in range(first, last):
            total += chances[words[place]]
        below = above = 0
        for place in range(first, last):
            left[place] = chances[words[place]] * (last - first) / total if total > 0.0 else 1.0
            if left[place] < 1.0:
                small[below] = place
                below += 1
            else:
                large[above] = place
                above += 1
        while below > 0 and above > 0:
            below -= 1
            place, other = small[below], large[above - 1]
            limits[place] = np.uint64(left[place] * HALF)
            aliases[place] = words[other]
            left[other] -= 1.0 - left[place]
            if left[other] < 1.0:
                above -= 1
                small[below] = other
                below += 1
