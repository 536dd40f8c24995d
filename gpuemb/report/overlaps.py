"""What a study says of how many neighbors a word keeps, and against chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gpuemb.report.numbers import number, part, times
from gpuemb.stability.result import ModelResult, PairMeasure
from gpuemb.stability.statistics import Estimate

VARIED = {
    "seed": "seed",
    "init": "initialization",
    "order": "order of training",
    "sampling": "sampling of tokens and negatives",
    "bootstrap": "sample of documents",
    "halves": "half of the documents",
    "files": "file",
}
ROUNDING = 1e-9  # means of multiples of 1/(k·pairs) differ by far more than this
DOUBT = 0.05  # the largest p-value by which an overlap is called more than chance


@dataclass(frozen=True)
class Claim:
    """One thing the study shows.

    Attributes:
        headline: the number, short: ``"6.3 of 10"``.
        sentence: what it means, in plain language.
        model: the model it is about; empty when it is about several.
        figure: the figure of that model that shows it; empty where none does.
        words: words it is about, to look up in the table of words.
    """

    headline: str
    sentence: str
    model: str = ""
    figure: str = ""
    words: tuple[str, ...] = ()


def overlap_of(model: ModelResult) -> PairMeasure | None:
    """The overlap of nearest neighbors that word stability is the mean of, if the study took it."""
    names = ("overlap", f"overlap_at_{model.neighbor_ids.shape[2]}")
    return next((pair for pair in model.pairs if pair.measure in names), None)


def overlap_claim(model: ModelResult) -> Claim | None:
    """Say how many of its neighbors a word keeps, with the interval, and whether that is more than chance."""
    name, k, measure = model.config.name, model.neighbor_ids.shape[2], overlap_of(model)
    if measure is None:
        return None
    estimate, varied = measure.estimate, VARIED[model.config.vary]
    if math.isnan(estimate.value):
        nothing = (
            f"No word of {name} has neighbors in two runs, so nothing can be said about how stable they are."
        )
        return Claim("–", nothing, name, "stability")
    if estimate.value >= 1 - ROUNDING:
        return Claim(
            f"{k} of {k}",
            f"{_identical(model, measure)}: another {varied} changed none of them.",
            name,
            "stability",
        )
    kept = part(k * estimate.value, k)
    sentence = (
        f"With another {varied}, a word of {name} keeps {kept} of its {k} nearest neighbors on average"
        f" ({interval_said(estimate, k)})"
    )
    thin = " Counts are thin: fresh text may agree less than bootstrap samples." if model.optimistic else ""
    return Claim(f"{kept} of {k}", sentence + against_chance(measure, k) + thin, name, "stability")


def _identical(model: ModelResult, measure: PairMeasure) -> str:
    name, k = model.config.name, model.neighbor_ids.shape[2]
    compared = "Both halves of every split" if measure.halves else f"All {len(model.runs)} runs"
    if measure.estimate.undefined or not np.isfinite(model.words.overlap).all():
        return f"{compared} of {name} give every word that has neighbors in two runs the same ones"
    return f"{compared} of {name} give every word the same {k} nearest neighbors"


def interval_said(estimate: Estimate, k: int) -> str:
    """Say an interval of shares of ``k`` neighbors in neighbors, or why there is none."""
    if math.isnan(estimate.low):
        return f"no interval; {estimate.reason}"
    low, high = max(0.0, estimate.low), min(1.0, estimate.high)
    return f"95% interval {_fine(k * low, k)} to {_fine(k * high, k)}"


def _fine(x: float, k: int) -> str:
    return part(x, k) if x < 0.05 or x > k - 0.05 else f"{x:,.2f}"


def neighbors_said(x: float) -> str:
    """``-0.304`` → ``'−0.30'``: a difference of neighbors, which may be negative."""
    return f"{x:,.2f}".replace("-", "−")


def against_chance(measure: PairMeasure, k: int) -> str:
    """Set an overlap against chance: more where its p-value says so, or its interval where it has none."""
    chance, estimate, p = measure.chance, measure.estimate, measure.p_value
    if chance is None or not chance > 0:
        return "."
    by_chance = f"chance alone would leave {number(k * chance)}"
    tested = "" if math.isnan(p) else f" (p = {p:.2g})"
    more = p <= DOUBT if tested else estimate.low > chance
    if estimate.value > chance and more:
        return f", about {times(estimate.value / chance)} what chance alone would leave{tested}."
    if estimate.high < chance:
        return f"; {by_chance}, which is more than this."
    if tested:
        return f"; {by_chance}, and unrelated runs would keep as many{tested}."
    if math.isnan(estimate.low):
        return f"; {by_chance}."
    return f"; {by_chance}, which is not distinguishable from this."
