"""Uncertainty of what was measured between runs, and many tests at once."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64, Int64, as_array, to_host
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, NonFiniteError, ShapeError
from gpuemb.core.results import result
from gpuemb.uncertainty.intervals import ANY, Range, jackknife_interval

LEAST_RUNS = 3  # below it a jackknife has no degrees of freedom to speak of (Definitions §5)
ENOUGH_RUNS = 10  # below it rare bad runs cannot be seen (Definitions §5)
# Occurrences of a counted pair of words, mean over pairs, below which two bootstrap samples agree more than
# two fresh samples (PPMI-SVD of conversations, 500 to 8,000 words, 10 neighbors; bootstrap, fresh): 4.6
# times: .21, .05; 5.6: .25, .14; 6.9: .16, .10; 8.9: .19, .15; 10.6: .36, .34; 11.4: .36, .38; 28: .60, .61.
LEAST_OCCURRENCES = 10


@result
class Estimate:
    """A mean over pairs of runs.

    Attributes:
        value: the mean over the pairs that have a value; NaN where none has.
        low: lower end of the 95 % interval; NaN when there are fewer than three runs (or splits).
        high: upper end.
        reason: why there is no interval; empty when there is one.
        undefined: pairs without a value, left out of the mean.
    """

    value: float
    low: float
    high: float
    reason: str = ""
    undefined: int = 0

    def __float__(self) -> float:
        return self.value


def mean_over_pairs(
    values: Float64, possible: Range = ANY, *, halves: bool = False, confidence: float = 0.95
) -> Estimate:
    """Mean of an ``(S, S)`` table over its pairs, with a jackknife interval over runs.

    Pairs are not independent: each run is in S − 1 of them. So one *run* at a time is left out:
    variance ``(S−1)/S · Σ(θ₍ₛ₎ − θ̄)²`` on the scale of :class:`Range`, Student's t with S − 1 degrees of
    freedom. A pair without a value is left out and counted; a run without any is no run of the interval.

    Args:
        values: ``(S, S)`` symmetric; NaN for pairs without a value.
        possible: the range of the measure, which the interval does not leave.
        halves: only runs 0 and 1, 2 and 3, … are pairs, the halves of a split; splits are left out.
        confidence: of the interval.

    Raises:
        ShapeError: not square, or fewer than two runs.

    Source: Definitions §5; Efron and Tibshirani (1993), chapter 11.
    """
    runs = len(values)
    if values.shape != (runs, runs) or runs < 2:
        raise ShapeError(
            f"mean_over_pairs: a table of shape {values.shape}",
            needed="A square table over at least two runs is needed.",
            remedy="Train with two or more seeds.",
        )
    first, second = np.transpose(compared_pairs(runs, halves=halves))
    pairs = values[first, second]
    known = np.isfinite(pairs)
    undefined = int((~known).sum())
    mean = mean_of_known(pairs)
    if np.isnan(mean):
        return Estimate(mean, np.nan, np.nan, "no pair of runs has a value", undefined)
    units, unit = np.unique([first[known], second[known]]), "run"
    if halves:
        units, unit = first[known], "split"
    if len(units) < LEAST_RUNS:
        lost = " with a value" if undefined else ""
        reason = f"{len(units)} {unit}{'s' * (len(units) > 1)}{lost}: an interval needs {LEAST_RUNS}"
        return Estimate(mean, np.nan, np.nan, reason, undefined)
    left_out = np.array([mean_of_known(pairs[(first != one) & (second != one)]) for one in units])
    if np.isnan(left_out).any():
        reason = f"{undefined} of {len(pairs)} pairs have no value: too few are left without some run"
        return Estimate(mean, np.nan, np.nan, reason, undefined)
    low, high = jackknife_interval(mean, left_out, possible, confidence)
    return Estimate(mean, low, high, undefined=undefined)


def compared_pairs(runs: int, *, halves: bool) -> list[tuple[int, int]]:
    """Return the pairs of runs that are compared: all, or the two halves of each split."""
    return [(one, one + 1) for one in range(0, runs, 2)] if halves else list(combinations(range(runs), 2))


def mean_of_known(values: Float64) -> float:
    """Mean of the values that are not NaN; NaN where all are."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def means_of_known(values: Float64) -> Float64:
    """Means ``(V,)`` over the first axis of ``(N, V)``, of the values that are not NaN; NaN where all are."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    nothing: Float64 = np.full(count.shape, np.nan)
    return np.divide(total, count, out=nothing, where=count > 0)  # type: ignore[no-any-return]


@result
class Discoveries:
    """What is left of a family of tests when the share of false discoveries is held down.

    Attributes:
        family: what was tested together, in words.
        rate: largest expected share of false ones among the discoveries.
        tests: how many p-values the family has.
        untested: entries without a p-value (NaN); they are not of the family.
        adjusted: p-values for the whole family, in the shape they came in; NaN where untested.
        discovered: whether ``adjusted ≤ rate``, in that shape.
    """

    family: str
    rate: float
    tests: int
    untested: int
    adjusted: Float64
    discovered: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """Number of discoveries."""
        return int(self.discovered.sum())


@door
def benjamini_hochberg(p_values: Any, family: str, *, rate: float = 0.05) -> Discoveries:
    """Hold down the share of false discoveries among many tests.

    ``adjusted₍ᵢ₎ = min_{j ≥ i} p₍ⱼ₎·m/j`` over the ``m`` p-values in ascending order. Valid for tests that
    are independent or positively dependent, as measures of one pair of tables are.

    Args:
        p_values: any shape, between 0 and 1; NaN where no test was made.
        family: what these tests are, such as ``"RSA of all 45 pairs of runs"``.
        rate: largest expected share of false discoveries, between 0 and 1.

    Raises:
        ConfigError: no name for the family, or a rate that is no share.
        NonFiniteError: a p-value below 0 or above 1.

    Cost: sorting. Source: Benjamini and Hochberg (1995), J. R. Statist. Soc. B 57, 289-300; Definitions §5.

    Example:
        >>> found = ge.benjamini_hochberg([0.01, 0.02, 0.04, 0.5], "RSA of four pairs of runs")
        >>> found.discovered.tolist()
        [True, True, False, False]
    """
    values = np.asarray(to_host(as_array(p_values, "benjamini_hochberg")), np.float64)
    _check(values, family, rate)
    tested = np.isfinite(values)
    known = values[tested]
    order = np.argsort(known, kind="stable")
    raised = known[order] * (len(known) / np.arange(1, len(known) + 1))
    least = np.minimum.accumulate(raised[::-1])[::-1]
    adjusted = np.full(values.shape, np.nan)
    adjusted[tested] = least[np.argsort(order, kind="stable")]
    return Discoveries(
        family, rate, len(known), values.size - len(known), adjusted, np.less_equal(adjusted, rate)
    )


def _check(values: Float64, family: str, rate: float) -> None:
    if not isinstance(family, str) or not family.strip():
        raise ConfigError(
            f"benjamini_hochberg: family = {family!r}",
            needed="What was tested together must be named: the correction depends on it.",
            remedy='family="RSA of all pairs of runs", for example.',
        )
    if not 0 < rate < 1:
        raise ConfigError(
            f"benjamini_hochberg: rate = {rate}",
            needed="A share between 0 and 1, both left out, is needed.",
            remedy="rate=0.05 expects one false discovery in twenty.",
        )
    wrong = np.isinf(values) | (values < 0) | (values > 1)
    if wrong.any():
        raise NonFiniteError(
            f"benjamini_hochberg: a p-value of {values[wrong][0]}",
            needed="P-values are between 0 and 1, or NaN where no test was made.",
            remedy="Hand over .p_value of the results.",
        )


def pairs_near(starts: Int64, window: int, repeats: Int64) -> int:
    """How many pairs of tokens of one document are at most ``window`` apart, both directions counted."""
    lengths = np.diff(starts)
    reach = np.minimum(window, np.maximum(lengths - 1, 0))
    return int((repeats * reach * (2 * lengths - reach - 1)).sum())
