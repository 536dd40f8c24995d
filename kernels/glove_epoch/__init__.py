"""One pass of GloVe's AdaGrad over the nonzero counts, in disjoint strata.

    strata.rows, .columns  (N,)       int32    the two words of each nonzero, in the order of the pass
    strata.logs            (N,)       float32  log X_ij
    strata.weights         (N,)       float32  f(X_ij)
    strata.bounds          (B, B, 2)  int64    nonzeros of block b of round r: bounds[r, b]
    parameters             updated in place, float32; the vectors' columns beyond d are zero and stay so

Blocks of one round share no row and no column, so they may run at once: the result is that of running
them one after another. Rounds are sequential. Source: Pennington (2014); the strata: Gemulla et al.
(2011), "Large-scale matrix factorization with distributed stochastic gradient descent".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float32, Int32, Int64
from gpuemb.core.dispatch import kernel

ROOT = 1.5 * 2.0**-12  # relative error of a reciprocal root: what AVX2's instruction gives; AVX-512's 2⁻¹⁴
LANES = 16  # vectors are padded to a multiple of this: no scalar remainder in the inner loops


@dataclass(frozen=True, eq=False)
class Strata:
    """Nonzeros in the order of the pass."""

    rows: Int32
    columns: Int32
    logs: Float32
    weights: Float32
    bounds: Int64


@dataclass(frozen=True, eq=False)
class GloVeParameters:
    """Vectors ``(2, V, width)`` and biases ``(2, V)`` of words (0) and contexts (1), and AdaGrad's sums."""

    vectors: Float32
    biases: Float32
    vector_squares: Float32
    bias_squares: Float32


@kernel
def glove_epoch(strata: Strata, parameters: GloVeParameters, learning_rate: float) -> float:
    """Visit every nonzero once; return the loss ``Σ f(X)·error²`` along the way.

    One step is ``θ −= a/√G``, then ``G += a²``, with ``a = learning_rate · f(X) · error · ∂``. Twins may take
    ``1/√G`` to ``ROOT`` of itself.

    Cost: about ``12·d`` flops and ``32·d`` bytes a nonzero.
    """
    vectors, biases = parameters.vectors, parameters.biases
    squares, bias_squares = parameters.vector_squares, parameters.bias_squares
    loss = 0.0
    for first, last in strata.bounds.reshape(-1, 2):
        for n in range(first, last):
            pair = [0, 1], [strata.rows[n], strata.columns[n]]
            word, context = vectors[pair]
            error = word @ context + biases[pair].sum() - strata.logs[n]
            weighted = strata.weights[n] * error
            loss += float(weighted * error)
            step = np.float32(learning_rate) * weighted
            gradients = step * np.stack([context, word])
            vectors[pair] -= gradients / np.sqrt(squares[pair])
            squares[pair] += gradients**2
            biases[pair] -= step / np.sqrt(bias_squares[pair])
            bias_squares[pair] += step**2
    return loss
