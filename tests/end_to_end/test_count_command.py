"""Counting at the command line: a folder, GloVe's file, or a clear refusal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from corpus.texts import random_text
from end_to_end.command import COMMAND, FAILED, USAGE, gpuemb

from gpuemb.corpus.tokens import read_corpus
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import count_cooccurrences

pytestmark = [
    pytest.mark.skipif(not COMMAND.exists(), reason="needs gpuemb installed beside this interpreter"),
    pytest.mark.filterwarnings("ignore::gpuemb.core.errors.ShortDocumentsWarning"),
]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A folder with a text."""
    (tmp_path / "text.txt").write_text(random_text(2000), "utf-8")
    return tmp_path


def test_a_text_becomes_a_folder_of_counts(text: Path) -> None:
    done = gpuemb(
        text, "count", "text.txt", "--out", "counts", "--window", "5", "--glove-binary", "pairs.bin"
    )
    assert done.code == 0, done.err
    assert "lines are documents" in done.err  # half of them are short: a note, no warning
    expected = count_cooccurrences(read_corpus(text / "text.txt"), 5)
    found = Cooccurrence.load(text / "counts")
    np.testing.assert_array_equal(found.rows.data, expected.rows.data)
    assert found.provenance == expected.provenance
    assert done.out.splitlines() == [
        f"{expected.nonzeros:,} pairs of 60 words, from {len(read_corpus(text / 'text.txt')):,} tokens in "
        "2,000 documents",
        "Written: counts, pairs.bin, pairs.bin.vocab.txt",
    ]
    again = Cooccurrence.from_glove(text / "pairs.bin", text / "pairs.bin.vocab.txt", 5)
    np.testing.assert_array_equal(again.rows.data, expected.rows.data)
    assert again.vocabulary.words == expected.vocabulary.words


def test_a_budget_changes_no_count_and_leaves_no_file(text: Path) -> None:
    done = gpuemb(text, "count", "text.txt", "--out", "counts", "--memory", "1.5MB", "--json")
    assert done.code == 0, done.err
    assert "lines are documents" in done.err  # half of them are short: a note, no warning
    found = Cooccurrence.load(text / "counts")
    expected = count_cooccurrences(read_corpus(text / "text.txt"))
    np.testing.assert_array_equal(found.rows.data, expected.rows.data)
    said = json.loads(done.out)
    assert (said["pairs"], said["words"], said["written"]) == (expected.nonzeros, 60, ["counts"])
    assert sorted(path.name for path in text.iterdir()) == ["counts", "text.txt"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], USAGE, "nowhere to write"),
        (["--out", "c", "--window", "0"], USAGE, "--window 0"),
        (["--out", "c", "--window", "26"], USAGE, "--window 25"),
        (["--out", "c", "--side", "up"], USAGE, "--side up"),
        (["--out", "c", "--weighting", "harmonics"], USAGE, "Did you mean harmonic?"),
        (["--out", "c", "--memory", "much"], USAGE, "'much' is not a size"),
        (["--out", "c", "--memory", "9" * 400 + "TB"], USAGE, "is not a size"),
        (["--out", "c", "--memory", "1kB"], FAILED, "but may use 1.0 kB"),
        (["--out", "c", "--min-count", "100000"], FAILED, "lower --min-count"),
        (["--out", "."], FAILED, "exists"),
        (["--glove-binary", "c", "--tokenizer", "regex:(w.[0-9] ?)+"], FAILED, "no white space and no <unk>"),
    ],
)
def test_what_cannot_be_counted_is_said(words: list[str], code: int, said: str, text: Path) -> None:
    done = gpuemb(text, "count", "text.txt", *words)
    assert done.code == code
    assert said in done.err
    assert sorted(path.name for path in text.iterdir()) == ["text.txt"]


def test_one_document_is_counted(tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "count", "-", "--out", "counts", typed=b"a rose is a rose")
    assert done.code == 0, done.err
    assert done.err == ""
    assert "from 5 tokens in 1 documents" in done.out


def test_help_teaches_the_command(tmp_path: Path) -> None:
    done = gpuemb(tmp_path, "count", "--help")
    for word in ("--out", "--glove-binary", "--memory", "Cooccurrence.load"):
        assert word in done.out
