"""How sure a number about two tables is: what chance alone gives, and what other words would have given."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.uncertainty.draws import Draws
from gpuemb.uncertainty.intervals import Range, jackknife_interval

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

GATE = 0.95  # the null's quantile below which a gated score is 0 (Definitions §5)
TIE = 2.0**-40  # of the larger of 1 and the value: permutations that change nothing differ by rounding alone
PERCENTILE = "percentile bootstrap over words"


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """What a measure's result says of its own reliability; NaN where it was not asked for.

    Attributes:
        interval: low and high end: what other samples of as many words would give on average.
        interval_method: how the interval was made; empty without one.
        confidence: of the interval.
        p_value: ``(1 + #{null at least as good})/(1 + #null)``, words of one table permuted.
        null_mean: mean of the measure over the permutations.
        chance_adjusted: ``(value − null mean)/(best − null mean)``: 0 by chance, 1 at best.
        gated: ``(value − τ)/(best − τ)``, τ the 95 % quantile of null and value; 0 where it is not beyond τ.
        blocks: blocks of words that were left out one at a time; 0 where the interval is not a jackknife.
        permutations: how many were drawn.
        bootstrap: how many resamples were drawn.
        undefined: samples of words without a value (nothing varies among so few words, or a distance is
            lost in the rounding of its sums); not in the interval.
    """

    interval: tuple[float, float] = (math.nan, math.nan)
    interval_method: str = ""
    confidence: float = 0.95
    p_value: float = math.nan
    null_mean: float = math.nan
    chance_adjusted: float = math.nan
    gated: float = math.nan
    blocks: int = 0
    permutations: int = 0
    bootstrap: int = 0
    undefined: int = 0

    def onto(self, result: Result) -> Result:
        """Return a result of a class derived from this one, with these numbers."""
        return replace(result, **{field.name: getattr(self, field.name) for field in fields(Uncertainty)})


Result = TypeVar("Result", bound="DataclassInstance")


def summarize(
    draws: Draws, observed: float, null: Float64, resampled: Float64, *, best: float, higher_is_closer: bool
) -> Uncertainty:
    """Turn what was drawn into what is told.

    Args:
        draws: what was asked.
        observed: the measure of the tables as they are, from the same sums as the draws.
        null: ``(permutations,)`` the measure of permuted tables; NaN where their sums have lost it, which
            counts as good as ``observed``.
        resampled: ``(bootstrap,)`` the measure of resampled words, NaN where it does not exist.
        best: the measure of two tables that agree.
        higher_is_closer: whether larger values are nearer to it.

    Source: Definitions §5; Gröger (2026), arXiv 2602.14486; Efron and Tibshirani (1993), chapter 13.
    """
    found = Uncertainty(
        confidence=draws.confidence, permutations=draws.permutations, bootstrap=draws.bootstrap
    )
    if math.isnan(observed):
        return found
    if len(null):
        null = np.where(np.isnan(null), observed, null)
        sign = 1.0 if higher_is_closer else -1.0
        found = _against_chance(found, sign * observed, sign * null, sign * best)
        found = replace(found, null_mean=float(null.mean()))
    if len(resampled):
        known = resampled[np.isfinite(resampled)]
        found = replace(
            found,
            interval=_percentiles(known, draws.confidence),
            interval_method=PERCENTILE,
            undefined=len(resampled) - len(known),
        )
    return found


def _against_chance(found: Uncertainty, observed: float, null: Float64, best: float) -> Uncertainty:
    """Compare a measure, turned so that more is closer, with its null."""
    reached = null >= observed - TIE * max(1.0, abs(observed))
    together = np.sort(np.append(null, observed))
    threshold = float(together[math.ceil(GATE * len(together)) - 1])
    return replace(
        found,
        p_value=(1 + int(reached.sum())) / (1 + len(null)),
        chance_adjusted=_share(observed, float(null.mean()), best),
        gated=_share(observed, threshold, best) if observed > threshold else 0.0,
    )


def _share(observed: float, floor: float, best: float) -> float:
    """How much of the way from a floor to the best; NaN where chance is as good as the best."""
    return (observed - floor) / (best - floor) if best > floor else math.nan


def _percentiles(values: Float64, confidence: float) -> tuple[float, float]:
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def with_jackknife(
    found: Uncertainty, draws: Draws, value: float, left_out: Float64, possible: Range
) -> Uncertainty:
    """Return an uncertainty with the interval of a jackknife over blocks of words.

    Args:
        found: without interval.
        draws: what was asked.
        value: of all words.
        left_out: ``(B,)`` the values without one block each; NaN where there is none.
        possible: the range of the values.
    """
    return replace(
        found,
        interval=jackknife_interval(value, left_out, possible, draws.confidence),
        interval_method="jackknife over blocks of words",
        blocks=len(left_out),
        undefined=int(np.isnan(left_out).sum()),
    )
