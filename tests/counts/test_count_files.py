"""Counts on the disk, ours and Stanford GloVe's."""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens, tokens_of

from gpuemb.core.errors import FileFormatError, StorageError, VocabularyError
from gpuemb.core.files.checked import CHECKSUMS
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


FILES = ("indptr.npy", "indices.npy", "data.npy", "frequencies.npy", "words.json", "counts.json")


@pytest.mark.parametrize("name", [*FILES, CHECKSUMS])
@pytest.mark.parametrize("bit", [0, 3, 6])
def test_a_flipped_bit_of_any_file_is_refused(name: str, bit: int, tmp_path: Path) -> None:
    COUNTS.save(tmp_path / "counts")
    file = tmp_path / "counts" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1 << bit
    file.write_bytes(content)
    with pytest.raises(FileFormatError, match=f"does not hold counts: .*{re.escape(name)}") as refusal:
        Cooccurrence.load(tmp_path / "counts")
    assert "Count again" in refusal.value.remedy


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["empty", "lost", "a pipe"])
def test_an_empty_or_lost_file_is_refused(name: str, how: str, tmp_path: Path) -> None:
    COUNTS.save(tmp_path / "counts")
    file = tmp_path / "counts" / name
    file.unlink()
    if how == "a pipe":
        os.mkfifo(file)
    elif how == "empty":
        file.touch()
    with pytest.raises(FileFormatError, match=f"does not hold counts: {re.escape(name)}"):
        Cooccurrence.load(tmp_path / "counts")


def without_checksums(counts: Cooccurrence, folder: Path) -> Path:
    """Counts as an earlier version wrote them."""
    counts.save(folder)
    (folder / CHECKSUMS).unlink()
    record = json.loads((folder / "counts.json").read_text("utf-8"))
    (folder / "counts.json").write_text(json.dumps(record | {"schema": 1}))
    return folder


@pytest.mark.parametrize("counts", [COUNTS, EMPTY], ids=["counts", "no pairs"])
def test_counts_of_an_earlier_version_are_read(counts: Cooccurrence, tmp_path: Path) -> None:
    assert_equal(Cooccurrence.load(without_checksums(counts, tmp_path / "counts")), counts)


def test_lost_checksums_are_not_taken_for_an_earlier_version(tmp_path: Path) -> None:
    COUNTS.save(tmp_path / "counts")
    (tmp_path / "counts" / CHECKSUMS).unlink()
    with pytest.raises(FileFormatError, match="its schema is 2, without checksums"):
        Cooccurrence.load(tmp_path / "counts")


WORDS = len(COUNTS.vocabulary)
WRONG: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "a column beyond the words": ("indices", lambda a: put(a, 5, WORDS)),
    "a column far beyond": ("indices", lambda a: put(a, 5, 2**30)),
    "a column below zero": ("indices", lambda a: put(a, 5, -1)),
    "columns that do not ascend": ("indices", lambda a: put(a, 1, a[0])),
    "rows that begin late": ("indptr", lambda a: put(a, 0, 1)),
    "rows that descend": ("indptr", lambda a: put(a, 3, a[2] - 1)),
    "rows that end elsewhere": ("indptr", lambda a: put(a, -1, a[-1] - 1)),
    "rows far outside": ("indptr", lambda a: put(a, 3, 2**60)),
    "a count of zero": ("data", lambda a: put(a, -1, 0)),
    "a count below zero": ("data", lambda a: put(a, 2, -5)),
    "a total beyond int64": ("data", lambda a: put(put(a, 2, 2**62), 7, 2**62)),
    "another dtype": ("data", lambda a: a.astype(np.float64)),
    "two axes": ("indices", lambda a: a.reshape(-1, 1)),
    "objects": ("data", None),
}


def put(array: Any, place: int, value: Any) -> Any:
    changed = np.array(array)
    changed[place] = value
    return changed


@pytest.mark.parametrize("wrong", WRONG)
def test_rows_of_an_earlier_version_that_are_none_are_refused(wrong: str, tmp_path: Path) -> None:
    folder, (name, change) = without_checksums(COUNTS, tmp_path / "counts"), WRONG[wrong]
    file = folder / f"{name}.npy"
    if change is None:
        np.save(file, np.array([None] * 3), allow_pickle=True)
    else:
        np.save(file, change(np.load(file)))
    with pytest.raises(FileFormatError, match="does not hold counts"):
        Cooccurrence.load(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("unit", [1, 0]),
        ("unit", ["1", "2"]),
        ("unit", 7),
        ("unit", [-1, 2]),
        ("unit", [0, 1]),
        ("schema", 3),
        ("dropped_tokens", "x"),
        ("provenance", {"wimdow": 3}),
        ("provenance", 3),
    ],
)
def test_a_record_of_an_earlier_version_that_is_none_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    folder = without_checksums(COUNTS, tmp_path / "counts")
    record = json.loads((folder / "counts.json").read_text("utf-8"))
    (folder / "counts.json").write_text(json.dumps(record | {key: value}))
    with pytest.raises(FileFormatError, match="does not hold counts"):
        Cooccurrence.load(folder)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("counts.json", "[]"), ("counts.json", "{}"), ("counts.json", "[" * 99_999), ("words.json", "3")],
        ("words.json", json.dumps(["w"] * WORDS)),
        ("words.json", json.dumps([f"w{n}" for n in range(WORDS - 1)] + ["\ud800"])),
        *[("data.npy", ""), ("data.npy", "\x93NUMPY"), ("indptr.npy", "text")],
    ],
)
def test_a_file_of_an_earlier_version_that_is_none_is_refused(name: str, text: str, tmp_path: Path) -> None:
    folder = without_checksums(COUNTS, tmp_path / "counts")
    (folder / name).write_text(text, "latin-1")
    with pytest.raises(FileFormatError, match="does not hold counts") as refusal:
        Cooccurrence.load(folder)
    assert str(refusal.value).count("does not hold counts") == 1


@pytest.mark.parametrize("name", ["loop", "loop/counts", "file/counts"])
def test_a_place_that_cannot_be_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        COUNTS.save(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop"]


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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("of", "line 2: 'of'"),
        ("of ²", "line 2: the count '²'"),
        ("of 9999999999999999999", "line 2: the count '9999999999999999999'"),
        (f"of {'9' * 5000}", "line 2: the count '999"),
        ("the 7", "line 2: the word 'the' is that of line 1"),
    ],
)
def test_what_is_no_vocabulary_of_glove_is_refused(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text(f"the 12\n{line}\n", "utf-8")
    (tmp_path / "pairs").write_bytes(struct.pack("<iid", 1, 2, 0.5))
    with pytest.raises(FileFormatError, match=said):
        Cooccurrence.from_glove(tmp_path / "pairs", tmp_path / "vocab.txt", 10)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (struct.pack("<iid", 0, 1, 1.0), "the id 0 of 2 words"),
        (struct.pack("<iid", 1, 3, 1.0), "the id 3 of 2 words"),
        (struct.pack("<iid", 1, 2, 1 / 3), "no multiple of 1/2"),
        (struct.pack("<iid", 1, 2, 0.0), "no multiple"),
        (struct.pack("<iid", 1, 2, float("nan")), "no multiple"),
        (struct.pack("<iid", 1, 2, float("inf")), "no multiple"),
        (struct.pack("<iid", 1, 2, 1e308), "no multiple"),
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
