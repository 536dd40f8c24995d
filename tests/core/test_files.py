from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from gpuemb.core.errors import ConfigError, StorageError
from gpuemb.core.files import (
    check_folder,
    check_replaceable,
    discard,
    names_to_disk,
    replacing,
    replacing_folder,
    writing,
)
from gpuemb.core.files.partial import OWN, PARTIAL, sweep

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
        assert partial.name.startswith(OWN)
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


# What is left of processes that are gone.


LEFT = """
import os, sys, time
from pathlib import Path
from gpuemb.core.files import replacing, replacing_folder
with replacing(Path("file")) as file, replacing_folder(Path("folder")) as folder:
    file.write(b"half")
    file.flush()
    (folder / "a").write_text("half")
    print("written", flush=True)
    time.sleep(600)
"""


def unfinished(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(PARTIAL)]


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", LEFT], cwd=tmp_path, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for number in range(3):
            with replacing(tmp_path / f"other {number}"):
                pass
        sweep(tmp_path, PARTIAL)
        assert len(unfinished(tmp_path)) == 2
        writer.kill()
    assert len(unfinished(tmp_path)) == 2
    with replacing(tmp_path / "file") as file:
        file.write(b"whole")
    assert names(tmp_path) == ["file", *(f"other {number}" for number in range(3))]


def test_unfinished_files_of_other_programs_stay(tmp_path: Path) -> None:
    (tmp_path / f"{PARTIAL}download").write_text("theirs")
    (tmp_path / "linked").mkdir()
    (tmp_path / f"{OWN}link").symlink_to(tmp_path / "linked")
    with replacing(tmp_path / "file"), replacing_folder(tmp_path / "folder"):
        pass
    assert names(tmp_path) == sorted([f"{PARTIAL}download", f"{OWN}link", "linked", "file", "folder"])


def test_a_file_that_is_swept_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def swept_once(make: Callable[..., Any]) -> Callable[..., Any]:
        def maker(*given: Any, **options: Any) -> Any:
            found = make(*given, **options)
            if not made:
                sweep(tmp_path)
            made.append(found)
            return found

        return maker

    for call in ("mkstemp", "mkdtemp"):
        made.clear()
        with monkeypatch.context() as patch:
            patch.setattr(f"tempfile.{call}", swept_once(getattr(tempfile, call)))
            if call == "mkstemp":
                with replacing(tmp_path / "file") as file:
                    file.write(b"whole")
            else:
                with replacing_folder(tmp_path / "folder") as folder:
                    (folder / "a").write_text("whole")
        assert len(made) == 2
    assert names(tmp_path) == ["a", "file", "folder"]


def test_a_folder_is_discarded_at_once(tmp_path: Path) -> None:
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit" / "a").write_text("damaged")
    discard(tmp_path / "unit")
    discard(tmp_path / "unit")  # somebody else was faster
    assert names(tmp_path) == []


# The disk.


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_names_reach_the_disk_before_and_after_a_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    events: list[str] = []

    def noted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*given: Any, **options: Any) -> Any:
            if name == "sync":
                state, inner = os.fstat(given[0]), "the file"
                if stat.S_ISDIR(state.st_mode):
                    inner = "the folder" if os.path.samestat(state, tmp_path.stat()) else "the new folder"
                events.append(f"sync {inner}")
            else:
                events.append(name)
            return call(*given, **options)

        return noting

    monkeypatch.setattr("os.fsync", noted("sync", os.fsync))
    for call in ("rename", "replace"):
        monkeypatch.setattr(f"os.{call}", noted("rename", getattr(os, call)))
    if kind == "file":
        with replacing(tmp_path / "file") as file:
            file.write(b"whole")
        assert events == ["sync the file", "rename", "sync the folder"]
    else:
        with replacing_folder(tmp_path / "folder"):
            pass
        assert events == ["sync the new folder", "rename", "sync the folder"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_disks_that_cannot_flush_names_are_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr("os.fsync", fails_with(code))
    names_to_disk(tmp_path)


def test_names_that_are_lost_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", fails_with(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        names_to_disk(tmp_path)


# Messages.


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.EFBIG, "ulimit -f"),
        (errno.ELOOP, "links"),
        (errno.EACCES, "permission"),
    ],
)
def test_each_error_says_what_is_needed(tmp_path: Path, code: int, said: str) -> None:
    with pytest.raises(StorageError, match=said), writing(tmp_path):
        fails_with(code)()


def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StorageError, match="Too many levels of symbolic links"):
        check_replaceable(tmp_path / "loop")
    assert names(tmp_path) == ["loop"]


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
