"""One race: ours and its peers, verified first, timed in turns by pytest-benchmark, written down."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gpuemb.bench.ceiling import Ceilings
from gpuemb.bench.measure import (
    COMPILING_SECONDS,
    LONG_REPEATS,
    LONG_SECONDS,
    Clock,
    Timing,
    loops_of,
    peak_of,
    timing_of,
)
from gpuemb.bench.records import BenchRecord, Peer, here, raced, write_record
from gpuemb.bench.table import peer_rows
from gpuemb.bench.workloads.work import Work
from gpuemb.core.device import CPU

REST_SECONDS = 0.1  # between two contestants: threads that still spin would slow the next one
QUICK_ROUNDS, QUICK_BUDGET = 3, 6.0
ROUNDS, BUDGET = 7, 150.0


@dataclass(frozen=True)
class Rival:
    """A peer that may be absent.

    Attributes:
        name: for people.
        module: what must be importable; empty where nothing must.
        build: builds its own data and returns what is timed. It runs only when the module is there.
        judge: given the rival's result, says what differs from ours; its text goes to the table.
        absent: a reason not to race it at all; empty to race it.
        package: where the version is asked, when it is not the name.
    """

    name: str
    module: str
    build: Callable[[], Callable[[], Any]]
    judge: Callable[[Any], str] = lambda result: ""
    absent: str = ""
    package: str = ""

    def reason(self) -> str:
        """Say why it cannot be raced; empty when it can."""
        if self.absent:
            return self.absent
        if self.module and importlib.util.find_spec(self.module) is None:
            return f"not installed (pip install {self.package or self.name})"
        return ""

    def title(self) -> str:
        """Its name and version."""
        try:
            return f"{self.name} {version(self.package or self.name)}"
        except PackageNotFoundError:
            return self.name


@dataclass(frozen=True)
class Case:
    """What is raced.

    Attributes:
        name: of the record.
        workload: the operation.
        case: the data, for people.
        shape: the lengths.
        work: operations and bytes of ours.
        ours: what is timed.
        verify: given our result, compares it with the reference and says with what.
    """

    name: str
    workload: str
    case: str
    shape: Mapping[str, int]
    work: Work
    ours: Callable[[], Any]
    verify: Callable[[Any], str]


@dataclass
class Track:
    """Everything a race needs of the session; see conftest.py.

    Attributes:
        quick: small data, few rounds.
        threads: of ours and of every peer.
        results: folder of the records.
        ceilings: measured once a session.
        skips: case, rival and reason of all that was not raced.
        lines: rows of the session's table.
    """

    quick: bool
    threads: int
    results: Path
    ceilings: Ceilings
    skips: list[tuple[str, str, str]] = field(default_factory=list)
    lines: list[Sequence[str]] = field(default_factory=list)

    def run(
        self,
        benchmark: Any,
        case: Case,
        rivals: Sequence[Rival],
        phases: Callable[[], Mapping[str, float]] = dict,
    ) -> BenchRecord:
        """Verify, race, write the record; a rival that is absent is a visible skip."""
        outcome: list[Any] = []
        first: dict[str, float] = {}

        def noted(name: str, call: Callable[[], Any]) -> None:
            began = time.perf_counter()
            outcome.append(call())
            first[name] = time.perf_counter() - began

        peak = peak_of(lambda: noted("ours", case.ours))
        verified = case.verify(outcome.pop())
        skipped, calls, notes = {}, {}, {}
        for rival in rivals:
            reason = rival.reason()
            if reason:
                skipped[rival.name] = reason
                self.skips.append((case.name, rival.name, reason))
                continue
            calls[rival.title()] = rival.build()
            noted(rival.title(), calls[rival.title()])
            notes[rival.title()] = rival.judge(outcome.pop())
        timings = self._alternate(benchmark, case.ours, calls, first)
        record = self._record(case, timings, raced(timings, notes), skipped, peak, verified, phases())
        write_record(record, self.results)
        self.lines += peer_rows(record)
        return record

    def _alternate(
        self,
        benchmark: Any,
        ours: Callable[[], Any],
        calls: Mapping[str, Callable[[], Any]],
        first: Mapping[str, float],
    ) -> dict[str, Timing]:
        """Let pytest-benchmark time ours; before each of its rounds the rivals run once.

        All have run once, to be verified. How long that took says how many rounds fit, unless it was
        short: then compilation was part of it, and a second call says so. A slow rival takes part in the
        first rounds only, so that the quick ones still get theirs.
        """
        every = {"ours": ours, **calls}
        warm = {
            name: seconds if seconds > COMPILING_SECONDS else Clock.of(every[name]).wall
            for name, seconds in first.items()
        }
        loops = {name: loops_of(seconds) for name, seconds in warm.items()}
        rounds, budget = (QUICK_ROUNDS, QUICK_BUDGET) if self.quick else (ROUNDS, BUDGET)
        share = budget / len(every)
        allowed = {name: _rounds(seconds * loops[name], share, rounds) for name, seconds in warm.items()}
        taken: dict[str, list[Clock]] = {name: [] for name in every}

        def rivals_first() -> None:
            for name, call in calls.items():
                if len(taken[name]) < allowed[name]:
                    time.sleep(REST_SECONDS)
                    taken[name].append(Clock.of(call, loops[name]))
            time.sleep(REST_SECONDS)

        def timed() -> None:
            taken["ours"].append(Clock.of(ours, loops["ours"]))

        benchmark.pedantic(timed, setup=rivals_first, rounds=allowed["ours"], warmup_rounds=0)
        return {name: timing_of(taken[name]) for name in every}

    def _record(
        self,
        case: Case,
        timings: Mapping[str, Timing],
        peers: tuple[Peer, ...],
        skipped: Mapping[str, str],
        peak: int,
        verified: str,
        phases: Mapping[str, float],
    ) -> BenchRecord:
        return BenchRecord(
            name=f"quick-{case.name}" if self.quick else case.name,
            workload=case.workload,
            case=case.case,
            device=str(CPU),
            shape=case.shape,
            work=case.work,
            seconds=timings["ours"].runs,
            cpu_seconds=timings["ours"].cpu,
            peak_bytes=peak,
            peers=peers,
            skipped=skipped,
            ceiling=self.ceilings.found.get(case.work.ceiling),
            phases=phases,
            verified=verified,
            **here(CPU),
        )


def _rounds(seconds: float, share: float, most: int) -> int:
    """How many rounds of a contestant fit into its share of the time: at least one."""
    most = min(most, LONG_REPEATS) if seconds > LONG_SECONDS else most
    return max(1, min(most, int(share / max(seconds, 1e-9))))
