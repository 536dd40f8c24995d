"""What two groups of tables differ in beyond the differences within each: printed, and for programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gpuemb.cli.comparing.changes import entries_of, say_changed
from gpuemb.cli.comparing.numbers import mean_of
from gpuemb.cli.printing import say

if TYPE_CHECKING:
    from gpuemb.stability.questions.drift.result import Drift, DriftMeasure
    from gpuemb.stability.statistics import Estimate


def say_drift(found: Drift, show: int) -> None:
    """Print each measure, the words that drifted most, and what so few runs cannot show."""
    first, second = found.groups
    kind = "all" if found.exact else "a sample of the"
    say(
        f"{first}: {len(found.runs[0])} runs, {second}: {len(found.runs[1])} runs; {kind} "
        f"{found.labelings:,} labelings of them, {len(found.vocabulary):,} words."
    )
    for one in found.measures:
        say()
        _say_measure(one)
    changed = found.changed(show)
    if changed:
        say()
        say(f"Changed most, from {first} to {second}:")
        say_changed(changed)
    if found.caution:
        say()
        say(found.caution)


def _say_measure(one: DriftMeasure) -> None:
    chance = "" if math.isnan(one.chance) else f", unrelated tables {one.chance:.3g}"
    discoveries = one.discoveries
    say(f"{one.title}")
    say(f"  between groups {mean_of(one.between):.4g}, within {mean_of(one.within):.4g}{chance}")
    say(f"  ratio {spelled(one.ratio)}; p of all words together {one.p_value_of_all:.2g}")
    say(f"  share of words that drifted {spelled(one.share)}")
    say(f"  {discoveries.count:,} words found at a rate of false discoveries of {discoveries.rate:g}")


def spelled(estimate: Estimate) -> str:
    """A number with its interval, or why it has none."""
    if math.isnan(estimate.value):
        return f"does not exist: {estimate.reason}"
    if math.isnan(estimate.low):
        return f"{estimate.value:.3g} (no interval: {estimate.reason})"
    return f"{estimate.value:.3g} ({estimate.low:.3g} to {estimate.high:.3g})"


def drift_for_programs(found: Drift, show: int) -> dict[str, object]:
    """Return the numbers of every measure and the words that drifted most."""

    def number(x: float) -> float | None:
        return None if math.isnan(x) else x

    def estimate(one: Estimate) -> dict[str, object]:
        return {
            "value": number(one.value),
            "low": number(one.low),
            "high": number(one.high),
            "reason": one.reason,
        }

    return {
        "groups": {name: list(runs) for name, runs in zip(found.groups, found.runs, strict=True)},
        "words": len(found.vocabulary),
        "labelings": found.labelings,
        "exact": found.exact,
        "caution": found.caution,
        "measures": [
            {
                "measure": one.measure,
                "between": number(mean_of(one.between)),
                "within": number(mean_of(one.within)),
                "chance": number(one.chance),
                "mean": estimate(one.mean),
                "ratio": estimate(one.ratio),
                "share": estimate(one.share),
                "p_value": number(one.p_value_of_all),
                "found": one.discoveries.count,
                "rate": one.discoveries.rate,
                "untested": one.undefined,
            }
            for one in found.measures
        ],
        "changed": entries_of(found.changed(show)),
    }
