"""A file is what it holds, whatever it is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from embeddings.tables import ENDINGS, FRUIT, numbers, table, word2vec

from gpuemb.core.errors import DroppedWarning
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
        (b"w " + b"0.125e-00 " * 20_000 + b"1\n", "text"),  # the part that is examined ends in "-"
        (b"broken\nking 0.5", "text"),
        (b"PAR1 0.5 0.25\nking 1 2\n", "text"),
        (b"a 1 2\rb 3 4\r", "text"),
        *((b"%c 0.5\nking -1\n" % character, "text") for character in (0, 7, 0x1B, 0x7F)),
        *((b"2 3\n%c 0.1 0.2 0.3\nking 1 2 3\n" % character, "text") for character in (0, 7, 0x1B, 0x7F)),
        (b"3 300\n" + b"".join(b"\x07%d" % row + b" 0.125" * 300 + b"\n" for row in range(3)), "text"),
        (word2vec("2 3\n", [(b"\x07", numbers(1)[0]), (b"5", numbers(1)[0])]), "word2vec-binary"),
        (word2vec("1 300\n", [(b"a", np.full(300, 0.1, np.float32))]), "word2vec-binary"),
        (word2vec("5 1\n", list(zip(map(str.encode, FRUIT), numbers(5, 1), strict=True))), "word2vec-binary"),
        (word2vec("1 2\n", [(b"a", np.zeros(2, np.float32))], b""), "word2vec-binary"),
    ],
)
def test_text_is_told_from_binary(data: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    assert format_of(find(tmp_path / "a")) == expected


@pytest.mark.parametrize("limit", [None, 1, 3])
@pytest.mark.parametrize("place", range(5))
def test_control_characters_in_words_are_text(place: int, limit: int | None, tmp_path: Path) -> None:
    words = [character if row == place else FRUIT[row] for row, character in enumerate("\0\a\x1b\x7f\x1f")]
    for ending in (".vec", ".txt"):
        save(table(words), tmp_path / f"a{ending}")
        found = load(tmp_path / f"a{ending}", limit=limit)
        assert list(found.index_to_key) == words[:limit]
        np.testing.assert_array_equal(found.vectors, numbers(5)[:limit])


def test_a_line_of_a_vertical_tab_alone_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    path.write_bytes(b"king 1 2\n\x0b\nqueen 3 4\n")
    with pytest.warns(DroppedWarning, match="left out 1 rows"):
        found = load(path, on_error="skip")
    assert list(found.index_to_key) == ["king", "queen"]
