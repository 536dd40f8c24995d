"""Values of permutations and resamples, one after the other on all threads."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.core.progress import Progress
from gpuemb.geometry.resampling.uncertainty import Draws


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
