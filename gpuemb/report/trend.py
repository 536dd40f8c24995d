"""Whether the stability of words goes with how often they occur, by intervals over words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.uncertainty.draws import block_count, deal
from gpuemb.uncertainty.intervals import CORRELATION, Range, jackknife_interval
from gpuemb.uncertainty.ranks import spearman

LEAST_WORDS = 100  # below it a tenth of the words is fewer than ten
LEAST_TREND = 0.1  # a rank correlation below it explains less than 1% and is called no trend
OF_SHARES = Range(-1.0, 1.0)  # the difference of two shares


@dataclass(frozen=True)
class Trend:
    """How stability goes with frequency.

    Attributes:
        top: mean stability of the most frequent tenth of the words.
        bottom: of the least frequent tenth.
        correlation: Spearman, of all words.
        interval: 95 % of the correlation, jackknife over blocks of words.
        gap: 95 % interval of ``top − bottom``.
    """

    top: float
    bottom: float
    correlation: float
    interval: tuple[float, float]
    gap: tuple[float, float]

    @property
    def direction(self) -> int:
        """1 where stability rises with frequency, −1 where it falls, 0 where no test says either."""
        signs = {_sign(self.interval), _sign(self.gap)}
        return signs.pop() if len(signs) == 1 and abs(self.correlation) >= LEAST_TREND else 0

    @property
    def unsure(self) -> bool:
        """Whether the correlation may as well be 0."""
        return _sign(self.interval) == 0


def frequency_trend(overlap: Float64, counts: Int64) -> Trend | None:
    """Relate the stability of words to their counts; None where words are few or all alike.

    Args:
        overlap: ``(V,)`` stability of the words; NaN where there is none.
        counts: ``(V,)`` descending.

    Cost: two rankings a block of words, 50 at most.
    """
    known = np.isfinite(overlap)
    overlap, counts = overlap[known], counts[known]
    if len(overlap) < LEAST_WORDS or np.ptp(overlap) < 1e-9 or np.ptp(counts) == 0:
        return None
    top, bottom = _ends(overlap)
    return Trend(
        top,
        bottom,
        spearman(overlap, counts),
        _interval(spearman, overlap, counts, CORRELATION),
        _interval(lambda kept, _: float(np.subtract(*_ends(kept))), overlap, counts, OF_SHARES),
    )


def _ends(overlap: Float64) -> tuple[float, float]:
    tenth = len(overlap) // 10
    return float(overlap[:tenth].mean()), float(overlap[-tenth:].mean())


def _interval(
    measure: Callable[[Float64, Int64], float], overlap: Float64, counts: Int64, possible: Range
) -> tuple[float, float]:
    blocks = deal(len(overlap), block_count(len(overlap)), 0)
    left_out = [measure(np.delete(overlap, block), np.delete(counts, block)) for block in blocks]
    return jackknife_interval(measure(overlap, counts), np.array(left_out), possible)


def _sign(interval: tuple[float, float]) -> int:
    return int(interval[0] > 0) - int(interval[1] < 0)
