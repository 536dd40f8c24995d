"""What the system refuses comes out of every public function in three parts."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

import gpuemb as ge
from gpuemb.core.doors import door
from gpuemb.core.errors import MemoryBudgetError, StorageError
from gpuemb.core.system.refusals import refusal, standard_input


def raising(error: BaseException) -> Any:
    @door
    def function() -> NoReturn:
        raise error

    return function


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_too_many_open_files_are_told_with_their_number(number: int) -> None:
    with pytest.raises(StorageError, match=r"x\.npy: Too many.*\n.* may hold [\d,]+ files") as caught:
        raising(OSError(number, os.strerror(number), "x.npy"))()
    assert "ulimit -n" in caught.value.remedy


def test_an_error_about_too_many_open_files_keeps_what_was_given() -> None:
    told = StorageError("load: x.npy cannot be read", needed="Permissions.", remedy="Check them.")
    told.__cause__ = OSError(errno.EMFILE, "Too many open files")
    with pytest.raises(StorageError, match=r"load: x\.npy cannot be read\n.* files open at once"):
        raising(told)()


def test_memory_that_runs_out_is_an_error_of_ours() -> None:
    with pytest.raises(MemoryBudgetError, match="memory: Unable to allocate 3 GiB"):
        raising(MemoryError("Unable to allocate 3 GiB"))()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied"),
        StorageError("given", needed="needed", remedy="remedy"),
        MemoryBudgetError("given", needed="needed", remedy="remedy"),
        ValueError("another"),
    ],
)
def test_other_errors_come_out_as_they_are(error: Exception) -> None:
    assert refusal(error) is None
    with pytest.raises(type(error)) as caught:
        raising(error)()
    assert caught.value is error


@pytest.mark.parametrize("stream", [None, io.StringIO("text")])
def test_a_standard_input_without_bytes_is_refused(
    stream: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", stream)
    for read in (standard_input, lambda: ge.read_corpus("-"), lambda: ge.study("-", out=tmp_path / "s")):
        with pytest.raises(StorageError, match="standard input cannot be read: it is closed"):
            read()
