"""Every product of table pairs that geometry needs, in one pass over the rows.

    tables       S matrices (V, d_s), float16, float32 or float64
    preparation  "raw", or "unit": rows scaled to length 1 (a zero row stays zero)
    →            float64 sums over the V rows, D = Σ d_s columns in all:
                 products (D, D)   Zᵀ Z with Z = [E_1 … E_S]; block (s, t) is E_sᵀ E_t
                 sums     (D,)     column sums Zᵀ 1
                 norms    (S, S)   Σ_i κ_i^s κ_i^t, κ_i^s = ‖row i of E_s‖²
                 weighted (S, D)   Σ_i κ_i^s z_i
                 zeros    (S,)     rows without length, int64

Rows are taken ``BLOCK_ROWS`` at a time in order, each block's product is summed by one BLAS thread in
float64, and blocks are added in order: that *is* the definition of the sum, so it does not depend on
threads or tiles. The sums of single blocks, computed apart and added in order, give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int64
from gpuemb.core.dispatch import kernel

BLOCK_ROWS = 8192
RowScaling: TypeAlias = Literal["raw", "unit"]


@dataclass(frozen=True)
class GramSums:
    """The sums of the module's contract."""

    products: Float64
    sums: Float64
    norms: Float64
    weighted: Float64
    zeros: Int64


@kernel
def gram(tables: Sequence[FloatMatrix], preparation: RowScaling = "raw") -> GramSums:
    """Sum all products of the tables' columns over the rows.

    Cost: ``V·D²`` flops (symmetric half), one pass over the tables.
    """
    wide = [np.asarray(table, np.float64) for table in tables]
    if preparation == "unit":
        lengths = [np.sqrt(np.sum(table**2, axis=1, keepdims=True)) for table in wide]
        wide = [
            np.divide(t, n, out=np.zeros_like(t), where=n > 0) for t, n in zip(wide, lengths, strict=True)
        ]
    every = np.concatenate(wide, axis=1)
    kappa = np.stack([np.sum(table**2, axis=1) for table in wide])
    return GramSums(every.T @ every, every.sum(0), kappa @ kappa.T, kappa @ every, np.sum(kappa == 0, axis=1))
