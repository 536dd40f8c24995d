"""One pass over the stored pairs: sums of what products of vectors are and what they should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32, Float64, Int64
from gpuemb.core.memory import MemoryPlan, buffer, rows_per_tile, tiles
from gpuemb.counts.table import CountTable
from gpuemb.uncertainty.draws import block_count, deal

TILE_BYTES = 16 << 20  # of both gathered rows of the pairs of a task
SUMS = 5  # of a pair's target y and residual e: y, e, y², ye, e²


@dataclass(frozen=True, eq=False)
class PairTables:
    """The vectors of the counted words, row ``i`` of word ``i``; a missing word has no part in any pair.

    Attributes:
        left: ``(V, d)`` float64.
        right: the tables that ``left`` is multiplied with, by the name of the product.
        biases: ``(2, V)`` of words and contexts; None without.
        known: ``(V,)`` whether the model has the word.
    """

    left: Float64
    right: Mapping[str, Float64]
    biases: Float64 | None
    known: Any


@dataclass(frozen=True, eq=False)
class Targets:
    """What products are compared with.

    Attributes:
        names: of the targets, in the order of their sums.
        shift: ``log`` of what PMI is lowered by.
        smoothing: exponent of the context distribution.
    """

    names: tuple[str, ...]
    shift: float
    smoothing: float


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Sums over pairs by band and by the blocks of both words.

    Attributes:
        pairs: ``(bands, B, B)`` how many.
        sums: product and target → ``(5, bands, B, B)``: sums of the target y, of the residual e = product −
            y, and of y², ye, e².
    """

    pairs: Float64
    sums: Mapping[tuple[str, str], Float64]


BIASED, PMI, PPMI = "log X − b − b̃", "PMI", "PPMI"


def sum_pairs(counts: CountTable, tables: PairTables, targets: Targets, bands: Int64, many: int) -> BlockSums:
    """Sum over all stored pairs of known words, tile by tile in order: the same bits for any threads.

    Args:
        counts: whose pairs are visited.
        tables: the vectors.
        targets: what products are compared with.
        bands: ``(V,)`` band of a word; a pair is in that of its word with the lower one.
        many: how many bands there are.

    Cost: ``2·d`` flops a pair and product, in float64; each worker holds 32 MB.
    """
    words, dim = tables.left.shape
    blocks = block_count(words)
    of_word = np.empty(words, np.int64)
    for block, rows in enumerate(deal(words, blocks, 0)):
        of_word[rows] = block
    wanted = [(product, target) for product in tables.right for target in targets.names]
    cells = many * blocks * blocks
    _require(words, dim, cells, 1 + SUMS * len(wanted))
    logs = _logs_of_marginals(counts, targets.smoothing)

    def part(cut: tuple[int, int]) -> Float64:
        rows, columns, data = _pairs(counts, cut, tables.known)
        cell = (np.minimum(bands[rows], bands[columns]) * blocks + of_word[rows]) * blocks + of_word[columns]
        found = np.empty((1 + SUMS * len(wanted), cells))
        found[0] = np.bincount(cell, minlength=cells)
        left = tables.left[rows]
        log_counts = np.log(data)
        pmi = log_counts - logs[0, rows] - logs[1, columns]
        at = 1
        for right in tables.right.values():
            product = np.einsum("ij,ij->i", left, right[columns])
            for name in targets.names:
                y = _target(name, pmi, targets.shift, log_counts, tables.biases, rows, columns, counts)
                e = product - y
                for term in (y, e, y * y, y * e, e * e):
                    found[at] = np.bincount(cell, term, cells)
                    at += 1
        return found

    total = np.zeros((1 + SUMS * len(wanted), cells))
    step = rows_per_tile(2 * dim * total.itemsize, TILE_BYTES)
    for found in threads.stream(part, tiles(counts.nonzeros, step)):
        total += found
    shaped = total.reshape(-1, many, blocks, blocks)
    return BlockSums(
        shaped[0], {key: shaped[1 + SUMS * n : 1 + SUMS * (n + 1)] for n, key in enumerate(wanted)}
    )


def _require(words: int, dim: int, cells: int, sums: int) -> None:
    MemoryPlan(
        f"reconstruction of {words} words in {dim} dimensions",
        {
            "vectors in float64": buffer((3, words, dim), np.float64),
            "sums by blocks of words": buffer((1 + 2 * threads.count(), sums, cells), np.float64),
            "tiles of pairs": 4 * TILE_BYTES * threads.count(),
        },
    ).require()


def _logs_of_marginals(counts: CountTable, smoothing: float) -> Float64:
    """``log X_i`` of rows and ``log P(j)`` of columns; 0 where there is none, which no pair reads."""
    contexts = counts.column_sums.astype(np.float64)
    positive = contexts > 0
    contexts[positive] **= smoothing
    contexts /= contexts.sum() if positive.any() else 1.0
    both = np.stack([counts.row_sums.astype(np.float64), contexts])
    logs: Float64 = np.log(both, out=np.zeros_like(both), where=both > 0)
    return logs


def _pairs(counts: CountTable, cut: tuple[int, int], known: Any) -> tuple[Int64, Any, Any]:
    """Rows, columns and counts of some stored pairs, without those of words that are not known."""
    starts = counts.rows.indptr
    first, last = np.searchsorted(starts, [cut[0], cut[1] - 1], side="right") - 1
    ends = np.clip(starts[first : last + 2], *cut)
    rows = np.repeat(np.arange(first, last + 1), np.diff(ends))
    columns, data = counts.rows.indices[slice(*cut)], counts.rows.data[slice(*cut)]
    both = known[rows] & known[columns]
    return (rows, columns, data) if both.all() else (rows[both], columns[both], data[both])


def _target(
    name: str,
    pmi: Float64,
    shift: float,
    log_counts: Float64,
    biases: Float64 | None,
    rows: Int64,
    columns: Any,
    counts: CountTable,
) -> Float64:
    if name == BIASED:
        assert biases is not None
        target: Float64 = log_counts + np.log(float(counts.unit)) - biases[0, rows] - biases[1, columns]
        return target
    if name == PMI:
        return pmi
    lowered: Float64 = pmi - shift
    return np.maximum(lowered, 0.0) if name == PPMI else lowered


def widened(table: Float32 | Float64, rows: Int64) -> Float64:
    """Rows of a table as float64; of words that are not in it, zeros."""
    wide = np.zeros((len(rows), *table.shape[1:]))
    wide[rows >= 0] = table[rows[rows >= 0]]
    return wide
