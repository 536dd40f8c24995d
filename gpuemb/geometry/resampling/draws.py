"""The null and the bootstrap of a measure, on all threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.core.progress import Progress
from gpuemb.geometry.resampling.measure import Measure
from gpuemb.geometry.resampling.prepared_pair import order_of, prepare_pair, weights_of
from gpuemb.geometry.resampling.uncertainty import Draws, Uncertainty, summarize


def uncertainty(
    x: Any,
    y: Any,
    measure: Measure,
    draws: Draws,
    known: float = math.nan,
) -> Uncertainty:
    """Return the null and the bootstrap of a measure.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        measure: what to compute of each draw's sums.
        draws: how many, from which seed.
        known: the measure of the tables, where they are so nearly equal that sums have too few digits.

    Returns:
        The same bits for any number of threads; a draw is the same whatever else is drawn.

    Cost: ``2·V·d·d'`` flops a permutation, ``0.63·2·V·(d² + dd' + d'²)`` a resample, all in float64; both
    tables in float64. Source: Definitions §5.
    """
    pair = prepare_pair(draws.where, x, y, measure.preparation)
    with threads.single_threaded_blas():  # as the draws, whose bits are compared with its
        base, own = pair.resampled(np.ones(pair.words, np.int64))
        observed = measure.value(base, own)
    if math.isnan(observed):
        observed = known

    def permute(draw: int) -> float:
        return measure.value(*pair.permuted(order_of(draw, pair.words, draws.seed), base, own))

    def resample(draw: int) -> float:
        return measure.value(*pair.resampled(weights_of(draw, pair.words, draws.seed)))

    null, resampled = draw_values(draws, measure.name, observed, permute, resample)
    return summarize(
        draws, observed, null, resampled, best=measure.best, higher_is_closer=measure.higher_is_closer
    )


def draw_values(
    draws: Draws,
    name: str,
    observed: float,
    permute: Callable[[int], float],
    resample: Callable[[int], float],
) -> tuple[Float64, Float64]:
    """Return the values of all permutations and of all resamples; none if ``observed`` is NaN."""
    exists = not math.isnan(observed)
    counts = (draws.permutations, draws.bootstrap) if exists else (0, 0)
    null = _values(f"permutations of {name}", permute, counts[0], draws.progress)
    return null, _values(f"bootstrap of {name}", resample, counts[1], draws.progress)


def _values(phase: str, value: Callable[[int], float], count: int, progress: Progress) -> Float64:
    values = np.empty(count)
    if count:
        with progress.phase(phase, count) as task:
            for draw, one in enumerate(threads.stream(value, range(count))):
                values[draw] = one
                task.advance()
    return values
