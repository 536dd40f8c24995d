"""Measures of pairs as lines of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpuemb.report import numbers
from gpuemb.report.figures.heatmaps import short_names
from gpuemb.stability.result import PairMeasure


@dataclass(frozen=True)
class MeasureRow:
    """One line of a model's summary, ready to print."""

    title: str
    preparation: str
    mean: str
    interval: str
    why_no_interval: str
    chance: str
    lowest: str
    highest: str
    least_alike: str
    undefined: str


def measure_row(measure: PairMeasure, runs: Sequence[str]) -> MeasureRow:
    """Spell a measure of the pairs of runs."""
    known, estimate = measure.known, measure.estimate
    p_value = "" if np.isnan(measure.p_value) else f" (p = {measure.p_value:.2g})"
    return MeasureRow(
        title=measure.title,
        preparation=measure.preparation,
        mean=numbers.number(estimate.value),
        interval="" if np.isnan(estimate.low) else numbers.interval(estimate.low, estimate.high),
        why_no_interval=estimate.reason or "not known",
        chance=numbers.number(measure.chance) + p_value,
        lowest=numbers.number(float(known.min()) if len(known) else None),
        highest=numbers.number(float(known.max()) if len(known) else None),
        least_alike=", ".join(short_names(runs)[1][run] for run in measure.least_alike or ()),
        undefined=measure.undefined,
    )
