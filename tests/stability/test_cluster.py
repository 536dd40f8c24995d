"""Units of work on real worker processes: as alone, also when one dies or freezes, or the scheduler does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

pytest.importorskip("distributed", reason="needs gpuemb[cluster]")

from cluster_tasks import Add, unit

from gpuemb.core.errors import ClusterError, ConfigError, CorpusWarning, GpuembError, MemoryBudgetError
from gpuemb.core.progress import Task
from gpuemb.stability.graph import Context, Unit
from gpuemb.stability.running import connection, joining
from gpuemb.stability.running.cluster import Cluster
from gpuemb.stability.running.connection import invited
from gpuemb.stability.running.joining import Invitation
from gpuemb.stability.running.local import run_local
from gpuemb.stability.running.own_workers import own_workers
from gpuemb.stability.running.runner import check_workers, runner
from gpuemb.stability.store import Store

TESTS = Path(__file__).parents[1]


class Told:
    """Counts steps and keeps notes."""

    def __init__(self) -> None:
        self.steps, self.notes = 0, list[str]()

    def advance(self, amount: int = 1) -> None:
        self.steps += amount

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Task]:
        yield self

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The scheduler of two workers that can import this folder's tasks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS))
        with own_workers(2) as found:
            yield found


def diamond(folder: Path, first: str = "") -> list[Unit]:
    """Four units above two, of which the second may first do what ``first`` says."""
    a = unit("a", Add(1))
    b = unit("b", Add(2, str(folder / "marker"), first), a=a)
    return [unit(f"u{number}", Add(number), a=a, b=b) for number in range(4)]


def sums(store: Store) -> list[int]:
    return [int(store.arrays(f"sum-u{number}")["v"][0]) for number in range(4)]


def run(address: str, units: list[Unit], folder: Path) -> tuple[Store, Told]:
    store, told = Store(folder / "work"), Told()
    context = Context(progress=told, steps=told, folder=store.folder)
    with Cluster(scheduler=address) as cluster:
        cluster.run(units, store, context)
    assert list(store.folder.glob(".partial*")) == []
    return store, told


@pytest.mark.parametrize(
    ("workers", "scheduler", "words"),
    [
        (0, None, "workers = 0"),
        (-1, None, "workers = -1"),
        (10**6, None, "workers = 1,000,000"),
        (2, "tcp://127.0.0.1:8786", "Use one of them"),
    ],
)
def test_what_is_impossible_is_refused_before_any_work(
    workers: int | None, scheduler: str | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        check_workers("study", workers, scheduler)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    check_workers("study", None, None)
    monkeypatch.setitem(sys.modules, "distributed", None)
    check_workers("study", None, None)
    with pytest.raises(ConfigError, match=r"pip install .*\[cluster\].*, or pip install distributed"):
        check_workers("study", 2, None)


def test_nothing_is_started_where_nothing_is_missing(tmp_path: Path) -> None:
    units, told = diamond(tmp_path), Told()
    run_local(units, Store(tmp_path), Context())
    with runner(None, "tcp://127.0.0.1:1") as run_units:
        run_units(units, Store(tmp_path), Context(steps=told))
    assert told.steps == 12


def test_an_address_that_nobody_answers_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "WRITTEN", 0.0)
    (tmp_path / "no.json").write_text("[]")
    files = [str(tmp_path / name) for name in ("none.json", "no.json")]
    for wrong in ("tcp://127.0.0.1:1", "127.0.0.1:1", "tcp://x", "http://127.0.0.1:1", "", *files):
        with pytest.raises(ClusterError) as caught:
            run(wrong, diamond(tmp_path), tmp_path)
        assert caught.value.given.startswith(f"study: no scheduler answers at {wrong}")


def test_a_worker_proves_that_it_sees_the_folder_and_computes_alike(tmp_path: Path) -> None:
    def refusal(invitation: Invitation, **changed: Any) -> str:
        found = replace(invitation, **changed).refusal()
        return "" if found is None else " ".join(found)

    with invited(tmp_path / "work", "cpu") as invitation:
        # Here the caller and the worker are one process, whose lock on the proof refuses itself a second.
        assert refusal(invitation) == ""
        assert "does not see" in refusal(invitation, folder=str(tmp_path / "elsewhere"))
        assert "does not see" in refusal(invitation, nonce="of another study")
        other = {**invitation.facts, "numpy": "1.0", "compiled_for": "z80"}
        assert "compiled_for ('" in refusal(invitation, facts=other)
        assert "numpy ('" in refusal(invitation, facts=other)
        assert "'1.0' here)" in refusal(invitation, facts=other)
        assert "cuda:77" in refusal(invitation, device="cuda:77")
        unlocked = tmp_path / "work" / "unlocked"
        unlocked.write_text(invitation.nonce)
        assert "locks hold between machines" in refusal(invitation, proof="unlocked")
        assert list((tmp_path / "work").glob(".partial*")) == [tmp_path / "work" / invitation.proof]
    assert list((tmp_path / "work").glob(".partial*")) == []


def test_the_digest_of_the_code_is_that_of_kernels_too() -> None:
    assert len(joining.code_digest()) == 16
    assert any((joining.PACKAGE / "kernels").resolve().rglob("*.cu"))


@pytest.mark.slow
def test_workers_leave_what_this_process_leaves(address: str, tmp_path: Path) -> None:
    run_local(diamond(tmp_path), Store(tmp_path / "alone"), Context())
    units = diamond(tmp_path, "warn")
    with pytest.warns(CorpusWarning, match="a warning of a worker"):
        store, told = run(address, units, tmp_path)
    assert sums(store) == sums(Store(tmp_path / "alone")) == [4, 5, 6, 7]
    assert told.steps == 12
    assert told.notes == ["a note of a worker"]
    count, free, mapped = store.arrays("sum-u0")["limits"].tolist()
    alone = Store(tmp_path / "alone").arrays("sum-u0")["limits"].tolist()
    assert count == max(1, alone[0] // 2)
    assert 0 < free < 0.7 * alone[1]  # its half of the memory
    assert mapped
    note = store.note("sum-u0")
    assert note["unit"] == "u0"
    assert note["process"] != os.getpid()
    again = Store(tmp_path / "work")
    with Cluster(scheduler="tcp://127.0.0.1:1") as cluster:  # nobody is asked
        cluster.run(units, again, Context())


@pytest.mark.slow
def test_what_a_unit_fails_of_is_told_as_here(address: str, tmp_path: Path) -> None:
    failures: dict[str, tuple[type[GpuembError], str]] = {
        "fail": (ConfigError, "add: this failed"),
        "grow": (MemoryBudgetError, "add: an array of a terabyte: needs 1.0 TB but may use"),
    }
    for first, (kind, given) in failures.items():
        folder = tmp_path / first
        folder.mkdir()
        with pytest.raises(kind) as caught:
            run(address, diamond(folder, first), folder)
        assert caught.value.given.startswith(given)
        store, _ = run(address, diamond(folder, first), folder)
        assert sums(store) == [4, 5, 6, 7]


@pytest.mark.slow
def test_a_worker_that_cannot_take_part_stops_the_study(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "facts", lambda: {**joining.facts(), "numpy": "1.0"})
    with pytest.raises(ClusterError, match=r"cannot take part: it differs in numpy .* '1\.0' here"):
        run(address, diamond(tmp_path), tmp_path)
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", ["die", "freeze"])
def test_units_of_a_lost_worker_are_redone(address: str, tmp_path: Path, first: str) -> None:
    store, told = run(address, diamond(tmp_path, first), tmp_path)
    lost = int((tmp_path / "marker").read_text())
    assert sums(store) == [4, 5, 6, 7]
    assert store.note("sum-b")["process"] != lost
    assert told.steps == 12
    with pytest.raises(ProcessLookupError):  # it was replaced
        os.kill(lost, 0)


def marked(folder: Path, alive: Callable[[], bool]) -> int:
    """Wait for a worker that works on a unit; return its number."""
    end = time.monotonic() + 200
    while time.monotonic() < end and alive():
        with suppress(OSError, ValueError):
            return int((folder / "marker").read_text())
        time.sleep(0.1)
    raise AssertionError("no worker came")


@pytest.mark.slow
def test_a_lost_scheduler_is_said_and_a_second_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    units, store = diamond(tmp_path, "wait"), Store(tmp_path / "work")

    def kill_the_scheduler() -> None:
        worker = marked(tmp_path, lambda: True)
        os.kill(os.getpgid(worker), signal.SIGKILL)  # the leader of the group holds the scheduler

    killer = Thread(target=kill_the_scheduler)
    killer.start()
    with Cluster(1) as cluster, pytest.raises(ClusterError, match="lost"):
        cluster.run(units, store, Context())
    killer.join()
    assert store.has("sum", "a")
    before = store.note("sum-a")
    (tmp_path / "marker").touch()
    run_local(units, Store(tmp_path / "work"), Context())
    assert sums(store) == [4, 5, 6, 7]
    assert store.note("sum-a") == before


INTERRUPTED = """
import signal
import sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background is born deaf to it
sys.path.insert(0, {tests!r})
from cluster_tasks import Add, unit
from gpuemb.stability.graph import Context
from gpuemb.stability.running.runner import runner
from gpuemb.stability.store import Store

