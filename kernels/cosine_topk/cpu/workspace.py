"""Buffers of one worker, allocated once for all its tiles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float32, Float64, Int32
from gpuemb.kernels.cosine_topk.cpu.microtile import TALL, WIDE
from gpuemb.kernels.panels import SIDE

PAIR_BATCH = 1 << 15  # passing pairs a batch: the products run undisturbed


class Workspace(NamedTuple):
    """Buffers for c columns of a tile, and h passing pairs.

    Attributes:
        scores: ``(c,)`` float64, of candidates being rescored.
        ids: ``(c,)`` int32, theirs.
        uncertain: ``(c,)`` int32, places of a row's first scores that may be among its best.
        thresholds: ``(2, c)`` float32, of a block's rows and of another's columns.
        tile: ``(TALL, c)`` float32, scores.
        masks: ``(TALL · 2,)`` uint16, bits of a micro-tile's passing scores.
        rows: ``(h,)`` int32, of a batch of passing pairs.
        columns: ``(h,)`` int32, theirs.
        passed: ``(h,)`` float32, their scores.
    """

    scores: Float64
    ids: Int32
    uncertain: Int32
    thresholds: Float32
    tile: Float32
    masks: NDArray[np.uint16]
    rows: Int32
    columns: Int32
    passed: Float32


def new_workspace(step: int) -> Workspace:
    """Allocate for blocks of ``step`` rows."""
    whole = max(step, TALL * WIDE)
    pairs = max(PAIR_BATCH, 2 * WIDE * (whole + 1))
    return Workspace(
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
