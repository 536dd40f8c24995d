"""Round trips with the libraries whose formats these are."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from embeddings.tables import FRUIT, numbers, table

from gpuemb.core.errors import FileFormatError
from gpuemb.embeddings.files import load, save

WORDS = ["naïve", "中文", "1", "nan", '"', "a-b", "😀"]


def gensim() -> Any:
    with warnings.catch_warnings():  # of its own imports
        warnings.simplefilter("ignore")
        return pytest.importorskip("gensim.models", reason="gensim is not installed (pip install gensim)")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # gensim leaves files open
@pytest.mark.parametrize(("ending", "binary"), [(".bin", True), (".vec", False), (".txt", False)])
def test_gensim_reads_what_is_written(ending: str, binary: bool, tmp_path: Path) -> None:
    keyed = gensim().KeyedVectors
    save(table(WORDS), tmp_path / f"a{ending}")
    read = keyed.load_word2vec_format(tmp_path / f"a{ending}", binary=binary, no_header=ending == ".txt")
    assert read.index_to_key == WORDS
    np.testing.assert_array_equal(read.vectors, numbers(len(WORDS)))


@pytest.mark.parametrize("binary", [True, False])
def test_what_gensim_writes_is_read(binary: bool, tmp_path: Path) -> None:
    keyed = gensim().KeyedVectors(vector_size=3)
    keyed.add_vectors(WORDS, numbers(len(WORDS)))
    keyed.save_word2vec_format(tmp_path / "a", binary=binary)
    read = load(tmp_path / "a")
    assert list(read.index_to_key) == WORDS
    np.testing.assert_array_equal(read.vectors, numbers(len(WORDS)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_safetensors_library_reads_what_is_written_and_writes_what_is_read(
    dtype: Any, tmp_path: Path
) -> None:
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    save(table(dtype=dtype), tmp_path / "a.safetensors")
    stored = library.load_file(tmp_path / "a.safetensors")["vectors"]
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored, numbers(5).astype(dtype))
    tensors = {"other": np.arange(7), "emb.weight": stored, "third": np.ones((3, 2), np.float32)}
    library.save_file(tensors, tmp_path / "b.safetensors", {"format": "pt"})
    (tmp_path / "vocab.txt").write_text("\n".join(FRUIT))
    read = load(tmp_path / "b.safetensors", tensor="emb.weight")
    np.testing.assert_array_equal(read.vectors, stored)
    assert list(read.index_to_key) == FRUIT


@pytest.mark.parametrize("twice", ["word", "vector"])
def test_two_columns_of_one_name_which_pyarrow_writes_are_refused(twice: str, tmp_path: Path) -> None:
    stored = pyarrow.table({"word": ["a", "b"], "vector": [[1.0, 2.0], [3.0, 4.0]]})
    stored = stored.append_column(twice, stored.column(twice))
    pyarrow.parquet.write_table(stored, tmp_path / "a.parquet")
    with pytest.raises(FileFormatError, match=rf"two of its columns have one name: word, vector, {twice}"):
        load(tmp_path / "a.parquet")


def test_pyarrow_reads_what_is_written(tmp_path: Path) -> None:
    save(table(WORDS), tmp_path / "a.parquet")
    read = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert read.schema.field("vector").type == pyarrow.list_(pyarrow.float32(), 3)
    assert read.column("word").to_pylist() == WORDS
    np.testing.assert_array_equal(np.array(read.column("vector").to_pylist(), np.float32), numbers(7))


@pytest.mark.parametrize("kind", [pyarrow.list_(pyarrow.float32()), pyarrow.large_list(pyarrow.float64()),
                                  pyarrow.list_(pyarrow.float16(), 3)])  # fmt: skip
@pytest.mark.parametrize("words", [pyarrow.string(), pyarrow.large_string()])
def test_what_pyarrow_writes_is_read_in_several_groups(kind: Any, words: Any, tmp_path: Path) -> None:
    rows = numbers(7).astype(np.float16).astype(np.float64)
    arrays = [pyarrow.array(list(map(list, rows.astype(np.float16))), kind), pyarrow.array(WORDS, words)]
    stored = pyarrow.table(arrays, ["vector", "word"])
    pyarrow.parquet.write_table(stored, tmp_path / "a.parquet", row_group_size=2)
    read = load(tmp_path / "a.parquet", words=WORDS[1:6])
    assert list(read.index_to_key) == WORDS[1:6]
    np.testing.assert_array_equal(read.vectors, rows[1:6])


def test_numpy_reads_what_is_written(tmp_path: Path) -> None:
    save(table(), tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        assert read["words"].tolist() == FRUIT
        np.testing.assert_array_equal(read["vectors"], numbers(5))
    save(table(), tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), numbers(5))
    assert (tmp_path / "a.words.txt").read_text().split() == FRUIT


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "a.npz", words=np.array(WORDS), vectors=numbers(7), extra=np.ones(3))
    read = load(tmp_path / "a.npz", limit=3)
    assert list(read.index_to_key) == WORDS[:3]
    np.testing.assert_array_equal(read.vectors, numbers(7)[:3])
