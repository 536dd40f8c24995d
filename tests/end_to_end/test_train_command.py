"""Training at the command line: runs as files, gone on with after an interruption, or a clear refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_text
from end_to_end.command import COMMAND, INTERRUPTED, USAGE, gpuemb, interrupted_at
from tolerances import assert_same_bits
from typer.testing import CliRunner

import gpuemb as ge
from gpuemb.cli.app import app

pytestmark = [
    pytest.mark.skipif(not COMMAND.exists(), reason="needs gpuemb installed beside this interpreter"),
    pytest.mark.filterwarnings("ignore::gpuemb.core.errors.ShortDocumentsWarning"),
    pytest.mark.filterwarnings("ignore::gpuemb.core.errors.TrainingWarning"),
]
TEXT = ("train", "text.txt", "--min-count", "1", "--dim", "4", "--window", "3")
GLOVE = (*TEXT, "--epochs", "3", "--out", "runs")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a text, where commands run in this process too."""
    (tmp_path / "text.txt").write_text(random_text(400), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words: str) -> Any:
    """Run the command in this process."""
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "300", "NO_COLOR": "1"})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_run_is_files_that_hold_what_train_returns(desk: Path) -> None:
    done = gpuemb(desk, *GLOVE, "--seeds", "0,3")
    assert done.code == 0, done.err
    tokens = ge.read_corpus("text.txt", min_count=1)
    expected = ge.train(tokens, ge.GloVe(dim=4, epochs=3), seeds=[0, 3], window=3)
    for model in expected.models:
        stem = desk / "runs" / model.run.replace(" ", "-")
        vectors = ge.load(f"{stem}.npy")
        assert tuple(vectors.index_to_key) == tokens.vocabulary.words
        assert_same_bits(np.asarray(vectors.vectors), model.vectors)
        assert_same_bits(np.asarray(ge.load(f"{stem}.inputs.npy").vectors), model.words)
        assert_same_bits(np.asarray(ge.load(f"{stem}.contexts.npy").vectors), model.contexts)
        np.testing.assert_array_equal(
            np.load(f"{stem}.biases.npy"), [model.word_biases, model.context_biases]
        )
        known = json.loads(Path(f"{stem}.json").read_text())
        assert known["losses"] == model.losses.tolist()
        assert (known["run"], known["epochs"], known["residual"]) == (model.run, 3, None)
    first, second, last = done.out.splitlines()
    assert first.startswith(f"seed 0: runs/seed-0.npy, loss {expected.models[0].losses[-1]:.6g} in epoch 3")
    assert second.startswith("seed 3: ")
    assert last == "What they agree on: gpuemb compare runs/seed-0.npy runs/seed-3.npy"


def test_a_second_call_trains_nothing_again_and_more_seeds_train_the_new_ones_alone(desk: Path) -> None:
    assert typed(*GLOVE, "--seeds", "2").exit_code == 0
    files = {name: (desk / "runs" / name).stat().st_mtime_ns for name in names(desk / "runs")}
    again = typed(*GLOVE, "--seeds", "3", "--json")
    assert again.exit_code == 0, again.stderr
    said = json.loads(again.stdout)
    assert [run["run"] for run in said["runs"]] == ["seed 0", "seed 1", "seed 2"]
    for name, changed in files.items():
        assert (desk / "runs" / name).stat().st_mtime_ns == changed, name
    assert "checkpoints" not in names(desk / "runs")


def test_a_run_with_a_file_that_is_gone_is_trained_again_to_the_same_bits(desk: Path) -> None:
    assert typed(*GLOVE, "--seeds", "2").exit_code == 0
    before = {name: (desk / "runs" / name).read_bytes() for name in names(desk / "runs")}
    (desk / "runs" / "seed-1.contexts.npy").unlink()
    (desk / "runs" / "seed-0.npy").write_bytes(b"cut")
    assert typed(*GLOVE, "--seeds", "2").exit_code == 0
    assert {name: (desk / "runs" / name).read_bytes() for name in names(desk / "runs")} == before


@pytest.mark.slow
def test_after_ctrl_c_the_last_line_is_the_command_that_goes_on_to_the_same_bits(desk: Path) -> None:
    long = (*TEXT, "--epochs", "60", "--seeds", "2", "--out")
    stopped = interrupted_at(desk, b"writing seed 0", *long, "runs")
    assert stopped.code == INTERRUPTED, stopped.err
    last = stopped.err.strip().splitlines()[-1].strip()
    assert last == f"Resume with: gpuemb {' '.join(long)} runs"
    resumed = gpuemb(desk, *last.partition("gpuemb ")[2].split())
    assert resumed.code == 0, resumed.err
    whole = typed(*long, "whole")
    assert whole.exit_code == 0, whole.stderr
    for run in ("seed-0", "seed-1"):
        for part in (".npy", ".contexts.npy", ".inputs.npy", ".biases.npy", ".json"):
            assert Path("runs", run + part).read_bytes() == Path("whole", run + part).read_bytes()


