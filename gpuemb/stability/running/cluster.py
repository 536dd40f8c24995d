"""Units of work on workers of dask, of this machine or of many; loaded only where they are asked for.

The graph of the missing units is dask's from then on: it places them, moves them from lost workers to others
and keeps their order. Arrays never pass through it: a worker maps its inputs from the study's folder and
leaves its results there, so all workers share that folder.
"""

from __future__ import annotations

import queue
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from gpuemb.core import threads
from gpuemb.core.errors import ClusterError
from gpuemb.stability.graph import Context, Source, Unit, inputs_of, tidy
from gpuemb.stability.running.connection import connected, invited, lost, refused
from gpuemb.stability.running.joining import Invitation, Joining
from gpuemb.stability.running.remote import Job, Report, wait_until_visible, work
from gpuemb.stability.store import Store

LOOK, ALONE = 1.0, 300.0  # seconds between looks at the connection, and without any worker until an error


@dataclass
class Cluster:
    """Workers for the units of one study; they are called when the first unit is missing.

    Attributes:
        workers: processes to start on this machine; None: those of ``scheduler``.
        scheduler: address, or file, of a running scheduler of dask.
    """

    workers: int | None = None
    scheduler: str | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _joined: _Joined | None = None

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def run(self, units: Sequence[Unit], store: Store, context: Context) -> None:
        """Have every unit done; the same arguments and results as :func:`~.local.run_local`.

        Raises:
            ClusterError: no scheduler, or none any more; a worker that cannot take part, or units that were
                lost. What was finished stays.
            StorageError, GpuembError: as the tasks; what was finished stays.
        """
        left = _missing(units, store)
        of_left = {_key("", unit) for unit in left}
        for unit in units:
            if _key("", unit) not in of_left:
                tidy(unit, store)  # a process killed between keeping and this has left it
        context.advance(sum(unit.steps for unit in units) - sum(unit.steps for unit in left))
        todo = _in_order(left, store)
        if not todo:
            return
        if self._joined is None:
            self._joined = self._stack.enter_context(self._join(store, context))
        steps = {_key(self._joined.name, unit): unit.steps for unit in left}
        reports = self._joined.run(todo, context, steps)
        for unit, report in zip(todo, reports, strict=True):
            for kept in unit.results.values():
                wait_until_visible(store.path(*kept))
                store.whole.add(store.path(*kept))
            context.damaged += report.damaged
            for warning in report.warned:
                warnings.warn(warning, stacklevel=2)

    @contextmanager
    def _join(self, store: Store, context: Context) -> Iterator[_Joined]:
        folder, device = store.folder.absolute(), str(context.device)
        with (
            connected(self.workers, self.scheduler, context.progress) as client,
            invited(folder, device) as invitation,
        ):
            events: queue.SimpleQueue[Any] = queue.SimpleQueue()
            client.subscribe_topic(invitation.name, lambda event: events.put(event[1]))
            try:
                _prove(client, invitation)
                yield _Joined(client, invitation.name, events)
            finally:
                if client.status == "running":
                    with suppress(Exception):  # it may be lost at any moment; nothing of it is needed now
                        client.unregister_worker_plugin(invitation.name)


def _prove(client: Client, invitation: Invitation) -> None:
    """Have every worker prove itself, then let it, and those that come later, have units.

    Raises:
        ClusterError: one cannot.
    """
    for address, found in client.run(invitation.refusal, on_error="return").items():
        if isinstance(found, BaseException):
            raise ClusterError(
                f"study: the worker {address} cannot take part: {type(found).__name__}: {found}",
                needed="Every worker runs in an environment that holds gpuemb, of the same version.",
                remedy="Start the workers in the environment of the caller.",
            ) from found
        if found is not None:
            raise refused(address, found)
    client.register_plugin(Joining(invitation), name=invitation.name)


def _missing(units: Sequence[Unit], store: Store) -> list[Unit]:
    """Return the units of which a result is missing, each once."""
    once = list({tuple(map(str, unit.results.values())): unit for unit in units}.values())
    missing = threads.run(lambda unit: unit.missing(store), once)
    return [unit for unit, names in zip(once, missing, strict=True) if names]


def _in_order(left: Sequence[Unit], store: Store) -> list[Unit]:
    """Return the missing units and all that they need and is missing, each after what it needs."""
    need = _missing(inputs_of(left), store) if left else []
    before = _in_order(need, store) if need else []
    return list({tuple(map(str, unit.results.values())): unit for unit in (*before, *left)}.values())


def _key(name: str, unit: Unit) -> str:
    return f"{name}-{'+'.join(map(str, unit.results.values()))}"


