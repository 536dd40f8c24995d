"""What several tables agree on: printed, and for programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gpuemb.cli.comparing.changes import entries_of, say_changed
from gpuemb.cli.printing import say

if TYPE_CHECKING:
    from gpuemb.stability.compare import Comparison
    from gpuemb.stability.result import PairMeasure


def say_comparison(found: Comparison, show: int) -> None:
    """Print a line a measure; of two tables, the rows that changed most too."""
    width = max(len(one.title) for one in found.measures) if found.measures else 0
    for one in found.measures:
        say(f"{one.title:<{width}}  {one.preparation:<13}  {_spelled(one)}")
    rows = found.rows
    if rows is not None:
        say()
        say(
            f"Of {rows.compared:,} rows, {rows.kept_half:.1%} keep at least half of their {found.neighbors} "
            f"neighbors; {rows.beyond_chance:.1%} keep more than chance would (false discoveries 5 %)."
        )
        changed = found.changed(show)
        if changed:
            say("Changed most:")
            say_changed(changed)
    hubs = found.stability_against_hubness
    if hubs is not None and not math.isnan(hubs.low):
        say()
        say(
            f"Stability of words against the number of lists they are in: rank correlation {hubs.value:.2f}"
            f" ({hubs.low:.2f} to {hubs.high:.2f})"
        )
    if found.caution:
        say()
        say(found.caution)


def comparison_for_programs(found: Comparison, show: int) -> dict[str, object]:
    """Return the numbers of every measure; of two tables, those of the rows too."""
    told: dict[str, object] = {
        "runs": found.runs,
        "words": found.words.num_rows,
        "caution": found.caution,
        "measures": [_entry(one, found.runs) for one in found.measures],
    }
    rows = found.rows
    if rows is not None:
        told["rows"] = {
            "compared": rows.compared,
            "kept_half": _number(rows.kept_half),
            "beyond_chance": _number(rows.beyond_chance),
            "changed": entries_of(found.changed(show)),
        }
    hubs = found.stability_against_hubness
    if hubs is not None:
        numbers = {"correlation": hubs.value, "low": hubs.low, "high": hubs.high}
        known = {name: _number(value) for name, value in numbers.items()}
        told["stability_against_hubness"] = known | {"reason": hubs.reason}
    return told


def _spelled(one: PairMeasure) -> str:
    estimate = one.estimate
    if math.isnan(estimate.value):
        more = f"; nor do {estimate.undefined - 1} other pairs" if estimate.undefined > 1 else ""
        return f"does not exist: {one.reason}{more}"
    interval = "" if math.isnan(estimate.low) else f"  ({estimate.low:.4g} to {estimate.high:.4g})"
    chance = "" if one.chance is None else f"  chance {one.chance:.2g}"
    p_value = "" if math.isnan(one.p_value) else f", p {one.p_value:.2g}"
    lost = f"  ({one.undefined})" if one.undefined else ""
    return f"{estimate.value:>10.4g}{interval}{chance}{p_value}{lost}"


def _number(x: float | None) -> float | None:
    return None if x is None or math.isnan(x) else x


def _entry(one: PairMeasure, runs: tuple[str, ...]) -> dict[str, object]:
    return {
        "measure": one.measure,
        "preparation": one.preparation,
        "mean": _number(one.estimate.value),
        "low": _number(one.estimate.low),
        "high": _number(one.estimate.high),
        "chance": _number(one.chance),
        "p_value": _number(one.p_value),
        "least_alike": None if one.least_alike is None else [runs[run] for run in one.least_alike],
        "least_alike_run": None if one.least_alike_run is None else runs[one.least_alike_run],
        "undefined": one.estimate.undefined,
        "reason": one.reason,
        "values": [[_number(float(value)) for value in row] for row in one.values],
    }
