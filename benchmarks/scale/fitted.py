"""How seconds grow with words, runs, dimensions and neighbors: powers, fitted on logarithms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

AXES = ("words", "runs", "dim", "k")
LEAST_SECONDS = 0.02  # of a phase in its largest case: below it the clock and the machine are measured
LEAST_LEVELS = 3


def powers(records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return, of all work and of each phase and measure, the power of each size its CPU seconds grow with.

    A power is the slope of the logarithms over the cases that differ from the base in that size alone.

    Args:
        records: of the grid, each with its sizes and seconds.
    """
    base = _base(records)
    names = {"all": lambda one: one["cpu_seconds"]}
    for kind in ("phases", "measures"):
        for name in sorted({name for one in records for name in one[kind]}):
            names[f"{kind[:-1]}: {name}"] = lambda one, kind=kind, name=name: one[kind].get(name, [0, 0])[1]
    found: dict[str, dict[str, float]] = {}
    for name, seconds in names.items():
        if max(map(seconds, records)) < LEAST_SECONDS:
            continue
        slopes = {axis: _slope(records, base, axis, seconds) for axis in AXES}
        found[name] = {axis: slope for axis, slope in slopes.items() if slope is not None}
    return found


def _base(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The sizes that most cases share."""
    return {
        axis: max({one[axis] for one in records}, key=lambda size: sum(one[axis] == size for one in records))
        for axis in AXES
    }


def _slope(records: Any, base: Mapping[str, int], axis: str, seconds: Any) -> float | None:
    alone = [one for one in records if all(one[other] == base[other] for other in AXES if other != axis)]
    points = [(one[axis], seconds(one)) for one in alone if seconds(one) > 0]
    if len(points) < LEAST_LEVELS:
        return None
    size, taken = np.log(np.array(points, np.float64)).T
    return round(float(np.polyfit(size, taken, 1)[0]), 2)


def as_table(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the powers as lines of a table in Markdown."""
    lines = ["| CPU seconds of | " + " | ".join(AXES) + " |", "|---|" + "---|" * len(AXES)]
    for name, slopes in found.items():
        lines.append(
            f"| {name} | " + " | ".join(f"{slopes[a]:.2f}" if a in slopes else "–" for a in AXES) + " |"
        )
    return lines
