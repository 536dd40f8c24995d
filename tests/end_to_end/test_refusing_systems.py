"""What the system refuses is told in words, and what was finished is kept."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus.texts import random_text
from end_to_end.command import COMMAND, ENVIRONMENT, FAILED, PATIENCE, Outcome

SMALL = ("--model", "glove", "--dim", "4", "--epochs", "2", "--neighbors", "3", "--seeds", "3")


def limited(folder: Path, limit: int, most: int, *arguments: str) -> Outcome:
    """Run the command in a process that may have only so much of something."""

    def set_limit() -> None:
        resource.setrlimit(limit, (most, most))

    return ran(folder, set_limit, COMMAND, *arguments)


def ran(folder: Path, before: Callable[[], None] | None, *command: str | Path) -> Outcome:
    done = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
        preexec_fn=before,
    )
    outcome = Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in outcome.err, outcome.err
    return outcome


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text(random_text())
    return tmp_path


def units(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("work/*"))


@pytest.mark.slow
def test_files_that_may_not_grow_are_told_and_the_study_goes_on_afterwards(desk: Path) -> None:
    done = limited(desk, resource.RLIMIT_FSIZE, 20_000, "study", "text.txt", *SMALL, "--out", "study")
    assert done.code == FAILED
    assert "File too large" in done.err
    assert "What is finished stays" in done.err
    kept = units(desk / "study")
    assert not [name for name in kept if name.startswith(".partial-")]
    again = ran(desk, None, COMMAND, "study", "text.txt", *SMALL, "--out", "study")
    assert again.code == 0
    assert set(kept) < set(units(desk / "study"))


@pytest.mark.slow
def test_too_few_open_files_are_told(desk: Path) -> None:
    seeds = (*SMALL[:-1], "40")
    done = limited(desk, resource.RLIMIT_NOFILE, 32, "study", "text.txt", *seeds, "--out", "study")
    assert done.code == FAILED
    assert "ulimit -n" in done.err
    assert ran(desk, None, COMMAND, "study", "text.txt", *seeds, "--out", "study").code == 0


@pytest.mark.slow
def test_a_text_may_come_from_a_pipe_that_is_read_once(desk: Path) -> None:
    line = f'"{COMMAND}" study <(head -c 4000 text.txt) {" ".join(SMALL)} --min-count 1 --out study'
    for _ in range(2):
        done = ran(desk, None, "bash", "-c", line)
        assert done.code == 0, done.err
    assert (desk / "study" / "pipe-0.txt").stat().st_size == 4000
    assert ran(desk, None, COMMAND, "study", "--config", "study/study.toml", "--out", "study").code == 0
    other = ran(desk, None, "bash", "-c", line.replace("4000", "3000"))
    assert "was begun on another text" in other.err


@pytest.mark.slow
def test_a_link_to_itself_is_no_folder_and_no_text(desk: Path) -> None:
    (desk / "loop").symlink_to(desk / "loop")
    for text, out in (("text.txt", "loop"), ("loop", "study"), ("text.txt", "loop/in")):
        done = ran(desk, None, COMMAND, "study", text, "--out", out, *SMALL)
        assert done.code != 0
        assert "loop" in done.err
