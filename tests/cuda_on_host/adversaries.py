"""Lists of neighbors that a kernel of overlaps can stumble over."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Int32

MULTIPLIER = 2654435761  # of the kernel's hash


def drawn(runs: int, words: int, k: int, candidates: int, seed: int = 0, padding: float = 0.2) -> Int32:
    """Lists from ``candidates`` ids, most with padding anywhere in them."""
    numbers = np.random.default_rng(seed)
    ids = np.argsort(numbers.random((runs, words, candidates)), axis=2)[:, :, :k].astype(np.int32)
    return np.where(numbers.random(ids.shape) < padding, -1, ids).astype(np.int32)


def ascending(runs: int, words: int, k: int) -> Int32:
    """Each run's list begins one id later than the run's before: all overlap, no two in the same measure."""
    starts = np.arange(runs)[:, None, None] + np.arange(words)[None, :, None]
    return (starts + np.arange(k)).astype(np.int32)


def equal(runs: int, words: int, k: int) -> Int32:
    """Every run has the same list, in another order."""
    return np.stack(
        [np.roll(np.tile(np.arange(k, dtype=np.int32), (words, 1)), s, axis=1) for s in range(runs)]
    )


def apart(runs: int, words: int, k: int) -> Int32:
    """No two runs share anything: the most ids that a word can have."""
    return np.arange(runs * k, dtype=np.int32).reshape(runs, 1, k).repeat(words, axis=1)


def colliding(runs: int, words: int, k: int, first: int = 0) -> Int32:
    """Ids with neighboring hashes: they want the same place, and halving the range keeps them together."""
    inverse = pow(MULTIPLIER, -1, 2**32)
    near = [hashed * inverse % 2**32 for hashed in range(first, first + 40 * k)]
    ids = np.array([x for x in near if x < 2**31], np.int64)[: 2 * k]
    numbers = np.random.default_rng(1)
    order = np.argsort(numbers.random((runs, words, len(ids))), axis=2)[:, :, :k]
    return ids[order].astype(np.int32)


def extreme(runs: int, words: int, k: int) -> Int32:
    """Zero and the largest ids."""
    ids = np.array([0, 2**31 - 1, 2**31 - 2, 1, 2**30, -1][:k], np.int32)
    return np.stack([np.tile(np.roll(ids, s), (words, 1)) for s in range(runs)])


def beyond_32_bits(tile: int) -> tuple[Int32, int, int]:
    """More ids than 32 bits count, of which only the last two tiles are not zero.

    Returns:
        The ids, the first word that is not zero, and the number of tiles.

    Raises:
        MemoryError: the machine does not lend 9 GB of address space; almost no page of it is touched.
    """
    runs, words, k = 3, 3_000_000, 256
    ids = np.zeros((runs, words, k), np.int32)
    first = (words // tile - 1) * tile
    ids[:, first:] = drawn(runs, words - first, k, 400)
    return ids, first, -(-words // tile)


CASES = {
    "more words than a tile": drawn(3, 67, 10, 15),
    "ascending": ascending(6, 9, 12),
    "equal": equal(5, 9, 31),
    "apart": apart(7, 5, 20),
    "colliding": colliding(4, 3, 100),
    "colliding at the table's end": colliding(4, 3, 50, first=2**32 - 2000),
    "extreme": extreme(4, 3, 6),
    "a block a word": drawn(9, 11, 70, 150),
    "a table that is taken in parts": apart(20, 1, 100),
    "colliding in parts": colliding(12, 1, 256),
    "many runs": drawn(100, 3, 4, 9),
    "256 of 256 shared": equal(2, 3, 256),
    "k = 256": drawn(2, 9, 256, 400),
}
