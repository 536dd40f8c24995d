"""The best rate of one kind of work on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gpuemb.bench.measure import Timing


@dataclass(frozen=True)
class Ceiling:
    """The best rate measured for one kind of work.

    Attributes:
        name: ``copy``, ``sgemm``, ``dgemm``, ``int8``, ``adds``; on a GPU also ``fp16``, ``tf32``, ….
        unit: what is counted per second: ``B/s``, ``FLOP/s``, ``OP/s``.
        rate: of the fastest repetition on the fastest path.
        roads: the median rate of each path; ``workers`` is gpuemb's own.
        spread: relative, half the distance between the quartiles of the fastest path's seconds.
    """

    name: str
    unit: str
    rate: float
    roads: Mapping[str, float]
    spread: float


@dataclass(frozen=True)
class Ceilings:
    """The measured ceilings, and why others are missing.

    Attributes:
        device: where.
        found: by name.
        missing: name and reason of each ceiling that this machine does not have.
    """

    device: str
    found: Mapping[str, Ceiling]
    missing: Mapping[str, str] = field(default_factory=dict)


def ceiling_of(name: str, unit: str, work: float, roads: Mapping[str, Timing]) -> Ceiling:
    """Turn the seconds of each path into the ceiling."""
    best = min(roads, key=lambda road: roads[road].minimum)
    timing = roads[best]
    rates = {road: work / taken.median for road, taken in roads.items()}
    return Ceiling(name, unit, work / timing.minimum, rates, timing.spread / timing.median)
