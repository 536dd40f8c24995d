"""Steps of a round's buckets on all workers."""

from __future__ import annotations

import math

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, Int32, Int64
from gpuemb.core.jit import njit, njit_reassociated
from gpuemb.kernels.skipgram_epoch import BATCH, GOLDEN, HALF, Noise, Pairs, UInt64
from gpuemb.kernels.skipgram_epoch.cpu.numbers import mixed

SHARES = 2  # of a round a worker, so that none waits long for the others


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
    losses = np.zeros((count, count))
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
            )

        threads.run(visit, _shares(np.diff(pairs.bounds[round_])[:, 0], SHARES * threads.count()))
    return math.fsum(losses.ravel())


def _shares(sizes: Int64, parts: int) -> list[Int64]:
    """Deal buckets to parts of about equal size, the largest part first."""
    order = np.argsort(-sizes, kind="stable")
    totals = np.zeros(max(1, min(parts, len(sizes))), np.int64)
    shares: list[list[int]] = [[] for _ in totals]
    for bucket in order.tolist():
        least = int(totals.argmin())
        shares[least].append(bucket)
        totals[least] += sizes[bucket] + 1
    return [np.array(share, np.int64) for _, share in sorted(zip(-totals, shares, strict=True))]


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
) -> None:
    count = len(bounds)
    drawn = np.empty(negatives, np.int32)
    steps = np.empty((BATCH, negatives + 1), np.float32)
    moves = np.empty((BATCH, vectors.shape[2]), np.float32)
    for block in chosen:
        output_block = (block + round_) % count
        first, size = starts[output_block], np.uint64(starts[output_block + 1] - starts[output_block])
        own = mixed(key + np.uint64(round_ * count + block) * np.uint64(GOLDEN))
        counter, loss = np.uint64(0), 0.0
        for start in range(bounds[block, 0], bounds[block, 1], BATCH):
            for j in range(negatives):
                number = mixed(own + counter * np.uint64(GOLDEN))
                counter += np.uint64(1)
                place = first + np.int64((number >> np.uint64(32)) * size >> np.uint64(32))
                taken = number & np.uint64(HALF - 1) < limits[place]
                drawn[j] = words[place] if taken else aliases[place]
            stop = min(start + BATCH, bounds[block, 1])
            loss += _batch(
                inputs[start:stop],
                outputs[start:stop],
                drawn,
                vectors,
                rate,
                weights[output_block],
                steps,
                moves,
            )
        losses[block] = loss


@njit_reassociated
def _batch(
    inputs: Int32,
    outputs: Int32,
    drawn: Int32,
    vectors: Float32,
    rate: np.float32,
    weight: np.float32,
    steps: Float32,
    moves: Float32,
) -> np.float64:
    """One batch; all steps are computed before the first is made."""
    loss, width = np.float64(0), vectors.shape[2]
    for i in range(len(inputs)):
        word = vectors[0, inputs[i]]
        for j in range(len(drawn) + 1):
            positive = j == len(drawn)
            other = vectors[1, outputs[i] if positive else drawn[j]]
            dot = np.float32(0)
            for k in range(width):
                dot += word[k] * other[k]
            x = -dot if positive else dot
            small = math.exp(-abs(float(x)))
            above = small if x < 0 else 1.0
            sigmoid = above / (1.0 + small)
            cost = 0.5 * (float(x) + abs(float(x))) + math.log1p(small)
            if positive:
                steps[i, j] = rate * np.float32(sigmoid)
                loss += cost
            elif drawn[j] == outputs[i]:
                steps[i, j] = 0
            else:
                steps[i, j] = -rate * weight * np.float32(sigmoid)
                loss += weight * cost
    for i in range(len(inputs)):
        move, output = moves[i], vectors[1, outputs[i]]
        for k in range(width):
            move[k] = steps[i, len(drawn)] * output[k]
        for j in range(len(drawn)):
            other = vectors[1, drawn[j]]
            for k in range(width):
                move[k] += steps[i, j] * other[k]
    for i in range(len(inputs)):
        word, output = vectors[0, inputs[i]], vectors[1, outputs[i]]
        for k in range(width):
            output[k] += steps[i, len(drawn)] * word[k]
        for j in range(len(drawn)):
            other = vectors[1, drawn[j]]
            for k in range(width):
                other[k] += steps[i, j] * word[k]
    for i in range(len(inputs)):
        word, move = vectors[0, inputs[i]], moves[i]
        for k in range(width):
            word[k] += move[k]
    return loss
