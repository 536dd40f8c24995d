"""How many runs are enough: the width of an interval against their number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count, islice

from gpuemb.kernels.neighbor_overlap import LARGEST_RUNS
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.statistics import LEAST_RUNS, Estimate

# Runs before the first projection. Where adding stops at the first interval that is narrow enough, one from
# few runs is narrow by luck: of 300 planted studies each, intervals hold the mean in 0.89-0.91 where three
# runs begin, 0.93-0.95 where five do, 0.93-0.95 where eight do (goals of 0.1, 0.07, 0.05).
PILOT = 5
WIDTHS = (0.1, 0.05, 0.02, 0.01)  # for which a summary projects the runs


def width_of(estimate: Estimate) -> float:
    """Return the width of an interval; NaN where there is none."""
    return estimate.high - estimate.low


def projected_width(width: float, runs: int, other: int) -> float:
    """Return the width that an interval from ``other`` runs is expected to have.

    The standard error falls with the square root of the number of runs, and Student's t with its degrees of
    freedom.

    Args:
        width: of the interval from ``runs`` runs.
        runs: at least three.
        other: at least three.
    """
    return width * _half(other) / _half(runs)


def runs_for_width(width: float, runs: int, goal: float, most: int = LARGEST_RUNS) -> int | None:
    """Return the least number of runs whose interval is expected to be at most ``goal`` wide.

    Args:
        width: of the interval from ``runs`` runs; NaN where there is none.
        runs: how many there are.
        goal: above 0.
        most: of runs.

    Returns:
        At least three; None where no number up to ``most`` would do, or nothing is known.
    """
    if math.isnan(width) or runs < LEAST_RUNS:
        return None
    return next((n for n in range(LEAST_RUNS, most + 1) if projected_width(width, runs, n) <= goal), None)


def next_seeds(model: ModelConfig, estimate: Estimate, goal: float) -> tuple[int, ...]:
    """Return the seeds of a model that are trained next; those that it has where they are enough.

    A projection is taken from five runs on, and at most doubles them, so that a bad one costs little.

    Args:
        model: with the seeds that were trained.
        estimate: the mean over its pairs of runs.
        goal: width of its interval.
    """
    runs = len(model.seeds)
    most = LARGEST_RUNS // (len(model.samples) // runs)
    if runs >= most:
        return model.seeds
    if runs < PILOT:
        return _with(model.seeds, PILOT)
    width = width_of(estimate)
    if math.isnan(width) or width <= goal:
        return model.seeds
    wanted = runs_for_width(width, runs, goal, most) or most
    return _with(model.seeds, min(max(wanted, runs + 1), 2 * runs, most))


def width_said(estimate: Estimate, seeds: int) -> str:
    """Say how wide the interval of the overlap is."""
    width = width_of(estimate)
    if math.isnan(width):
        return f"{seeds} seeds give no interval of the overlap"
    return f"the interval of the overlap from {seeds} seeds is {width:.3f} wide"


def projected_runs(estimate: Estimate, runs: int) -> dict[str, int | None]:
    """Return the runs that each of ``WIDTHS`` is expected to need; None beyond 100."""
    return {f"{goal:g}": runs_for_width(width_of(estimate), runs, goal) for goal in WIDTHS}


def _half(runs: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(runs - 1, 0.975)) / math.sqrt(runs)


def _with(seeds: Sequence[int], runs: int) -> tuple[int, ...]:
    """Add the smallest seeds that are not among those given."""
    free: Iterator[int] = (seed for seed in count() if seed not in seeds)
    return (*seeds, *islice(free, runs - len(seeds)))
