from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from gpuemb.core.errors import ConfigError, StorageError
from gpuemb.core.files import PARTIAL, check_folder, replacing, replacing_folder, writing

BROKEN = [
    ValueError("broke"),
    KeyboardInterrupt("broke"),
    ConfigError("broke", needed="x", remedy="y"),
    StorageError("broke", needed="x", remedy="y"),
]


def fails_with(code: int) -> Callable[..., NoReturn]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return fail


def raises(error: BaseException) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def half_a_file(path: Path, fail: Callable[[], NoReturn]) -> None:
    with replacing(path) as file:
        file.write(b"half")
        fail()


def half_a_folder(path: Path, fail: Callable[[], NoReturn]) -> None:
    with replacing_folder(path) as partial:
        (partial / "a").write_text("half")
        fail()


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, call: str, code: int = errno.ENOSPC) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(f"os.{call}", fails_with(code))
        yield


# One file.


def test_a_file_appears_when_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    with replacing(path) as file:
        file.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert names(path.parent) == ["file"]


def test_a_file_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path, "w") as file:
        file.write("neu: „ü“\n")
        assert path.read_text() == "old"
    assert path.read_bytes() == "neu: „ü“\n".encode()
    assert names(tmp_path) == ["file"]


def test_others_may_read_what_is_finished(tmp_path: Path) -> None:
    with replacing(tmp_path / "file"), replacing_folder(tmp_path / "folder"):
        pass
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o755


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_a_failing_block_leaves_the_old_file_and_its_own_error(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(type(error), match="broke") as caught:
        half_a_file(path, raises(error))
    assert caught.value is error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with (
        pytest.raises(StorageError, match="The disk is full") as caught,
        full_disk(monkeypatch, call, code),
        replacing(path) as file,
    ):
        file.write(b"half")
    assert caught.value.given == f"writing below {tmp_path}: {os.strerror(code)}"
    assert "are free there" in caught.value.remedy
    assert isinstance(caught.value.__cause__, OSError)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_disk_that_fills_up_while_writing_leaves_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="The disk is full"):
        half_a_file(tmp_path / "file", fails_with(errno.ENOSPC))
    assert names(tmp_path) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_one_may_not_write_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr("tempfile.mkstemp", fails_with(code))
    with (
        pytest.raises(StorageError, match="write permission") as caught,
        replacing(tmp_path / "file"),
    ):
        pass
    assert str(tmp_path) in caught.value.given


def test_a_file_where_a_folder_is_needed_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file" / "a", tmp_path / "file" / "a" / "b"):
        with pytest.raises(StorageError, match="writing below"), replacing(path):
            pass
        with pytest.raises(StorageError, match="writing below"), replacing_folder(path):
            pass
    assert names(tmp_path) == ["file"]


def test_a_name_too_long_for_the_disk_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="writing below"), replacing(tmp_path / ("x" * 300) / "file"):
        pass
    with pytest.raises(StorageError, match="writing below"), replacing(tmp_path / ("x" * 300)):
        pass
    assert names(tmp_path) == []


def test_two_writers_of_one_file_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as first, replacing(path) as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"  # its block ended last
    assert names(tmp_path) == ["file"]


# A folder.


def test_a_folder_appears_when_its_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "unit"
    with replacing_folder(path) as partial:
        (partial / "a").write_text("1")
        assert not path.exists()
        assert partial.name.startswith(PARTIAL)
        assert partial.parent == tmp_path
    assert names(tmp_path) == ["a", "unit"]


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_a_failing_block_leaves_no_folder_and_its_own_error(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error), match="broke") as caught:
        half_a_folder(tmp_path / "unit", raises(error))
    assert caught.value is error
    assert names(tmp_path) == []


@pytest.mark.parametrize("call", ["rename", "chmod"])
def test_a_full_disk_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    with (
        pytest.raises(StorageError, match="The disk is full"),
        full_disk(monkeypatch, call),
        replacing_folder(tmp_path / "unit") as partial,
    ):
        (partial / "a").write_text("half")
    assert names(tmp_path) == []


