"""Neighbors at the command line: printed for people, for programs, or written for every word."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from embeddings.tables import FRUIT, table
from end_to_end.command import COMMAND, FAILED, INTERRUPTED, USAGE, gpuemb, interrupted_at

from gpuemb.core.cuda.diagnosis import missing_for_cuda
from gpuemb.embeddings.files import save
from gpuemb.embeddings.model import Embedding
from gpuemb.neighbors.correction import Metric
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.kept import FOLDER

DEVICES = ("auto", "cpu") if missing_for_cuda() else ("auto", "cpu", "cuda")
pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="needs gpuemb installed beside this interpreter")


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    """A folder with five words as they are."""
    save(table(), tmp_path / "fruit.npy")
    return tmp_path


def test_words_are_printed_with_their_neighbors_best_first(fruit: Path) -> None:
    done = gpuemb(fruit, "neighbors", "fruit.npy", FRUIT[1], FRUIT[3], "-k", "2")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "fruit: 5 words × 3, float32"
    expected = []
    for word in (FRUIT[1], FRUIT[3]):
        expected += [[], [word]]
        for rank, (name, cosine) in enumerate(table().most_similar(word, 2), 1):
            expected.append([str(rank), name, f"{cosine:.3f}"])
    assert [line.split() for line in lines[1:]] == expected


def test_programs_get_every_digit_and_the_words_of_a_file(fruit: Path) -> None:
    (fruit / "words.txt").write_text(f"{FRUIT[0]}\n\n{FRUIT[2]}\n")
    done = gpuemb(fruit, "neighbors", "fruit.npy", FRUIT[4], "--queries", "words.txt", "-k", "3", "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert [one["word"] for one in said] == [FRUIT[4], FRUIT[0], FRUIT[2]]
    for one in said:
        found = [(near["word"], near["cosine"]) for near in one["neighbors"]]
        assert found == table().most_similar(one["word"], 3)


def test_the_next_call_says_the_same_from_what_was_kept_beside_the_table(fruit: Path) -> None:
    command = ("neighbors", "fruit.npy", FRUIT[1], "-k", "2")
    kept = fruit / FOLDER / "fruit.npy"
    assert gpuemb(fruit, *command, "--no-cache").code == 0
    assert not kept.exists()
    first = gpuemb(fruit, *command)
    made = kept.stat().st_mtime_ns
    assert gpuemb(fruit, *command) == first
    assert gpuemb(fruit, *command, "--json").out == gpuemb(fruit, *command, "--json", "--no-cache").out
    assert kept.stat().st_mtime_ns == made
    (kept / "lengths.npy").write_bytes(b"")
    mended = gpuemb(fruit, *command)
    assert (mended.code, mended.out) == (0, first.out)
    assert mended.err.startswith(".gpuemb-index/fruit.npy is damaged: ")
    save(Embedding(-table().vectors[:, ::-1], FRUIT), fruit / "fruit.npy")
    changed = gpuemb(fruit, *command)
    assert changed.err == ".gpuemb-index/fruit.npy is of an earlier state of the table. It was made anew.\n"
    assert gpuemb(fruit, *command) == replace(changed, err="")


@pytest.mark.parametrize("metric", ["csls", "mutual_proximity"])
def test_neighbors_are_corrected_for_hubs(tmp_path: Path, metric: Metric) -> None:
    table = Embedding(np.random.default_rng(0).standard_normal((60, 5)) + 1, [f"w{i}" for i in range(60)])
    save(table, tmp_path / "t.npy")
    said = gpuemb(tmp_path, "neighbors", "t.npy", "w7", "-k", "3", "--metric", metric, "--json")
    assert said.code == 0, said.err
    found = nearest_neighbors(table, 3, metric=metric)
    near = [(one["word"], one[metric]) for one in json.loads(said.out)[0]["neighbors"]]
    assert near == found.named(7)
    done = gpuemb(
        tmp_path, "neighbors", "t.npy", "--all", "--out", "n.parquet", "--metric", metric, "-k", "3"
    )
    assert done.code == 0, done.err
    written = pyarrow.parquet.read_table(tmp_path / "n.parquet")
    assert written[metric].to_pylist() == found.scores.ravel().tolist()
    wrong = gpuemb(tmp_path, "neighbors", "t.npy", "w7", "--metric", "cls")
    assert wrong.code == USAGE
    assert "Did you mean csls?" in wrong.err


def test_the_whole_graph_is_written(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)
    vectors[7] = 0
    words = [f"w{i}" for i in range(60)]
    save(Embedding(vectors, words), tmp_path / "t.npy")
    done = gpuemb(tmp_path, "neighbors", "t.npy", "--all", "--out", "n.parquet", "-k", "4", "--threads", "1")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1:] == [
        "1 words have a zero vector: they have no neighbors and are nobody's.",
        "Written: n.parquet, 236 neighbors of 60 words",
    ]
    rows = pyarrow.parquet.read_table(tmp_path / "n.parquet").to_pylist()
    found = nearest_neighbors(Embedding(vectors, words), 4)
    expected = [
        {"word": word, "rank": rank, "neighbor": name, "cosine": cosine}
        for query, word in enumerate(words)
        for rank, (name, cosine) in enumerate(found.named(query), 1)
    ]
    assert rows == expected


def test_ctrl_c_in_the_whole_graph_leaves_no_file(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).standard_normal((200_000, 20)).astype(np.float32)
    save(Embedding(vectors, [f"w{i}" for i in range(200_000)]), tmp_path / "t.npy")
    before = sorted(tmp_path.iterdir())
    arguments = ("neighbors", "t.npy", "--all", "--out", "n.parquet", "--threads", "1")
    ended = interrupted_at(tmp_path, b"/19306", *arguments)  # 196 blocks of rows have so many pairs
    assert ended.code == INTERRUPTED, ended.err
    assert "neighbors of 200,000 rows" in ended.err
    assert "Interrupted. Nothing is written before all are found." in ended.err
    assert "Traceback" not in ended.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_part_of_the_table_is_asked(fruit: Path) -> None:
    done = gpuemb(fruit, "neighbors", "fruit.npy", FRUIT[0], "-k", "1", "--limit", "2", "--json")
    assert [one["word"] for one in json.loads(done.out)[0]["neighbors"]] == [FRUIT[1]]
    assert gpuemb(fruit, "neighbors", "fruit.npy", FRUIT[0], "-k", "2", "--limit", "2").code == USAGE


def test_a_missing_word_is_answered_with_the_nearest_spellings(fruit: Path) -> None:
    done = gpuemb(fruit, "neighbors", "fruit.npy", FRUIT[0], FRUIT[1][:-1])
    assert done.code == FAILED
    assert f"the word '{FRUIT[1][:-1]}' is not among its 5 words" in done.err
    assert f"Did you mean {FRUIT[1]}" in done.err
    assert done.out == ""


def test_a_device_that_is_not_here_is_told_before_the_table_is_read(tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "neighbors", "none.npy", "king", "--device", "gpu")
    assert (done.code, "'gpu' is not a device" in done.err) == (USAGE, True), done.err
    if missing_for_cuda():
        done = gpuemb(tmp_path, "neighbors", "none.npy", "king", "--device", "cuda")
        assert (done.code, "device: cuda cannot be used here" in done.err) == (FAILED, True), done.err


def test_the_device_changes_no_digit(fruit: Path) -> None:
    said = [
        gpuemb(fruit, "neighbors", "fruit.npy", FRUIT[2], "-k", "3", "--json", "--device", x) for x in DEVICES
    ]
    assert len({done.out for done in said}) == 1
    assert {(done.code, done.err) for done in said} == {(0, "")}


def test_a_file_without_words_is_refused(fruit: Path) -> None:
    (fruit / "words.txt").write_text("\n\n")
    done = gpuemb(fruit, "neighbors", "fruit.npy", "--queries", "words.txt")
    assert (done.code, "words.txt holds no words" in done.err) == (USAGE, True), done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no words"),
        (["--all"], "--all without --out"),
        (["king", "--all", "--out", "n.parquet"], "words and --all"),
        (["king", "--out", "n.csv"], "--out n.csv"),
        (["king", "--out", "n.parquet", "--json"], "--json and --out"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_table_is_looked_for(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = gpuemb(tmp_path, "neighbors", "none.npy", *arguments)
    assert (done.code, f"neighbors: {said}" in done.err) == (USAGE, True), done.err


def test_the_help_teaches(tmp_path: Path) -> None:
    said = gpuemb(tmp_path, "neighbors", "--help").out
    assert "gpuemb neighbors glove.npy king queen -k 5" in said
    assert "--all --out neighbors.parquet" in said
