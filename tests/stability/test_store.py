"""Finished work is kept whole, read without being done again, and half-finished work is never seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpuemb.core.files.checked import CHECKSUMS
from gpuemb.core.progress import SILENT
from gpuemb.stability import store as store_module
from gpuemb.stability.store import Store


def never() -> Any:
    raise AssertionError("a finished unit was computed again")


def test_a_unit_is_computed_once_and_mapped_ever_after(tmp_path: Path) -> None:
    store = Store(tmp_path / "work")
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.zeros(0, np.float32)}
    assert not store.has("counts", "d1")
    first = store.unit("counts", "d1", lambda: arrays)
    assert store.has("counts", "d1")
    second = Store(tmp_path / "work").unit("counts", "d1", never)
    for found in (first, second):
        assert set(found) == {"a", "b"}
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype
    assert isinstance(second["a"], np.memmap)


def test_kinds_and_digests_are_kept_apart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for kind, digest, value in (("a", "x", 1), ("a", "y", 2), ("b", "x", 3)):
        store.unit(kind, digest, lambda value=value: {"v": np.array([value])})
    found = [
        int(store.unit(kind, digest, never)["v"][0]) for kind, digest in (("a", "x"), ("a", "y"), ("b", "x"))
    ]
    assert found == [1, 2, 3]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_computation_that_fails_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    store = Store(tmp_path / "work")

    def fail() -> Any:
        raise error

    with pytest.raises(error):
        store.unit("counts", "d", fail)
    assert not store.has("counts", "d")
    assert not (tmp_path / "work").exists() or list((tmp_path / "work").iterdir()) == []


def test_a_failure_between_two_arrays_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    halves = {"whole": np.ones(3), "pickled": np.array([object()])}
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        store.unit("counts", "d", lambda: halves)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".partial-counts-d").mkdir()
    (tmp_path / ".partial-counts-d" / "v.npy").write_bytes(b"half")
    store = Store(tmp_path)
    assert not store.has("counts", "d")
    assert store.unit("counts", "d", lambda: {"v": np.ones(1)})["v"].tolist() == [1]


class Notes:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    phase = SILENT.phase

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.mark.parametrize("name", ["v.npy", "w.npy", CHECKSUMS])
@pytest.mark.parametrize("how", ["flipped", "cut", "empty", "lost", "without checksums"])
def test_a_damaged_unit_is_done_again_and_said_to_be(tmp_path: Path, name: str, how: str) -> None:
    arrays = {"v": np.arange(100), "w": np.ones(3)}
    Store(tmp_path).unit("counts", "d", lambda: arrays)
    file = tmp_path / "counts-d" / name
    content = bytearray(file.read_bytes())
    if how == "flipped":
        content[-7] ^= 4
        file.write_bytes(content)
    elif how in ("cut", "empty"):
        os.truncate(file, len(content) // 2 if how == "cut" else 0)
    else:
        (file if how == "lost" else file.with_name(CHECKSUMS)).unlink()
    notes, computed = Notes(), []

    def compute() -> Any:
        computed.append(1)
        return arrays

    store = Store(tmp_path, notes)
    assert not store.has("counts", "d")
    found = store.unit("counts", "d", compute)
    assert computed == [1]
    np.testing.assert_array_equal(found["v"], arrays["v"])
    assert "counts-d is damaged, and is done again" in "".join(notes.notes)
    assert len(notes.notes) == len(store.damaged) == 1
    assert Store(tmp_path).has("counts", "d")
    assert [path.name for path in tmp_path.iterdir()] == ["counts-d"]


def test_a_unit_is_read_whole_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path).unit("counts", "d", lambda: {"v": np.arange(3)})
    read: list[Path] = []

    def damage_of(path: Path) -> str:
        read.append(path)
        return ""

    monkeypatch.setattr(store_module, "damage_of", damage_of)
    store = Store(tmp_path)
    for _ in range(3):
        assert store.has("counts", "d")
        store.unit("counts", "d", never)
    assert len(read) == 1


def test_work_that_another_process_finished_meanwhile_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def overtaken() -> Any:
        Store(tmp_path).unit("counts", "d", lambda: {"v": np.array([1])})
        return {"v": np.array([2])}

    assert store.unit("counts", "d", overtaken)["v"].tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["counts-d"]


def test_notes_that_somebody_changed_are_told_as_they_are(tmp_path: Path) -> None:
    store = Store(tmp_path / "work")
    for name, note in (("a", '{"began": "2"}'), ("b", "{}"), ("c", '{"unit": 5}'), ("d", "[1]"), ("e", "{")):
        store.keep(name, {"v": np.zeros(1)}, note)
    assert store.notes(["a", "b", "c", "d", "e", "none"]) == [{"unit": 5}, {"began": "2"}]
