"""Time several calls in turns, so that changes of the machine's speed affect all of them."""

from __future__ import annotations

import resource
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
        cpu: seconds of all cores, those of programs that it started too; none where they were not taken.
    """

    runs: tuple[float, ...]
    cpu: tuple[float, ...] = ()

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
    loops = {n: loops_of(warm[n] if n in warm else Clock.of(call).wall) for n, call in contestants.items()}
    rounds: dict[str, list[Clock]] = {name: [] for name in contestants}
    began, longest = time.perf_counter(), 0.0
    for number in range(repeats):
        start = time.perf_counter()
        if number and budget_seconds is not None and start - began + longest > budget_seconds:
            break
        if number >= LONG_REPEATS and _longest(rounds) > LONG_SECONDS:
            break
        for name, call in contestants.items():
            rounds[name].append(Clock.of(call, loops[name]))
        longest = max(longest, time.perf_counter() - start)
    return {name: timing_of(taken) for name, taken in rounds.items()}


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


def loops_of(seconds: float) -> int:
    """How often a short call is repeated inside one measurement, to stand above the clock."""
    return 1 if seconds >= SHORT_SECONDS else min(100, int(SHORT_SECONDS / max(seconds, 1e-6)) + 1)


@dataclass(frozen=True)
class Clock:
    """A moment, or the time between two: on the wall, and on all cores."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Clock:
        """The moment. Programs that this process started count once they have ended."""
        others = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(time.perf_counter(), time.process_time() + others.ru_utime + others.ru_stime)

    @classmethod
    def of(cls, call: Callable[[], Any], loops: int = 1) -> Clock:
        """Return the time of one of ``loops`` calls."""
        began = cls.now()
        for _ in range(loops):
            call()
        ended = cls.now()
        return cls((ended.wall - began.wall) / loops, (ended.cpu - began.cpu) / loops)


def timing_of(taken: Sequence[Clock]) -> Timing:
    """Return what the clocks of several rounds say."""
    return Timing(tuple(one.wall for one in taken), tuple(one.cpu for one in taken))


def _longest(rounds: Mapping[str, Sequence[Clock]]) -> float:
    return max(one.wall for taken in rounds.values() for one in taken)
