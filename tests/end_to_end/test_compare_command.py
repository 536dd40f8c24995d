"""Comparing tables at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from embeddings import checkpoints as made
from end_to_end.command import COMMAND, FAILED, INTERRUPTED, USAGE, gpuemb, interrupted_at
from stability.questions.definitions import corpus

from gpuemb.embeddings.files import save
from gpuemb.embeddings.model import Embedding
from gpuemb.geometry.rsa import rsa

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="needs gpuemb installed beside this interpreter")
WORDS = [f"w{i}" for i in range(30)]


@pytest.fixture
def tables(tmp_path: Path) -> list[Embedding]:
    """Two tables on disk: the second has its words in another order, and one more."""
    draw = np.random.default_rng(0)
    first = Embedding(draw.standard_normal((30, 4)).astype(np.float32), WORDS)
    rows = (first.vectors[::-1] + 0.2 * draw.standard_normal((30, 4))).astype(np.float32)
    save(first, tmp_path / "a.npy")
    save(Embedding(np.vstack([rows, rows[:1]]), [*WORDS[::-1], "other"]), tmp_path / "b.npy")
    return [first, Embedding(rows[::-1], WORDS)]


def test_tables_are_lined_up_measured_and_written(tmp_path: Path, tables: list[Embedding]) -> None:
    done = gpuemb(tmp_path, "compare", "a.npy", "b.npy", "-k", "3", "--out", "compared", "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert (said["runs"], said["words"]) == (["a", "b"], 30)
    values = {one["measure"]: one["mean"] for one in said["measures"]}
    assert values["rsa"] == pytest.approx(rsa(*tables).value, rel=1e-6)
    pairs = pyarrow.parquet.read_table(tmp_path / "compared" / "pairs.parquet").to_pylist()
    assert {row["measure"]: row["value"] for row in pairs}["rsa"] == values["rsa"]
    words = pyarrow.parquet.read_table(tmp_path / "compared" / "words.parquet")
    assert words["word"].to_pylist() == WORDS
    assert {"overlap", "aligned_cosine", "spread"} <= set(words.column_names)


def test_people_read_one_line_a_measure(tmp_path: Path, tables: list[Embedding]) -> None:
    done = gpuemb(tmp_path, "compare", "a.npy", "b.npy", "--measure", "rsa", "--measure", "cka")
    assert (done.code, done.err) == (0, "")
    assert "30 words are in all 2." in done.out
    assert f"{rsa(*tables).value:.4g}" in done.out
    assert sum("CKA" in line or "RSA" in line for line in done.out.splitlines()) == 2


def test_two_transformers_are_compared_over_their_whole_words(
    tmp_path: Path, tables: list[Embedding]
) -> None:
    bert = [f"W{i}" for i in range(30)] + [f"##{i}" for i in range(20)] + ["[CLS]"]
    made.write(tmp_path / "bert", made.bert(len(bert)), bert)
    gpt2 = made.byte_level([f"Ġw{i}" for i in range(25)] + [f"w{i}" for i in range(25)])
    made.write(tmp_path / "gpt2", made.gpt2(51), gpt2, shards=2)
    common = ("--case", "lower", "--measure", "overlap", "-k", "3")
    done = gpuemb(tmp_path, "compare", "bert", "gpt2/", "a.npy", "--whole-words", *common)
    assert (done.code, done.err) == (0, "")
    assert "bert: 30 words × 4, float32; left out 21 tokens that are special or no whole words" in done.out
    assert "gpt2: 25 words × 4, float32; left out 26 tokens" in done.out
    assert "25 words are in all 3." in done.out
    done = gpuemb(tmp_path, "info", "bert", "gpt2", "--whole-words", "--json")
    assert [(one["words"], one["set_aside"]) for one in json.loads(done.out)["tables"]] == [
        (30, 21),
        (25, 26),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["a.npy"], USAGE, "1 table"),
        (["missing.npy"], USAGE, "gpuemb compare missing.npy another.npy"),
        (["none.npy", "b.npy", "--measure", "likeness"], USAGE, "likeness"),  # before any table is read
        (["none.npy", "b.npy", "--out", "a.npy"], FAILED, "a.npy is not a folder"),
        (["a.npy", "empty.txt"], FAILED, "empty.txt is empty"),
        (["a.npy", "nan.txt"], FAILED, "nan.txt, line 2: the row of 'w1' holds NaN"),
        (["a.npy", "one.txt"], USAGE, "the tables share 1 word, which has no neighbors"),
        (["a.npy", "others.txt"], FAILED, "share none"),
        (["a.npy", "."], FAILED, ". is a folder"),
        (["a.npy", "b.npy", "--measure", "likeness"], USAGE, "likeness"),
        (["a.npy", "b.npy", "-k", "30"], USAGE, "30"),
        (["a.npy", "none.npy"], FAILED, "none.npy"),
    ],
)
def test_what_cannot_be_compared_is_said(
    tmp_path: Path, tables: list[Embedding], arguments: list[str], code: int, said: str
) -> None:
    for name, lines in {
        "empty": "",
        "nan": "w0 1 2 3 4\nw1 1 2 nan 4\n",
        "one": "w3 1 2 3 4\nelse 4 3 2 1\n",
        "others": "else 1 2 3 4\nother 4 3 2 1\n",
    }.items():
        (tmp_path / f"{name}.txt").write_text(lines)
    done = gpuemb(tmp_path, "compare", *arguments)
    assert done.code == code
    assert said in done.err
    assert done.out == ""


def test_a_measure_that_does_not_exist_says_why(tmp_path: Path, tables: list[Embedding]) -> None:
    (tmp_path / "one.txt").write_text("w3 1 2 3 4\nelse 4 3 2 1\n")
    done = gpuemb(tmp_path, "compare", "a.npy", "one.txt", "--measure", "cka", "--measure", "pip_loss")
    assert done.code == 0
    assert "does not exist: a and one: the rows of one table are all equal" in done.out
    done = gpuemb(tmp_path, "compare", "a.npy", "one.txt", "--measure", "cka", "--json")
    (said,) = json.loads(done.out)["measures"]
    assert (said["mean"], said["reason"]) == (None, "a and one: the rows of one table are all equal")


def test_lost_pairs_and_the_worst_tables_are_named(tmp_path: Path, tables: list[Embedding]) -> None:
    save(Embedding(np.zeros((30, 4), np.float32), WORDS), tmp_path / "zero.npy")
    asked = (
        "compare",
        "a.npy",
        "b.npy",
        "zero.npy",
        "-k",
        "3",
        "--measure",
        "overlap",
        "--permutations",
        "19",
    )
    done = gpuemb(tmp_path, *asked)
    assert done.code == 0, done.err
    lost = "2 of 3 pairs have no value; a and zero: no word has neighbors in both tables"
    assert lost in done.out
    assert "chance 0.1, p 0.05" in done.out
    assert "Least alike by overlap: a and b (" in done.out
    assert "3 runs cannot show rare bad ones: 10 would." in done.out
    said = json.loads(gpuemb(tmp_path, *asked, "--json").out)
    (measure,) = said["measures"]
    assert (measure["undefined"], measure["least_alike"], measure["p_value"]) == (2, ["a", "b"], 0.05)
    assert said["caution"].endswith("3 runs cannot show rare bad ones: 10 would.")


@pytest.mark.slow
def test_an_interrupted_comparison_writes_nothing_and_runs_again(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    words = [f"w{i}" for i in range(20_000)]
    for name in ("a", "b", "c"):
        save(
            Embedding(draw.standard_normal((20_000, 50)).astype(np.float32), words), tmp_path / f"{name}.npy"
        )
    before = sorted(tmp_path.iterdir())
    command = ("compare", "a.npy", "b.npy", "c.npy", "--out", "compared")
    ended = interrupted_at(tmp_path, b"neighbors", *command)
    assert (ended.code, ended.out) == (INTERRUPTED, "")
    assert "Interrupted. Nothing is written before all is measured." in ended.err
    assert "Traceback" not in ended.err
    assert sorted(tmp_path.iterdir()) == before
    first = gpuemb(tmp_path, *command)
    written = {path.name: path.read_bytes() for path in (tmp_path / "compared").iterdir()}
    again = gpuemb(tmp_path, *command)
    assert (first.code, again.code, first.out) == (0, 0, again.out)
    assert {path.name: path.read_bytes() for path in (tmp_path / "compared").iterdir()} == written
    assert sorted(written) == ["pairs.parquet", "words.parquet"]


@pytest.fixture
def arrays(tmp_path: Path) -> None:
    """Four runs of two models over the same rows, without words; five rows are elsewhere in the second."""
    draw = np.random.default_rng(0)
    base = draw.standard_normal((80, 8))
    for name in ("old", "new"):
        for run in range(4):
            table = base + 0.1 * draw.standard_normal(base.shape)
            if name == "new":
                table[:5] *= -1
            np.save(tmp_path / f"{name}{run}.npy", table.astype(np.float32))
    (tmp_path / "ids.txt").write_text("\n".join(f"doc{row}" for row in range(80)))


@pytest.mark.usefixtures("arrays")
def test_a_model_s_swap_names_the_rows_that_changed_and_what_is_not_met(tmp_path: Path) -> None:
    typed = (
        "compare",
        "old0.npy",
        "new0.npy",
        "--rows",
        "ids.txt",
        "-k",
        "5",
        "--show",
        "5",
        "--out",
        "swap",
    )
    done = gpuemb(tmp_path, *typed, "--require", "overlap_at_5 >= 0.5", "--require", "min(overlap) >= 10%")
    assert done.code == 3, done.err
    assert "Not met: min(overlap) >= 10%: found 0" in done.err
    assert "Met: overlap_at_5 >= 0.5" in done.out
    changed = pyarrow.parquet.read_table(tmp_path / "swap" / "changed.parquet").to_pylist()
    assert {row["word"] for row in changed} == {f"doc{row}" for row in range(5)}
    assert {row["change"] for row in changed} == {"lost", "gained"}
    words = pyarrow.parquet.read_table(tmp_path / "swap" / "words.parquet")
    assert {"word", "overlap", "overlap_by_chance", "p_value_by_chance"} <= set(words.column_names)


@pytest.mark.usefixtures("arrays")
def test_groups_are_compared_beyond_their_own_noise(tmp_path: Path) -> None:
    files = {name: [f"{name}{run}.npy" for run in range(4)] for name in ("old", "new")}
    typed = ["compare", "--group", "old", *files["old"], "--group", "new", *files["new"], "--rows", "ids.txt"]
    done = gpuemb(
        tmp_path, *typed, "--measure", "aligned_cosine", "--json", "--require", "aligned_cosine_found == 5"
    )
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["labelings"] == 35
    assert told["requirements"] == [{"required": "aligned_cosine_found == 5", "found": 5.0, "met": True}]
    assert {one["word"] for one in told["changed"][:5]} == {f"doc{row}" for row in range(5)}
    done = gpuemb(tmp_path, *typed, "--out", "groups", "--report")
    assert done.code == 0, done.err
    assert done.out.endswith("groups/changed.parquet, groups/report.html\n")
    assert "Nearest neighbors lost: " in (tmp_path / "groups" / "report.html").read_text("utf-8")
    assert "all 35 labelings" in done.out
    words = pyarrow.parquet.read_table(tmp_path / "groups" / "words.parquet")
    assert words["word"].to_pylist()[0] == "doc0"
    assert "overlap_q_value" in words.column_names


@pytest.mark.slow
def test_two_corpora_are_studied_and_a_second_run_trains_nothing(tmp_path: Path) -> None:
    for name, seed in (("old", 1), ("new", 2)):
        lines = corpus(600, seed, moved=name == "new")
        (tmp_path / f"{name}.txt").write_text("\n".join(" ".join(line) for line in lines))
    typed = ["study", "--question", "drift", "--group", "old", "old.txt", "--group=new=new.txt"]
    typed += ["--model", "ppmi-svd", "--dim", "8", "--seeds", "4", "--min-count", "3", "--out", "drift"]
    done = gpuemb(tmp_path, *typed)
    assert done.code == 0, done.err
    assert "old: 7,200 tokens, parts of 1,800" in done.out
    assert "all 35 labelings" in done.out
    assert pyarrow.parquet.read_table(tmp_path / "drift" / "words.parquet").num_rows == 70
    parts = {file: file.stat().st_mtime_ns for file in (tmp_path / "drift" / "work").rglob("*.npy")}
    assert len(parts) == 8
    again = gpuemb(tmp_path, *typed, "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out)["tokens"] == {"old": 7200, "new": 7200}
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "drift" / "work").rglob("*.npy")} == parts
    refused = gpuemb(tmp_path, *typed, "--window", "3")
    assert refused.code == USAGE
    assert "belongs to another configuration" in refused.err
