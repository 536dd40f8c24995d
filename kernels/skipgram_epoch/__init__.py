"""Skip-gram with negative sampling over a piece of the corpus: its pairs in disjoint buckets, then the steps.

    ids, starts           (T,) int32, (D + 1,) int64: documents, as in ``Tokens``
    keep                  (V,)    uint64  a token of word w is kept if the upper half of its number < keep[w]
    blocks                (2, V)  int32   block, 0 … B − 1, of each word as input (0) and as output (1)
    pairs.inputs, .outputs  (N,)  int32   the two words of each pair, bucket by bucket
    pairs.bounds      (B, B, 2)   int64   [r, b]: pairs of input block b, output block (b + r) mod B: a bucket
    vectors       (2, V, width)   float32 input (0) and output (1) vectors, updated in place; columns beyond d
                                          are zero and stay so

**Pairs.** The token at position p has the number ``mix(key + p·GOLDEN)``. Its upper 32 bits decide whether it
is kept, its lower 32 its window ``1 + ⌊low·window / 2³²⌋``, measured in kept tokens and within the document.
A kept token is the output of one pair with each token in its window as input, as in word2vec. ``span``
limits the outputs, not the windows: no document is cut. Pairs of a bucket are cut into layers: the first
``RUN`` pairs of each input are layer 0, the next ``RUN`` layer 1, and so on. Layer by layer, inputs ascend,
and the pairs of one are in the order of the text.

**Steps.** Rounds are sequential. The B buckets of a round share no input and no output word, so they may
run at once. A bucket is visited in batches of up to ``INPUTS`` runs: a run is up to ``RUN`` consecutive pairs
of one input, and the inputs of a batch ascend. Its pairs share ``negatives`` words of its output block c,
drawn from ``noise``: the products of an input with them serve all pairs of its run. All gradients of a batch
are of the vectors before it; steps of equal words add up. A negative that is the pair's own output is
skipped, as in word2vec; counted, it would come B times too often, since a word always shares a block with
itself. A step against a negative is multiplied by ``noise.weights[c]``, the block's share of the noise over
the chance that two words share a block: since words are dealt to blocks at random, a pair's expected step
against each other word is that of word2vec, exactly.

Source: Mikolov et al. (2013), NIPS; the strata: Gemulla et al. (2011); negatives of the same bucket: Lerer et
al. (2019), "PyTorch-BigGraph". Numbers: SplitMix64, Steele et al. (2014).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float32, Int32, Int64
from gpuemb.core.dispatch import kernel

UInt64 = NDArray[np.uint64]
LANES = 16  # vectors are padded to a multiple of this: no scalar remainder in the inner loops
INPUTS = 4  # of a batch: their products with three negatives fit sixteen registers
RUN = 4  # pairs of an input in a batch: more at once overshoot for words that are everywhere
BATCH = INPUTS * RUN  # pairs that share negatives, at most
PARTS = 4  # of a chunk a worker, so that none waits long for the others
GOLDEN = 0x9E3779B97F4A7C15
HALF = 1 << 32


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of words, bucket by bucket."""

    inputs: Int32
    outputs: Int32
    bounds: Int64


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise distribution of each block, as alias tables.

    Attributes:
        words: ``(V,)`` int32, block by block.
        starts: ``(B + 1,)`` int64, where blocks begin in ``words``.
        limits: ``(V,)`` uint64: a place is taken if the lower half of a number is below, else its alias.
        aliases: ``(V,)`` int32, words.
        weights: ``(B,)`` float32, of a step against a negative.
    """

    words: Int32
    starts: Int64
    limits: UInt64
    aliases: Int32
    weights: Float32


def mix(numbers: UInt64) -> UInt64:
    """Return the pseudo-random numbers of an array of counters (SplitMix64)."""
    x: UInt64 = np.asarray(numbers, np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def numbers_of(key: int, counters: Any) -> UInt64:
    """Return the number of each counter under a key of 64 bits."""
    return mix(np.uint64(key) + np.atleast_1d(np.asarray(counters)).astype(np.uint64) * np.uint64(GOLDEN))


@kernel
def skipgram_pairs(
    ids: Int32,
    starts: Int64,
    span: tuple[int, int],
    keep: UInt64,
    window: int,
    key: int,
    blocks: Int32,
    block_count: int,
) -> Pairs:
    """Draw the pairs whose output is at a position of ``span``; deal them to buckets.

    Cost: two passes over the tokens; about ``window + 1`` pairs of 8 bytes a kept token.
    """
    numbers = numbers_of(key, np.arange(len(ids)))
    upper, lower = numbers >> np.uint64(32), numbers & np.uint64(HALF - 1)
    reach = 1 + (lower * np.uint64(window) >> np.uint64(32)).astype(np.int64)
    kept = upper < keep[ids]
    found: list[tuple[int, int]] = []
    for first, last in pairwise(starts):
        places = first + np.flatnonzero(kept[first:last])
        for i, place in enumerate(places):
            if span[0] <= place < span[1]:
                near = [*places[max(0, i - reach[place]) : i], *places[i + 1 : i + 1 + reach[place]]]
                found += [(int(ids[other]), int(ids[place])) for other in near]
    inputs, outputs = np.array(found, np.int32).reshape(-1, 2).T
    bucket = blocks[0, inputs] * np.int64(block_count) + blocks[1, outputs]
    order = arranged(bucket, inputs)
    sizes = np.bincount(bucket, minlength=block_count**2)
    return Pairs(inputs[order], outputs[order], bounds_of(sizes.astype(np.int64), block_count))


def arranged(buckets: Any, inputs: Any, xp: Any = np) -> Any:
    """Return the order of pairs by bucket, layer and input, else as they are, in the library xp."""
    order = xp.lexsort(xp.stack([inputs, buckets]))
    of_buckets, words = buckets[order], inputs[order]
    begins = xp.ones(len(order), np.bool_)
    begins[1:] = (of_buckets[1:] != of_buckets[:-1]) | (words[1:] != words[:-1])
    earlier = xp.arange(len(order)) - xp.flatnonzero(begins)[xp.cumsum(begins) - 1]
    return order[xp.lexsort(xp.stack([words, earlier // RUN, of_buckets]))]


def bounds_of(sizes: Int64, block_count: int, xp: Any = np) -> Int64:
    """Return ``bounds[r, b]`` of buckets that lie by input block, then output block, in the library xp."""
    ends = xp.cumsum(sizes)
    by_blocks = xp.stack([ends - sizes, ends], axis=1).reshape(block_count, block_count, 2)
    rounds, inputs = xp.indices((block_count, block_count))
    bounds: Int64 = by_blocks[inputs, (inputs + rounds) % block_count]
    return bounds


@kernel
def skipgram_steps(
    pairs: Pairs,
    noise: Noise,
    vectors: Float32,
    rounds: Int64,
    rates: Float32,
    negatives: int,
    key: int,
) -> float:
    """Visit every pair once; return the loss ``−Σ [log σ(v·c) + weight · Σ log σ(−v·c_n)]`` along the way.

    Args:
        pairs: of :func:`skipgram_pairs`.
        noise: of the same blocks.
        vectors: updated in place.
        rounds: ``(B,)`` int64, rounds in the order of the visit.
        rates: ``(B,)`` float32, learning rate of each visited round.
        negatives: words drawn for a batch.
        key: of the negatives: number ``i`` of a bucket is its own key ``+ i·GOLDEN``: multiples of the golden
            ratio, which spread evenly, so that words are met as often as they should.

    Cost: about ``6·d·(1 + negatives / m)`` flops a pair, with m pairs a run.
    """
    loss, count = 0.0, len(pairs.bounds)
    for round_, rate in zip(rounds, rates, strict=True):
        for block in range(count):
            output_block = int(block + round_) % count
            first, last = pairs.bounds[round_, block]
            (own,) = numbers_of(key, round_ * count + block)
            for batch, chosen in enumerate(batches(pairs.inputs, int(first), int(last))):
                counters = (batch * negatives + np.arange(negatives)).astype(np.uint64)
                drawn = own + counters * np.uint64(GOLDEN)
                words = _negatives(noise, output_block, drawn)
                weight = noise.weights[output_block]
                loss += _step(vectors, pairs.inputs[chosen], pairs.outputs[chosen], words, weight, rate)
    return loss


def batches(inputs: Int32, first: int, last: int) -> Iterator[slice]:
    """Yield the batches of a bucket: up to ``INPUTS`` runs whose inputs ascend."""
    start, runs, size = first, 0, 0
    for place in range(first, last):
        same = place > start and inputs[place] == inputs[place - 1]
        if same and size < RUN:
            size += 1
            continue
        if runs == INPUTS or (place > start and inputs[place] <= inputs[place - 1]):
            yield slice(start, place)
            start, runs = place, 0
        runs, size = runs + 1, 1
    if start < last:
        yield slice(start, last)


def _negatives(noise: Noise, block: int, numbers: UInt64) -> Int32:
    first, last = noise.starts[block : block + 2]
    spread = (numbers >> np.uint64(32)) * np.uint64(last - first)
    places = first + (spread >> np.uint64(32)).astype(np.int64)
    within = spread & np.uint64(HALF - 1)
    words: Int32 = np.where(within < noise.limits[places], noise.words[places], noise.aliases[places])
    return words


def _step(
    vectors: Float32, inputs: Int32, outputs: Int32, words: Int32, weight: np.float32, rate: np.float32
) -> float:
    v, c, n = vectors[0, inputs], vectors[1, outputs], vectors[1, words]
    drawn, other = (v * c).sum(axis=1), words != outputs[:, None]
    against = v @ n.T
    loss = _softplus(-drawn).sum() + weight * (_softplus(against) * other).sum()
    towards = (rate * _sigmoid(-drawn))[:, None]
    away = -rate * weight * _sigmoid(against) * other
    np.add.at(vectors[0], inputs, towards * c + away @ n)
    np.add.at(vectors[1], outputs, towards * v)
    np.add.at(vectors[1], words, away.T @ v)
    return float(loss)


def _sigmoid(x: Any) -> Any:
    return np.exp(-np.logaddexp(0, -x))


def _softplus(x: Any) -> Any:
    return np.logaddexp(0, x).astype(np.float64)
