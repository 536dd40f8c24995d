"""A study as a graph of units of work: pure functions, kept under the digest of all they depend on.

Whoever plans a study makes its units and computes their digests, once; whoever runs it (``running/``) needs
the units and a store, never the study. Everything here can be pickled.

A unit is done when all that it leaves is in the store. An executor, in one process or in many,

- asks the store for what each unit leaves (:meth:`Unit.missing`), and leaves alone what is there;
- has the inputs of a unit done first, and only of a unit that must run itself;
- hands over the arrays of its inputs as memory maps, and those of its hints that are there already;
- runs the task for what is missing and keeps each result under its name, with a note of what it cost
  (:func:`measured`), by :meth:`Done.keep`.

A result has the same bits whatever else is wanted of its unit, whoever runs it and with how many threads, on
processors that agree in :func:`gpuemb.core.arithmetic.arithmetic`: its digest names that where it matters.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from numpy.typing import NDArray

from gpuemb.core.arithmetic import arithmetic
from gpuemb.core.device import CPU, Device
from gpuemb.core.files import discard
from gpuemb.core.memory import peak_bytes
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.progress import Task as Steps
from gpuemb.core.record import cpu_name, versions
from gpuemb.stability.store import Store

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
MAIN = ""  # name of the only result of most units
ON_THE_WAY = "training"  # kind of what a task keeps under a digest of its results while it runs


class Kept(NamedTuple):
    """Where a result stands in the store."""

    kind: str
    digest: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.digest}"


@dataclass
class Context:
    """What a task has beside its inputs; nothing in it changes a bit, but the kind of the device.

    Each process makes its own, under the limits of threads and memory that hold there.

    Attributes:
        device: where to compute.
        progress: told of phases within a task, and of what a person should know.
        steps: advances by :attr:`Unit.steps` in all while the task runs.
        folder: where a task keeps what it has on the way, as ``ON_THE_WAY-digest`` of a result; None:
            nowhere.
        damaged: what was found damaged there.
        shared: what the tasks of one process need not make twice; each can make it anew.
    """

    device: Device = CPU
    progress: Progress = SILENT
    steps: Steps | None = None
    folder: Path | None = None
    damaged: list[str] = field(default_factory=list)
    shared: dict[str, Any] = field(default_factory=dict)

    def advance(self, steps: int = 1) -> None:
        """Report finished steps."""
        if self.steps is not None:
            self.steps.advance(steps)


class Task(Protocol):
    """A pure function of arrays: a frozen dataclass of plain values, at the top of a module."""

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> Mapping[str, Arrays]:
        """Return the arrays of every wanted result by its name; others may be left out.

        Args:
            inputs: arrays of every input, and of those hints that are there, by their names. Memory maps,
                not to be written.
            wanted: names of results, of which none has other bits for what else is wanted.
            context: where and under whose eyes it runs.
        """


@dataclass(frozen=True, eq=False)
class Source:
    """One result of a unit, as an input of another."""

    unit: Unit
    name: str = MAIN

    @property
    def kept(self) -> Kept:
        """Where it stands."""
        return self.unit.results[self.name]


@dataclass(frozen=True, eq=False)
class Unit:
    """A piece of work: what it leaves and where, what does it, and from what.

    Attributes:
        title: for people: ``"glove: seed 0"``.
        task: the work. Its digests name all that it depends on, inputs included, hints not.
        results: what it leaves, by name; :data:`MAIN` alone for most. Results that share work are of one
            unit, and those that are missing are done together.
        inputs: results of other units by the names that the task knows them by.
        hints: the same, but handed over only where they are there: they save time and change no bit.
        steps: of progress.
        one_worker: whether the task keeps one worker busy, so that several may run side by side.
    """

    title: str
    task: Task
    results: Mapping[str, Kept]
    inputs: Mapping[str, Source] = field(default_factory=dict)
    hints: Mapping[str, Source] = field(default_factory=dict)
    steps: int = 1
    one_worker: bool = False

    def missing(self, store: Store) -> frozenset[str]:
        """Names of the results that are not there, whole; what is damaged is removed.

        Raises:
            StorageError: one may not be read.
        """
        return frozenset(name for name, kept in self.results.items() if not store.has(*kept))

    def source(self, name: str = MAIN) -> Source:
        """Return one of its results as an input of other units."""
        return Source(self, name)


def load(sources: Mapping[str, Source], store: Store) -> dict[str, Arrays]:
    """Map the arrays of results that are there."""
    return {name: store.arrays(str(source.kept)) for name, source in sources.items()}


def inputs_of(units: Iterable[Unit]) -> list[Unit]:
    """Return the units that others need, each once, in the order of need."""
    found = [source.unit for unit in units for source in unit.inputs.values()]
    return list({id(unit): unit for unit in found}.values())


def measured(unit: Unit, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context) -> Done:
    """Run a task; return the wanted results, and the note of what they cost.

    Args:
        unit: whose task is run.
        inputs: its arrays.
        wanted: names of what is missing.
        context: of this process.
    """
    now, began, cpu = datetime.now(UTC), time.perf_counter(), time.process_time()
    found = unit.task.run(inputs, wanted, context)
    note = {
        "unit": unit.title,
        "began": now.isoformat(),
        "seconds": round(time.perf_counter() - began, 4),
        "cpu_seconds": round(time.process_time() - cpu, 4),
        "peak_bytes": peak_bytes(),
        "process": os.getpid(),
        "device": str(context.device),
        **_machine(),
    }
    return Done({name: found[name] for name in wanted}, json.dumps(note, indent=1))


def results_of(units: Sequence[Unit]) -> list[str]:
    """Return the names of all that units leave, and of all that they need."""
    found: dict[str, None] = {}
    while units:
        found |= dict.fromkeys(str(kept) for unit in units for kept in unit.results.values())
        units = inputs_of(units)
    return list(found)


@cache
def _machine() -> dict[str, Any]:
    """What is the same for all units of a process."""
    return {
        "host": socket.gethostname(),
        "cpu": cpu_name(),
        "arithmetic": arithmetic(),
        "versions": versions(),
    }


@dataclass(frozen=True, eq=False)
class Done:
    """What a task made: the arrays of each wanted result, and the note that is kept beside them."""

    results: Mapping[str, Arrays]
    note: str

    def keep(self, unit: Unit, store: Store) -> None:
        """Keep all of it, in the order of the unit's results; then remove what it had on the way.

        Raises:
            StorageError: it cannot be written; nothing half-written stays.
        """
        kept = {str(unit.results[name]): name for name in unit.results if name in self.results}
        for place, name in kept.items():
            store.keep(place, self.results[name], self.note)
        tidy(unit, store)


def tidy(unit: Unit, store: Store) -> None:
    """Remove what a finished unit has kept on the way."""
    for kept in unit.results.values():
        path = store.path(ON_THE_WAY, kept.digest)
        if path.exists():
            discard(path)
