"""Numba's cache on disk: what is damaged is compiled again, what cannot be written is not kept."""

from __future__ import annotations

import errno
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gpuemb.core.jit import njit
from gpuemb.core.system import compiled_files

SOURCE = "def twice(x):\n    return 2 * x\n"


@pytest.fixture
def function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """A function of a file, beside which Numba keeps what it compiles."""
    (tmp_path / "of_a_file.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "of_a_file", None)
    del sys.modules["of_a_file"]
    return importlib.import_module("of_a_file").twice  # type: ignore[no-any-return]


def files(folder: Path, ending: str) -> list[Path]:
    return sorted(folder.rglob(f"*{ending}"))


def compiled(function: Callable[[Any], Any], *arguments: Any) -> tuple[int, int]:
    """Call a new dispatcher; how many of its signatures were loaded, and how many compiled."""
    dispatcher: Any = njit(function)
    assert [dispatcher(x) for x in arguments] == [2 * x for x in arguments]
    return sum(dispatcher.stats.cache_hits.values()), sum(dispatcher.stats.cache_misses.values())


def test_what_was_compiled_is_loaded(function: Callable[[Any], Any]) -> None:
    assert compiled(function, 3, 1.5) == (0, 2)
    assert compiled(function, 1.5, 3) == (2, 0)


def damages(data: bytes) -> Iterator[bytes]:
    """Ways in which a file is not what was written."""
    yield b""
    yield bytes(len(data))  # zeros, as after a crash
    yield data[:-1]
    yield data[: len(data) // 2]
    for place in (0, 20, len(data) // 2, len(data) - 1):
        yield data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    yield b"not a pickle at all"


@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
def test_a_damaged_file_is_compiled_again_and_replaced(
    ending: str, function: Callable[[Any], Any], tmp_path: Path
) -> None:
    compiled(function, 3)
    (path,) = files(tmp_path, ending)
    whole = path.read_bytes()
    for damaged in damages(whole):
        path.write_bytes(damaged)
        assert compiled(function, 3) == (0, 1), damaged[:40]
        assert compiled(function, 3) == (1, 0)
    path.unlink()
    assert compiled(function, 3) == (0, 1)


def test_files_of_another_signature_stay_usable(function: Callable[[Any], Any], tmp_path: Path) -> None:
    compiled(function, 3, 1.5)
    first, _ = files(tmp_path, ".nbc")
    first.write_bytes(b"")
    assert compiled(function, 3, 1.5) == (1, 1)
    assert compiled(function, 3, 1.5) == (2, 0)


def test_a_full_disk_keeps_nothing_and_the_function_works(
    function: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(compiled_files._Checked, "_open_for_write", full)
    assert compiled(function, 3) == (0, 1)
    assert files(tmp_path, ".nb*") == []


def test_without_a_folder_to_write_to_the_function_works(
    function: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: Any) -> None:
        raise RuntimeError("cannot cache function 'twice': no locator available")

    monkeypatch.setattr(compiled_files.FunctionCache, "__init__", nowhere)
    dispatcher: Any = njit(function)
    assert dispatcher(3) == 6
    assert files(tmp_path, ".nb*") == []


def test_without_compilation_the_variable_that_forbids_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    code = "import numpy as np, gpuemb as ge\nge.nearest_neighbors(np.eye(9) + 1, 2)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-3:]
    assert last[0].startswith("gpuemb.core.errors.ConfigError: numba: NUMBA_DISABLE_JIT is set")
    assert last[2] == "  Unset the environment variable NUMBA_DISABLE_JIT."
