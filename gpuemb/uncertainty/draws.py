"""Permutations, resamples and blocks of words, and their values on all threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.checks import check_at_least, check_at_most
from gpuemb.core.errors import ConfigError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.random import stream

MOST_DRAWS = 10**7  # 80 MB of values; a p-value of 1e-7
FEW_WORDS, FEW_BLOCKS, BLOCKS = 500, 20, 50  # Definitions §5


class Resampling(TypedDict, total=False):
    """How the uncertainty of a measure is found: keyword arguments of every measure of two tables.

    Attributes:
        permutations: of the words of one table, for ``p_value``, ``chance_adjusted``, ``gated``; 0 for none.
        bootstrap: resamples of the words instead of the jackknife, where the measure is a sum over pairs of
            words (RSA, CKA, PIP); two copies of a word make no pair. 0 for none.
        blocks: of words that the jackknife leaves out one at a time, for ``interval``; None for 50, or 20
            below 500 words; 0 for no interval.
        seed: of the named streams of random numbers; a draw is the same whatever else is drawn.
        confidence: of the interval.
        progress: receives every step.
    """

    permutations: int
    bootstrap: int
    blocks: int | None
    seed: int
    confidence: float
    progress: Progress


@dataclass(frozen=True)
class Draws:
    """The arguments of :class:`Resampling`, checked.

    Attributes:
        where: the function that was called, for messages.

    Raises:
        ConfigError: a negative count, or a confidence that is not between 0 and 1.
    """

    where: str
    permutations: int = 0
    bootstrap: int = 0
    blocks: int | None = None
    seed: int = 0
    confidence: float = 0.95
    progress: Progress = SILENT

    def __post_init__(self) -> None:
        for name in ("permutations", "bootstrap", "blocks", "seed"):
            if name != "blocks" or self.blocks is not None:
                check_at_least(self.where, name, getattr(self, name), 0)
        for name in ("permutations", "bootstrap"):
            check_at_most(self.where, name, getattr(self, name), MOST_DRAWS)
        if not 0 < self.confidence < 1:
            raise ConfigError(
                f"{self.where}: confidence = {self.confidence}",
                needed="A share between 0 and 1, both left out, is needed.",
                remedy="confidence=0.95 is 95 %.",
            )

    def __bool__(self) -> bool:
        return self.permutations > 0 or self.bootstrap > 0


def weights_of(draw: int, words: int, seed: int) -> Int64:
    """How often each word is in resample ``draw``: V words drawn with replacement."""
    chosen = stream(seed, "bootstrap", "words", draw).integers(0, words, words)
    return np.bincount(chosen, minlength=words)


def order_of(draw: int, words: int, seed: int) -> Int64:
    """The row of Y that is paired with each row of X in permutation ``draw``."""
    return stream(seed, "permutation", "words", draw).permutation(words)


def block_count(words: int) -> int:
    """Return how many blocks a jackknife over so many words has."""
    return min(words, FEW_BLOCKS if words < FEW_WORDS else BLOCKS)


def deal(words: int, blocks: int, seed: int) -> list[Int64]:
    """Deal the words to blocks by a named stream; return the rows of each block, ascending."""
    order = stream(seed, "jackknife", "words").permutation(words)
    return [np.sort(order[block::blocks]) for block in range(blocks)]


def draw_values(
    draws: Draws,
    name: str,
    observed: float,
    permute: Callable[[int], float],
    resample: Callable[[int], float],
) -> tuple[Float64, Float64]:
    """Return the values of all permutations and of all resamples; none if ``observed`` is NaN."""
    exists = not math.isnan(observed)
    counts = (draws.permutations, draws.bootstrap) if exists else (0, 0)
    null = _values(f"permutations of {name}", permute, counts[0], draws.progress)
    return null, _values(f"bootstrap of {name}", resample, counts[1], draws.progress)


def _values(phase: str, value: Callable[[int], float], count: int, progress: Progress) -> Float64:
    values = np.empty(count)
    if count:
        with progress.phase(phase, count) as task:
            for draw, one in enumerate(threads.stream(value, range(count))):
                values[draw] = one
                task.advance()
    return values