def _names(sources: Mapping[str, Source]) -> dict[str, str]:
    return {name: str(source.kept) for name, source in sources.items()}


@dataclass
class _Joined:
    """A connection whose workers have proved themselves.

    Attributes:
        client: of dask.
        name: of the invitation.
        events: what workers say, and futures that are done.
        batch: number of calls of ``run``.
    """

    client: Client
    name: str
    events: queue.SimpleQueue[Any]
    batch: int = 0

    def run(self, todo: Sequence[Unit], context: Context, steps: Mapping[str, int]) -> list[Report]:
        """Return the reports of units that are all missing, in the order of need."""
        self.batch += 1
        futures: dict[str, Future] = {}
        of_result: dict[str, Future] = {}
        waiting = _Waiting(self, context, dict.fromkeys(steps, 0), steps)
        try:
            for unit in todo:
                key = _key(self.name, unit)
                alone = replace(unit, inputs={}, hints={})
                job = Job(
                    key,
                    alone,
                    _names(unit.inputs),
                    _names(unit.hints),
                    self.batch,
                    context.folder is not None,
                )
                needed = [of_result[kept] for kept in job.inputs.values() if kept in of_result]
                future = self.client.submit(
                    work, self.name, job, needed, key=key, resources={self.name: 1}, pure=False
                )
                futures[key] = future
                of_result |= {str(kept): future for kept in unit.results.values()}
                future.add_done_callback(self.events.put)
            return waiting.reports(futures, {_key(self.name, unit): unit.title for unit in todo})
        finally:
            if self.client.status == "running":
                with suppress(Exception):  # as above
                    self.client.cancel([one for one in futures.values() if not one.done()])


@dataclass
class _Waiting:
    """What is told of units that run elsewhere, until all are done."""

    joined: _Joined
    context: Context
    told: dict[str, int]
    steps: Mapping[str, int]

    def reports(self, futures: Mapping[str, Future], titles: Mapping[str, str]) -> list[Report]:
        found: dict[str, Report] = {}
        seen = time.monotonic()
        while len(found) < len(futures):
            try:
                event = self.joined.events.get(timeout=LOOK)
            except queue.Empty:
                seen = self._look(seen)
                continue
            seen = time.monotonic()
            if isinstance(event, dict):
                self._said(event)
            elif event.key in futures:
                found[event.key] = _report(event, titles[event.key])
                self._reached(event.key, self.steps.get(event.key, 0))
        return [found[key] for key in futures]

    def _said(self, event: Mapping[str, Any]) -> None:
        if "refused" in event:
            raise refused(event["worker"], event["refused"])
        if "note" in event:
            self.context.progress.note(event["note"])
        if "key" in event:
            self._reached(event["key"], event["steps"])

    def _reached(self, key: str, steps: int) -> None:
        """Report steps beyond those that were reported: a unit that is redone begins at none."""
        if key in self.told:
            now = min(steps, self.steps[key])
            self.context.advance(max(0, now - self.told[key]))
            self.told[key] = max(self.told[key], now)

    def _look(self, seen: float) -> float:
        """Look whether anybody can still answer; return when somebody could.

        Raises:
            ClusterError: nobody can.
        """
        if self.joined.client.status != "running":
            raise lost()
        if time.monotonic() - seen < 2 * LOOK:
            return seen
        with suppress(OSError, TimeoutError):  # the next look sees what has become of it
            if self.joined.client.nthreads():
                return time.monotonic()
        if time.monotonic() - seen < ALONE:
            return seen
        raise ClusterError(
            f"study: for {ALONE:.0f} s no worker has been there",
            needed="The units that are left need one.",
            remedy="Start workers; what is finished stays: run the same command again.",
        )


def _report(future: Future, title: str) -> Report:
    """Return the report of a future that is done.

    Raises:
        ClusterError: its worker was lost again and again, or the future itself.
        Exception: that of the task.
    """
    if future.status == "finished":
        report: Report = future.result()
        return report
    error = future.exception() if future.status == "error" else None
    if isinstance(error, KilledWorker):
        raise ClusterError(
            f"study: {title}: {error.allowed_failures + 1} workers were lost while they worked on it",
            needed="A worker that needs more memory than its machine or queue grants is killed.",
            remedy="Use fewer workers with more memory each (gpuemb study --plan says how much).",
        ) from error
    if isinstance(error, RuntimeError) and "deserialization" in str(error):
        raise ClusterError(
            "study: the scheduler cannot load gpuemb",
            needed="Units of work pass through it: its environment holds gpuemb, as those of workers do.",
            remedy="Start the scheduler in the environment of the caller.",
        ) from error
    if error is not None:
        raise error
    raise lost(title)
