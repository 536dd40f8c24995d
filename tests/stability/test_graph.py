"""Units of work are done once, in order of need, and only what is missing."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpuemb.stability.graph import MAIN, Arrays, Context, Kept, Source, Task, Unit
from gpuemb.stability.running.local import run_local
from gpuemb.stability.store import Store

DONE: list[str] = []  # names of what was computed, in order


@dataclass(frozen=True)
class Add:
    """Adds its inputs to a number, a result for each multiple that is wanted."""

    name: str
    number: int

    def run(
        self, inputs: Mapping[str, Arrays], wanted: frozenset[str], context: Context
    ) -> Mapping[str, Arrays]:
        DONE.append(f"{self.name}({','.join(sorted(inputs))}):{','.join(sorted(wanted))}")
        context.advance()
        total = self.number + sum(int(arrays["v"][0]) for name, arrays in inputs.items() if name != "before")
        return {name: {"v": np.array([total * int(name or 1)])} for name in wanted}


def unit(name: str, number: int = 1, results: str = "", one_worker: bool = False, **inputs: Unit) -> Unit:
    kept = {part: Kept("sum", f"{name}{part}") for part in results.split(",")}
    sources = {key: one.source(next(iter(one.results))) for key, one in inputs.items()}
    hints = {key: sources.pop(key) for key in list(sources) if key == "before"}
    return Unit(name, Add(name, number), kept, sources, hints, one_worker=one_worker)


def ran(store: Store, *units: Unit) -> list[str]:
    DONE.clear()
    run_local(units, store, Context())
    return list(DONE)


def value(store: Store, of: Source) -> int:
    return int(store.arrays(str(of.kept))["v"][0])


def test_what_is_needed_is_done_first_and_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    a, b = unit("a", 2), unit("b", 3)
    c, d = unit("c", 0, a=a, b=b), unit("d", 1, b=b)
    assert ran(store, c, d, c) == ["a():", "b():", "c(a,b):", "d(b):"]
    assert (value(store, c.source()), value(store, d.source())) == (5, 4)
    assert ran(Store(tmp_path), c, d) == []


def test_inputs_of_what_is_there_are_neither_read_nor_made(tmp_path: Path) -> None:
    c = unit("c", 0, a=unit("a"))
    ran(Store(tmp_path), c)
    for file in (tmp_path / "sum-a").iterdir():
        file.unlink()
    (tmp_path / "sum-a").rmdir()
    store = Store(tmp_path)
    assert ran(store, c) == []
    assert store.asked == {"sum-c"}
    (tmp_path / "sum-c" / "v.npy").write_bytes(b"damaged")
    assert ran(Store(tmp_path), c) == ["a():", "c(a):"]


def test_only_the_missing_results_of_a_unit_are_wanted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert ran(store, unit("a", 7, "1,2")) == ["a():1,2"]
    assert ran(store, unit("a", 7, "1,2,3")) == ["a():3"]
    assert value(store, unit("a", 7, "3").source("3")) == 21


def test_hints_are_given_where_they_are_there_and_never_waited_for(tmp_path: Path) -> None:
    store, a = Store(tmp_path), unit("a")
    assert ran(store, unit("b", before=a), a, unit("c", before=a)) == ["b():", "a():", "c(before):"]


def test_units_of_one_worker_run_side_by_side_after_what_they_share(tmp_path: Path) -> None:
    store, a = Store(tmp_path), unit("a")
    found = ran(store, *(unit(name, one_worker=True, a=a) for name in "bcd"))
    assert found[0] == "a():"
    assert sorted(found[1:]) == ["b(a):", "c(a):", "d(a):"]


def test_steps_of_what_is_there_are_reported_too(tmp_path: Path) -> None:
    class Steps:
        count = 0

        def advance(self, amount: int = 1) -> None:
            self.count += amount

    store, a, steps = Store(tmp_path), unit("a"), Steps()
    c = unit("c", a=a)
    run_local([a], store, Context())
    run_local([a, c, c], store, Context(steps=steps))
    assert steps.count == 3


def test_a_unit_tells_what_it_cost_and_can_be_pickled(tmp_path: Path) -> None:
    store, again = Store(tmp_path), pickle.loads(pickle.dumps(unit("c", a=unit("a"))))
    task: Task = again.task
    assert isinstance(task, Add)
    assert ran(store, again) == ["a():", "c(a):"]
    note = store.note(str(again.results[MAIN]))
    assert note["unit"] == "c"
    assert note["seconds"] >= 0
    assert note["peak_bytes"] > 0
    assert {"host", "versions", "arithmetic", "cpu"} <= set(note)
    assert store.note("sum-none") == {}
