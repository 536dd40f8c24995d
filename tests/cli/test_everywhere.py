"""What holds for every command: an example, the same flags, words that are nearly right, a shell's help."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from gpuemb.cli.app import app
from gpuemb.cli.front import completion
from gpuemb.cli.front.greeting import FIRST_STEPS
from gpuemb.cli.terminal import TerminalProgress, be_quiet
from gpuemb.stability.measure_table import MEASURES
from gpuemb.training.recipes import RECIPES

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
SMALL = {"convert", "info", "similarity"}  # they read and print, and compute hardly anything
ON_THE_HOST = {"analogies", "compare", "factorize", "translate"}  # their functions work where the tables lie
NO_FILES = {"convert", "info", "similarity"}  # but for an argument


def asked(*words: str, **environment: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200", "NO_COLOR": "1", **environment})
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_the_flags_of_all(name: str) -> None:
    command = COMMANDS[name]
    flags = {flag for one in command.params for flag in one.opts}
    assert f"`gpuemb {name}" in command.help
    expected = {"--json", "--quiet", "--version"}
    expected |= set() if name in SMALL else {"--threads"}
    expected |= set() if name in SMALL | ON_THE_HOST else {"--device"}
    expected |= set() if name in NO_FILES else {"--out", "-o"}
    assert expected <= flags
    assert asked(name, "--version")[1] == asked("--version")[1]


def test_alone_it_greets_with_three_first_steps_that_exist() -> None:
    code, said, _ = asked()
    assert code == 0
    assert len(FIRST_STEPS) == 3
    for step in FIRST_STEPS:
        assert step in said
        assert step.split()[1] in COMMANDS


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stduy my.txt", "study"),
        ("study my.txt --thread 2", "--threads"),
        ("study my.txt --model glvoe", "glove"),
        ("study my.txt --measure overlp", "overlap"),
        ("study my.txt --question dimensions", "dimension"),
        ("study my.txt --vary bootsrap", "bootstrap"),
        ("neighbors a.npy king --metric cslss", "csls"),
    ],
)
def test_a_word_that_is_nearly_right_is_answered_with_the_right_one(typed: str, meant: str) -> None:
    code, said, why = asked(*typed.split())
    assert (code, said) == (2, "")
    assert meant in why


def test_a_shell_completes_commands_flags_and_words() -> None:
    def completed(line: str) -> list[str]:
        words = {"_GPUEMB_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": f"{line.count(' ')}"}
        return CliRunner().invoke(app, [], env=words, prog_name="gpuemb").stdout.split()

    assert completed("gpuemb stu") == ["study"]
    assert completed("gpuemb study --thr") == ["--threads"]
    assert completed("gpuemb study a.txt --model s") == ["skip-gram"]
    assert completed("gpuemb study a.txt --measure second") == ["second_order_cosine"]
    assert completed("gpuemb compare a b --measure second") == ["second_order_cosine"]
    assert completed("gpuemb study d") == ["dataset:conversations"]
    assert completed("gpuemb neighbors dat") == ["dataset:glove-6b-50d"]
    assert completed("gpuemb study ./my") == []  # the shell completes files itself


def test_the_words_that_a_shell_completes_are_those_that_exist() -> None:
    assert set(completion.MODELS) == set(RECIPES)
    assert {vary for recipe in RECIPES.values() for vary in recipe.varies} <= set(completion.VARY)
    assert completion.measures("") == [*MEASURES, "all"]


def test_completion_can_be_shown_and_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # else that of this test's parent
    shown = CliRunner().invoke(app, ["--show-completion", "bash"], prog_name="gpuemb")
    assert "_GPUEMB_COMPLETE=complete_bash" in shown.stdout
    installed = CliRunner().invoke(app, ["--install-completion", "bash"], prog_name="gpuemb")
    assert installed.exit_code == 0
    assert "gpuemb" in (tmp_path / ".bashrc").read_text()


def test_a_phase_is_one_line_where_nobody_looks_and_none_where_quiet_is_asked() -> None:
    def said(*, quiet: bool) -> str:
        progress, text = TerminalProgress(), io.StringIO()
        progress._console = Console(file=text, width=160)
        be_quiet(quiet)
        try:
            with progress.phase("counting", 3) as task:
                task.advance(2)
                task.advance()
        finally:
            be_quiet(False)
        return text.getvalue()

    assert said(quiet=True) == ""
    (line,) = said(quiet=False).splitlines()
    assert line.startswith("counting: 3 in 0.0 s, ")
    assert line.endswith("/s")
