"""Tables on the disk: every format loads what was saved, or raises when saving."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embeddings.tables import ENDINGS, FRUIT, numbers, table
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from slow import many_examples
from tolerances import assert_same_bits

from gpuemb.core.errors import (
    ConfigError,
    DroppedWarning,
    DTypeError,
    FileFormatError,
    GpuembError,
    NonFiniteError,
    StorageError,
    VocabularyError,
)
from gpuemb.embeddings.files import load, save
from gpuemb.embeddings.files.vocabulary import has_columns
from gpuemb.embeddings.model import Embedding

ANY_WORD = st.text(st.characters(codec="utf-8"), max_size=8)
# Characters with a meaning in each format: all others must be loaded unchanged.
FORBIDDEN = {".bin": " \n", ".npy": "\r\n", ".safetensors": "\r\n", ".npz": "", ".parquet": ""}
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def is_held(words: list[str], ending: str) -> bool:
    spoiled = any(character in word for word in words for character in FORBIDDEN[ending])
    if ending == ".npz":
        return not any(word.endswith("\0") for word in words)
    columns = words[0].startswith("\ufeff") or has_columns("\n".join(words).encode())
    return not spoiled and not (ending in (".npy", ".safetensors") and columns)


@many_examples(60)
@given(
    words=st.lists(ANY_WORD, min_size=1, max_size=6, unique=True),
    data=st.data(),
    dtype=st.sampled_from([np.float16, np.float32, np.float64]),
)
@pytest.mark.parametrize("ending", FORBIDDEN)
def test_any_words_and_numbers_come_back_as_they_were_or_are_refused(
    ending: str, words: list[str], data: st.DataObject, dtype: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("saved") / f"table{ending}"
    width = st.floats(allow_nan=False, allow_infinity=False, width=16) if dtype is np.float16 else FLOATS
    vectors = data.draw(arrays.arrays(dtype, (len(words), 2), elements=width))
    if not is_held(words, ending):
        with pytest.raises(FileFormatError, match="the word"):
            save(Embedding(vectors, words), path)
        assert list(path.parent.iterdir()) == []
        return
    save(Embedding(vectors, words), path)
    loaded = load(path)
    assert list(loaded.index_to_key) == words
    np.testing.assert_array_equal(np.asarray(loaded.vectors, np.float64), vectors.astype(np.float64))
    assert loaded.name == "table"
    assert (loaded.duplicates, loaded.skipped) == (0, 0)


@pytest.mark.parametrize(
    ("ending", "dtype", "kept"),
    [
        (".npy", np.float16, np.float16),
        (".npy", np.float64, np.float64),
        (".npz", np.float16, np.float16),
        (".safetensors", np.float16, np.float32),
        (".safetensors", np.float64, np.float64),
        (".parquet", np.float16, np.float32),
        (".parquet", np.float64, np.float64),
        (".bin", np.float64, np.float32),
        (".txt", np.float64, np.float32),
    ],
)
def test_each_format_says_which_numbers_it_keeps(ending: str, dtype: Any, kept: Any, tmp_path: Path) -> None:
    save(table(dtype=dtype), tmp_path / f"table{ending}")
    assert load(tmp_path / f"table{ending}").vectors.dtype == kept


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_part_is_read_by_number_and_by_words(ending: str, tmp_path: Path) -> None:
    path, whole = tmp_path / f"table{ending}", table()
    save(whole, path)
    first = load(path, limit=2)
    assert list(first.index_to_key) == FRUIT[:2]
    np.testing.assert_array_equal(first.vectors, whole.vectors[:2])
    named = load(path, words=["date", "banana", "durian"])
    assert list(named.index_to_key) == ["banana", "date"]
    np.testing.assert_array_equal(named.vectors, whole.vectors[[1, 3]])
    both = load(path, words=["date", "banana"], limit=1)
    assert list(both.index_to_key) == ["banana"]
    assert list(load(path, limit=99).index_to_key) == FRUIT


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_wanted_word_is_an_error(ending: str, tmp_path: Path) -> None:
    save(table(), tmp_path / f"table{ending}")
    with pytest.raises(VocabularyError, match="none of the"):
        load(tmp_path / f"table{ending}", words=["Apple"])


@pytest.mark.parametrize("ending", ENDINGS)
def test_equal_tables_make_equal_files(ending: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(table(), tmp_path / f"{name}{ending}")
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_ranks_are_places_in_files_that_list_words_by_frequency(tmp_path: Path) -> None:
    for ending, ranks in ((".bin", [1, 2, 3, 4, 5]), (".npy", [1, 2, 3, 4, 5]), (".safetensors", None)):
        save(table(), tmp_path / f"table{ending}")
        found = load(tmp_path / f"table{ending}").ranks
        assert found is None if ranks is None else found.tolist() == ranks
    assert load(tmp_path / "table.bin", words=["date"]).ranks is None  # its place is not known any more


def test_vectors_in_rows_are_mapped_not_read(tmp_path: Path) -> None:
    save(table(), tmp_path / "a.npy")
    assert isinstance(load(tmp_path / "a.npy").vectors, np.memmap)
    for copied in ({"memory_map": False}, {"limit": 2}, {"words": FRUIT}, {"on_error": "skip"}):
        assert not isinstance(load(tmp_path / "a.npy", **copied).vectors, np.memmap)  # type: ignore[arg-type]


def test_a_mapped_table_is_checked_when_it_is_first_used(tmp_path: Path) -> None:
    vectors = numbers(3)
    vectors[1, 0] = np.nan
    np.save(tmp_path / "nan.npy", vectors)
    (tmp_path / "nan.words.txt").write_text("a\nb\nc\n")
    opened = load(tmp_path / "nan.npy")
    assert len(opened) == 3
    for use in (opened.check, lambda: opened.most_similar("a", 1), lambda: save(opened, tmp_path / "b.npy")):
        with pytest.raises(NonFiniteError, match="the word 'b'"):
            use()
    with pytest.raises(NonFiniteError, match="the word 'b'"):
        load(tmp_path / "nan.npy", memory_map=False)


def test_a_word_listed_twice_is_refused_by_a_mapped_table_and_dropped_by_a_read_one(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", numbers(3))
    (tmp_path / "a.words.txt").write_text("x\ny\nx\n")
    with pytest.raises(VocabularyError, match="'x' is listed more than once") as refusal:
        _ = load(tmp_path / "a.npy")["x"]
    assert "repeated='first'" in str(refusal.value)
    with pytest.warns(DroppedWarning, match="left out 1 rows of repeated words"):
        read = load(tmp_path / "a.npy", memory_map=False)
    assert (list(read.index_to_key), read.duplicates) == (["x", "y"], 1)
    np.testing.assert_array_equal(read.vectors, numbers(3)[:2])


@pytest.mark.parametrize("ending", [".bin", ".npz", ".safetensors", ".npy"])
def test_rows_that_are_not_finite_are_named_or_skipped(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"table{ending}"
    save(table(), path)
    data, bad = path.read_bytes(), np.float32(numbers(5)[2, 1]).tobytes()
    assert data.count(bad) == 1
    path.write_bytes(data.replace(bad, np.float32(np.inf).tobytes()))
    if ending == ".npz":  # its checksum notices
        np.savez(path, words=FRUIT, vectors=np.where(numbers(5) == numbers(5)[2, 1], np.inf, numbers(5)))
    with pytest.raises(NonFiniteError, match="the word 'cherry'"):
        load(path, memory_map=False)
    with pytest.warns(DroppedWarning, match="1 rows that cannot be read"):
        rest = load(path, on_error="skip")
    assert (list(rest.index_to_key), rest.skipped) == (["apple", "banana", "date", "elderberry"], 1)


def test_a_table_can_be_saved_over_the_file_it_is_mapped_from(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    save(table(), path)
    before = np.array(load(path).vectors)
    save(load(path), path)
    np.testing.assert_array_equal(load(path).vectors, before)


@pytest.mark.parametrize("limit", [2.5, float("inf")])
def test_half_a_row_is_not_a_limit(tmp_path: Path, limit: float) -> None:
    save(table(), tmp_path / "a.txt")
    with pytest.raises(ConfigError, match="limit = "):
        load(tmp_path / "a.txt", limit=limit)  # type: ignore[arg-type]


def test_an_array_is_saved_with_its_words_or_its_row_numbers(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    save(rows, tmp_path / "run.npy")
    save(rows, tmp_path / "named.txt", words=("b", "a"))
    numbered, spelled = load(tmp_path / "run.npy"), load(tmp_path / "named.txt")
    assert (list(numbered.index_to_key), list(spelled.index_to_key)) == (["0", "1"], ["b", "a"])
    assert_same_bits(np.asarray(numbered.vectors), rows)
    assert_same_bits(spelled.vectors, rows)
    with pytest.raises(DTypeError, match="an Embedding and 2 other words"):
        save(spelled, tmp_path / "other.npy", words=["c", "d"])
    assert not (tmp_path / "other.npy").exists()


@pytest.mark.parametrize(
    ("ending", "option"),
    [
        (".txt", "vocabulary"),
        (".vec", "tensor"),
        (".bin", "vocabulary"),
        (".parquet", "tensor"),
        (".npy", "tensor"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(tmp_path: Path, ending: str, option: str) -> None:
    save(table(), tmp_path / f"a{ending}")
    with pytest.raises(ConfigError, match=f"{option} = 'other'"):
        load(tmp_path / f"a{ending}", **{option: "other"})  # type: ignore[arg-type]


def test_two_tables_do_not_share_a_list_of_different_words(tmp_path: Path) -> None:
    save(table(["a", "b"]), tmp_path / "run.npy")
    save(table(["a", "b"]), tmp_path / "run.safetensors")
    for other in (["b", "a"], ["a", "b", "c"]):
        with pytest.raises(StorageError, match=r"run\.words\.txt also belongs to run\.npy"):
            save(table(other), tmp_path / "run.safetensors")
    assert list(load(tmp_path / "run.npy").index_to_key) == ["a", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.npy", "run.safetensors", "run.words.txt"]
    (tmp_path / "run.safetensors").unlink()
    save(table(["b", "a"]), tmp_path / "run.npy")
    assert list(load(tmp_path / "run.npy").index_to_key) == ["b", "a"]
    (tmp_path / "model.safetensors").touch()  # its words are elsewhere, in vocab.txt or tokenizer.json
    with pytest.raises(StorageError, match=r"also belongs to model\.safetensors"):
        save(table(), tmp_path / "model.npy")


def test_each_table_of_a_folder_has_its_own_words(tmp_path: Path) -> None:
    save(table(["a", "b"]), tmp_path / "first.npy")
    save(table(["c", "d"]), tmp_path / "second.npy")
    assert list(load(tmp_path / "first.npy").index_to_key) == ["a", "b"]


def test_words_are_found_beside_the_vectors_before_the_folder_above(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    np.save(folder / "run.npy", np.ones((2, 2)))
    for place, words in (("..", ["up", "above"]), (".", ["close", "by"])):
        (folder / place / "words.txt").write_text("\n".join(words) + "\n")
        assert list(load(folder / "run.npy").index_to_key) == words
    (folder / "run.words.txt").write_text("own\nlist\n")
    assert list(load(folder / "run.npy").index_to_key) == ["own", "list"]
    (tmp_path / "other.txt").write_text("given\nlist\n")
    given_list = load(folder / "run.npy", vocabulary=tmp_path / "other.txt")
    assert list(given_list.index_to_key) == ["given", "list"]


@pytest.mark.parametrize("text", ["a\nb\n", "a\nb", "a\r\nb\r\n", "\ufeffa\nb\n"])
def test_lists_of_words_may_end_lines_as_they_like(text: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 2)))
    (tmp_path / "words.txt").write_bytes(text.encode())
    assert list(load(tmp_path / "a.npy").index_to_key) == ["a", "b"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.npy cannot be read"):
        load(tmp_path / "none.npy")
    np.save(tmp_path / "alone.npy", np.ones((2, 2)))
    with pytest.raises(StorageError, match=r"Its words are in alone\.words\.txt or words\.txt"):
        load(tmp_path / "alone.npy")
    with pytest.raises(StorageError, match="is a folder") as refusal:
        load(tmp_path)
    assert "alone.npy" in str(refusal.value)
    (tmp_path / "empty.txt").write_bytes(b"")
    with pytest.raises(FileFormatError, match="is empty"):
        load(tmp_path / "empty.txt")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match="neither a file nor a folder"):
        load(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="path is a path"):
        load("a\0b")


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("a 1 2\n")

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(StorageError, match=r"a\.txt cannot be read: Permission denied"):
        load(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "glvoe"}, "Did you mean glove"),
        ({"limit": 0}, "limit = 0"),
        ({"words": "king"}, r"words=\['king'\]"),
        ({"on_error": "ignore"}, "on_error = 'ignore'"),
    ],
)
def test_options_that_cannot_be_are_refused(options: Any, message: str, tmp_path: Path) -> None:
    save(table(), tmp_path / "a.npy")
    with pytest.raises(ConfigError, match=message):
        load(tmp_path / "a.npy", **options)


@pytest.mark.parametrize("word", ["two\nlines", "carriage\rreturn", "half \ud83d of a smile"])
@pytest.mark.parametrize("ending", [".npy", ".safetensors"])
def test_a_word_that_would_not_come_back_is_refused_before_anything_is_written(
    tmp_path: Path, word: str, ending: str
) -> None:
    with pytest.raises(FileFormatError, match="the word"):
        save(table(["a", word]), tmp_path / f"a{ending}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".bin", ".txt", ".npz", ".parquet"])
def test_lone_surrogates_are_refused_everywhere(tmp_path: Path, ending: str) -> None:
    with pytest.raises(FileFormatError, match="half of a surrogate pair"):
        save(table(["a", "\udc80"]), tmp_path / f"a{ending}")
    assert list(tmp_path.iterdir()) == []


def test_numbers_beyond_float32_are_refused_where_they_would_become_infinite(tmp_path: Path) -> None:
    large = Embedding(np.array([[1.0], [1e300]]), ["a", "b"])
    with pytest.raises(NonFiniteError, match="the word 'b'"):
        save(large, tmp_path / "a.bin")
    assert list(tmp_path.iterdir()) == []
    save(large, tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet")["b"][0] == 1e300


@pytest.mark.parametrize("name", ["a.pkl", "a", "a.npy.gz", "a.bin.gz"])
def test_an_ending_that_names_no_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="ends in") as refusal:
        save(table(), tmp_path / name)
    assert ".parquet" in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_a_format_may_be_named_where_the_ending_does_not(tmp_path: Path) -> None:
    save(table(), tmp_path / "a.model", format="word2vec-binary")
    assert list(load(tmp_path / "a.model").index_to_key) == FRUIT
    save(table(), tmp_path / "b.txt", format="word2vec")
    assert (tmp_path / "b.txt").read_text().startswith("5 3\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load(tmp_path / "b.txt", format="word2vec")) == 5


def test_a_failure_while_writing_leaves_the_old_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npy"
    save(table(["a", "b"]), path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(file: Any, array: Any, **options: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(StorageError, match="No space left on device"):
        save(table(["c", "d", "e"]), path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_every_failure_is_one_of_the_family(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\x00\x01\x02")
    with pytest.raises(GpuembError):
        load(tmp_path / "a")


@pytest.mark.parametrize("ending", ENDINGS)
def test_numbers_of_another_machine_s_byte_order_are_written(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"table{ending}"
    save(table(dtype=">f4"), path)
    np.testing.assert_array_equal(load(path).vectors, numbers(5))
