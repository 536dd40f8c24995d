"""Tables of what was measured along families of equally good embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.factorization.open_choice.families import Family

if TYPE_CHECKING:
    import pyarrow

EQUAL = 1e-9  # cosines that differ by less are those of the given table


class Seen:
    """What is measured along one family.

    Attributes:
        values: ``(T,)`` of the family's number.
        given: ``(p, k)`` cosine of each row to each of its neighbors in the given table; NaN for padding.
        lowest: ``(p, k)`` the smallest of it, and of the family's tables.
        highest: the largest.
        same: ``(T,)`` whether a table has the given one's cosines.
        means: ``(T,)`` mean cosine to the neighbors.
        pairs: ``(T, P)`` cosine of each pair.
        scores: the values of every score.
        survive: ``(T, p)`` share of the neighbors that are among the nearest.
        survive_all: ``(p,)`` share that is so at all values.
    """

    def __init__(self, family: Family, values: Float64, given: Float64, pairs: int) -> None:
        self.family, self.values, self.given = family, values, given
        self.lowest, self.highest = given, given
        self.same = np.zeros(len(values), bool)
        self.means = np.full(len(values), np.nan)
        self.pairs = np.full((len(values), pairs), np.nan)
        self.scores: dict[str, list[float]] = {}
        self.survive = np.full((len(values), len(given)), np.nan)
        self.survive_all = np.full(len(given), np.nan)

    def add(self, step: int, cosines: Float64) -> None:
        """Add the cosines of one table to the neighbors."""
        known = np.isfinite(self.given)
        self.lowest, self.highest = np.minimum(self.lowest, cosines), np.maximum(self.highest, cosines)
        self.same[step] = not (np.abs(cosines - self.given)[known] > EQUAL).any()
        self.means[step] = mean(cosines)

    @property
    def others(self) -> Float64:
        """Shares that survive in tables with other cosines than the given one's; all if there is none."""
        return self.survive if self.same.all() else self.survive[~self.same]


def mean(values: Float64) -> float:
    """Mean of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    return float(values[known].mean()) if known.any() else math.nan


def summary_table(every: Sequence[Seen], chance: float) -> pyarrow.Table:
    """One row a family."""
    import pyarrow

    return pyarrow.table(
        {
            "family": [one.family.name for one in every],
            "parameter": [one.family.parameter for one in every],
            "from": [one.family.ends[0] for one in every],
            "to": [one.family.ends[1] for one in every],
            "survive": [mean(one.others) for one in every],
            "survive_least": [min(mean(step) for step in one.survive) for one in every],
            "survive_all": [mean(one.survive_all) for one in every],
            "chance": [chance] * len(every),
            "range": [mean(one.highest - one.lowest) for one in every],
            "rows": [int(np.isfinite(one.given).any(axis=1).sum()) for one in every],
        }
    )


def along_table(seen: Seen) -> pyarrow.Table:
    """One row a value of a family."""
    import pyarrow

    columns = {
        "family": [seen.family.name] * len(seen.values),
        "value": seen.values,
        "survive": [mean(step) for step in seen.survive],
        "cosine": seen.means,
    }
    return pyarrow.table({**columns, **seen.scores})


def row_table(seen: Seen, names: Sequence[str] | None) -> pyarrow.Table:
    """One row a row of the embedding."""
    import pyarrow

    count = len(seen.given)
    known = np.isfinite(seen.given).any(axis=1)
    ranges = np.full(count, np.nan)
    ranges[known] = np.nanmean((seen.highest - seen.lowest)[known], axis=1)
    return pyarrow.table(
        {
            "row": list(names) if names is not None else np.arange(count),
            "family": [seen.family.name] * count,
            "survive": seen.others.mean(axis=0),
            "survive_all": seen.survive_all,
            "lowest": np.fmin.reduce(seen.lowest, axis=1),
            "highest": np.fmax.reduce(seen.highest, axis=1),
            "range": ranges,
        }
    )


def pair_table(seen: Seen, given: Float64, pairs: Int64, names: Sequence[str] | None) -> pyarrow.Table:
    """One row a pair."""
    import pyarrow

    kind = pyarrow.int64() if names is None else pyarrow.string()
    sides = [side if names is None else [names[row] for row in side] for side in pairs.T]
    known = np.nan_to_num(seen.pairs)
    return pyarrow.table(
        {
            "first": pyarrow.array(sides[0], kind),
            "second": pyarrow.array(sides[1], kind),
            "family": pyarrow.array([seen.family.name] * len(pairs), pyarrow.string()),
            "given": given,
            "lowest": seen.pairs.min(axis=0),
            "lowest_at": seen.values[known.argmin(axis=0)],
            "highest": seen.pairs.max(axis=0),
            "highest_at": seen.values[known.argmax(axis=0)],
        }
    )
