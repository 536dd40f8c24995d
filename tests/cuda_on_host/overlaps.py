"""Run neighbor_overlap's launcher on the emulator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from cuda_on_host import adversaries, stand_in
from cuda_on_host.arguments import DeviceArray
from cuda_on_host.launch import Run
from tolerances import assert_same_bits

from gpuemb.core.arrays import Int32, to_device
from gpuemb.core.device import Device
from gpuemb.kernels.neighbor_overlap import SharedNeighbors, cuda, neighbor_overlap

CUDA = Device("cuda")
FIELDS = ("shared", "common", "filled")


def overlap(ids: Int32) -> SharedNeighbors:
    """Count on the installed emulator."""
    found = neighbor_overlap.on(CUDA)(to_device(ids, CUDA))
    return SharedNeighbors(*(np.array(getattr(found, field)) for field in FIELDS))


def far_overlap(run: Run) -> tuple[SharedNeighbors, SharedNeighbors]:
    """Count the last words of more ids than 32 bits can count; the second are the reference's counts."""
    tile = cuda.plan(3, 256).tile
    ids, first, tiles = adversaries.beyond_32_bits(tile)
    with stand_in.installed(replace(run, blocks=(first // tile, tiles))):
        found = overlap(ids.view(DeviceArray))
    last = SharedNeighbors(*(getattr(found, field)[..., first:] for field in FIELDS))
    return last, neighbor_overlap.reference(ids[:, first:])


def assert_same(found: SharedNeighbors, expected: SharedNeighbors) -> None:
    """Every count is the same."""
    for field in FIELDS:
        assert_same_bits(getattr(found, field), getattr(expected, field))
