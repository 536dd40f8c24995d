"""What README prints is what a reader gets."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_both_commands_share_one_environment() -> None:
    commands = [block.strip() for block in blocks("sh") if "-m venv .venv" in block]
    assert len(commands) == 2
    assert all(command.startswith("python3 -m venv .venv && .venv/bin/pip install") for command in commands)
    assert all("\n" not in command for command in commands)


def test_what_the_fast_tests_leave_out_is_run_by_ci() -> None:
    project, ci = ((README.parent / path).read_text("utf-8") for path in ("pyproject.toml", ".ci/run"))
    assert tomllib.loads(project)["tool"]["pytest"]["ini_options"]["addopts"][-2:] == ["-m", "not slow"]
    assert '.venv/bin/pytest -n 2 --dist loadfile -m "slow or hypothesis"' in ci
    assert "| `.venv/bin/pytest -m '' -n 2 --dist loadfile` |" in README.read_text("utf-8")


def test_the_picture_and_the_files_it_names_exist() -> None:
    for path in re.findall(r"\]\(([^)#]+)\)", README.read_text("utf-8")):
        assert (README.parent / path).exists(), path


def test_the_floor_plan_names_every_room() -> None:
    plan = next(block for block in blocks("text") if "gpuemb/  " in block)
    rooms = {p.name for p in (README.parent / "gpuemb").iterdir() if (p / "__init__.py").exists()}
    assert {room for room in rooms if f"  {room}/" not in plan} == {"kernels"}
    assert "kernels/  " in plan


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("chitchat_dataset") is None, reason="the demo's data set is not installed"
)
def test_the_python_example_runs_and_prints_as_many_lines_as_shown() -> None:
    example = next(block for block in blocks("python") if "import gpuemb" in block)
    shown = blocks("text")[1 + blocks("text").index(next(b for b in blocks("text") if "Report:" in b))]
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(shown.splitlines())
    second, expected = (re.sub(r"[\d.]+", "#", text.splitlines()[1]) for text in (done.stdout, shown))
    assert second == expected
