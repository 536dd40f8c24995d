"""Pseudo-random numbers of counters, one at a time."""

from __future__ import annotations

import numpy as np

from gpuemb.core.jit import njit_inline


@njit_inline
def mixed(number: np.uint64) -> np.uint64:
    """See :func:`gpuemb.kernels.skipgram_epoch.mix`."""
    x = np.uint64(number)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
