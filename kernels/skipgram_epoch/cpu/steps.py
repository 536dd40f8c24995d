"""Steps of a round's buckets on all workers."""

from __future__ import annotations

import math

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, Int32, Int64
from gpuemb.core.jit import njit, njit_reassociated
from gpuemb.kernels.intrinsics import prefetch
from gpuemb.kernels.panels import LINE
from gpuemb.kernels.skipgram_epoch import BATCH, GOLDEN, HALF, LANES, Noise, Pairs, UInt64
from gpuemb.kernels.skipgram_epoch.cpu.batch import dots, move
from gpuemb.kernels.skipgram_epoch.cpu.numbers import mixed

SHARES = 2  # of a round a worker, so that none waits long for the others
SATURATED = np.float32(80)  # |x| from which e^−|x| is that of 80: 2e-35
LOG2_E, LOG_2 = np.float32(1 / math.log(2)), np.float32(math.log(2))
ONE, T2, T3, T4, T5, T6, T7 = (np.float32(1 / math.factorial(max(k, 1))) for k in (1, *range(2, 8)))


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
    nothing: Float32,
) -> None:
    """Visit some buckets of a round; ``nothing``, zeros, stands for what a batch lacks, and stays so."""
    count, lines = len(bounds), vectors.shape[2] // LANES
    row = LANES * 4 * lines
    of_inputs = vectors.ctypes.data
    of_outputs = of_inputs + row * vectors.shape[1]
    absent = nothing.ctypes.data
    drawn = np.full(max(3, negatives | 1), absent, np.int64)
    pair = np.full((2, BATCH), absent, np.int64)
    products = np.zeros((len(drawn) + 1, BATCH), np.float32)
    used, powers = np.zeros_like(products), np.zeros_like(products)
    at_inputs, at_outputs = pair.ctypes.data, pair.ctypes.data + 8 * BATCH
    at_drawn, at_products = drawn.ctypes.data, products.ctypes.data
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
                drawn[j] = of_outputs + row * np.int64(words[place] if taken else aliases[place])
            present = min(BATCH, bounds[block, 1] - start)
            for i in range(BATCH):
                pair[0, i] = of_inputs + row * inputs[start + i] if i < present else absent
                pair[1, i] = of_outputs + row * outputs[start + i] if i < present else absent
            for i in range(min(BATCH, bounds[block, 1] - start - BATCH)):
                soon_input = of_inputs + row * inputs[start + BATCH + i]
                soon_output = of_outputs + row * outputs[start + BATCH + i]
                for line in range(lines):
                    prefetch(soon_input + LINE * line)
                    prefetch(soon_output + LINE * line)
            dots(at_inputs, at_outputs, at_drawn, len(drawn), lines, at_products)
            for j in range(negatives):
                for i in range(BATCH):
                    used[j, i] = 1.0 if i < present and drawn[j] != pair[1, i] else 0.0
            for i in range(BATCH):
                used[len(drawn), i] = 1.0 if i < present else 0.0
            loss += _steps_of(products, used, powers, rate, weights[output_block])
            move(at_inputs, at_outputs, at_drawn, len(drawn), lines, at_products)
        losses[block] = loss


@njit_reassociated
def _steps_of(
    products: Float32, used: Float32, powers: Float32, rate: np.float32, weight: np.float32
) -> np.float64:
    """Replace the dot products of a batch by the steps along the other vector; return the loss.

    ``e^−|x| = 2^−n·e^f``, the power of two by the bits of the number and ``e^f``, |f| ≤ ½·log 2, by Taylor's
    polynomial of degree 7, whose error is 5e-9. ``Σ log(1 + e^−|x|)`` is the logarithm of one product.
    """
    x, chosen, power = products.ravel(), used.ravel(), powers.ravel()
    bits = power.view(np.int32)
    for k in range(len(x) - BATCH, len(x)):
        x[k] = -x[k]
    for k in range(len(x)):
        scaled = min(abs(x[k]), SATURATED) * LOG2_E
        whole = np.int32(scaled + np.float32(0.5))
        f = (np.float32(whole) - scaled) * LOG_2
        e = f * T7 + T6
        e = e * f + T5
        e = e * f + T4
        e = e * f + T3
        e = e * f + T2
        e = (e * f + ONE) * f + ONE
        power[k] = e
        bits[k] -= whole << 23
    loss, negatives = np.float64(0), len(x) - BATCH
    for first, last, scale in ((0, negatives, weight), (negatives, len(x), ONE)):
        linear, factors = np.float32(0), np.float64(1)
        for k in range(first, last):
            linear += chosen[k] * (x[k] + abs(x[k]))
            factors *= np.float64(ONE + chosen[k] * power[k])
        loss += np.float64(scale) * (0.5 * np.float64(linear) + math.log(factors))
    for k in range(len(x)):
        sigmoid = (ONE if x[k] >= 0 else power[k]) / (ONE + power[k])
        x[k] = sigmoid * chosen[k] * (-rate * weight if k < negatives else rate)
    return loss
