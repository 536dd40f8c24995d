"""Tables on the disk: what was saved is loaded, what is not a table is refused."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import FileFormatError, GpuembError, StorageError
from gpuemb.embeddings import files
from gpuemb.embeddings.files import load, save
from gpuemb.embeddings.model import Embedding

WORDS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8),
    min_size=1,
    max_size=6,
    unique=True,
)


def embedding(words: list[str], dtype: Any = np.float32) -> Embedding:
    vectors = np.random.default_rng(len(words)).standard_normal((len(words), 3)).astype(dtype)
    return Embedding(vectors, words)


@settings(deadline=None)
@given(words=WORDS, dtype=st.sampled_from([np.float16, np.float32, np.float64]))
def test_what_was_saved_is_loaded_bit_for_bit(
    words: list[str], dtype: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("saved") / "table.npy"
    saved = embedding(words, dtype)
    save(saved, path)
    loaded = load(path)
    assert list(loaded.index_to_key) == words
    assert loaded.vectors.dtype == dtype
    np.testing.assert_array_equal(loaded.vectors, saved.vectors)
    assert loaded.name == "table"


def test_vectors_are_mapped_not_read(tmp_path: Path) -> None:
    save(embedding(["a", "b"]), tmp_path / "a.npy")
    assert isinstance(load(tmp_path / "a.npy").vectors, np.memmap)


def test_a_table_can_be_saved_over_the_file_it_is_mapped_from(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    save(embedding(["a", "b"]), path)
    before = np.array(load(path).vectors)
    save(load(path), path)
    np.testing.assert_array_equal(load(path).vectors, before)


def test_words_are_found_beside_the_vectors_before_the_folder_above(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    np.save(folder / "run.npy", np.ones((2, 2)))
    (tmp_path / "words.txt").write_text("up\nabove\n")
    assert list(load(folder / "run.npy").index_to_key) == ["up", "above"]
    (folder / "words.txt").write_text("close\nby\n")
    assert list(load(folder / "run.npy").index_to_key) == ["close", "by"]
    (tmp_path / "other.txt").write_text("given\nlist\n")
    given_list = load(folder / "run.npy", vocabulary=tmp_path / "other.txt")
    assert list(given_list.index_to_key) == ["given", "list"]


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"none\.npy cannot be read"):
        load(tmp_path / "none.npy")
    np.save(tmp_path / "alone.npy", np.ones((2, 2)))
    with pytest.raises(StorageError, match=r"words\.txt cannot be read"):
        load(tmp_path / "alone.npy")


def write_objects(path: Path) -> None:
    np.save(path, np.array([["a", 1]], object), allow_pickle=True)


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps([1.0, 2.0]))


def write_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, vectors=np.ones((2, 2)))


def write_part(path: Path) -> None:
    np.save(path, np.ones((200, 2)))
    os.truncate(path, 1000)


def write_texts(path: Path) -> None:
    np.save(path, np.array([["a", "b"], ["c", "d"]]))


def write_integers(path: Path) -> None:
    np.save(path, np.ones((2, 2), np.int64))


@pytest.mark.parametrize(
    "write",
    [
        write_texts,
        write_integers,
        write_objects,
        write_pickle,
        write_archive,
        write_part,
        pytest.param(lambda path: path.write_text("king 0.1 0.2\n"), id="text"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
    ],
)
def test_a_file_that_is_not_an_array_of_floats_is_refused(tmp_path: Path, write: Any) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    write(tmp_path / "a.npy")
    with pytest.raises(FileFormatError, match=r"a\.npy"):
        load(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", [(3, 2), (2,), (1, 2, 2), ()])
def test_vectors_that_do_not_fit_the_words_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    np.save(tmp_path / "a.npy", np.ones(shape))
    with pytest.raises(GpuembError, match=r"shape \("):
        load(tmp_path / "a.npy")


def test_a_word_list_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 2)))
    (tmp_path / "words.txt").write_bytes(b"ab\n\xff\n")
    with pytest.raises(FileFormatError, match="not UTF-8 at byte 3"):
        load(tmp_path / "a.npy")


@pytest.mark.parametrize("word", ["two\nlines", "carriage\rreturn"])
def test_a_word_with_a_line_break_is_refused_before_anything_is_written(tmp_path: Path, word: str) -> None:
    with pytest.raises(FileFormatError, match="line break"):
        save(embedding(["a", word]), tmp_path / "a.npy")
    assert list(tmp_path.iterdir()) == []


def test_only_npy_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"ends in \.txt") as refusal:
        save(embedding(["a"]), tmp_path / "a.txt")
    assert "a.npy" in str(refusal.value)


def test_a_failure_while_writing_leaves_the_old_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npy"
    save(embedding(["a", "b"]), path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(file: Any, array: Any, **options: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.np, "save", fail)
    with pytest.raises(StorageError, match="No space left on device"):
        save(embedding(["c", "d", "e"]), path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
