"""Small files are read as a whole; pipes and devices, which may not end, never."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gpuemb.core.errors import MemoryBudgetError
from gpuemb.core.files.whole import NO_FILE, read_text


def test_a_text_is_read_with_any_line_ends(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("\ufeffeins\r\nzwei ü\n".encode())
    assert read_text(tmp_path / "file", "utf-8-sig") == "eins\nzwei ü\n"


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/random", "pipe", "folder"])
def test_what_may_not_end_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=NO_FILE) as caught:
        read_text(path)
    assert caught.value.filename == path


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 43)
    with pytest.raises(OSError, match="more than 1000"):
        read_text(tmp_path / "sparse", most=1000)
    with pytest.raises(MemoryBudgetError, match="sparse"):
        read_text(tmp_path / "sparse")
