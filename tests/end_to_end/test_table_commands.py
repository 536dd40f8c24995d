"""Tables at the command line: converted, compared with each other and with what people say."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from embeddings.tables import FRUIT, numbers, table
from end_to_end.command import COMMAND, FAILED, USAGE, gpuemb

from gpuemb.embeddings.files import load, save
from gpuemb.embeddings.model import Embedding

pytestmark = pytest.mark.skipif(not COMMAND.exists(), reason="needs gpuemb installed beside this interpreter")


def test_a_table_goes_round_all_formats(tmp_path: Path) -> None:
    save(table(), tmp_path / "a.vec.gz")
    names = ["a.vec.gz", "b.npy", "c.bin", "d.parquet", "e.npz", "f.safetensors", "g.txt"]
    for source, target in pairwise(names):
        done = gpuemb(tmp_path, "convert", source, target)
        assert done.code == 0, done.err
        assert done.out.splitlines()[-1] == f"Written: {target}"
        assert "5 words × 3, float32" in done.out
        assert done.err == ""
    found = load(tmp_path / "g.txt")
    assert list(found.index_to_key) == FRUIT
    np.testing.assert_array_equal(found.vectors, numbers(5))


def test_a_part_is_converted_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("banana\ndate\ndurian\n")
    np.save(tmp_path / "a.npy", numbers(5))
    (tmp_path / "list.txt").write_text("\n".join(["apple", "banana", "apple", "date", "fig"]) + "\n")
    done = gpuemb(tmp_path, "convert", "a.npy", "b.npy", "--vocabulary", "list.txt")
    assert "a: 4 words × 3, float32; left out 1 rows of words that had stood before" in done.out
    part = gpuemb(tmp_path, "convert", "b.npy", "c.bin", "--words", "words", "--limit", "1")
    assert part.code == 0, part.err
    assert list(load(tmp_path / "c.bin").index_to_key) == ["banana"]
    assert "1 of the 3 words are among them." in part.out
    bad = numbers(5)
    bad[1] = np.inf
    np.save(tmp_path / "bad.npy", bad)
    (tmp_path / "bad.words.txt").write_text("\n".join(FRUIT) + "\n")
    assert gpuemb(tmp_path, "convert", "bad.npy", "d.bin").code == FAILED
    kept = gpuemb(
        tmp_path, "convert", "bad.npy", "d.model", "--on-error", "skip", "--format", "word2vec-binary"
    )
    assert "left out 1 rows that cannot be read" in kept.out
    again = gpuemb(tmp_path, "convert", "d.model", "e.npz", "--from", "word2vec-binary")
    assert again.code == 0, again.err


def test_a_target_that_cannot_be_written_is_refused_before_the_source_is_looked_for(tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "convert", "none.txt", "b.pkl")
    assert (done.code, "b.pkl ends in .pkl" in done.err) == (USAGE, True)
    done = gpuemb(tmp_path, "convert", "none.txt", "b.npy")
    assert (done.code, "none.txt cannot be read" in done.err) == (FAILED, True)


def test_info_says_what_tables_share(tmp_path: Path) -> None:
    save(table(["Apple", "banana", "cherry"]), tmp_path / "a.npy")
    save(table(["apple", "Banana", "cherry", "date"]), tmp_path / "b.bin")
    done = gpuemb(tmp_path, "info", "a.npy", "b.bin")
    assert done.out.splitlines()[-1] == "1 words are in all 2, compared letter by letter."
    lower = gpuemb(tmp_path, "info", "a.npy", "b.bin", "--case", "lower", "--json")
    said = json.loads(lower.out)
    assert said["shared"] == 3
    assert [one["words"] for one in said["tables"]] == [3, 4]


def test_info_says_that_tables_share_nothing(tmp_path: Path) -> None:
    save(table(["a"]), tmp_path / "a.npy")
    save(table(["b"]), tmp_path / "b.bin")
    done = gpuemb(tmp_path, "info", "a.npy", "b.bin")
    assert (done.code, done.out.splitlines()[-1]) == (0, "0 words are in all 2, compared letter by letter.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dataset:glove"], "Known: dataset:glove-6b-50d"),
        (["dataset:glove-6b-50d", "--tensor", "x"], "--tensor x, but dataset:glove-6b-50d is a data set"),
        (["some.whl", "--from", "npy"], "--from npy, but some.whl is a data set"),
    ],
)
def test_what_a_data_set_cannot_be_asked_is_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    done = gpuemb(tmp_path, "convert", *arguments, "a.npy")
    assert (done.code, said in done.err) == (USAGE, True)


def test_a_pipe_is_not_taken_for_a_missing_file(tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "convert", "-", "a.npy", typed=b"a 1 2\n")
    assert (done.code, "Write the output of a pipe to a file first" in done.err) == (FAILED, True)


def test_similarity_says_how_many_pairs_it_could_judge(tmp_path: Path) -> None:
    words = ["a", "b", "c"]
    save(Embedding(np.array([[1.0, 0], [1, 1], [0, 1]]), words), tmp_path / "t.npy")
    (tmp_path / "pairs.tsv").write_text("a\tb\t3\nb\tc\t3\na\tc\t1\na\td\t9\n")
    done = gpuemb(tmp_path, "similarity", "t.npy", "pairs.tsv")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].split() == ["pairs", "1.000", "3", "of", "4", "pairs"]
    said = json.loads(gpuemb(tmp_path, "similarity", "t.npy", "pairs.tsv", "--json").out)
    assert [(one["pairs"], one["covered"], one["of"]) for one in said] == [("pairs", 3, 4)]
    assert said[0]["correlation"] == pytest.approx(1)
    (tmp_path / "equal.tsv").write_text("a\tb\t3\nb\tc\t3\n")
    said = json.loads(gpuemb(tmp_path, "similarity", "t.npy", "equal.tsv", "--json").out, parse_constant=str)
    assert said[0]["correlation"] is None


def test_the_help_teaches(tmp_path: Path) -> None:
    for command, taught in (
        ("convert", "glove.6B.zip:glove.6B.300d.txt"),
        ("similarity", "dataset:glove-6b-50d"),
    ):
        assert taught in gpuemb(tmp_path, command, "--help").out
