"""A file is what it holds, whatever it is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from embeddings.tables import ENDINGS, FRUIT, numbers, table, word2vec

from gpuemb.embeddings.files import load, save
from gpuemb.embeddings.files.detect import format_of
from gpuemb.embeddings.files.source import find

NAMED = {
    ".txt": "text",
    ".vec": "text",
    ".txt.gz": "text",
    ".vec.gz": "text",
    ".bin": "word2vec-binary",
    ".npy": "npy",
    ".npz": "npz",
    ".safetensors": "safetensors",
    ".parquet": "parquet",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_shows_itself_under_any_name(ending: str, tmp_path: Path) -> None:
    save(table(), tmp_path / f"a{ending}")
    (tmp_path / f"a{ending}").rename(tmp_path / "a")
    assert format_of(find(tmp_path / "a")) == NAMED[ending]
    assert list(load(tmp_path / "a").index_to_key) == FRUIT


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"king 0.5\n", "text"),
        (b"king 0.5", "text"),
        (b"\xef\xbb\xbf1 1\nking 0.5\n", "text"),
        (b"\r\nking -1e-5 NaN\r\n", "text"),
        (b"at name@domain.com 0.5 .25\n", "text"),
        (b" 0.5 0.25\n", "text"),
        (b"broken\nking 0.5\n", "text"),
        (b"\xff\xfe 0.5\n", "text"),
        (b"1 1\n1 1\n", "text"),
        (b"w " + b"0.125 " * 20_000 + b"1\n", "text"),
        (word2vec("1 300\n", [(b"a", np.full(300, 0.1, np.float32))]), "word2vec-binary"),
        (word2vec("5 1\n", list(zip(map(str.encode, FRUIT), numbers(5, 1), strict=True))), "word2vec-binary"),
        (word2vec("1 2\n", [(b"a", np.zeros(2, np.float32))], b""), "word2vec-binary"),
    ],
)
def test_text_is_told_from_binary(data: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    assert format_of(find(tmp_path / "a")) == expected
