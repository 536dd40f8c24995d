"""In how many neighbor lists each row is, how unevenly, and what lists drawn at random would give."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gpuemb.core.arrays import Float64, Int32, Int64, to_host
from gpuemb.neighbors.chance import Candidates


class Evenness(NamedTuple):
    """How evenly the counts of one run are spread; NaN where there is no such number."""

    skewness: float
    robin_hood: float
    anti_hub_share: float
    hub_share: float


def k_occurrence(ids: Int32, rows: int, k: int) -> tuple[Int64, Int64]:
    """Count in how many of the first ``k`` columns of lists each of ``rows`` rows is, and fill each list has.

    Args:
        ids: ``(Q, m)`` rows, −1 padded.
        rows: of the table.
        k: at most ``m``.

    Returns:
        Counts ``(rows,)`` and lengths of lists ``(Q,)``.
    """
    counts, filled = np.zeros(rows, np.int64), np.zeros(len(ids), np.int64)
    for rank in range(k):
        counts += np.bincount(ids[:, rank] + 1, minlength=rows + 1)[1:]  # place 0 takes what pads
        filled += ids[:, rank] >= 0
    return counts, filled


def evenness(counts: Int64, least: int) -> Evenness:
    """Measure the counts of one run.

    Args:
        counts: ``(n,)`` of rows that may be in lists.
        least: lists that make a row a hub.

    Source: Radovanović (2010), Feldbauer (2018).
    """
    total = int(counts.sum())
    anti_hubs = float((counts == 0).mean()) if len(counts) else math.nan
    if not total:
        return Evenness(math.nan, math.nan, anti_hubs, math.nan)
    deviations = counts - total / len(counts)
    variance = float((deviations**2).mean())
    return Evenness(
        float((deviations**3).mean()) / variance**1.5 if variance else math.nan,
        float(np.abs(deviations).sum()) / (2 * total),
        anti_hubs,
        int(counts[counts >= least].sum()) / total,
    )


def evenness_by_chance(known: Any, candidates: Candidates, filled: Int64, least: int) -> Evenness:
    """What lists of the same lengths, drawn at random from their candidates, give on average.

    A row's count is binomial: of the lists that may hold it, all but its own, each does with one chance.
    Rows that were queries may be in fewer lists than others, so their counts have another mean.

    Args:
        known: ``(V,)`` rows that may be in lists.
        candidates: of the lists.
        filled: ``(Q,)`` length of each list.
        least: lists that make a row a hub.
    """
    from scipy.stats import binom

    choices = int(known.sum()) - (candidates.itself is not None)
    lists = filled > 0
    if not lists.any():
        return evenness(np.zeros(int(known.sum()), np.int64), least)
    trials = np.full(len(known), int(lists.sum()))
    if candidates.itself is not None:
        trials -= np.bincount(to_host(candidates.itself)[lists], minlength=len(known))
    n, rows = np.unique(trials[known], return_counts=True)
    weights, p = rows / rows.sum(), int(filled.max()) / choices
    mean = float(weights @ (n * p))
    shift, variance = n * p - mean, n * p * (1 - p)
    second = float(weights @ (variance + shift**2))
    third = float(weights @ (variance * (1 - 2 * p) + 3 * variance * shift + shift**3))

    def places_above(count: int) -> Float64:
        """Return the mean of a count where it is at least ``count``, else 0."""
        places: Float64 = n * p * binom.sf(count - 2, np.maximum(n - 1, 0), p)
        return places

    above = math.floor(mean) + 1
    surplus = float(weights @ (places_above(above) - mean * binom.sf(above - 1, n, p)))
    return Evenness(
        third / second**1.5 if second > 0 else math.nan,
        surplus / mean,
        float(weights @ binom.pmf(0, n, p)),
        float(weights @ places_above(least)) / mean,
    )
