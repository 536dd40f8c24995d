"""Epochs of GloVe for the tests of its kernel: nonzeros, the state before them, how far float32 may drift."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike
from tolerances import assert_within, glove_error

from gpuemb.kernels.glove_epoch import LANES, ROOT, GloVeParameters, Strata

RATE = 0.05
FIELDS = ("vectors", "biases", "vector_squares", "bias_squares")


@dataclass(frozen=True)
class Training:
    """Nonzeros over ``words`` words in ``blocks × blocks`` strata, and the state before the first step."""

    words: int
    dim: int
    blocks: int
    nonzeros: int
    seed: int
    scale: float = 1.0  # of the vectors before the first step

    def strata(self, order: np.random.Generator | None = None) -> Strata:
        """Round r holds the blocks (b, (b + r) mod B), in this order or in that of ``order``."""
        numbers = np.random.default_rng(self.seed)
        cells = numbers.permutation(self.words**2)[: self.nonzeros]
        rows, columns = (x.astype(np.int32) for x in np.divmod(cells, self.words))
        block, round_ = rows % self.blocks, (columns - rows) % self.blocks
        place = round_ * self.blocks + block
        visited = np.argsort(place, kind="stable")
        ends = np.cumsum(np.bincount(place, minlength=self.blocks**2))
        bounds = np.stack([ends - np.bincount(place, minlength=self.blocks**2), ends], axis=1)
        bounds = bounds.reshape(self.blocks, self.blocks, 2).astype(np.int64)
        if order is not None:
            bounds = np.stack([round_bounds[order.permutation(self.blocks)] for round_bounds in bounds])
        counts = numbers.geometric(0.05, len(cells)).astype(np.float64)
        logs = np.log(counts).astype(np.float32)
        weights = np.minimum(1.0, (counts / 20) ** 0.75).astype(np.float32)
        return Strata(rows[visited], columns[visited], logs[visited], weights[visited], bounds)

    def parameters(self, dtype: DTypeLike = np.float32) -> GloVeParameters:
        """The state before the first step: small vectors, sums of 1."""
        numbers = np.random.default_rng(self.seed + 1)
        width = -(-self.dim // LANES) * LANES
        vectors = np.zeros((2, self.words, width), np.float32)
        vectors[:, :, : self.dim] = (numbers.random((2, self.words, self.dim)) - 0.5) * (
            self.scale / self.dim
        )
        biases = ((numbers.random((2, self.words)) - 0.5) / self.dim).astype(np.float32)
        state = vectors, biases, np.ones_like(vectors), np.ones_like(biases)
        return GloVeParameters(*(x.astype(dtype) for x in state))


def assert_close_state(
    found: GloVeParameters, loss: float, training: Training, precise: GloVeParameters, precise_loss: float
) -> None:
    """Compare with an epoch in float64: the distance is float32's drift."""
    strata = training.strata()
    visits = int(max(np.bincount(strata.rows).max(initial=0), np.bincount(strata.columns).max(initial=0), 1))
    largest = max(1.0, float(np.abs(strata.logs).max(initial=0)))
    rooted = ROOT * RATE * visits * largest  # every step is longer or shorter by that share
    for field in FIELDS:
        after = getattr(precise, field)
        bound = glove_error(training.dim, visits, float(np.abs(after).max())) + rooted
        assert_within(getattr(found, field), after, bound)
    moved = glove_error(training.dim, visits, largest) + 2 * rooted  # of one error w·c + b + b̃ − log X
    total = float(strata.weights.astype(np.float64).sum())
    # Σ f (e + δ)² − Σ f e² ≤ 2δ √(Σ f Σ f e²) + δ² Σ f
    assert_within(loss, precise_loss, 2 * moved * math.sqrt(total * precise_loss) + moved**2 * total)
