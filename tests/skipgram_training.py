"""Texts, pairs and steps of skip-gram for the tests of its kernels, and how far float32 may drift."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from tolerances import assert_same_bits, assert_within, skipgram_drift

from gpuemb.core.arrays import fields_to_device, to_device, to_host
from gpuemb.core.device import Device
from gpuemb.kernels.skipgram_epoch import HALF, LANES, Noise, Pairs, skipgram_pairs, skipgram_steps
from gpuemb.kernels.skipgram_epoch.noise import noise_of

RATE = 0.05


@dataclass(frozen=True)
class Text:
    """Documents of random lengths, empty ones among them, and words dealt to blocks."""

    words: int
    tokens: int
    documents: int
    blocks: int
    window: int
    seed: int

    def arguments(self) -> tuple[Any, ...]:
        numbers = np.random.default_rng(self.seed)
        ids = numbers.zipf(1.3, self.tokens).astype(np.int64) % self.words
        cuts = np.sort(numbers.integers(0, self.tokens + 1, self.documents - 1))
        starts = np.concatenate([[0], cuts, [self.tokens]]).astype(np.int64)
        keep = (numbers.random(self.words) * HALF * 1.5).clip(0, HALF).astype(np.uint64)
        span = tuple(np.sort(numbers.integers(0, self.tokens + 1, 2)).tolist())
        blocks = np.stack([numbers.permutation(self.words) % self.blocks for _ in range(2)])
        key = int(numbers.integers(0, 2**64, dtype=np.uint64))
        return (
            ids.astype(np.int32),
            starts,
            span,
            keep,
            self.window,
            key,
            blocks.astype(np.int32),
            self.blocks,
        )

    def noise(self) -> Noise:
        numbers = np.random.default_rng(self.seed + 1)
        chances = numbers.random(self.words) * (numbers.random(self.words) < 0.9) + 1e-9
        return noise_of(chances / chances.sum(), self.arguments()[6][1], self.blocks)


@dataclass(frozen=True)
class Training:
    """The pairs of a text, and the state before the first step."""

    text: Text
    dim: int
    negatives: int
    scale: float = 1.0  # of the vectors before the first step

    def vectors(self, dtype: DTypeLike = np.float32) -> Any:
        numbers = np.random.default_rng(self.text.seed + 2)
        width = -(-self.dim // LANES) * LANES
        vectors = np.zeros((2, self.text.words, width), dtype)
        vectors[:, :, : self.dim] = (self.scale * numbers.normal(size=(2, self.text.words, self.dim))).astype(
            np.float32
        )
        return vectors

    def pairs(self) -> Pairs:
        ids, starts, _, keep, *rest = self.text.arguments()
        return skipgram_pairs.reference(ids, starts, (0, len(ids)), keep, *rest)

    def rounds(self) -> Any:
        return np.random.default_rng(self.text.seed + 3).permutation(self.text.blocks)

    def run(self, step: Any, vectors: Any) -> float:
        rates = np.linspace(RATE, RATE / 2, self.text.blocks).astype(np.float32)
        key = 2**64 - 1 - self.text.seed
        return float(
            step(self.pairs(), self.text.noise(), vectors, self.rounds(), rates, self.negatives, key)
        )


def stepping(device: Device) -> Callable[..., float]:
    """The kernel of a device, for pairs and vectors of the host, which it updates."""

    def call(pairs: Pairs, noise: Noise, vectors: Any, *rest: Any) -> float:
        there = to_device(vectors, device)
        loss = skipgram_steps.on(device)(fields_to_device(pairs, device), noise, there, *rest)
        vectors[:] = to_host(there)
        return float(loss)

    return call


def assert_same_pairs(found: Pairs, expected: Pairs) -> None:
    for field in ("inputs", "outputs", "bounds"):
        assert_same_bits(getattr(found, field), getattr(expected, field))


def assert_close(device: Device, training: Training) -> None:
    """Compare with float64: the distance is float32's drift."""
    precise, single, found = training.vectors(np.float64), training.vectors(), training.vectors()
    expected = training.run(skipgram_steps.reference, precise)
    losses = training.run(skipgram_steps.reference, single), training.run(stepping(device), found)
    pairs = training.pairs()
    visits = max(1, np.bincount(pairs.inputs).max(initial=0), np.bincount(pairs.outputs).max(initial=0))
    bound = skipgram_drift(training.dim, int(visits), float(np.abs(precise).max(initial=0)))
    for vectors, loss in zip((single, found), losses, strict=True):
        assert_within(vectors, precise, bound)
        terms = len(pairs.inputs) * (1 + training.negatives * float(training.text.noise().weights.max()))
        longest = float(np.linalg.norm(precise, axis=2).max(initial=0))
        # a term moves by its dot product, at most twice the length times the distance of a vector
        assert_within(loss, expected, terms * 2 * longest * bound * math.sqrt(training.dim))
