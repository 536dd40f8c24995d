"""``gpuemb study --workers`` and ``--scheduler``: the same results from other processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from end_to_end.command import FAILED, INTERRUPTED, USAGE, Outcome, gpuemb, interrupted_at

pytest.importorskip("distributed", reason="needs gpuemb[cluster]")

SECONDS = {
    "record.json",
    "report.html",
    "told.json",
    "finished.json",
}  # seconds, times
STUDY = ("--model", "glove", "--model", "ppmi-svd", "--dim", "4", "--epochs", "3", "-k", "3")


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a small text."""
    random = np.random.default_rng(0)
    lines = random.geometric(0.05, (400, 10)) % 60
    (tmp_path / "text.txt").write_text("\n".join(" ".join(f"w{word}" for word in line) for line in lines))
    return tmp_path


def study(desk: Path, out: str, *more: str, seeds: int = 3) -> Outcome:
    typed = ("study", "text.txt", *STUDY, "--min-count", "1", "--out", out, "--seeds", str(seeds))
    return gpuemb(desk, *typed, *more)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in SECONDS)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_is_impossible_is_told_in_flags_and_leaves_no_folder(desk: Path) -> None:
    for typed, said in (
        (("--workers", "0"), "--workers 0"),
        (("--workers", "2", "--scheduler", "tcp://127.0.0.1:1"), "Use one of them"),
    ):
        ended = study(desk, "none", *typed)
        assert (ended.code, said in ended.err) == (USAGE, True), ended.err
        assert not (desk / "none").exists()
    drift = ("study", "--question", "drift", "--group", "a", "text.txt", "--group", "b", "text.txt")
    assert "trained by this process" in gpuemb(desk, *drift, "--workers", "2").err


@pytest.mark.slow
def test_workers_leave_the_same_bytes_and_a_second_call_starts_none(desk: Path) -> None:
    alone, shared = study(desk, "alone"), study(desk, "shared", "--workers", "2")
    assert (alone.code, shared.code) == (0, 0), shared.err
    assert contents(desk / "alone") == contents(desk / "shared")
    assert shared.out.replace("shared", "alone") == alone.out
    again = study(desk, "shared", "--scheduler", "tcp://127.0.0.1:1")
    assert again.code == 0, again.err
    more = study(desk, "shared", "--scheduler", "tcp://127.0.0.1:1", "--extend", seeds=4)
    assert (more.code, "no scheduler answers" in more.err) == (FAILED, True)


@pytest.mark.slow
def test_an_interruption_is_told_as_without_workers_and_the_study_goes_on(desk: Path) -> None:
    typed = ("study", "text.txt", "--dim", "4", "--epochs", "20", "--min-count", "1", "--out", "stopped")
    stopped = interrupted_at(desk, b"training glove", *typed, "--workers", "1")
    assert stopped.code == INTERRUPTED
    assert "Interrupted. What is finished stays." in stopped.err
    assert "Traceback" not in stopped.err
    assert list((desk / "stopped").rglob(".partial*")) == []
    ended = gpuemb(desk, *typed)
    assert ended.code == 0, ended.err
