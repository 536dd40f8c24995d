from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from gpuemb.core import record, threads
from gpuemb.core.progress import SILENT
from gpuemb.core.record import Record, cpu_name, machine, versions


def test_a_record_goes_through_json_and_comes_back() -> None:
    journal = Record(facts={"seeds": [1, 2], "digest": "abc", "device": "cpu"})
    with journal.phase("count"), journal.phase("train"):
        pass
    written = journal.as_mapping()
    assert json.loads(json.dumps(written, allow_nan=False)) == written
    assert list(written["seconds"]) == ["count", "train"]
    assert written["seeds"] == [1, 2]
    assert {"seconds", "peak_bytes", "machine", "versions", "digest", "device"} <= set(written)


def test_a_phase_is_timed_each_time_and_also_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.5, 10.0, 12.0])
    monkeypatch.setattr(record.time, "perf_counter", lambda: next(clock))
    journal = Record()
    with journal.phase("train"):
        pass
    with pytest.raises(ValueError, match="inside"), journal.phase("train"):
        raise ValueError("inside")
    assert journal.seconds == {"train": 3.5}


def test_phases_stand_in_the_order_they_began() -> None:
    journal = Record()
    with journal.phase("outer"), journal.phase("inner"):
        pass
    with journal.phase("last"), journal.phase("inner"):
        pass
    assert list(journal.seconds) == ["outer", "inner", "last"]


def test_records_share_nothing() -> None:
    Record().facts["seed"] = 1
    assert Record().facts == {}
    assert Record().seconds == {}


def test_the_machine_is_this_one() -> None:
    facts = machine()
    assert facts["cpu"] == cpu_name() != ""
    assert facts["cores"] == threads.available() >= 1
    assert facts["python"] == sys.version.split()[0]
    assert facts["memory_bytes"] > 0
    with threads.limit(3):
        assert machine()["threads"] == 3


def test_versions_name_what_is_installed_and_nothing_else() -> None:
    found = versions()
    assert found["numpy"] == np.__version__
    assert {"gpuemb", "numpy", "scipy", "numba"} <= set(found) <= set(record.LIBRARIES)
    assert all(found.values())


def test_nobody_listens_to_silence() -> None:
    with SILENT.phase("train", total=3) as task:
        task.advance()
        task.advance(2)
    SILENT.note("done")
