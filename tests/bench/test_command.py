"""``gpuemb bench`` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.fabricated import MACHINE, record
from typer.testing import CliRunner

from gpuemb.bench import runner
from gpuemb.bench.records import Run, read_records, write_json
from gpuemb.bench.roofline import plot_roofline
from gpuemb.cli.app import app
from gpuemb.core.errors import ConfigError

FAILED, USAGE = 1, 2


def ask(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from gpuemb.cli.main import run; run()", "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_one_small_workload_as_json(tmp_path: Path) -> None:
    out = tmp_path / "mine.json"
    done = ask(
        "--size", "small", "--only", "neighbor_overlap", "--json", "--device", "cpu", "--out", str(out)
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert [r["name"] for r in printed["records"]] == ["neighbor_overlap-small"]
    assert printed["records"][0]["derived"]["share_of_ceiling"] > 0
    assert [r.name for r in read_records(out)] == ["neighbor_overlap-small"]


@pytest.mark.usefixtures("quick")
def test_the_table_says_in_one_line_why_there_is_no_gpu_part() -> None:
    from gpuemb.bench.runner import gpu_line

    if not gpu_line():
        pytest.skip("this machine has a GPU part")
    done = CliRunner().invoke(app, ["bench", "--only", "polar", "--threads", "1"])
    assert done.exit_code == 0, done.output
    assert "No GPU part: " in done.output
    assert "polar-small" in done.output
    assert "% of dgemm" in done.output


def test_a_size_that_does_not_fit_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "budget", lambda device: 1 << 20)
    done = CliRunner().invoke(app, ["bench", "--size", "large", "--device", "cpu"])
    assert done.exit_code == FAILED
    assert "MemoryBudgetError" in done.stderr
    assert "Free memory: the least of them needs" in done.stderr


@pytest.mark.parametrize("words", [("--size", "huge"), ("--only", "gramm"), ("--threads", "0")])
def test_mistyped_words_are_usage_errors(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["bench", *words])
    assert done.exit_code == USAGE
    assert "ConfigError" in done.stderr


def test_two_files_are_compared(tmp_path: Path) -> None:
    files = []
    for name, seconds in (("a", 1.0), ("b", 3.0)):
        run = Run(MACHINE, (), (record("invented-small", seconds=(seconds,) * 5),))
        files.append(str(write_json(tmp_path / f"{name}.json", run.as_mapping())))
    done = CliRunner().invoke(app, ["bench", "--compare", *files])
    assert done.exit_code == 0, done.output
    assert "Slower beyond the noise: invented-small." in done.output


def test_a_roofline_is_drawn(tmp_path: Path) -> None:
    from gpuemb.bench.ceiling import Ceiling, Ceilings

    roofs = {n: Ceiling(n, "/s", r, {"workers": r}, 0.0) for n, r in (("copy", 10.0), ("sgemm", 100.0))}
    picture = plot_roofline([record()], Ceilings("cpu", roofs), tmp_path / "roof.svg")
    assert "<svg" in picture.read_text("utf-8")
    with pytest.raises(ConfigError, match="roofline"):
        plot_roofline([], Ceilings("cpu", roofs), tmp_path / "none.svg")
