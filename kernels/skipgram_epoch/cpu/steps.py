"""Steps of a round's buckets on all workers."""

from __future__ import annotations

import math

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, Int32, Int64
from gpuemb.core.jit import njit
from gpuemb.kernels.intrinsics import prefetch
from gpuemb.kernels.panels import LINE
from gpuemb.kernels.skipgram_epoch import BATCH, GOLDEN, HALF, Noise, Pairs, UInt64
from gpuemb.kernels.skipgram_epoch.cpu.batch import (
    GROUP,
    TOGETHER,
    lanes,
    move,
    slopes,
)
from gpuemb.kernels.skipgram_epoch.cpu.numbers import mixed

SHARES = 2  # of a round a worker, so that none waits long for the others
FACTORS = 48  # between 1 and 2, multiplied in each of twenty lanes: their product stays below 2^1023


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
    losses, pieces = np.zeros((count, count)), vectors.shape[2] // lanes()
    for round_, rate in zip(rounds.tolist(), rates, strict=True):

        def visit(chosen: Int64, round_: int = round_, rate: np.float32 = rate) -> None:
            _visit(
                pairs.inputs,
                pairs.outputs,
                pairs.bounds[round_],
                chosen,
                round_,
                noise.words,
                noise.starts,
                noise.limits,
                noise.aliases,
                noise.weights,
                vectors,
                rate,
                negatives,
                np.uint64(key),
                losses[round_],
                pieces,
                np.zeros(vectors.shape[2], np.float32),
            )

        threads.run(visit, _shares(np.diff(pairs.bounds[round_])[:, 0], SHARES * threads.count()))
    return math.fsum(losses.ravel())


def _shares(sizes: Int64, parts: int) -> list[Int64]:
    """Deal buckets to parts that differ by less than the largest bucket, the largest part first."""
    order = np.argsort(-sizes, kind="stable")
    return [order[first::parts] for first in range(min(parts, len(order)))]


@njit
def _visit(
    inputs: Int32,
    outputs: Int32,
    bounds: Int64,
    chosen: Int64,
    round_: int,
    words: Int32,
    starts: Int64,
    limits: UInt64,
    aliases: Int32,
    weights: Float32,
    vectors: Float32,
    rate: np.float32,
    negatives: int,
    key: np.uint64,
    losses: Float64,
    pieces: int,
    nothing: Float32,
) -> None:
    """Visit some buckets of a round; ``nothing``, zeros, stands for what a batch lacks, and stays so."""
    count, width = len(bounds), vectors.shape[2]
    row, absent = 4 * width, nothing.ctypes.data
    of_inputs = vectors.ctypes.data
    of_outputs = of_inputs + row * vectors.shape[1]
    groups = negatives // TOGETHER + 1
    drawn = np.full((2, TOGETHER * groups - 1), absent, np.int64)
    pair = np.full((2, 2, BATCH), absent, np.int64)
    named = np.full((2, BATCH + TOGETHER * groups + 1), -1, np.int32)
    steps = np.zeros((TOGETHER * groups + 1, BATCH), np.float32)
    totals = np.zeros((2, 2, GROUP), np.float32)
    totals[:, 1] = 1
    at_steps, at_totals = steps.ctypes.data, totals.ctypes.data
    most = max(1, FACTORS // groups)
    for block in chosen:
        output_block = (block + round_) % count
        weight = weights[output_block]
        first, size = starts[output_block], np.uint64(starts[output_block + 1] - starts[output_block])
        number = mixed(key + np.uint64(round_ * count + block) * np.uint64(GOLDEN))
        loss, left, side, equal = 0.0, most, 0, False
        begin, end = bounds[block]
        for start in range(begin - BATCH, end, BATCH):
            at_inputs = pair.ctypes.data + 16 * BATCH * side
            at_outputs = at_inputs + 8 * BATCH
            at_drawn = drawn.ctypes.data + 8 * drawn.shape[1] * side
            at_named = named.ctypes.data + 4 * named.shape[1] * side
            if start >= begin:
                away = -rate * weight
                slopes(
                    at_inputs, at_outputs, at_drawn, groups, pieces, at_steps, at_named, at_totals, away, rate
                )
            merging, following = equal, start + BATCH
            if following < end:  # while the slopes are computed
                other = 1 - side
                word = named[other, BATCH:]
                number, equal = _draw(
                    words[first:], limits[first:], aliases[first:], size, number, negatives, word
                )
                for j in range(negatives):
                    drawn[other, j] = of_outputs + row * np.int64(word[j])
                    _fetch(drawn[other, j], row)
                for i in range(BATCH):
                    present = following + i < end
                    named[other, i] = outputs[following + i] if present else -1
                    pair[other, 0, i] = of_inputs + row * inputs[following + i] if present else absent
                    pair[other, 1, i] = of_outputs + row * outputs[following + i] if present else absent
                    _fetch(pair[other, 0, i], row)
                    _fetch(pair[other, 1, i], row)
            if start >= begin:
                if merging:
                    _merge(drawn[side], named[side], steps, negatives, absent)
                move(at_inputs, at_outputs, at_drawn, groups, pieces, at_steps)
                left -= 1
                if left == 0:
                    loss += _loss_of(totals, weight)
                    left = most
            side = 1 - side
        losses[block] = loss + _loss_of(totals, weight)


@njit
def _draw(
    words: Int32,
    limits: UInt64,
    aliases: Int32,
    size: np.uint64,
    number: np.uint64,
    negatives: int,
    drawn: Int32,
) -> tuple[np.uint64, bool]:
    """Draw the negatives of a batch; return the number that follows, and whether a word was drawn again."""
    equal = False
    for j in range(negatives):
        mix = mixed(number)
        number += np.uint64(GOLDEN)
        place = np.int64((mix >> np.uint64(32)) * size >> np.uint64(32))
        else_ = np.int32(mix & np.uint64(HALF - 1) >= limits[place])  # 0 or 1: no branch to predict
        word = words[place] + (aliases[place] - words[place]) * else_
        for k in range(j):
            equal |= drawn[k] == word
        drawn[j] = word
    return number, equal


@njit
def _fetch(vector: int, size: int) -> None:
    for place in range(vector, vector + size, LINE):
        prefetch(place)


@njit
def _merge(drawn: Int64, named: Int32, steps: Float32, negatives: int, absent: int) -> None:
    """Give the steps of a word that was drawn again to its first place."""
    for j in range(1, negatives):
        for k in range(j):
            if named[BATCH + j] == named[BATCH + k]:
                for i in range(BATCH):
                    steps[k, i] += steps[j, i]
                    steps[j, i] = 0
                drawn[j] = absent
                break


@njit
def _loss_of(totals: Float32, weight: np.float32) -> np.float64:
    """Return the loss that is summed, and begin anew."""
    of_negatives, of_outputs = 0.0, 0.0
    negative, own = 1.0, 1.0
    for group in range(2):
        for lane in range(TOGETHER * BATCH):
            if group == 1 and lane >= (TOGETHER - 1) * BATCH:
                of_outputs += np.float64(totals[group, 0, lane])
                own *= np.float64(totals[group, 1, lane])
            else:
                of_negatives += np.float64(totals[group, 0, lane])
                negative *= np.float64(totals[group, 1, lane])
    totals[:, 0] = 0
    totals[:, 1] = 1
    return np.float64(weight) * (of_negatives + math.log(negative)) + of_outputs + math.log(own)
