"""The same command is answered from the folder, until anything that it depends on has changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gpuemb.core.errors import StorageError
from gpuemb.stability.kept import told
from gpuemb.stability.kept.told import MOST, NOTE, Inputs, Told, note_told, request_of, told_before

TOLD = Told((("6.9 of 10", "kept"),), ("glove: few runs", ""), ("a note",), json=False)
WORK, REQUEST = "work", "asked"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose study has read ``texts/`` and ``words.json``, and was told of."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("one two")
    (tmp_path / "words.json").write_text("{}")
    unit = tmp_path / "study" / WORK / "vectors-0"
    unit.mkdir(parents=True)
    for file in (unit / "vectors.npy", tmp_path / "study" / "summary.json"):
        file.write_bytes(b"1234")
    note_told(tmp_path / "study", WORK, REQUEST, TOLD, inputs(tmp_path))
    return tmp_path


def inputs(folder: Path) -> Inputs:
    return Inputs.found([str(folder / "texts")], [str(folder / "words.json")])


def again(folder: Path, request: str = REQUEST) -> Told | None:
    return told_before(folder / "study", WORK, request)


def later(path: Path, content: bytes) -> None:
    """Write as many bytes as there were, a moment later."""
    before = path.stat()
    assert len(content) == before.st_size
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


CHANGES: dict[str, Callable[[Path], object]] = {
    "another text": lambda at: later(at / "texts" / "a.txt", b"one six"),
    "a longer text": lambda at: (at / "texts" / "a.txt").write_text("one two six"),
    "one more text": lambda at: (at / "texts" / "b.txt").write_text("six"),
    "no text": lambda at: (at / "texts" / "a.txt").unlink(),
    "another tokenizer": lambda at: later(at / "words.json", b"[]"),
    "a damaged unit": lambda at: later(at / "study" / WORK / "vectors-0" / "vectors.npy", b"1294"),
    "a lost unit": lambda at: (at / "study" / WORK / "vectors-0" / "vectors.npy").unlink(),
    "a half-written unit": lambda at: (at / "study" / WORK / ".partial-gpuemb-1").write_bytes(b""),
    "a changed summary": lambda at: later(at / "study" / "summary.json", b"1235"),
    "a note that is half written": lambda at: (at / "study" / WORK / NOTE).write_text('{"told": {"asked"'),
    "a note of another form": lambda at: (at / "study" / WORK / NOTE).write_text('{"told": ["asked"]}'),
    "a note without claims": lambda at: (at / "study" / WORK / NOTE).write_text(
        (at / "study" / WORK / NOTE).read_text().replace("claims", "claim")
    ),
}


def test_the_same_command_is_told_the_same_until_anything_changes(folder: Path) -> None:
    assert again(folder) == TOLD
    assert again(folder) == TOLD
    assert again(folder, "another") is None
    assert told_before(folder / "texts", WORK, REQUEST) is None


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_noticed(folder: Path, change: str) -> None:
    CHANGES[change](folder)
    assert again(folder) is None


def test_a_text_that_changed_while_it_was_studied_is_studied_again(folder: Path) -> None:
    before = inputs(folder)
    later(folder / "texts" / "a.txt", b"one six")
    note_told(folder / "study", WORK, REQUEST, TOLD, before)
    assert again(folder) is None


def test_several_commands_are_remembered_and_of_too_many_the_last(folder: Path) -> None:
    for number in range(MOST):
        note_told(folder / "study", WORK, f"{number}", TOLD, inputs(folder))
    assert again(folder) is None
    assert all(again(folder, f"{number}") == TOLD for number in range(MOST))
    assert len(json.loads((folder / "study" / WORK / NOTE).read_text())["told"]) == MOST
    later(folder / "study" / "summary.json", b"1235")
    note_told(folder / "study", WORK, "new", TOLD, inputs(folder))  # what others were told is no longer so
    assert again(folder, "0") is None
    assert again(folder, "new") == TOLD


def test_a_missing_text_is_an_error_of_the_study(folder: Path) -> None:
    with pytest.raises(StorageError):
        Inputs.found([str(folder / "nowhere.txt")], [])


def test_a_request_is_what_was_typed_here_with_these_files_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt"):
        Path(name).write_text(name)
    Path("link.txt").symlink_to("a.txt")
    Path("study.toml").write_text("neighbors = 5")
    command = ["study", "link.txt", "--config=study.toml"]
    seen = [request_of(command)]

    def differs() -> None:
        now = request_of(command)
        assert now not in seen
        assert request_of(command) == now
        seen.append(now)

    assert request_of(command) == seen[0]
    assert request_of([*command, "--seeds", "3"]) != seen[0]
    Path("study.toml").write_text("neighbors = 6")
    differs()
    Path("link.txt").unlink()
    Path("link.txt").symlink_to("b.txt")
    differs()
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    differs()
    monkeypatch.setattr(told, "driver_version", lambda: (99, 0))
    differs()
    monkeypatch.setattr(told, "versions", lambda: {"numpy": "99"})
    differs()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert request_of(command) not in seen
