"""Translation at the command line: dictionaries, words held out, files, refusals."""

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    x = random.standard_normal((40, 6)).astype(np.float32)
    turn = np.linalg.qr(random.standard_normal((6, 6)))[0]
    y = (x @ turn + 0.3 * random.standard_normal((40, 6))).astype(np.float32)
    for name, table in (("a", x), ("b", y)):
        ge.save(ge.Embedding(table, WORDS), tmp_path / f"{name}.npy")
    (tmp_path / "seeds.txt").write_text("".join(f"{word} {word}\n" for word in [*WORDS[:20], "zzz"]))
    (tmp_path / "test.txt").write_text("".join(f"{word} {word}\n" for word in [*WORDS[20:], "yyy"]))
    return tmp_path


def test_words_and_precision_are_printed(folder: Path) -> None:
    files = "--pairs", "seeds.txt", "--test", "test.txt"
    done = gpuemb(folder, "translate", "a.npy", "b.npy", "w1", "w30", "-k", "2", *files)
    assert (done.code, done.err) == (0, "")
    tables = [ge.load(folder / f"{name}.npy") for name in "ab"]
    found = ge.translate(*tables, folder / "seeds.txt")
    assert str(found.precision(folder / "test.txt")) in done.out
    assert "fitted on 20 of 21 pairs\nNot in the source: zzz\n" in done.out
    for rank, (word, score) in enumerate(found.nearest(["w30"], 2).named(0), 1):
        assert f"{rank:>4}  {word}" in done.out
        assert f"{score:6.3f}" in done.out


def test_words_are_held_out_written_and_told_to_programs(folder: Path) -> None:
    options = "--hold-out", "10", "--seed", "3", "--refine", "1", "--csls-k", "5", "-k", "4"
    outputs = "-o", "o.parquet", "--mapped", "m.npy", "--mapped-target", "t.npy"
    done = gpuemb(folder, "translate", "a.npy", "b.npy", *options, *outputs, "--json")
    assert (done.code, done.err) == (0, "")
    said = json.loads(done.out)
    tables = [ge.load(folder / f"{name}.npy") for name in "ab"]
    fitted, tested = ge.Translations("shared", tuple((word, word) for word in WORDS)).split(10, 3)
    found = ge.translate(*tables, fitted, k=5, refine=1)
    precision = found.precision(tested)
    assert said["precision"]["precision"] == list(precision.precisions)
    assert said["precision"]["among_seeds"] == 0
    assert (said["pairs"], said["refined"]) == (30, list(found.refined))
    rows = pyarrow.parquet.read_table(folder / "o.parquet").to_pylist()
    assert len(rows) == 10 * 4
    first = [row for row in rows if row["rank"] == 1]
    assert [row["word"] for row in first] == list(precision.words)
    assert sum(row["right"] for row in first) / 10 == precision.value
    for name, table in (("m.npy", found.source), ("t.npy", found.target)):
        np.testing.assert_array_equal(ge.load(folder / name).vectors, table.vectors)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.npy", "b.npy", "-o", "o.parquet"], USAGE, "--out without words"),
        (["a.npy", "b.npy", "--hold-out", "40"], USAGE, "--hold-out 20"),
        (["a.npy", "b.npy", "--csls-k", "41"], USAGE, "--csls-k 40"),
        (["a.npy", "b.npy", "w_1"], FAILED, "Did you mean w1"),
        (["a.npy", "b.npy", "--pairs", "gone.txt"], FAILED, "gone.txt"),
    ],
)
def test_what_cannot_be_translated_is_told(
    folder: Path, arguments: list[str], code: int, message: str
) -> None:
    done = gpuemb(folder, "translate", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (folder / "o.parquet").exists()
