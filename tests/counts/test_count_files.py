"""Counts on the disk, ours and Stanford GloVe's."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from corpus.texts import random_tokens, tokens_of

from gpuemb.core.errors import FileFormatError, StorageError, VocabularyError
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.counts.glove_binary import write_glove_binary, write_glove_vocabulary

COUNTS = count_cooccurrences(random_tokens(), 7)
EMPTY = count_cooccurrences(tokens_of([[0], [1]], 2), 2)


def assert_equal(found: Cooccurrence, expected: Cooccurrence) -> None:
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found.rows, name), getattr(expected.rows, name))
        assert getattr(found.rows, name).dtype == getattr(expected.rows, name).dtype
    assert (found.unit, found.vocabulary.words) == (expected.unit, expected.vocabulary.words)
    np.testing.assert_array_equal(found.vocabulary.counts, expected.vocabulary.counts)


@pytest.mark.parametrize("counts", [COUNTS, EMPTY], ids=["counts", "no pairs"])
def test_saved_counts_come_back_with_all_they_know(counts: Cooccurrence, tmp_path: Path) -> None:
    counts.save(tmp_path / "counts")
    found = Cooccurrence.load(tmp_path / "counts")
    assert_equal(found, counts)
    assert found.provenance == counts.provenance
    assert (found.matrix != counts.matrix).nnz == 0
    assert sorted(tmp_path.iterdir()) == [tmp_path / "counts"]


def test_loaded_counts_are_mapped(tmp_path: Path) -> None:
    COUNTS.save(tmp_path / "counts")
    assert isinstance(Cooccurrence.load(tmp_path / "counts").rows.data, np.memmap)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    COUNTS.save(tmp_path / "counts")
    with pytest.raises(StorageError, match="exists"):
        EMPTY.save(tmp_path / "counts")
    assert_equal(Cooccurrence.load(tmp_path / "counts"), COUNTS)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"counts\.json cannot be read"):
        Cooccurrence.load(tmp_path)


@pytest.mark.parametrize("name", ["indptr", "indices", "data", "frequencies"])
def test_files_that_do_not_belong_together_are_refused(name: str, tmp_path: Path) -> None:
    COUNTS.save(tmp_path / "counts")
    file = tmp_path / "counts" / f"{name}.npy"
    np.save(file, np.load(file)[:-1])
    with pytest.raises(FileFormatError, match="does not hold counts"):
        Cooccurrence.load(tmp_path / "counts")


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    COUNTS.save(tmp_path / "counts")
    file = tmp_path / "counts" / "data.npy"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(FileFormatError, match="does not hold counts"):
        Cooccurrence.load(tmp_path / "counts")


@pytest.mark.parametrize("counts", [COUNTS, EMPTY], ids=["counts", "no pairs"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_glove_s_file_comes_back_exactly(counts: Cooccurrence, shuffled: bool, tmp_path: Path) -> None:
    path = tmp_path / "cooccurrence.bin"
    counts.save_glove(path)
    assert path.stat().st_size == 16 * counts.nonzeros
    if shuffled:
        records = np.fromfile(path, "V16")
        np.random.default_rng(0).permutation(records).tofile(path)
    window = 7 if counts is COUNTS else 2
    assert_equal(Cooccurrence.from_glove(path, counts.vocabulary, window), counts)


def test_a_record_is_two_ids_from_one_and_a_float(tmp_path: Path) -> None:
    count_cooccurrences(tokens_of([[0, 2, 2]], 3), 2).save_glove(tmp_path / "pairs")
    records = list(struct.iter_unpack("<iid", (tmp_path / "pairs").read_bytes()))
    assert records == [(1, 3, 1.5), (3, 1, 1.5), (3, 3, 2.0)]


def test_the_vocabulary_may_be_glove_s_own_file(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("the 12\nof 7\n", "utf-8")
    (tmp_path / "pairs").write_bytes(struct.pack("<iid", 1, 2, 0.5))
    found = Cooccurrence.from_glove(tmp_path / "pairs", tmp_path / "vocab.txt", 10)
    assert found.vocabulary.words == ("the", "of")
    assert found.units("the", "of") == 1260
    (tmp_path / "vocab.txt").write_text("the 12\nof\n", "utf-8")
    with pytest.raises(FileFormatError, match="line 2: 'of'"):
        Cooccurrence.from_glove(tmp_path / "pairs", tmp_path / "vocab.txt", 10)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (struct.pack("<iid", 0, 1, 1.0), "the id 0 of 2 words"),
        (struct.pack("<iid", 1, 3, 1.0), "the id 3 of 2 words"),
        (struct.pack("<iid", 1, 2, 1 / 3), "no multiple of 1/2"),
        (struct.pack("<iid", 1, 2, 0.0), "no multiple"),
        (struct.pack("<iid", 1, 2, float("nan")), "no multiple"),
        (struct.pack("<iid", 1, 2, 1.0)[:-1], "15 bytes"),
    ],
)
def test_what_is_no_count_is_refused(record: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "pairs").write_bytes(record)
    with pytest.raises(FileFormatError, match=said):
        Cooccurrence.from_glove(tmp_path / "pairs", EMPTY.vocabulary, 2)


def test_a_missing_file_of_glove_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="pairs cannot be read"):
        Cooccurrence.from_glove(tmp_path / "pairs", EMPTY.vocabulary, 2)


@pytest.mark.parametrize("word", ["<unk>", "new york", "a\tb", "a\x0bb", "x" * 1001, "é" * 501, ""])
def test_words_that_stanford_s_programs_cannot_read_are_refused_and_an_older_file_stays(
    tmp_path: Path, word: str
) -> None:
    words = Vocabulary(("the", word), np.array([2, 1]))
    counts = Cooccurrence(EMPTY.rows, EMPTY.unit, words)
    for write in (write_glove_binary, lambda _, path: write_glove_vocabulary(words, path)):
        (tmp_path / "kept").write_text("older", "utf-8")
        with pytest.raises(VocabularyError, match="cannot be written for Stanford's programs"):
            write(counts, tmp_path / "kept")
        assert (tmp_path / "kept").read_text("utf-8") == "older"


@pytest.mark.parametrize("word", ["unk", "<unk>s", "a\u00a0b", "x" * 1000, "\u2028"])
def test_words_that_stanford_s_programs_read_come_back(tmp_path: Path, word: str) -> None:
    words = Vocabulary(("the", word), np.array([2, 1]))
    write_glove_vocabulary(words, tmp_path / "vocabulary")
    (tmp_path / "pairs").write_bytes(b"")
    found = Cooccurrence.from_glove(tmp_path / "pairs", tmp_path / "vocabulary", 2)
    assert found.vocabulary.words == words.words
