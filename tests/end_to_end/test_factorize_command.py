"""Factorizing at the command line: tables, a page, or a clear refusal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from end_to_end.command import COMMAND, FAILED, USAGE, gpuemb
from pyarrow import csv, parquet
from typer.testing import CliRunner, Result

import gpuemb as ge
from gpuemb.cli.app import app

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="needs gpuemb installed beside this interpreter")
SMALL = ("--user", "u", "--item", "i", "--rank", "5", "--penalty", "10")


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    """A folder with a table of ratings."""
    made = ge.simulate_interactions(200, 30, 3, most=9, seed=2).matrix.tocoo()
    rows = "".join(f"{u},item {i},3\n" for u, i in zip(made.row, made.col, strict=True))
    (tmp_path / "ratings.csv").write_text(f"u,i,w\n{rows}", "utf-8")
    return tmp_path


def test_ratings_end_in_tables_a_page_and_sentences(ratings: Path) -> None:
    done = gpuemb(ratings, "factorize", "ratings.csv", *SMALL, "--weight", "w", "--report")
    assert done.code == 0, done.err
    folder = ratings / "runs" / "ratings"
    names = {"neighbors.parquet", "items.parquet", "spectrum.parquet", "along.parquet"}
    assert {path.name for path in folder.iterdir()} == {*names, "report.html", "summary.json"}
    assert parquet.read_table(folder / "items.parquet").num_rows == 30
    assert "interactions of 200 users with 30 items" in done.out
    assert "have the same product" in " ".join(done.out.split())
    assert done.out.splitlines()[-1].startswith("Written: runs/ratings/neighbors.parquet")


def asked(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """The command in this process."""
    monkeypatch.chdir(folder)
    environment = {"COLUMNS": "300", "NO_COLOR": "1"}
    return CliRunner().invoke(app, ["factorize", *arguments], env=environment)


def test_the_same_command_writes_the_same_tables_for_any_threads(
    ratings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for threads in ("1", "2"):
        out = ("--out", f"out{threads}", "--threads", threads, "--format", "csv", "--json")
        done = asked(ratings, monkeypatch, "ratings.csv", *SMALL, *out)
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["items"] == 30
    for path in (ratings / "out1").glob("*.csv"):
        assert path.read_bytes() == (ratings / "out2" / path.name).read_bytes()
    assert csv.read_csv(ratings / "out1" / "spectrum.csv").num_rows == 5


def test_a_simulation_ends_in_scores_and_the_picture(tmp_path: Path) -> None:
    sizes = ("--users", "300", "--items", "40", "--clusters", "3", "--most", "10", "--seeds", "2")
    done = gpuemb(tmp_path, "factorize", "--simulate", *sizes, "--penalty", "50", "--report", "--out", "out")
    assert done.code == 0, done.err
    names = {"scores.parquet", "cosines.png", "report.html", "summary.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    expected = ge.cosine_experiment([0, 1], users=300, items=40, clusters=3, most=10, rank=40, penalty=50.0)
    assert parquet.read_table(tmp_path / "out" / "scores.parquet") == expected.table
    assert "original space" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), USAGE, "no RATINGS"),
        (("ratings.csv",), USAGE, "no --user or no --item"),
        (("ratings.csv", "--simulate"), USAGE, "RATINGS and --simulate"),
        (("--simulate", "--user", "u"), USAGE, "--simulate with --user"),
        (("ratings.csv", "--user", "usr", "--item", "i"), USAGE, "no column 'usr' for user"),
        (("ratings.csv", "--user", "0", "--item", "9", "--header"), USAGE, "no column 9 for item"),
        (("ratings.csv", "--user", "0", "--item", "1"), USAGE, "Give --header or --no-header"),
        (("nowhere.csv", *SMALL), FAILED, "nowhere.csv cannot be read"),
        (("ratings.csv", *SMALL, "--repeats", "first"), USAGE, "--repeats first"),
        (("ratings.csv", *SMALL, "--format", "xlsx"), USAGE, "--format xlsx"),
        (("ratings.csv", *SMALL, "--neighbors", "0"), USAGE, "--neighbors 0"),
        (("ratings.csv", "--user", "u", "--item", "i", "--penalty", "-1"), USAGE, "--penalty -1"),
        (("ratings.csv", "--user", "u", "--item", "i", "--rank", "31"), USAGE, "--rank must be at most 30"),
        (("ratings.csv", *SMALL, "--min-users", "999"), FAILED, "nothing is left"),
        (("ratings.csv", *SMALL, "--out", "ratings.csv"), FAILED, "is not a folder"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    ratings: Path, arguments: tuple[str, ...], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asked(ratings, monkeypatch, *arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in " ".join(done.stderr.split())
    assert not (ratings / "runs").exists()
