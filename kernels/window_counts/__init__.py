"""Weighted co-occurrence counts inside a window, exactly.

    ids      (T,)   int32  word ids of the corpus, documents one after another
    starts   (D+1,) int64  document m is ids[starts[m]:starts[m+1]]; windows never cross
    repeats  (D,)   int64  how often each document counts (bootstrap), or None: once
    →        CSR of (V, V) int64 in units of 1/unit: indptr int64, indices int32, data int64

Every pair at distance δ ≤ window adds ``unit·weight(δ)``, an integer, so the sum does not depend on
order, threads or device. Source: Definitions §1; Pennington (2014); Mikolov (2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.checks import check_at_least, check_choice
from gpuemb.core.dispatch import kernel
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan

Weighting: TypeAlias = Literal["harmonic", "linear", "flat"]
Side: TypeAlias = Literal["both", "left", "right"]
LARGEST_WINDOW = {"harmonic": 25, "linear": 50, "flat": 50}
INT64_MAX = 2**63 - 1


@dataclass(frozen=True, eq=False)
class CountedRows:
    """A sparse ``(V, V)`` matrix by rows, columns ascending inside a row, no stored zero."""

    indptr: Int64
    indices: Int32
    data: Int64


def check_window(window: int, weighting: str) -> None:
    """Refuse windows whose weights are not exact integers of 64 bits.

    Raises:
        ConfigError: unknown weighting, window below 1 or beyond the exact range.
    """
    check_choice("counts", "weighting", weighting, tuple(LARGEST_WINDOW))
    check_at_least("counts", "window", window, 1)
    if window != int(window):
        raise ConfigError(
            f"counts: window = {window}",
            needed="A distance in tokens is a whole number.",
            remedy=f"Use window={int(window)}.",
        )
    if window > LARGEST_WINDOW[weighting]:
        raise ConfigError(
            f"counts: window = {window} with {weighting} weights",
            needed=f"Counts are exact integers up to window {LARGEST_WINDOW[weighting]}.",
            remedy=f"Use window={LARGEST_WINDOW[weighting]} or less.",
        )


def weights_of(window: int, weighting: Weighting) -> tuple[Int64, int]:
    """Return the integer weight of distances ``0..window`` (the first is 0) and the unit's denominator."""
    distances = range(1, window + 1)
    if weighting == "harmonic":
        unit = math.lcm(*distances)
        weights = [unit // distance for distance in distances]
    elif weighting == "linear":
        unit, weights = window, [window - distance + 1 for distance in distances]
    else:
        unit, weights = 1, [1] * window
    return np.array([0, *weights], np.int64), unit


FREQUENT = 512  # the first words, whose pairs are counted in a table; they should be the most frequent
RANGE_CELLS = 1 << 17  # 1.5 MB of cells a range: still in the cache when copied
CELL_BYTES = 12


def plan_window_counts(
    tokens: int, words: int, reach: int, *, resampled: bool = False, workers: int | None = None
) -> MemoryPlan:
    """Return the largest memory of counting beside the tokens, its result included.

    Args:
        tokens: ``T``.
        words: ``V``.
        reach: tokens in a window, the center left out: twice the largest distance for both sides.
        resampled: whether documents repeat.
        workers: threads; default those of the context.
    """
    cells = tokens * min(reach, words)
    ranges = 3 * (workers or threads.count()) + 1  # two a worker are counted, one is copied
    return MemoryPlan(
        f"counting {tokens} tokens, {words} words",
        {
            "counts, at most": CELL_BYTES * cells + 8 * (words + 1),
            "positions": (14 if resampled else 6) * tokens + 8 * ranges * words,
            "pairs of frequent words": 8 * min(FREQUENT, words) * (min(FREQUENT, words) + 1) * ranges,
            "rows of workers": ranges * (13 * words + CELL_BYTES * min(max(RANGE_CELLS, words), cells)),
        },
    )


@kernel
def window_counts(
    ids: Int32,
    starts: Int64,
    repeats: Int64 | None,
    words: int,
    weights: Int64,
    side: Side = "both",
) -> CountedRows:
    """Count pairs ``(i, j)`` of tokens at most ``len(weights) − 1`` apart.

    Args:
        ids: as in the module's contract; every id is below ``words``.
        starts: document borders.
        repeats: weight of each document, or None.
        words: ``V``.
        weights: integer weight of each distance, ``weights[0] == 0``.
        side: contexts on ``both`` sides of ``i`` (symmetric), or only to its ``left`` or ``right``.

    Cost: ``T·window`` additions a side.
    """
    dense = np.zeros((words, words), np.int64)
    for document in range(len(starts) - 1):
        tokens = ids[starts[document] : starts[document + 1]]
        times = 1 if repeats is None else int(repeats[document])
        for distance in range(1, min(len(weights), len(tokens))):
            before, after = tokens[:-distance], tokens[distance:]
            if side in ("both", "right"):
                np.add.at(dense, (before, after), times * weights[distance])
            if side in ("both", "left"):
                np.add.at(dense, (after, before), times * weights[distance])
    rows, columns = np.nonzero(dense)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=words))]).astype(np.int64)
    return CountedRows(indptr, columns.astype(np.int32), dense[rows, columns])
