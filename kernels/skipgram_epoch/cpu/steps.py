"""Steps of the buckets of rounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float32, Float64, Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.intrinsics import prefetch
from gpuemb.kernels.panels import LINE
from gpuemb.kernels.skipgram_epoch import BATCH, GOLDEN, HALF, INPUTS, LANES, RUN, Noise, Pairs, UInt64
from gpuemb.kernels.skipgram_epoch.cpu.batch import (
    against,
    attract,
    gather,
    repel,
    slopes,
    towards,
)
from gpuemb.kernels.skipgram_epoch.cpu.numbers import mixed
from gpuemb.kernels.skipgram_epoch.cpu.registers import NAMED, TOGETHER, lanes
from gpuemb.kernels.skipgram_epoch.cpu.schedule import visit_rounds


def skipgram_steps(
    pairs: Pairs,
    noise: Noise,
    vectors: Float32,
    rounds: Int64,
    rates: Float32,
    negatives: int,
    key: int,
) -> float:
    """See :mod:`gpuemb.kernels.skipgram_epoch`."""
    count = len(pairs.bounds)
    losses, pieces = np.zeros((count, count)), _pieces(vectors)
    both = noise.words.astype(np.uint64) | noise.aliases.astype(np.uint64) << np.uint64(32)
    table = np.stack([noise.limits, both], axis=1)  # of a place: one cache line

    def visit(blocks: Int64, place: int) -> None:
        _visit(
            pairs.inputs,
            pairs.outputs,
            pairs.bounds[rounds[place]],
            blocks,
            rounds[place],
            table,
            noise.starts,
            noise.weights,
            vectors,
            rates[place],
            negatives,
            np.uint64(key),
            losses[rounds[place]],
            pieces,
            lanes(),
            np.zeros(vectors.shape[2], np.float32),
        )

    visit_rounds(visit, rounds, count)
    return math.fsum(losses.ravel())


def _pieces(vectors: Float32) -> int:
    """Return how many registers of a row hold more than padding."""
    size = lanes()
    pieces = int(vectors.shape[2]) // size
    padding = pieces > 1 and not vectors[:, :, -size:].any()
    return pieces - 1 if padding else pieces


@njit
def _visit(
    inputs: Int32,
    outputs: Int32,
    bounds: Int64,
    chosen: Int64,
    round_: int,
    table: UInt64,
    starts: Int64,
    weights: Float32,
    vectors: Float32,
    rate: np.float32,
    negatives: int,
    key: np.uint64,
    losses: Float64,
    pieces: int,
    register: int,
    nothing: Float32,
) -> None:
    """Visit some buckets of a round; ``nothing``, zeros, stands for what a batch lacks.

    Two batches are at hand: words of one are drawn, and fetched, while slopes of the other are computed.
    Their arrays are parts of flat ones: views would be counted, an atomic addition each.
    """
    count, width = len(bounds), vectors.shape[2]
    row, absent = 4 * width, nothing.ctypes.data
    of_inputs = vectors.ctypes.data
    of_outputs = of_inputs + row * vectors.shape[1]
    tiles = -(-max(1, negatives) // TOGETHER)
    slots = TOGETHER * tiles
    own, total = INPUTS * slots, INPUTS * slots + BATCH + LANES  # products with negatives, then with outputs
    names = NAMED + slots  # of a batch: its inputs, outputs and negatives
    named = np.full(2 * names, absent, np.int64)
    sizes, shares = np.zeros(2 * INPUTS, np.int64), np.zeros(2 * total, np.float32)
    marks, often = np.zeros(vectors.shape[1], np.uint16), np.zeros(slots, np.float32)
    drawn, products = np.zeros(slots, np.int32), np.zeros(total, np.float32)
    moves, losses_at = np.zeros(INPUTS * width + LANES, np.float32), np.zeros(LANES)
    found, at_losses = products.ctypes.data, losses_at.ctypes.data
    moved = -(-moves.ctypes.data // LINE) * LINE
    for block in chosen:
        output_block = (block + round_) % count
        first, weight = starts[output_block], weights[output_block]
        choice = np.uint64(starts[output_block + 1] - first)
        number = mixed(key + np.uint64(round_ * count + block) * np.uint64(GOLDEN))
        following, end = bounds[block]
        nothing[:] = 0
        losses_at[:] = 0
        if following < end:
            _fetch(table.ctypes.data + 16 * first, 16 * (starts[output_block + 1] - first))
        ready, runs, side = 0, 0, 0
        while ready > 0 or following < end:
            ins = INPUTS * side
            at_inputs = named.ctypes.data + 8 * names * side
            at_outputs, at_drawn = at_inputs + 8 * INPUTS, at_inputs + 8 * NAMED
            old, side = names * side, 1 - side
            if ready > 0:
                against(at_inputs, at_drawn, tiles, pieces, found)
                for i in range(ready):
                    near = at_outputs + 8 * RUN * i
                    towards(named[old + i], near, sizes[ins + i], pieces, found + 4 * (own + RUN * i))
                used = -(-(own + RUN * ready) // register)
                slopes(found, shares.ctypes.data + 4 * total * (1 - side), used, at_losses, rate)
            runs = 0
            if following < end:
                number = _draw(
                    table,
                    first,
                    choice,
                    number,
                    negatives,
                    drawn,
                    often,
                    marks,
                    of_outputs,
                    row,
                    absent,
                    named,
                    names * side + NAMED,
                )
                following, runs = _next_runs(
                    inputs,
                    outputs,
                    following,
                    end,
                    marks,
                    often,
                    weight,
                    negatives,
                    of_inputs,
                    of_outputs,
                    row,
                    absent,
                    named,
                    names * side,
                    sizes,
                    INPUTS * side,
                    shares,
                    total * side,
                    own,
                )
                for j in range(negatives):
                    marks[drawn[j]] = 0
            for i in range(ready):
                near, steps = at_outputs + 8 * RUN * i, found + 4 * (own + RUN * i)
                gather(near, sizes[ins + i], pieces, steps, moved + row * i)
            if ready > 0:
                ahead = named.ctypes.data + 8 * names * side
                repel(at_inputs, at_drawn, tiles, pieces, found, moved, row, ahead)
            for i in range(ready):
                near, steps = at_outputs + 8 * RUN * i, found + 4 * (own + RUN * i)
                attract(named[old + i], near, sizes[ins + i], pieces, steps, moved + row * i)
            ready = runs
        losses[block] = losses_at.sum()


@njit
def _draw(
    table: UInt64,
    first: int,
    choice: np.uint64,
    number: np.uint64,
    negatives: int,
    drawn: Int32,
    often: Float32,
    marks: Any,
    of_outputs: int,
    row: int,
    absent: int,
    named: Int64,
    at: int,
) -> np.uint64:
    """Draw the negatives of a batch, note where they are, and ``often`` each was drawn; mark their words.

    A word that was drawn again is absent at its later places. Return the number that follows.
    """
    for j in range(negatives):
        spread = (number >> np.uint64(32)) * choice
        number += np.uint64(GOLDEN)
        place = first + np.int64(spread >> np.uint64(32))
        other = np.uint64(spread & np.uint64(HALF - 1) >= table[place, 0]) << np.uint64(5)  # no branch
        word = np.int32(table[place, 1] >> other)
        drawn[j] = word
        before = marks[word]
        if before == 0:
            marks[word] = j + 1
            often[j] = 1
            named[at + j] = of_outputs + row * np.int64(word)
        else:
            often[before - 1] += 1
            often[j] = 0
            named[at + j] = absent
    return number


@njit
def _next_runs(
    inputs: Int32,
    outputs: Int32,
    place: int,
    end: int,
    marks: Any,
    often: Float32,
    weight: np.float32,
    negatives: int,
    of_inputs: int,
    of_outputs: int,
    row: int,
    absent: int,
    named: Int64,
    ins: int,
    sizes: Int64,
    runs_at: int,
    shares: Float32,
    at: int,
    own: int,
) -> tuple[int, int]:
    """List the runs of a batch: where their vectors are, and the weights of its products.

    Those of negatives are minus the block's weight, as often as they were drawn, and for as many pairs of the
    input as they are not the output of. Return the place behind the runs, and their number.
    """
    runs, last, outs = 0, np.int32(-1), ins + INPUTS
    for i in range(INPUTS * negatives):
        shares[at + i] = 0
    for i in range(BATCH):
        shares[at + own + i] = 0
    for i in range(INPUTS):
        named[ins + i], sizes[runs_at + i] = absent, 0
    while runs < INPUTS and place < end and inputs[place] > last:
        last, size = inputs[place], 0
        named[ins + runs] = of_inputs + row * np.int64(last)
        while size < RUN and place < end and inputs[place] == last:
            output = outputs[place]
            named[outs + RUN * runs + size] = of_outputs + row * np.int64(output)
            if marks[output] > 0:
                shares[at + INPUTS * (marks[output] - 1) + runs] += 1
            shares[at + own + RUN * runs + size] = 1
            place += 1
            size += 1
        sizes[runs_at + runs] = size
        runs += 1
    for j in range(negatives):
        scale = -weight * often[j]
        for i in range(INPUTS):
            skipped = shares[at + INPUTS * j + i]
            shares[at + INPUTS * j + i] = scale * (np.float32(sizes[runs_at + i]) - skipped)
    return place, runs


@njit
def _fetch(vector: Any, size: Any) -> None:
    for place in range(vector, vector + size, LINE):
        prefetch(place)
