"""What is known of each word that may go with its stability."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float64, Int32
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.neighbors.evenness import k_occurrence
from gpuemb.stability.result import ModelResult, StudyResult

ENTROPY = "context_entropy"
BANDS = 5  # of frequency, with as many words each
TRAITS = {  # columns of each, and what it is
    "frequency": (("log count", "its square"), "the logarithm of how often the word occurs, and its square"),
    "entropy": (("context entropy",), "entropy of the words around it, in nats"),
    "spread": (
        ("neighborhood spread",),
        "one minus the mean cosine between its neighbors, unlike each other where a word has several"
        " senses; mean over runs",
    ),
    "hubness": (
        ("log k-occurrence",),
        "the logarithm of one plus the number of lists it is in; mean over runs",
    ),
    "band": (
        tuple(f"band {band + 1}" for band in range(1, BANDS)),
        "in which fifth of the words by frequency it is, beside what frequency says",
    ),
}


def traits_of(
    result: StudyResult, model: ModelResult, entropy: Float64
) -> tuple[Float64, dict[str, list[int]]]:
    """Return ``(V, m)`` columns of every word, and the places of each trait's columns.

    Args:
        result: the study.
        model: one of its models.
        entropy: ``(V,)`` of contexts.
    """
    counts = np.asarray(result.vocabulary.counts, np.float64)
    logs = np.log10(np.maximum(counts, 1))
    band = np.minimum(np.arange(len(counts)) * BANDS // max(1, len(counts)), BANDS - 1)
    tables, ids = model.stack.tables(), model.neighbor_ids
    spread = np.mean(
        [_spread(np.asarray(t), np.asarray(i)) for t, i in zip(tables, ids, strict=True)], axis=0
    )
    k = ids.shape[2]
    lists = np.mean([np.log1p(k_occurrence(np.asarray(one), len(counts), k)[0]) for one in ids], axis=0)
    columns = [logs, (logs - logs.mean()) ** 2, entropy, spread, lists]
    columns += [(band == one).astype(np.float64) for one in range(1, BANDS)]
    places, first = {}, 0
    for name, (labels, _) in TRAITS.items():
        places[name] = list(range(first, first + len(labels)))
        first += len(labels)
    return np.column_stack(columns), places


def _spread(table: Float64, ids: Int32) -> Float64:
    """Return ``(V,)`` one minus the mean cosine between a word's neighbors; NaN with fewer than two.

    ``‖Σ u‖² = n + Σ_{i≠j} cos(i, j)`` of ``n`` unit vectors.
    """
    lengths = np.linalg.norm(table.astype(np.float64), axis=1)
    found: Float64 = np.full(len(ids), np.nan)
    for start, stop in tiles(len(ids), rows_per_tile(8 * ids.shape[1] * table.shape[1])):
        lists = ids[start:stop]
        there = lists >= 0
        rows = (
            table[np.where(there, lists, 0)]
            / np.maximum(lengths, 1e-300)[np.where(there, lists, 0)][..., None]
        )
        total = ((rows * there[..., None]).sum(axis=1) ** 2).sum(axis=1)
        count = there.sum(axis=1)
        known = count > 1
        pairs = np.where(known, count * (count - 1), 1)
        found[start:stop] = np.where(known, 1 - (total - count) / pairs, np.nan)
    return found
