"""Comparing tables at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from end_to_end.command import COMMAND, FAILED, USAGE, gpuemb

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


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["a.npy"], FAILED, "1 table"),
        (["a.npy", "b.npy", "--measure", "likeness"], USAGE, "likeness"),
        (["a.npy", "b.npy", "-k", "30"], USAGE, "30"),
        (["a.npy", "none.npy"], FAILED, "none.npy"),
    ],
)
def test_what_cannot_be_compared_is_said(
    tmp_path: Path, tables: list[Embedding], arguments: list[str], code: int, said: str
) -> None:
    done = gpuemb(tmp_path, "compare", *arguments)
    assert done.code == code
    assert said in done.err
