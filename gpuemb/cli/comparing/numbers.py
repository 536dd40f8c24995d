"""Names of the numbers that a comparison has, for requirements and for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpuemb.stability.compare import Comparison
    from gpuemb.stability.questions.drift.result import Drift

ENDS = ("low", "high")  # of an interval
OF_DRIFT = ("share", "ratio", "mean")  # estimates of each measure


def names_of_comparison(measures: Sequence[str], k: int) -> list[str]:
    """Return what will be known of measures of pairs, before they are taken."""
    names = [*(["overlap", f"overlap_at_{k}"] if "overlap" in measures else []), *measures]
    return [name for one in dict.fromkeys(names) for name in (one, *(f"{one}.{end}" for end in ENDS))]


def numbers_of_comparison(found: Comparison) -> dict[str, float]:
    """Return the mean over pairs of every measure, and the ends of its interval."""
    numbers: dict[str, float] = {}
    for one in found.measures:
        for name in (one.measure, *([f"overlap_at_{found.neighbors}"] if one.measure == "overlap" else [])):
            numbers |= {name: one.estimate.value}
            numbers |= {f"{name}.{end}": getattr(one.estimate, end) for end in ENDS}
    return numbers


def names_of_drift(measures: Sequence[str], k: int) -> list[str]:
    """Return what will be known of drift, before it is measured."""
    estimates = [f"{one}_{name}" for one in measures for name in OF_DRIFT]
    others = [f"{one}_{name}" for one in measures for name in ("found", "p_value", "between", "within")]
    overlaps = [f"overlap_at_{k}", f"overlap_at_{k}_within"] if "overlap" in measures else []
    return [*overlaps, *(n for one in estimates for n in (one, *(f"{one}.{end}" for end in ENDS))), *others]


def columns_of_drift(measures: Sequence[str]) -> list[str]:
    """Return the columns of numbers of the words, before they are measured."""
    from gpuemb.stability.questions.drift.result import COLUMNS

    return [f"{one}_{name}" for one in measures for name in COLUMNS if name != "drifted"]


def numbers_of_drift(found: Drift) -> dict[str, float]:
    """Return the estimates of every measure, how many words were found, and mean distances."""
    numbers: dict[str, float] = {}
    for one in found.measures:
        for name in OF_DRIFT:
            estimate = getattr(one, name)
            numbers[f"{one.measure}_{name}"] = estimate.value
            numbers |= {f"{one.measure}_{name}.{end}": getattr(estimate, end) for end in ENDS}
        between, within = mean_of(one.between), mean_of(one.within)
        numbers |= {
            f"{one.measure}_found": float(one.discoveries.count),
            f"{one.measure}_p_value": one.p_value_of_all,
            f"{one.measure}_between": between,
            f"{one.measure}_within": within,
        }
        if one.measure == "overlap":
            numbers[f"overlap_at_{found.neighbors}"] = 1 - between
            numbers[f"overlap_at_{found.neighbors}_within"] = 1 - within
    return numbers


def mean_of(values: Any) -> float:
    """Mean of the values that exist; NaN where none does."""
    known = [float(value) for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def columns_of(table: Any) -> dict[str, Any]:
    """Return the columns of numbers of a table of words, as arrays."""
    from pyarrow import types

    return {
        name: table[name].to_numpy()
        for name in table.column_names
        if types.is_floating(table[name].type) or types.is_integer(table[name].type)
    }
