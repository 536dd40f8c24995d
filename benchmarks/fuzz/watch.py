"""Workers under watch: one that dies or hangs is replaced, and the input it read is named."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.fuzz.inputs import Outcome
from benchmarks.fuzz.worker import READY

START_SECONDS = 600  # kernels may have to be compiled
INPUTS_A_PROCESS = 4000  # libraries lose memory: pyarrow 4 MB of address space a damaged zstd stream
WAIT_SECONDS = 0.2
LOG_END = 3000  # bytes of what a dead worker said that are kept


@dataclass(frozen=True)
class Bounds:
    """What one input may take.

    Attributes:
        seconds: until its process is killed; then it is tried once more, as the machine may be busy.
        memory: bytes beside those of the process at rest.
        readers: names of those that are tried; all where empty.
        program: what Python runs as a worker.
    """

    seconds: float = 10.0
    memory: int = 1_500_000_000
    readers: tuple[str, ...] = ()
    program: tuple[str, ...] = ("-m", "benchmarks.fuzz.worker")


class Worker:
    """One process and the input it reads now."""

    def __init__(self, first: int, stop: int, step: int, bounds: Bounds) -> None:
        self.stop, self.step, self.bounds = stop, step, bounds
        self.seed, self.reader, self.damage, self.again = first, "", "", False
        self._begin(first)

    def _begin(self, first: int) -> None:
        self.end = min(self.stop, first + self.step * INPUTS_A_PROCESS)
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  closed when the next one begins
        out, into = os.pipe()
        numbers = map(str, (first, self.end, self.step, self.bounds.memory, into))
        command = [sys.executable, *self.bounds.program, *numbers, *self.bounds.readers]
        self.process = subprocess.Popen(command, pass_fds=[into], stdout=self.log, stderr=self.log)
        os.close(into)
        self.channel, self.partial = out, b""
        self.deadline, self.reading = time.monotonic() + START_SECONDS, False

    def told(self) -> Iterator[Outcome]:
        """Read what the worker has said; yield the outcomes in it, its death included."""
        data = os.read(self.channel, 1 << 16)
        *lines, self.partial = (self.partial + data).split(b"\n")
        for line in lines:
            self.deadline = time.monotonic() + self.bounds.seconds
            if line != READY.encode():
                yield from self._line(*json.loads(line))
        if not data and self.process.wait() != 0:
            yield self._died(f"the process died: {_named(self.process.returncode)}")

    def _line(self, what: str, *facts: object) -> Iterator[Outcome]:
        if what == "begins":
            self.seed, self.reader, self.damage = int(str(facts[0])), str(facts[1]), str(facts[2])
            self.reading = True
        else:
            self.reading, self.again = False, False
            yield Outcome(**facts[0])  # type: ignore[arg-type]

    def kill(self) -> Outcome | None:
        """End a worker that hangs; return the outcome of its input if it had been tried before."""
        self.process.kill()
        self.process.wait()
        if self.reading and not self.again:
            return None
        return self._died(f"no answer in {self.bounds.seconds:g} s")

    def _died(self, why: str) -> Outcome:
        self.log.seek(max(0, self.log.seek(0, os.SEEK_END) - LOG_END))
        said = self.log.read().decode("utf-8", "replace")
        if not self.reading:
            raise RuntimeError(f"a worker ended before its first input: {why}\n{said}")
        return Outcome(self.seed, self.reader, "failed", why, f"{self.damage}\n{said}")

    def close(self) -> None:
        """Let go of what belongs to a process that has ended."""
        os.close(self.channel)
        self.log.close()

    def restart(self, following: int) -> bool:
        """Go on in a new process from a seed on; return whether it is one of ours."""
        self.again = following == self.seed
        if following < self.stop:
            self._begin(following)
        return following < self.stop


def _named(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def outcomes(first: int, count: int, workers: int, bounds: Bounds) -> Iterator[Outcome]:
    """Yield what becomes of the inputs of some seeds, in any order."""
    steps = min(workers, count)
    watched = [Worker(first + start, first + count, steps, bounds) for start in range(steps)]
    try:
        while watched:
            ready = select.select([worker.channel for worker in watched], [], [], WAIT_SECONDS)[0]
            for worker in [*watched]:
                following = None
                if worker.channel in ready:
                    yield from worker.told()
                    if worker.process.returncode is not None:
                        following = worker.end if worker.process.returncode == 0 else worker.seed + steps
                elif time.monotonic() > worker.deadline:
                    outcome = worker.kill()
                    yield from [] if outcome is None else [outcome]
                    following = worker.seed if outcome is None else worker.seed + steps
                if following is not None:
                    worker.close()
                    if not worker.restart(following):
                        watched.remove(worker)
    finally:
        for worker in watched:
            worker.process.kill()
            worker.process.wait()
            worker.close()
