"""Agreement of ranked lists on a GPU: plans the shared memory of ``ranked_overlap.cu`` and launches it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import Int32
from gpuemb.kernels.ranked_overlap import RankedOverlap, depth_weights

THREADS = 256
INSTANCES = ("compare_runs",)
TILES = (32, 16, 8, 4, 2, 1)  # words of a block; memory writes four doubles at least
SHARED_BYTES = 72 << 10  # three blocks a multiprocessor of sm_90; sm_120 gives a block 99 KB at most
FREE_SHARED_BYTES = 48 << 10  # more needs the kernel's attribute


@dataclass(frozen=True)
class Plan:
    """Sizes of a launch.

    Attributes:
        places: of a list's hash table, a power of two, at least twice k.
        tile: words a block.
        group: runs with lists in shared memory at once; two groups of so many, where they are not all.
        shared_bytes: of a block's shared memory.
    """

    places: int
    tile: int
    group: int
    shared_bytes: int


def plan(runs: int, k: int) -> Plan:
    """Choose the widest tile that fits with all runs, else the largest group of them for one word."""
    places = 32
    while places < 2 * k:
        places *= 2
    choices = [(tile, runs) for tile in TILES] + [(1, group) for group in range(runs - 1, 0, -1)]
    plans = [
        Plan(places, tile, group, _shared_bytes(runs, k, places, tile, group)) for tile, group in choices
    ]
    return next((found for found in plans if found.shared_bytes <= SHARED_BYTES), plans[-1])


def _shared_bytes(runs: int, k: int, places: int, tile: int, group: int) -> int:
    """Bytes of the arrays of ``Store``."""
    lists = (1 if group == runs else 2) * group * tile
    return lists * (4 * k + 4 + 2 * places) + 4 * tile * (runs * -(-k // 32) + 1)


def ranked_overlap(ids: Int32, persistence: float) -> RankedOverlap:
    """See :mod:`gpuemb.kernels.ranked_overlap`."""
    cupy = cuda.cupy()
    runs, words, k = ids.shape
    measures = cupy.full((3, runs * (runs - 1) // 2, words), np.nan)
    distinct = cupy.zeros(words, np.int32)
    if ids.size:
        cut = plan(runs, k)
        kernel = cuda.load(Path(__file__).with_name("ranked_overlap.cu"), INSTANCES).get_function(
            "compare_runs"
        )
        if cut.shared_bytes > FREE_SHARED_BYTES:
            kernel.max_dynamic_shared_size_bytes = cut.shared_bytes
        arguments = (
            cupy.ascontiguousarray(ids),
            cupy.asarray(depth_weights(k, persistence)),
            measures,
            distinct,
            np.float64((1 - persistence) / persistence),
            np.uint64(words),
            *map(np.int32, (runs, k, cut.places, cut.tile, cut.group)),
        )
        kernel((-(-words // cut.tile),), (THREADS,), arguments, shared_mem=cut.shared_bytes)
    return RankedOverlap(measures[0], measures[1], measures[2], distinct)
