"""Run ranked_overlap's launcher on the emulator, and what it can stumble over."""

from __future__ import annotations

import numpy as np
from cuda_on_host import adversaries
from tolerances import assert_same_bits

from gpuemb.core.arrays import Int32, to_device
from gpuemb.core.device import CPU, Device
from gpuemb.kernels.ranked_overlap import RankedOverlap, ranked_overlap

CUDA = Device("cuda")
FIELDS = ("rank_biased", "average_overlap", "rank_similarity", "distinct")


def last_slots(runs: int, words: int, k: int) -> Int32:
    """Ids that want the last places of a table of 32: lists go on at its start."""
    crowd = [one for one in range(4000) if one * adversaries.MULTIPLIER % 2**32 * 32 >> 32 >= 30][: 2 * k]
    order = np.argsort(np.random.default_rng(2).random((runs, words, len(crowd))), axis=2)[:, :, :k]
    return np.array(crowd, np.int32)[order]


CASES = {
    "more words than a tile": adversaries.drawn(3, 67, 10, 15),
    "ascending": adversaries.ascending(6, 9, 12),
    "equal": adversaries.equal(5, 9, 31),
    "apart": adversaries.apart(7, 5, 20),
    "colliding": adversaries.colliding(4, 3, 100),
    "the table's last places": last_slots(4, 3, 12),
    "extreme": adversaries.extreme(4, 3, 6),
    "many runs": adversaries.drawn(60, 3, 4, 9),
    "k = 256": adversaries.drawn(2, 9, 256, 400),
    "empty lists": adversaries.drawn(4, 9, 3, 6, padding=0.7),
    "33 of 34": adversaries.drawn(3, 5, 33, 34, padding=0.0),
}


def walked(ids: Int32) -> RankedOverlap:
    """Compare on the installed emulator."""
    found = ranked_overlap.on(CUDA)(to_device(ids, CUDA), 0.7)
    return RankedOverlap(*(np.array(getattr(found, field)) for field in FIELDS))


def assert_as_on_the_cpu(found: RankedOverlap, ids: Int32) -> None:
    """Every bit is the CPU's: the same sums in the same order."""
    expected = ranked_overlap.on(CPU)(ids, 0.7)
    for field in FIELDS:
        assert_same_bits(getattr(found, field), getattr(expected, field))
