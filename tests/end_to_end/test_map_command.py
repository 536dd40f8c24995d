"""Maps at the command line: pictures, tables, colors, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from end_to_end.command import COMMAND, FAILED, USAGE, gpuemb

import gpuemb as ge

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="needs gpuemb installed beside this interpreter")
SLOW = pytest.mark.slow
WORDS = [f"w{i}" for i in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    table = draw.standard_normal((60, 6))
    for seed in range(3):
        run = (table + 0.3 * draw.standard_normal(table.shape)).astype(np.float32)
        ge.save(ge.Embedding(run, WORDS), tmp_path / f"run{seed}.npy")
    (tmp_path / "some.txt").write_text("w3\nw5\n")
    columns = {"model": ["a"] * 60 + ["b"] * 60, "word": WORDS * 2, "overlap_at_10": np.linspace(0, 1, 120)}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "words.parquet")
    return tmp_path


def test_runs_are_drawn_written_and_judged(folder: Path) -> None:
    runs = ["run0.npy", "run1.npy", "run2.npy"]
    done = gpuemb(
        folder,
        *("map", *runs, "--method", "pca", "-k", "3", "--color", "stability", "--words", "some.txt"),
        *("-o", "map.svg", "-o", "map.parquet"),
    )
    assert (done.code, done.err) == (0, "")
    found = ge.pca(ge.stack([ge.load(folder / run) for run in runs]), 3)
    assert str(found) in done.out
    assert done.out.endswith("Written: map.svg, map.parquet\n")
    assert pyarrow.parquet.read_table(folder / "map.parquet").equals(found.table)
    drawn = (folder / "map.svg").read_text("utf-8")
    assert ">w3<" in drawn
    assert ">w4<" not in drawn
    assert "stability" in drawn


def test_a_table_is_laid_out_and_told_to_programs(folder: Path) -> None:
    done = gpuemb(
        folder,
        *(
            "map",
            "run0.npy",
            "--perplexity",
            "8",
            "--color",
            "words.parquet:overlap_at_10:b",
            "--words",
            "w1,w2",
        ),
        *("--json", "-o", "map.png"),
    )
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    assert (told["method"], told["settings"]["perplexity"], told["written"]) == ("t-SNE", 8, ["map.png"])
    assert told["trustworthiness"] > told["trustworthiness_chance"]
    assert (folder / "map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run0.npy", "-o", "a.bmp"], USAGE, "parquet, csv, svg, pdf, png"),
        (["run0.npy", "-o", "a.svg"], USAGE, "Give --perplexity 19"),
        (["run0.npy", "-o", "a.svg", "--words", "w1,w"], FAILED, "the word 'w' is not among"),
        pytest.param(
            ["run0.npy", "-oa.svg", "--method", "pca", "--perplexity", "5"], USAGE, "tsne alone", marks=SLOW
        ),
        pytest.param(["nowhere.npy", "-o", "a.svg"], FAILED, "nowhere.npy", marks=SLOW),
        pytest.param(["run0.npy", "-o", "a.svg", "--method", "tnse"], USAGE, "Did you mean tsne", marks=SLOW),
        pytest.param(
            ["run0.npy", "-o", "a.svg", "--color", "stability"], USAGE, "Give several runs", marks=SLOW
        ),
        pytest.param(
            ["run0.npy", "-o", "a.svg", "--color", "words.parquet"],
            USAGE,
            "words of 2 models: a, b",
            marks=SLOW,
        ),
        pytest.param(
            ["run0.npy", "-o", "a.svg", "--color", "words.parquet:rank:a"],
            USAGE,
            "no column 'rank'",
            marks=SLOW,
        ),
        pytest.param(
            ["run0.npy", "-o", "a.svg", "--color", "some.txt"],
            USAGE,
            "Parquet file of words that exists",
            marks=SLOW,
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(folder: Path, arguments: list[str], code: int, message: str) -> None:
    done = gpuemb(folder, "map", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert not (folder / "a.svg").exists()
