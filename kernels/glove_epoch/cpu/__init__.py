"""GloVe's AdaGrad on the CPU: the blocks of a round on all workers.

Plan      Blocks hold nonzeros in an order whose rows stay in a core's caches (`training/glove_strata.py`);
          the rows of the nonzeros to come are prefetched.
Bound by  two reciprocal roots and twelve loads and stores a vector of coordinates: written out in
          `vectors.py` for AVX-512 and AVX2, else as LLVM vectorizes the loop.
Contract  the order inside a block and of the rounds is given, so every thread count gives the same bits.
"""

from __future__ import annotations

import math

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, Int32, Int64
from gpuemb.core.jit import njit_reassociated
from gpuemb.kernels.glove_epoch import GloVeParameters, Strata
from gpuemb.kernels.glove_epoch.cpu.vectors import approximate_roots, visit_lines


def glove_epoch(strata: Strata, parameters: GloVeParameters, learning_rate: float) -> float:
    """See :mod:`gpuemb.kernels.glove_epoch`."""
    rate = np.float32(learning_rate)
    step = visit_lines if approximate_roots() else visit
    losses = np.zeros(strata.bounds.shape[:2])

    for bounds, totals in zip(strata.bounds, losses, strict=True):

        def blocks(part: tuple[int, int], bounds: Int64 = bounds, totals: Float64 = totals) -> None:
            step(
                strata.rows,
                strata.columns,
                strata.logs,
                strata.weights,
                bounds[part[0] : part[1]],
                totals[part[0] : part[1]],
                parameters.vectors,
                parameters.biases,
                parameters.vector_squares,
                parameters.bias_squares,
                rate,
            )

        threads.run(blocks, threads.ranges(len(bounds), threads.count()))
    return math.fsum(losses.ravel())


@njit_reassociated
def visit(
    rows: Int32,
    columns: Int32,
    logs: Float32,
    weights: Float32,
    bounds: Int64,
    losses: Float64,
    vectors: Float32,
    biases: Float32,
    squares: Float32,
    bias_squares: Float32,
    rate: np.float32,
) -> None:
    """Visit the nonzeros of some blocks, ``(k, 2)`` ``bounds`` of them, and set their ``losses``."""
    width = vectors.shape[2]
    one = np.float32(1)
    for block in range(len(bounds)):
        loss = 0.0
        for n in range(bounds[block, 0], bounds[block, 1]):
            row, column = rows[n], columns[n]
            word, context = vectors[0, row], vectors[1, column]
            word_squares, context_squares = squares[0, row], squares[1, column]
            dot = np.float32(0)
            for j in range(width):
                dot += word[j] * context[j]
            error = dot + biases[0, row] + biases[1, column] - logs[n]
            weighted = weights[n] * error
            loss += weighted * error
            step = rate * weighted
            for j in range(width):
                word_step, context_step = step * context[j], step * word[j]
                word[j] -= word_step * (one / np.sqrt(word_squares[j]))
                context[j] -= context_step * (one / np.sqrt(context_squares[j]))
                word_squares[j] += word_step * word_step
                context_squares[j] += context_step * context_step
            biases[0, row] -= step / np.sqrt(bias_squares[0, row])
            biases[1, column] -= step / np.sqrt(bias_squares[1, column])
            bias_squares[0, row] += step * step
            bias_squares[1, column] += step * step
        losses[block] = loss
