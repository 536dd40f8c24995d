"""Gram matrices and moments of all table pairs, in one pass over the rows.

    tables       S matrices (V, d_s), float16, float32 or float64, in any order in memory
    preparation  "raw", or "unit": rows scaled to length 1; a row of length 0 in one table is left out of
                 all: it counts as a zero row in every sum but ``zeros`` and ``left_out``
    precision    of the products: "float64"; or "float32", rows rounded to float32 and multiplied
                 ``CHUNK_ROWS`` at a time or fewer, chunks added in float64. Every other sum is float64
    pairs        tables (s, t), s ≤ t, whose products are computed; None: all. The others are undefined
    origins      S vectors (d_s), float64, subtracted from every row first; None: nothing
    →            float64 sums over the V rows, D = Σ d_s columns in all, z_i = row i of Z = [E_1 … E_S]:
                 products (D, D)   ZᵀZ; block (s, t) is E_sᵀ E_t
                 sums     (D,)     column sums Zᵀ1
                 lengths  (S,)     Σ_i κ_i^s, κ_i^s = ‖row i of E_s‖², 1 for unit rows
                 norms    (S, S)   Σ_i κ_i^s κ_i^t
                 weighted (S, D)   Σ_i κ_i^s z_i
                 zeros    (S,)     rows of length 0, int64
                 left_out ()       rows of length 0 in at least one table, int64
                 images   (D, S·k) k = ``PROBES``, where the products are float32: block (s, t), s ≤ t, is
                                   E_sᵀ(E_t W_t), all in float64, W_t = ``probes(d_t)``ᵀ, the others
                                   undefined; (D, 0) where the products are float64

``images`` estimate the error of float32 products: ``E_sᵀE_t W_t`` less the product found, times ``W_t``, is
the error applied to k Gaussian vectors.

The sum over rows is a binary tree over blocks of ``BLOCK_ROWS``: a tree of n blocks adds the tree of its
first 2^⌊log₂(n−1)⌋ to that of the rest, and one block's product is one thread's (float32: its chunks
added in order). That *is* the definition of the sum, so it does not depend on threads or tiles; and
2^m blocks that begin at a multiple of 2^m blocks may be summed separately: the sum of sums has the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal, TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, FloatMatrix, Int64
from gpuemb.core.dispatch import kernel
from gpuemb.core.random import stream

BLOCK_ROWS = 8192
CHUNK_ROWS = 256  # of float32 products: an eighth of the error of 2048, and as fast
PROBES = 4
RowScaling: TypeAlias = Literal["raw", "unit"]
Precision: TypeAlias = Literal["float64", "float32"]
Pairs: TypeAlias = Sequence[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class GramSums:
    """The sums of the module's contract."""

    products: Array
    sums: Array
    lengths: Array
    norms: Array
    weighted: Array
    zeros: Array
    left_out: Array
    images: Array

    def __add__(self, other: GramSums) -> GramSums:
        """Return the sums over the rows of both."""
        return GramSums(*(mine + theirs for mine, theirs in zip(self.fields, other.fields, strict=True)))

    def __sub__(self, other: GramSums) -> GramSums:
        """Return the sums over the rows of the one that are not rows of the other."""
        return GramSums(*(mine - theirs for mine, theirs in zip(self.fields, other.fields, strict=True)))

    @property
    def fields(self) -> tuple[Array, ...]:
        """All of them, in order."""
        return tuple(vars(self).values())


def probes(dim: int) -> Float64:
    """Return ``(k, d)`` standard normal numbers, always the same ones."""
    drawn: Float64 = stream(0, "gram", "probes").standard_normal((PROBES, dim))
    return drawn


@kernel
def gram(
    tables: Sequence[FloatMatrix],
    preparation: RowScaling = "raw",
    precision: Precision = "float64",
    pairs: Pairs | None = None,
    origins: Sequence[Float64] | None = None,
) -> GramSums:
    """Sum all products of the tables' columns over the rows.

    Cost: ``V·D²`` flops (symmetric half), one pass over the tables.
    """
    wide = [np.asarray(table, np.float64) for table in tables]
    if origins is not None:
        wide = [table - origin for table, origin in zip(wide, origins, strict=True)]
    kappa = np.stack([np.sum(table**2, axis=1) for table in wide])
    zeros, kept = np.sum(kappa == 0, axis=1), np.all(kappa > 0, axis=0)
    if preparation == "unit":
        wide = [
            np.divide(t, np.sqrt(k)[:, None], out=np.zeros_like(t), where=kept[:, None])
            for t, k in zip(wide, kappa, strict=True)
        ]
        kappa = np.broadcast_to(kept.astype(np.float64), kappa.shape)
    every = np.concatenate(wide, axis=1)
    images = np.zeros((every.shape[1], 0))
    if precision == "float32":
        images = np.concatenate([every.T @ (t @ probes(t.shape[1]).T) for t in wide], axis=1)
        narrow = every.astype(np.float32)
        products = (narrow.T @ narrow).astype(np.float64)
    else:
        products = every.T @ every
    left_out: Int64 = np.sum(~kept)
    sums, lengths, norms = every.sum(0), kappa.sum(1), kappa @ kappa.T
    return GramSums(products, sums, lengths, norms, kappa @ every, zeros, left_out, images)


def all_pairs(runs: int) -> list[tuple[int, int]]:
    """Every pair of tables, each with itself included."""
    return list(combinations_with_replacement(range(runs), 2))
