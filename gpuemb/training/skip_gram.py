"""Skip-gram with negative sampling, one seed at a time, on every core, with the same bits for any number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, Int32, Int64, to_device, to_host
from gpuemb.core.device import Device
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer, tiles
from gpuemb.core.random import stream
from gpuemb.corpus.tokens import Tokens
from gpuemb.kernels.skipgram_epoch import HALF, LANES, PARTS, UInt64, skipgram_pairs, skipgram_steps
from gpuemb.kernels.skipgram_epoch.noise import noise_of
from gpuemb.training.checkpoints import Arrays
from gpuemb.training.epochs import FOLLOWED_BY_NOBODY, RunOptions, train_epochs
from gpuemb.training.held_out import HeldOutPairs, pairs_held_out, plan_held_out
from gpuemb.training.recipes import SkipGram
from gpuemb.training.start import Start
from gpuemb.training.trained import Tables, TrainedModel

LEAST_BLOCKS, MOST_BLOCKS = 8, 256  # for as many threads; more leave few pairs in a bucket
BLOCK_WORDS = 64  # at least, so that a block has a choice of negatives
BLOCK_BYTES = 1 << 22  # vectors of a bucket: a core's share of the last cache; half as many are slower
CHUNK_PAIRS = 1 << 20  # expected pairs of a chunk without sub-sampling, at least: blocks change often
BUCKET_PAIRS = 128  # of them a bucket, at least
SHARED = 2.4  # times the negatives are drawn for the pairs that share them, and weigh as much less
COUNTED = 1 << 22  # tokens at once
PAIR_BYTES_ON_GPU = 112  # two words before and after the sort 16, keys 24, orders and the sorts' copies 72
SLOWEST = 1e-4  # of the learning rate, where it ends, as in word2vec


@dataclass(frozen=True)
class Seeds:
    """What decides a run.

    Attributes:
        init: the vectors before the first step.
        order: which words share a block, and the order of chunks and rounds.
        sampling: which tokens are kept, their windows, and the negatives.
    """

    init: int
    order: int
    sampling: int


def train_skip_gram(
    tokens: Tokens,
    recipe: SkipGram,
    seeds: Seeds,
    *,
    device: Device,
    options: RunOptions = FOLLOWED_BY_NOBODY,
) -> TrainedModel:
    """Train one run; its vectors are the input vectors, zero for a word without any pair.

    Args:
        tokens: the corpus.
        recipe: dimensions, window, negatives and rates.
        seeds: of its random parts.
        device: where to train.
        options: how it is followed.

    Raises:
        NonFiniteError: the loss diverged; run, epoch and rate are named.
        ConfigError: sub-sampling left no pair.

    Cost: about ``6·d·(1 + negatives)`` flops a pair, ``window + 1`` pairs a kept token and epoch.
    Source: Mikolov et al. (2013), NIPS; Definitions §1.
    """
    training = SkipGramTraining(tokens, recipe, seeds, device, options.held, options.start)
    model = train_epochs(training, recipe, tokens.vocabulary, options)
    if not training.trained.any():
        raise ConfigError(
            f"skip-gram: sample = {recipe.sample} leaves no pair of words",
            needed="Sub-sampling must keep some tokens that stand near each other.",
            remedy="Use sample=0 to keep every token, or more text.",
        )
    return model


class SkipGramTraining:
    """A run of skip-gram that is being trained.

    Args:
        tokens: the corpus.
        recipe: dimensions, window, negatives and rates.
        seeds: of its random parts.
        device: where to train.
        held: documents that are measured, not trained on.
        start: rows of an earlier training.
    """

    def __init__(
        self,
        tokens: Tokens,
        recipe: SkipGram,
        seeds: Seeds,
        device: Device,
        held: Tokens | None = None,
        start: Start | None = None,
    ) -> None:
        words = len(tokens.vocabulary)
        counts = count_words(tokens.ids, words)
        self.recipe, self.seeds, self.device = recipe, seeds, device
        self.ids, self.starts = to_device(tokens.ids, device), to_device(tokens.starts, device)
        self.keep = to_device(keep_limits(counts, recipe.sample), device)
        self.chances = noise_chances(counts, recipe.ns_exponent)
        first = initialize(words, recipe, seeds.init)
        if start is not None:
            start.begin(first[:, :, : recipe.dim])
        self.vectors = to_device(first, device)
        self.trained = to_device(np.zeros(words, np.bool_), device)
        self.held: HeldOutPairs | None = None
        if held is not None:
            self.held = pairs_held_out(held, recipe, counts, to_host(self.keep), self.chances)
        self.draw, self.step = skipgram_pairs.on(device), skipgram_steps.on(device)

    def visit(self, epoch: int) -> float:
        """Visit every pair once; return the mean loss of a pair and its negatives along the way."""
        recipe, drawn = self.recipe, drawn_negatives(self.recipe.negatives)
        losses, visited = [], 0
        for chunk in chunks(len(self.ids), len(self.trained), recipe, self.seeds, epoch):
            count = len(chunk.rounds)
            noise = noise_of(self.chances, chunk.blocks[1], count, recipe.negatives / drawn)
            text, key = (chunk.span, self.keep, recipe.window, chunk.keys[0]), chunk.keys[1]
            blocks = to_device(chunk.blocks, self.device)
            pairs = self.draw(self.ids, self.starts, *text, blocks, count)
            losses.append(self.step(pairs, noise, self.vectors, chunk.rounds, chunk.rates, drawn, key))
            visited += len(pairs.inputs)
            if not self.trained.all():
                self.trained[pairs.inputs] = True
            del pairs  # before those of the next chunk are drawn
        return math.fsum(losses) / max(1, visited)

    def held_out(self) -> float | None:
        """Return the mean loss of the documents that are not trained on; None where all are."""
        return None if self.held is None else self.held.loss(to_host(self.vectors))

    def state(self) -> Arrays:
        """Return the arrays that the next epoch depends on, on the host."""
        return {"vectors": to_host(self.vectors), "trained": to_host(self.trained)}

    def set_state(self, state: Arrays) -> None:
        """Go on from the arrays of :meth:`state`."""
        self.vectors = to_device(state["vectors"], self.device)
        self.trained = to_device(state["trained"], self.device)

    def is_finite(self) -> bool:
        """Whether every vector is finite."""
        return bool(np.isfinite(self.vectors).all())

    def tables(self) -> Tables:
        """Return what is learned so far, as a copy."""
        words, contexts = to_host(self.vectors)[:, :, : self.recipe.dim].copy()
        words[~to_host(self.trained)] = 0
        return Tables(words, words, contexts)


@dataclass(frozen=True, eq=False)
class Chunk:
    """A piece of the text, as an epoch visits it.

    Attributes:
        span: positions of its first token and behind its last one.
        blocks: ``(2, V)`` int32, block of each word as input and as output.
        rounds: ``(B,)`` int64, in their order.
        rates: ``(B,)`` float32, learning rate of each round in that order.
        keys: of the tokens, the same for all chunks of an epoch, and of the negatives.
    """

    span: tuple[int, int]
    blocks: Int32
    rounds: Int64
    rates: Float32
    keys: tuple[int, int]


def chunks(tokens: int, words: int, recipe: SkipGram, seeds: Seeds, epoch: int) -> Iterator[Chunk]:
    """Yield the chunks of an epoch in the order of the visit: all that is random in it.

    Chunks and blocks follow from the sizes alone, never from the threads.
    """
    count = block_count(words, recipe.dim)
    spans = spans_of(tokens, recipe.window, count)
    order = stream(seeds.order, "skip-gram", "order", epoch)
    sampling = stream(seeds.sampling, "skip-gram", "sampling", epoch)
    text_key, *keys = sampling.integers(0, 2**64, 1 + len(spans), np.uint64).tolist()
    for turn, place in enumerate(order.permutation(len(spans)).tolist()):
        blocks = np.stack([order.permutation(words) % count for _ in range(2)]).astype(np.int32)
        done = (epoch + (turn + np.arange(count) / count) / len(spans)) / recipe.epochs
        with np.errstate(over="ignore"):  # a rate beyond float32 diverges, and the error says so
            rates = (recipe.learning_rate * np.maximum(1 - done, SLOWEST)).astype(np.float32)
        yield Chunk(spans[place], blocks, order.permutation(count), rates, (text_key, keys[place]))


def spans_of(tokens: int, window: int, blocks: int) -> list[tuple[int, int]]:
    """Cut a text into chunks of nearly equal size, none longer than :func:`longest_chunk`."""
    return threads.ranges(tokens, -(-tokens // longest_chunk(window, blocks)))


def longest_chunk(window: int, blocks: int) -> int:
    """Return the tokens of a chunk: the expected pairs, ``window + 1`` a kept token, fill the buckets."""
    return -(-max(CHUNK_PAIRS, BUCKET_PAIRS * blocks**2) // (window + 1))


def drawn_negatives(negatives: int) -> int:
    """Return how many words a batch draws from the noise: 2.4 times as many, filled up to a multiple of 3.

    An input meets each once, whatever its number of pairs in the batch, about three: four a pair. With fewer,
    two seeds would share fewer neighbors than two of word2vec, whose pairs draw their own: with nine for five
    0.32 of ten, with twelve 0.33, as they do. The kernel computes with as many.
    """
    wanted = math.ceil(SHARED * negatives)
    return wanted + -wanted % 3


def block_count(words: int, dim: int) -> int:
    """Return B: vectors of a bucket fit its cache, and a block has words to choose negatives from."""
    wanted = -(-2 * words * _padded(dim) * 4 // BLOCK_BYTES)
    return max(1, min(max(LEAST_BLOCKS, wanted), MOST_BLOCKS, words // BLOCK_WORDS))


def count_words(ids: Int32, words: int) -> Int64:
    """Count each word of a text, a piece at a time: NumPy widens what it counts to 64 bits."""
    counts = np.zeros(words, np.int64)
    for first, last in tiles(len(ids), COUNTED):
        counts += np.bincount(ids[first:last], minlength=words)
    return counts


def keep_limits(counts: Int64, sample: float) -> UInt64:
    """Chance to keep a token of each word, ``min(1, √(sample/f) + sample/f)``, in units of 2⁻³².

    Source: word2vec's code; the paper's equation 5 lacks the second term.
    """
    shares = np.maximum(counts, 1) / max(1, int(counts.sum()))
    chances = np.minimum(1, np.sqrt(sample / shares) + sample / shares) if sample else np.ones(len(counts))
    return (chances * HALF).astype(np.uint64)


def noise_chances(counts: Int64, exponent: float) -> Float64:
    """Chance of each word to be a negative, ``∝ count^exponent``; words that do not occur are never drawn."""
    powers = np.where(counts > 0, np.maximum(counts, 1.0) ** exponent, 0.0)
    chances: Float64 = powers / powers.sum()
    return chances


def initialize(words: int, recipe: SkipGram, seed: int) -> Float32:
    """Inputs uniform in ±1/(2d), outputs zero, as in word2vec; every vector begins with a cache line."""
    shape = 2, words, _padded(recipe.dim)
    raw = np.zeros(math.prod(shape) + LANES, np.float32)
    first = -raw.ctypes.data // raw.itemsize % LANES
    vectors = raw[first : first + math.prod(shape)].reshape(shape)
    draw = stream(seed, "skip-gram", "initialization").random((words, recipe.dim), dtype=np.float32)
    vectors[0, :, : recipe.dim] = (draw - np.float32(0.5)) / np.float32(recipe.dim)
    return vectors


def plan_skip_gram(words: int, recipe: SkipGram, tokens: int | None = None) -> MemoryPlan:
    """State the bytes that training one run holds beside the text, by default for a large text."""
    blocks = block_count(words, recipe.dim)
    span, counted = longest_chunk(recipe.window, blocks), COUNTED
    if tokens is not None:
        span, counted = min(span, tokens), min(counted, tokens)
    return MemoryPlan(
        f"skip-gram with {words} words, {recipe.dim} dimensions, window {recipe.window}",
        {
            "input and output vectors": buffer((2, words, _padded(recipe.dim)), np.float32),
            "pairs of a chunk, before and after they are arranged": buffer(
                (4, span, 2 * recipe.window), np.int32
            ),
            "kept tokens of a chunk": buffer((7, span), np.int32),
            "a piece of the text while it is counted": buffer((counted,), np.int64),
            "sizes of buckets": buffer((3, PARTS * threads.count(), blocks, blocks), np.int64),
            "blocks and noise": buffer((12, words), np.float64),
            "pairs that are held out": plan_held_out(recipe),
        },
    )


def plan_skip_gram_on_gpu(words: int, recipe: SkipGram, tokens: int, documents: int) -> MemoryPlan:
    """State the bytes of the device that training one run holds, its text included."""
    blocks = block_count(words, recipe.dim)
    span = min(tokens, longest_chunk(recipe.window, blocks))
    return MemoryPlan(
        f"skip-gram on the GPU with {tokens} tokens, {words} words, {recipe.dim} dimensions",
        {
            "input and output vectors": buffer((2, words, _padded(recipe.dim)), np.float32),
            "whether they are finite": buffer((2, words, _padded(recipe.dim)), np.bool_),
            "text": buffer((tokens,), np.int32) + buffer((documents + 1,), np.int64),
            "pairs of a chunk while they are sorted": 2 * span * recipe.window * PAIR_BYTES_ON_GPU,
            "pairs of its tokens": buffer((3, span), np.int64),
            "bounds of buckets and losses": buffer((6, blocks, blocks), np.int64),
            "blocks and noise": buffer((8, words), np.int64),
        },
    )


def _padded(dim: int) -> int:
    return -(-dim // LANES) * LANES
