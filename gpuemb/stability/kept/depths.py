"""Overlaps of several numbers of neighbors, all from the lists of the largest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64, Int32
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.stability.result import ModelResult, StudyResult
from gpuemb.stability.statistics import compared_pairs, mean_over_pairs, means_of_known
from gpuemb.uncertainty.intervals import SHARE

if TYPE_CHECKING:
    import pyarrow


def overlap_columns(model: ModelResult, depths: Sequence[int]) -> dict[str, Float64]:
    """Return what a word keeps of its first neighbors, two columns of the table of words a number of them.

    Args:
        model: with the lists of all runs.
        depths: numbers of neighbors, below that of the lists.

    Cost: as :func:`gpuemb.neighbor_overlap`, a number.
    """
    found = {}
    for k in depths:
        parts = [_overlap(model, group, k) for group in model.config.compared]
        found[f"overlap_at_{k}"] = means_of_known(np.stack([part.stability for part in parts]))
        found[f"lowest_overlap_at_{k}"] = np.fmin.reduce([part.lowest for part in parts])
    return found


def depth_table(result: StudyResult) -> pyarrow.Table:
    """One row a model and number of neighbors: the mean overlap with its interval over runs, and chance."""
    import pyarrow

    rows = []
    for model in result.models:
        for k in (*result.config.depths, result.config.neighbors):
            runs = len(model.runs)
            values, chances = np.full((runs, runs), np.nan), []
            for group in model.config.compared:
                part = _overlap(model, group, k)
                for (a, b), of_pair in zip(
                    compared_pairs(len(group), halves=False), part.per_word, strict=True
                ):
                    mean = float(np.nanmean(of_pair)) if np.isfinite(of_pair).any() else np.nan
                    values[group[a], group[b]] = values[group[b], group[a]] = mean
                chances.append(part.chance)
            one = mean_over_pairs(values, SHARE, halves=model.config.vary == "halves")
            chance = float(np.mean(chances))
            rows.append((model.config.name, k, one.value, one.low, one.high, chance))
    names = ("model", "neighbors", "overlap", "low", "high", "chance")
    return pyarrow.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def _overlap(model: ModelResult, group: Sequence[int], k: int) -> Any:
    ids: Int32 = np.ascontiguousarray(np.asarray(model.neighbor_ids)[list(group), :, :k])
    return neighbor_overlap(ids)
