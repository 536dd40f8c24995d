"""The command in awkward surroundings: closed or full outputs, other encodings, signals, few open files."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from end_to_end.command import COMMAND, ENVIRONMENT, FAILED, PATIENCE
from slow import cases

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="needs gpuemb installed beside this interpreter")

LOOK = ("info", "東京.npy")
NO_TEXT = os.fsdecode(b"caf\xe9")  # a name in Latin-1
FULL = Path("/dev/full")
MORE_THAN_A_PIPE = 1 << 20  # bytes


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of three words, under two names."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("東京", NO_TEXT):
        np.save(folder / f"{name}.npy", np.array([[1, 2], [2, 1], [1, 1]], np.float32))
        (folder / f"{name}.words.txt").write_text("king\nqueen\nthe\n")
    return folder


def ended(folder: Path, *arguments: str, **how: Any) -> tuple[int, str, str]:
    """Exit code and both outputs; a traceback is never an answer."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
    environment = ENVIRONMENT | pipes.pop("environment", {})
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=environment, timeout=PATIENCE, check=False, **pipes
    )
    out, err = ((said or b"").decode(errors="replace") for said in (done.stdout, done.stderr))
    assert "Traceback" not in err, err
    assert "Exception ignored" not in err, err
    return done.returncode, out, err


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", cases(LOOK, slow=((*LOOK, "--json"), ("-h",))), ids=len)
def test_an_output_that_is_full_is_a_failure(desk: Path, arguments: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        code, _, err = ended(desk, *arguments, stdout=full)
    assert code == FAILED
    assert err.count("No space left on device") == 1


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_an_error_that_cannot_be_written_keeps_its_exit_code(desk: Path) -> None:
    with FULL.open("wb") as full:
        assert ended(desk, "info", "absent.npy", "--case", "x", stderr=full)[0] == FAILED


def without(*numbers: int) -> Callable[[], None]:
    """Close standard streams in a child, as the shell's ``>&-`` does."""
    return lambda: [os.close(number) for number in numbers] and None


def test_a_closed_output_is_a_failure_and_a_closed_input_none_where_nothing_is_read(desk: Path) -> None:
    code, _, err = ended(desk, *LOOK, preexec_fn=without(1))
    assert (code, "standard output cannot be written: Bad file descriptor" in err) == (FAILED, True)
    code, out, err = ended(desk, *LOOK, preexec_fn=without(0, 2))
    assert (code, "東京" in out) == (0, True)
    assert ended(desk, *LOOK, preexec_fn=without(0, 1, 2))[0] == FAILED


def test_a_closed_input_that_is_to_be_read_is_a_failure(desk: Path) -> None:
    code, _, err = ended(desk, "count", "-", "--out", "counts", preexec_fn=without(0))
    assert code == FAILED
    assert err.startswith("StorageError: standard input cannot be read: it is closed")


def test_what_an_encoding_lacks_is_replaced_in_lines_and_escaped_in_json(desk: Path) -> None:
    other = {"environment": {"PYTHONIOENCODING": "ascii"}}
    assert ended(desk, *LOOK, **other) == (0, "??: 3 words ? 2, float32\n", "")
    code, out, err = ended(desk, *LOOK, "--json", **other)
    assert (code, err, json.loads(out)["tables"][0]["name"]) == (0, "", "東京")


def test_a_file_whose_name_is_no_text_is_named_as_far_as_it_is(desk: Path) -> None:
    assert ended(desk, "info", f"{NO_TEXT}.npy") == (0, "caf?: 3 words × 2, float32\n", "")
    code, _, err = ended(desk, "info", f"{NO_TEXT}.vec")
    assert (code, err.count("caf")) == (FAILED, 1)


def fewer_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6))


def test_too_few_open_files_are_told_with_their_number(desk: Path) -> None:
    (desk / "text.txt").write_text("a b c\n" * 20)
    asked = ("study", "text.txt", "--min-count", "1", "--dim", "2", "--epochs", "1", "--out", "few")
    code, _, err = ended(desk, *asked, preexec_fn=fewer_files)
    assert code == FAILED
    assert "Too many open files" in err
    assert "The process may hold 6 files open at once." in err
    assert "ulimit -n" in err


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_a_study_with_the_command_that_resumes_it(
    how: signal.Signals, code: int, tmp_path: Path
) -> None:
    resume = b"Resume with: gpuemb study --config s/study.toml --out s\n"
    assert stopped(tmp_path, how) == (code, b"Interrupted. What is finished stays.\n" + resume)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_a_hangup_is_ignored_where_the_caller_ignores_it(tmp_path: Path) -> None:
    code, said = stopped(tmp_path, signal.SIGHUP, before=signal.SIG_IGN)
    assert (code, b"holds no words" in said) == (FAILED, True)


def test_a_terminal_that_hangs_up_takes_no_message_and_no_other_exit_code(tmp_path: Path) -> None:
    screen, terminal = os.openpty()
    assert stopped(tmp_path, signal.SIGHUP, errors=terminal, then=lambda: os.close(screen)) == (129, None)
    os.close(terminal)


def stopped(
    folder: Path,
    how: signal.Signals,
    before: signal.Handlers = signal.SIG_DFL,
    errors: int = subprocess.PIPE,
    then: Callable[[], None] = lambda: None,
) -> tuple[int, bytes | None]:
    """Begin a study of standard input, send it a signal as it reads, then end its input."""
    running = subprocess.Popen(
        [COMMAND, "study", "-", "--out", "s"],
        cwd=folder,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        preexec_fn=lambda: signal.signal(how, before) and None,
    )
    try:
        assert running.stdin is not None
        running.stdin.write(b"\n" * MORE_THAN_A_PIPE)  # ends as the study has begun to read
        running.stdin.flush()
        then()
        running.send_signal(how)
        _, said = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
    return running.returncode, said