def test_skip_gram_writes_snapshots_in_the_format_that_was_asked(desk: Path) -> None:
    words = ("--model", "skip-gram", "--epochs", "4", "--snapshots", "2,4", "--format", "word2vec")
    done = typed(*TEXT, *words, "--seeds", "1", "--sample", "0", "--negatives", "3", "--out", "runs")
    assert done.exit_code == 0, done.stderr
    tokens = ge.read_corpus("text.txt", min_count=1)
    recipe = ge.SkipGram(dim=4, window=3, epochs=4, sample=0, negatives=3)
    model = ge.train(tokens, recipe, seeds=[0], snapshots=[2, 4]).models[0]
    for part, table in (("", model.vectors), (".contexts", model.contexts), (".epoch-2", model.snapshots[2])):
        assert_same_bits(np.asarray(ge.load(f"runs/seed-0{part}.vec").vectors), table)
    assert "seed-0.biases.npy" not in names(desk / "runs")


def test_counts_are_trained_without_reading_the_text_again(desk: Path) -> None:
    counted = typed("count", "text.txt", "--out", "counts", "--window", "3")
    assert counted.exit_code == 0, counted.stderr
    (desk / "text.txt").unlink()
    done = typed("train", "counts", "--model", "ppmi-svd", "--dim", "4", "--seeds", "1", "--out", "runs")
    assert done.exit_code == 0, done.stderr
    model = ge.train(ge.Cooccurrence.load("counts"), ge.PPMISVD(dim=4), seeds=[0]).models[0]
    assert_same_bits(np.asarray(ge.load("runs/seed-0.npy").vectors), model.vectors)
    assert f"singular triplets to {model.residual:.1e} of the largest value" in done.stdout


def test_halves_are_two_runs_a_seed(desk: Path) -> None:
    done = typed(*TEXT, "--model", "ppmi-svd", "--vary", "halves", "--seeds", "1", "--out", "runs")
    assert done.exit_code == 0, done.stderr
    tokens = ge.read_corpus("text.txt", min_count=1)
    runs = ge.train(tokens, ge.PPMISVD(dim=4), seeds=1, vary="halves", window=3)
    for model in runs.models:
        stem = model.run.replace(" ", "-")
        assert_same_bits(np.asarray(ge.load(f"runs/{stem}.npy").vectors), model.vectors)


def test_a_start_is_what_every_run_begins_with(desk: Path) -> None:
    assert typed(*GLOVE, "--seeds", "1").exit_code == 0
    done = typed(*TEXT, "--epochs", "1", "--start", "runs/seed-0.npy", "--seeds", "1", "--out", "more")
    assert done.exit_code == 0, done.stderr
    tokens, start = ge.read_corpus("text.txt", min_count=1), ge.load("runs/seed-0.npy")
    expected = ge.train(tokens, ge.GloVe(dim=4, epochs=1), seeds=[0], window=3, start=start)
    assert_same_bits(np.asarray(ge.load("more/seed-0.npy").vectors), expected.models[0].vectors)
    other = typed(*TEXT, "--epochs", "1", "--seeds", "1", "--out", "more")
    assert other.exit_code == USAGE
    assert "start" in other.stderr


def test_a_call_that_failed_before_its_first_epoch_does_not_stand_in_the_way(desk: Path) -> None:
    too_wide = typed("train", "text.txt", "--min-count", "1", "--dim", "4000", "--out", "runs")
    assert too_wide.exit_code == USAGE
    assert "--dim 4000" in too_wide.stderr
    assert typed(*GLOVE, "--seeds", "1").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "text.txt"), "nowhere to write"),
        ((*TEXT, "--out", "r", "--model", "cbow"), "--model cbow is not known"),
        ((*TEXT, "--out", "r", "--format", "docx"), "--format docx is not known"),
        ((*TEXT, "--out", "r", "--negatives", "3"), "--negatives 3 of glove"),
        ((*TEXT, "--out", "r", "--snapshots", "0"), "--snapshots 0"),
        ((*TEXT, "--out", "r", "--snapshots", "5,x"), "--snapshots 5,x"),
        ((*TEXT, "--out", "r", "--seeds", "two"), "--seeds two"),
        ((*TEXT, "--out", "r", "--vary", "mood"), "--vary mood"),
        ((*TEXT, "--out", "r", "--model", "skip-gram", "--weighting", "flat"), "--weighting flat"),
        ((*TEXT, "--out", "r", "--model", "ppmi-svd", "--vary", "order"), "--vary order, which it has not"),
        (("train", "counts", "--dim", "2", "--min-count", "3", "--out", "r"), "--min-count 3 with counts"),
        (("train", "counts", "--dim", "2", "--window", "3", "--out", "r"), "--window 3 with counts"),
        (("train", "counts", "text.txt", "--dim", "2", "--out", "r"), "1 more source"),
        (("train", "counts", "--dim", "2", "--model", "skip-gram", "--out", "r"), "trained from the text"),
        ((*TEXT, "--out", "other"), "is not empty"),
        ((*TEXT, "--epochs", "2", "--seeds", "1", "--out", "mine"), "recipe.epochs (1 there, 2 here)"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_written(
    desk: Path, words: tuple[str, ...], said: str
) -> None:
    if "counts" in words:
        assert typed("count", "text.txt", "--out", "counts").exit_code == 0
    if "mine" in words:
        assert typed(*TEXT, "--epochs", "1", "--seeds", "1", "--out", "mine").exit_code == 0
    Path("other").mkdir()
    Path("other", "letter.txt").write_text("mine")
    before = names(desk)
    done = typed(*words)
    assert done.exit_code == USAGE, (done.stdout, done.stderr)
    assert said in " ".join(done.stderr.split())
    assert names(desk) == before
    assert names(Path("other")) == ["letter.txt"]
