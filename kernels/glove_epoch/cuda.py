"""GloVe's AdaGrad on a GPU: launches ``glove_epoch.cu`` once a round.

Rounds follow each other on the current stream. One run has a warp for each of a round's B blocks; runs of
several seeds fill the device from streams of their own.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from gpuemb.core import cuda
from gpuemb.kernels.glove_epoch import GloVeParameters, Strata

TEAMS, WARP, COLUMNS = 4, 32, 4  # of the text
MOST_HELD = 4  # groups of 128 columns in a lane's registers
INSTANCES = tuple(f"visit_round<{held}>" for held in range(1, MOST_HELD + 1))


def glove_epoch(strata: Strata, parameters: GloVeParameters, learning_rate: float) -> float:
    """See :mod:`gpuemb.kernels.glove_epoch`."""
    xp = cuda.cupy()
    (rounds, blocks, _), (_, words, width) = strata.bounds.shape, parameters.vectors.shape
    module = cuda.load(Path(__file__).with_name("glove_epoch.cu"), INSTANCES)
    visit = module.get_function(f"visit_round<{held_groups(width)}>")
    losses = xp.empty((rounds, blocks), np.float64)
    arrays = (
        strata.rows,
        strata.columns,
        strata.logs,
        strata.weights,
        strata.bounds,
        parameters.vectors,
        parameters.biases,
        parameters.vector_squares,
        parameters.bias_squares,
        losses,
    )
    sizes = np.uint64(words), np.int32(width), np.int32(blocks)
    grid, rate = (-(-blocks // TEAMS),), np.float32(learning_rate)
    for round_ in range(rounds):
        visit(grid, (TEAMS * WARP,), (*arrays, *sizes, np.int32(round_), rate))
    return math.fsum(xp.asnumpy(losses).ravel().tolist())


def held_groups(width: int) -> int:
    """Groups of 128 columns that a lane keeps in registers; wider vectors are read again."""
    return min(MOST_HELD, -(-width // (WARP * COLUMNS)))
