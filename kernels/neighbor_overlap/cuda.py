"""Shared neighbors on a GPU: plans the shared memory of ``neighbor_overlap.cu`` and launches it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Int32
from gpuemb.kernels.neighbor_overlap import SharedNeighbors

THREADS, WARP = 256, 32
WARPS_A_BLOCK = THREADS // WARP
INSTANCES = ("overlap<1>", "overlap<8>")  # warps a word
LONGEST_OF_A_WARP = 512  # ids of a word, over all runs; a guess until measured
MOST_PLACES = 1024  # of a word's hash table; more ids are taken in parts
SHARED_BYTES = 72 << 10  # three blocks a multiprocessor of sm_90; sm_120 gives a block 99 KB at most
FREE_SHARED_BYTES = 48 << 10  # more needs the kernel's attribute


@dataclass(frozen=True)
class Plan:
    """Sizes of a launch.

    Attributes:
        warps: threads a word, in warps.
        places: of a word's hash table, a power of two.
        tile: words a block.
        shared_bytes: of a block's shared memory.
    """

    warps: int
    places: int
    tile: int
    shared_bytes: int


def plan(runs: int, k: int) -> Plan:
    """Choose the widest tile, and the smallest team, that fit the shared memory."""
    places = 32
    while places < min(runs * k * 5 // 4, MOST_PLACES):
        places *= 2
    teams = [1, WARPS_A_BLOCK] if runs * k <= LONGEST_OF_A_WARP else [WARPS_A_BLOCK]
    choices = [
        (warps, tile) for warps in teams for tile in (32, 16, 8, 4, 2, 1) if warps * tile >= WARPS_A_BLOCK
    ]
    plans = [Plan(warps, places, tile, _shared_bytes(runs, warps, places, tile)) for warps, tile in choices]
    return next((found for found in plans if found.shared_bytes <= SHARED_BYTES), plans[-1])


def _shared_bytes(runs: int, warps: int, places: int, tile: int) -> int:
    """Bytes of the arrays of ``overlap``."""
    pairs = runs * (runs - 1) // 2
    teams = WARPS_A_BLOCK // warps
    return (
        4 * teams * (places + places // WARP * runs) + 4 * tile + 2 * (pairs + runs) * (tile + 2) + 2 * pairs
    )


def neighbor_overlap(ids: Int32) -> SharedNeighbors:
    """See :mod:`gpuemb.kernels.neighbor_overlap`."""
    cupy = cuda.cupy()
    runs, words, k = ids.shape
    shapes = (runs * (runs - 1) // 2, words), (words,), (runs, words)
    if ids.size == 0:
        return SharedNeighbors(*(cupy.zeros(shape, np.uint16) for shape in shapes))
    found = SharedNeighbors(*(cupy.empty(shape, np.uint16) for shape in shapes))
    cut = plan(runs, k)
    module = cuda.load(Path(__file__).with_name("neighbor_overlap.cu"), INSTANCES)
    kernel = module.get_function(f"overlap<{cut.warps}>")
    if cut.shared_bytes > FREE_SHARED_BYTES:
        kernel.max_dynamic_shared_size_bytes = cut.shared_bytes
    arguments = (
        cupy.ascontiguousarray(ids),
        found.shared,
        found.common,
        found.filled,
        np.uint64(words),
        *map(np.int32, (runs, k, cut.places, cut.tile)),
    )
    kernel((-(-words // cut.tile),), (THREADS,), arguments, shared_mem=cut.shared_bytes)
    return found
