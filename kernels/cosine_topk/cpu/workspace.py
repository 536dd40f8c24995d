"""Room of one worker, so that nothing is allocated between two scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float32, Float64, Int32
from gpuemb.kernels.cosine_topk.cpu.microtile import TALL, WIDE
from gpuemb.kernels.panels import SIDE

TOGETHER = 1 << 15  # pairs that pass before their rows look at them: the products run undisturbed


class Scratch(NamedTuple):
    """Buffers for c columns of a tile, and h pairs that passed.

    Attributes:
        scores: ``(c,)`` float64, of candidates that are being settled.
        ids: ``(c,)`` int32, theirs.
        likely: ``(c,)`` int32, places of a row's first scores that can be among its best.
        floors: ``(2, c)`` float32, of a block's rows and of another's columns.
        tile: ``(TALL, c)`` float32, scores.
        masks: ``(TALL · 2,)`` uint16, which of a micro-tile's pass.
        rows: ``(h,)`` int32, of pairs that passed together.
        columns: ``(h,)`` int32, theirs.
        passed: ``(h,)`` float32, their scores.
    """

    scores: Float64
    ids: Int32
    likely: Int32
    floors: Float32
    tile: Float32
    masks: NDArray[np.uint16]
    rows: Int32
    columns: Int32
    passed: Float32


def scratch(step: int) -> Scratch:
    """Room for blocks of ``step`` rows."""
    whole = max(step, TALL * WIDE)
    pairs = max(TOGETHER, 2 * WIDE * (whole + 1))
    return Scratch(
        np.empty(whole),
        np.empty(whole, np.int32),
        np.empty(whole, np.int32),
        np.full((2, whole), np.float32(np.inf)),
        np.empty((TALL, whole), np.float32),
        np.zeros(TALL * WIDE // SIDE, np.uint16),
        np.empty(pairs, np.int32),
        np.empty(pairs, np.int32),
        np.empty(pairs, np.float32),
    )
