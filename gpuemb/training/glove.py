"""GloVe, one seed at a time, on every core, with the same bits for any number of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpuemb.core.arrays import cache_lines, fields_to_device, to_device, to_host
from gpuemb.core.cuda import cupy
from gpuemb.core.device import Device
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.random import stream
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.kernels.glove_epoch import GloVeParameters, Strata, glove_epoch
from gpuemb.training.checkpoints import Arrays
from gpuemb.training.epochs import FOLLOWED_BY_NOBODY, RunOptions, train_epochs
from gpuemb.training.glove_strata import (
    SharedStrata,
    block_count,
    padded_width,
    stratify,
    stratify_bytes,
)
from gpuemb.training.held_out import HeldOutCounts, counts_held_out
from gpuemb.training.recipes import GloVe
from gpuemb.training.start import Start
from gpuemb.training.trained import Tables, TrainedModel


def train_glove(
    counts: Cooccurrence,
    recipe: GloVe,
    *,
    init_seed: int,
    order_seed: int,
    device: Device,
    options: RunOptions = FOLLOWED_BY_NOBODY,
) -> TrainedModel:
    """Train one run; its vectors are the sums of word and context vectors. A word without pairs is zero.

    Args:
        counts: symmetric counts.
        recipe: dimensions, epochs and weights.
        init_seed: decides the vectors before the first step.
        order_seed: decides the order in which the nonzeros are visited.
        device: where to train.
        options: how it is followed.

    Raises:
        NonFiniteError: the loss diverged; run, epoch and rate are named.

    Cost: ``12·d`` flops a nonzero and epoch. Source: Pennington (2014).
    """
    training = GloVeTraining(counts, recipe, init_seed, order_seed, device, options.start, options.strata)
    return train_epochs(training, recipe, counts.vocabulary, options)


class GloVeTraining:
    """A run of GloVe that is being trained.

    Args:
        counts: symmetric counts.
        recipe: dimensions, epochs and weights.
        init_seed: as of :func:`train_glove`.
        order_seed: likewise.
        device: where to train.
        start: rows of an earlier training.
        shared: strata of runs of the same counts, recipe and order.
    """

    def __init__(
        self,
        counts: Cooccurrence,
        recipe: GloVe,
        init_seed: int,
        order_seed: int,
        device: Device,
        start: Start | None = None,
        shared: SharedStrata | None = None,
    ) -> None:
        self.recipe, self.device = recipe, device
        self.held: HeldOutCounts | None = None
        if recipe.held_out:
            counts, self.held = counts_held_out(counts, recipe)
        self.strata = (shared or SharedStrata()).dealt(lambda: _on(device, counts, recipe, order_seed))
        first = initialize(len(counts.vocabulary), recipe, init_seed)
        if start is not None:
            start.begin(first.vectors[:, :, : recipe.dim], first.biases)  # AdaGrad's sums begin anew
        self.parameters = fields_to_device(first, device)
        self.silent = np.diff(counts.rows.indptr) == 0  # words without any pair are never trained
        rounds = stream(order_seed, "glove", "rounds")
        self.orders = [rounds.permutation(len(self.strata.bounds)) for _ in range(recipe.epochs)]
        self.step = glove_epoch.on(device)

    def visit(self, epoch: int) -> float:
        """Visit every nonzero once; return the mean of ``f(X)·error²`` along the way."""
        order = to_device(self.orders[epoch], self.device)
        strata = replace(self.strata, bounds=self.strata.bounds[order])
        return self.step(strata, self.parameters, self.recipe.learning_rate) / len(strata.rows)

    def held_out(self) -> float | None:
        """Return the mean loss of the pairs that are not trained on; None where all are."""
        if self.held is None:
            return None
        return self.held.loss(to_host(self.parameters.vectors), to_host(self.parameters.biases))

    def state(self) -> Arrays:
        """Return the arrays that the next epoch depends on, on the host."""
        return {name: to_host(array) for name, array in vars(self.parameters).items()}

    def set_state(self, state: Arrays) -> None:
        """Go on from the arrays of :meth:`state`."""
        self.parameters = fields_to_device(GloVeParameters(**state), self.device)

    def is_finite(self) -> bool:
        """Whether every vector is finite."""
        return bool(np.isfinite(self.parameters.vectors).all())

    def tables(self) -> Tables:
        """Return what is learned so far, as a copy."""
        vectors = to_host(self.parameters.vectors)[:, :, : self.recipe.dim].copy()
        biases = to_host(self.parameters.biases).copy()
        vectors[:, self.silent] = 0
        biases[:, self.silent] = 0
        return Tables(vectors[0] + vectors[1], vectors[0], vectors[1], biases[0], biases[1])


def _on(device: Device, counts: Cooccurrence, recipe: GloVe, seed: int) -> Strata:
    """Return the strata on the device, for all streams: runs that share them have streams of their own."""
    strata = fields_to_device(stratify(counts, recipe, seed, device), device)
    if device.kind == "cuda":
        cupy().cuda.get_current_stream().synchronize()
    return strata


def plan_glove(words: int, nonzeros: int, recipe: GloVe, *, dealt: bool = False) -> MemoryPlan:
    """State the bytes that training one run holds, without its strata where an earlier run has dealt them."""
    width = padded_width(recipe.dim)
    return MemoryPlan(
        f"glove with {words} words, {nonzeros} nonzeros, {recipe.dim} dimensions",
        {
            "vectors and their AdaGrad sums": buffer((4, words, width), np.float32),
            **({} if dealt else stratify_bytes(words, nonzeros, recipe.dim)),
            "counts without held-out pairs": buffer((3, nonzeros), np.int64) if recipe.held_out else 0,
        },
    )


def plan_glove_on_gpu(words: int, nonzeros: int, recipe: GloVe) -> MemoryPlan:
    """State the bytes of the device that training one run holds."""
    blocks = block_count(words, nonzeros, recipe.dim, Device("cuda", 0))
    return MemoryPlan(
        f"glove on the GPU with {words} words, {nonzeros} nonzeros, {recipe.dim} dimensions",
        {
            "vectors and their AdaGrad sums": buffer((4, words, padded_width(recipe.dim)), np.float32),
            "biases and their AdaGrad sums": buffer((4, words), np.float32),
            "ordered nonzeros": buffer((4, nonzeros), np.float32),
            "bounds of blocks, ordered, and losses": buffer((5, blocks, blocks), np.int64),
            "whether vectors are finite": buffer((2, words, padded_width(recipe.dim)), np.bool_),
        },
    )


def initialize(words: int, recipe: GloVe, seed: int) -> GloVeParameters:
    """Uniform in ±1/(2d); AdaGrad's sums start at 1, those of biases at ``learning_rate²``.

    As in the authors' program: a bias moves by ``g/√(1 + Σg²)``, whatever the rate. With sums from 1, biases
    of rare words are learned too slowly, and similarity scores are 0.01 lower.
    """
    width = padded_width(recipe.dim)
    numbers = stream(seed, "glove", "initialization")
    vectors = cache_lines((2, words, width), np.float32, 0)
    draw = numbers.random((2, words, recipe.dim + 1), dtype=np.float32)
    draw = (draw - np.float32(0.5)) / np.float32(recipe.dim)
    vectors[:, :, : recipe.dim] = draw[:, :, :-1]
    with np.errstate(over="ignore"):  # a rate beyond float32 diverges, and the error says so
        bias_squares = np.full((2, words), recipe.learning_rate**2, np.float32)
    biases = np.ascontiguousarray(draw[:, :, -1])
    return GloVeParameters(vectors, biases, cache_lines((2, words, width), np.float32, 1), bias_squares)