folder = Path({folder!r})
a = unit("a", Add(1))
try:
    with runner(1, None) as run_units:
        run_units([unit("b", Add(2, str(folder / "marker"), "wait"), a=a)], Store(folder / "work"), Context())
except KeyboardInterrupt:
    sys.exit(130)
"""


@contextmanager
def killed_at_last(script: Path, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process of a script; it is gone after the block."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen([sys.executable, script], env=environment, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_an_interruption_leaves_no_process_no_trace_and_what_is_finished(tmp_path: Path) -> None:
    script = tmp_path / "script.py"  # without a test of __name__: workers do not run it again
    script.write_text(INTERRUPTED.format(tests=str(TESTS), folder=str(tmp_path)))
    with killed_at_last(script, stderr=subprocess.PIPE, text=True) as process:
        worker = marked(tmp_path, lambda: process.poll() is None)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    store = Store(tmp_path / "work")
    assert store.has("sum", "a")
    assert not store.has("sum", "b")


@pytest.mark.slow
def test_workers_end_with_a_caller_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED.format(tests=str(TESTS), folder=str(tmp_path)))
    with killed_at_last(script) as process:
        worker = marked(tmp_path, lambda: process.poll() is None)
    end = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
        time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    np.testing.assert_equal(Store(tmp_path / "work").arrays("sum-a")["v"], [1])
