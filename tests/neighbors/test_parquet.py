"""Lists of neighbors in a file: every neighbor once, in order, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from gpuemb.core.errors import ShapeError, StorageError
from gpuemb.embeddings.model import Embedding
from gpuemb.neighbors import parquet as module
from gpuemb.neighbors.exact import Neighbors, nearest_neighbors
from gpuemb.neighbors.parquet import write_neighbors

WORDS = [f"word {i}" for i in range(11)]


def lists(*, words: bool = True) -> Neighbors:
    vectors = np.random.default_rng(0).standard_normal((11, 3))
    vectors[3] = 0
    return nearest_neighbors(Embedding(vectors, WORDS) if words else vectors, 10)


@pytest.mark.parametrize("words", [True, False])
@pytest.mark.parametrize("queries_a_group", [1, 4, 100])
def test_rows_are_the_lists(
    words: bool, queries_a_group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "rows_per_tile", lambda _: queries_a_group)
    found = lists(words=words)
    written = write_neighbors(found, WORDS, tmp_path / "n.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "n.parquet")
    assert table.column_names == ["word", "rank", "neighbor", "cosine"]
    assert written == table.num_rows == 10 * 9  # the zero row has no list and is in none
    expected = [
        (WORDS[query], rank, name, cosine)
        for query in range(11)
        for rank, (name, cosine) in enumerate(found.named(query), 1)
    ]
    assert [tuple(row.values()) for row in table.to_pylist()] == expected


def test_every_list_needs_its_name(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="11 rows but Y has 3"):
        write_neighbors(lists(), WORDS[:3], tmp_path / "n.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_neighbors(lists(), WORDS, tmp_path / "file" / "n.parquet")
