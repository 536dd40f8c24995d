"""One unit of work on a worker of dask; loaded only where ``distributed`` is."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from distributed import Worker, get_worker

from gpuemb.core import memory, threads
from gpuemb.core.device import choose
from gpuemb.core.errors import StorageError
from gpuemb.core.progress import SILENT, Task
from gpuemb.stability.graph import Context, Unit, measured, tidy
from gpuemb.stability.running.joining import Joining
from gpuemb.stability.store import Arrays, Store

VISIBLE, PAUSE = 90.0, 0.5  # seconds until a network disk shows what another machine wrote, and between looks
REPORTED = 0.5  # seconds between two reports of a unit's steps


class Ended(Exception):
    """The study that wanted a unit has ended."""


@dataclass(frozen=True)
class Job:
    """A unit without the units that it needs: those are read from the folder.

    Attributes:
        key: of dask's task.
        unit: its inputs and hints left out.
        inputs: names in the store, by the names that the task knows them by.
        hints: the same, used where they are there.
        batch: number of the call that wants it; what units share is forgotten with the last of it.
        on_the_way: whether the task may keep what it has on the way.
    """

    key: str
    unit: Unit
    inputs: Mapping[str, str]
    hints: Mapping[str, str]
    batch: int
    on_the_way: bool


@dataclass(frozen=True)
class Report:
    """What the caller is told of a finished unit; its arrays are in the folder."""

    damaged: list[str] = field(default_factory=list)
    warned: list[Warning] = field(default_factory=list)


@dataclass
class _Events:
    """Progress as events of the worker: finished steps at most twice a second, notes at once."""

    joining: Joining
    key: str
    steps: int = 0
    said: float = 0.0

    def advance(self, amount: int = 1) -> None:
        """Count steps, and tell of them now and then; end the work where nobody waits for it.

        Raises:
            Ended: as said.
        """
        self.steps += amount
        if self.joining.stopped:
            raise Ended(self.key)
        if time.monotonic() - self.said >= REPORTED:
            self.joining.say({"key": self.key, "steps": self.steps})
            self.said = time.monotonic()

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Task]:
        """Open a phase within a unit, which nobody is told of; a stopped one ends here."""
        if self.joining.stopped:
            raise Ended(self.key)
        with SILENT.phase(name, total) as task:
            yield task

    def note(self, message: str) -> None:
        """Tell a line at once."""
        self.joining.say({"note": message})


def work(name: str, job: Job, done: list[Report]) -> Report:
    """Do what is missing of a unit, under the limits of threads and memory of this worker.

    Args:
        name: of the study's call.
        job: the unit.
        done: reports of the units that it needs; they are in the folder.
    """
    worker: Worker = get_worker()
    joining = cast(Joining, worker.plugins[name])
    events = _Events(joining, job.key)
    joining.say({"key": job.key, "steps": 0})
    limits = threads.limit(worker.state.nthreads), memory.limit(worker.memory_manager.memory_limit)
    with limits[0], limits[1], warnings.catch_warnings(record=True) as warned:
        context = Context(
            choose(joining.invitation.device),
            events,
            events,
            joining.store.folder if job.on_the_way else None,
            shared=joining.shared_in(job.batch),
        )
        _do(job, joining.store, context)
    return Report(context.damaged, [_told(one.message) for one in warned])


def _do(job: Job, store: Store, context: Context) -> None:
    wanted = job.unit.missing(store)
    if wanted:  # else another worker has left it before it was lost
        measured(job.unit, _inputs(job, store), wanted, context).keep(job.unit, store)
    tidy(job.unit, store)


def _inputs(job: Job, store: Store) -> dict[str, Arrays]:
    needed = {name: _arrays(store, kept) for name, kept in job.inputs.items()}
    there = {name: kept for name, kept in job.hints.items() if (store.folder / kept).is_dir()}
    return needed | {name: store.arrays(kept) for name, kept in there.items()}


def _arrays(store: Store, name: str) -> Arrays:
    wait_until_visible(store.folder / name)
    return store.arrays(name)


def wait_until_visible(path: Path) -> None:
    """Wait until a network disk shows a folder that another machine has written.

    Raises:
        StorageError: it does not.
    """
    end = time.monotonic() + VISIBLE
    while not path.is_dir():
        if time.monotonic() > end:
            raise StorageError(
                f"study: {path} was written by another worker, and is not seen here",
                needed=f"A shared disk shows it within {VISIBLE:.0f} s.",
                remedy="Look at the disk; what is finished stays: run the same command again.",
            )
        time.sleep(PAUSE)
        os.listdir(path.parent)  # asks the server for the names again


def _told(message: Any) -> Warning:
    return message if isinstance(message, Warning) else UserWarning(str(message))
