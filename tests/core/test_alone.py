"""One process at a time in a folder."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gpuemb.core.errors import StorageError
from gpuemb.core.files.alone import alone_in


def test_another_call_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with (
        alone_in("study", tmp_path),
        pytest.raises(StorageError, match=r"study: another process works in .*\n.*\n.*--out"),
        alone_in("study", tmp_path),
    ):
        pass
    with alone_in("study", tmp_path):
        pass


def test_a_killed_process_frees_the_folder_at_once(tmp_path: Path) -> None:
    number = os.fork()
    if not number:
        try:
            with alone_in("study", tmp_path):
                (tmp_path / "held").touch()
                time.sleep(60)
        finally:
            os._exit(1)
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with pytest.raises(StorageError, match="another process"), alone_in("study", tmp_path):
        pass
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    with alone_in("study", tmp_path):
        pass


def failing_in(folder: Path, work: Callable[[], object]) -> None:
    with suppress(ValueError), alone_in("study", folder):
        work()
        raise ValueError("it was refused")


def test_folders_that_a_failure_leaves_empty_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    failing_in(folder, folder.is_dir)
    assert not (tmp_path / "runs").exists()
    failing_in(folder, (folder / "kept").touch)
    assert (folder / "kept").exists()


def test_what_is_no_folder_is_left_to_its_writer(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to("nowhere")
    for path in (file, link):
        with alone_in("study", path):
            pass
    assert file.is_file()
    assert link.is_symlink()