def test_a_folder_that_appeared_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "unit"
    with replacing_folder(path) as mine:
        (mine / "a").write_text("mine")
        with replacing_folder(path) as theirs:
            (theirs / "a").write_text("theirs")
    assert (path / "a").read_text() == "theirs"
    assert names(tmp_path) == ["a", "unit"]


def test_a_folder_that_appears_at_the_last_moment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "unit", os.rename

    def others_first(*places: Any, **options: Any) -> None:
        path.mkdir()
        (path / "a").write_text("theirs")
        rename(*places, **options)

    monkeypatch.setattr("os.rename", others_first)
    with replacing_folder(path) as mine:
        (mine / "a").write_text("mine")
    assert (path / "a").read_text() == "theirs"
    assert names(tmp_path) == ["a", "unit"]


def test_many_writers_of_one_folder_leave_one_whole_folder(tmp_path: Path) -> None:
    path, writers = tmp_path / "unit", 8
    ready, failures = threading.Barrier(writers), []

    def write(writer: int) -> None:
        try:
            with replacing_folder(path) as partial:
                (partial / "a").write_text(str(writer))
                (partial / "b").write_text(str(writer))
                ready.wait(timeout=60)
        except BaseException as error:
            failures.append(error)

    users = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert failures == []
    assert names(tmp_path) == ["a", "b", "unit"]
    assert (path / "a").read_text() == (path / "b").read_text()


# Messages.


@pytest.mark.parametrize("said", ["1000 requested and 512 written", "Not enough free space to write 8 bytes"])
def test_numpy_s_short_write_is_a_full_disk(tmp_path: Path, said: str) -> None:
    short = OSError(said)  # numpy.ndarray.tofile gives no error number
    with pytest.raises(StorageError, match="The disk is full"):
        half_a_file(tmp_path / "file", raises(short))
    assert names(tmp_path) == []


def test_a_storage_error_inside_is_not_said_twice(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught, writing(tmp_path), writing(tmp_path / "inner"):
        fails_with(errno.ENOSPC)()
    assert caught.value.given.startswith(f"writing below {tmp_path / 'inner'}: ")


def test_free_bytes_are_those_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="B are free there"), writing(tmp_path / "not" / "yet"):
        fails_with(errno.ENOSPC)()


def test_an_error_that_is_not_the_disk_s_passes(tmp_path: Path) -> None:
    with pytest.raises(KeyError), writing(tmp_path):
        raise KeyError("x")


@pytest.mark.parametrize("place", ["folder", "pipe", "link to a folder"])
def test_only_a_file_is_replaced_by_a_file(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    if place == "folder":
        path.mkdir()
    elif place == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path, target_is_directory=True)
    before = path.lstat()
    with pytest.raises(StorageError, match=r"it is a (folder|device or a pipe)"), replacing(path):
        pass
    assert path.lstat().st_mode == before.st_mode
    assert names(tmp_path) == [place]


def test_a_link_stays_and_leads_to_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "file")
    for text in ("first", "second"):
        with replacing(tmp_path / "link", "w") as file:
            file.write(text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "disk" / "file").read_text() == text
    assert names(tmp_path / "disk") == ["file"]


def test_a_folder_that_is_or_can_be_made_is_taken_and_not_made(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "new", tmp_path / "new" / "within"):
        check_folder(place)
    assert names(tmp_path) == []


@pytest.mark.parametrize("place", ["file", "file/below/it", "broken"])
def test_what_stands_in_the_way_of_a_folder_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("words")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(
        StorageError, match=f"writing below .*{place}: .*{place.split('/')[0]} is not a folder"
    ):
        check_folder(tmp_path / place)


def test_a_folder_that_may_not_be_written_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(StorageError, match="is not writable"):
        check_folder(tmp_path / "new")
