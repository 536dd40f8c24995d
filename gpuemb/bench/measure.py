"""Time several calls in turns, so that changes of the machine's speed affect all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuemb.core.memory import peak_bytes

REPEATS = 7
LONG_SECONDS, LONG_REPEATS = 60.0, 3  # longer calls are repeated at most this often
COMPILING_SECONDS = 10.0  # a first call up to this long may be mostly compilation
SHORT_SECONDS = 0.02  # shorter calls are repeated inside one measurement, for the clock's resolution


@dataclass(frozen=True)
class Timing:
    """Wall seconds of one call, every repetition kept.

    Attributes:
        runs: seconds of each repetition, in order.
    """

    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds, median."""
        return statistics.median(self.runs)

    @property
    def minimum(self) -> float:
        """Seconds of the fastest repetition."""
        return min(self.runs)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, in seconds; of fewer than four runs half their range."""
        return half_spread(self.runs)


@dataclass(frozen=True)
class Ratio:
    """A peer's seconds over ours, round by round: the two calls of a round are adjacent in time."""

    median: float
    spread: float


def half_spread(values: Sequence[float]) -> float:
    """Half the distance between the quartiles; of fewer than four values half their range."""
    if len(values) < 4:
        return (max(values) - min(values)) / 2
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2


def alternate(
    contestants: Mapping[str, Callable[[], Any]],
    *,
    repeats: int = REPEATS,
    budget_seconds: float | None = None,
    known: Mapping[str, float] | None = None,
) -> dict[str, Timing]:
    """Call each once as a warm-up, then all of them in turns.

    Args:
        contestants: name and call.
        repeats: rounds; at most 3 where one call takes over a minute.
        budget_seconds: no round starts that would end later than this after the first; at least one runs.
        known: seconds of contestants that have already run and need no warm-up.

    Returns:
        For each contestant the seconds of every round.
    """
    warm = dict(known or {})
    loops = {n: _loops(warm[n] if n in warm else _seconds(call)) for n, call in contestants.items()}
    rounds: dict[str, list[float]] = {name: [] for name in contestants}
    began, longest = time.perf_counter(), 0.0
    for number in range(repeats):
        start = time.perf_counter()
        if number and budget_seconds is not None and start - began + longest > budget_seconds:
            break
        if number >= LONG_REPEATS and max(max(taken) for taken in rounds.values()) > LONG_SECONDS:
            break
        for name, call in contestants.items():
            rounds[name].append(_seconds(call, loops[name]))
        longest = max(longest, time.perf_counter() - start)
    return {name: Timing(tuple(taken)) for name, taken in rounds.items()}


def ratio(peer: Timing, ours: Timing) -> Ratio:
    """Return ``peer / ours`` of each round that both ran: its median and spread; above 1, ours is faster.

    A contestant that ran in fewer rounds ran in the first of them.
    """
    quotients = [a / b for a, b in zip(peer.runs, ours.runs, strict=False)]
    return Ratio(statistics.median(quotients), half_spread(quotients))


def peak_of(call: Callable[[], Any]) -> int:
    """Run ``call`` once; return the process's largest resident bytes during it, data included.

    If the system cannot reset an earlier peak, it is the peak of the process so far.
    """
    forget = Path("/proc/self/clear_refs")
    if forget.exists():
        try:
            forget.write_text("5")
        except OSError:  # forbidden in some containers: then the earlier peak stays, as documented
            call()
            return peak_bytes()
    call()
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return peak_bytes()


def _loops(warm_seconds: float) -> int:
    """Return the repetitions inside one measurement: few, since the warm-up may include compilation."""
    return 1 if warm_seconds >= SHORT_SECONDS else min(100, int(SHORT_SECONDS / max(warm_seconds, 1e-6)) + 1)


def _seconds(call: Callable[[], Any], loops: int = 1) -> float:
    began = time.perf_counter()
    for _ in range(loops):
        call()
    return (time.perf_counter() - began) / loops
