"""Tables from the disk (in the system's cache) to vectors in memory and a list of words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data
from benchmarks.race import Case, Rival, Track
from gpuemb.bench import work
from gpuemb.core.arrays import Float32
from gpuemb.embeddings.files import load, save
from gpuemb.embeddings.model import Embedding


def test_a_table_and_its_words(benchmark: Any, track: Track, tmp_path: Path) -> None:
    words = 20_000 if track.quick else 400_000
    vectors = data.glove(words)
    names = [f"word{row}" for row in range(words)]
    save(Embedding(vectors, names), tmp_path / "table.npy")
    shape = {"words": words, "dim": vectors.shape[1]}

    def ours() -> tuple[Float32, Any]:
        table = load(tmp_path / "table.npy")
        return np.array(table.vectors), table.index_to_key

    def verify(found: tuple[Float32, Any]) -> str:
        assert np.array_equal(found[0], vectors)
        assert list(found[1]) == names
        return "every vector and word, equal"

    case = Case(
        f"load_table-glove-{words}",
        "load_table",
        f"GloVe {words:,} × {vectors.shape[1]}, each reader's own format",
        shape,
        work.load_table(shape),
        ours,
        verify,
    )
    track.run(benchmark, case, _rivals(tmp_path, vectors, names))


def _rivals(folder: Path, vectors: Float32, names: list[str]) -> list[Rival]:
    def equal(found: Any) -> str:
        assert np.array_equal(found[0], vectors)
        return "Parquet, compressed"

    def parquet() -> Path:
        return _parquet(folder, vectors, names)

    return [
        Rival("numpy", "numpy", lambda: _numpy(folder), lambda _: "the same file, without any check"),
        Rival("pyarrow", "pyarrow", lambda: _pyarrow(parquet()), equal),
        Rival("polars", "polars", lambda: _polars(parquet()), equal),
        Rival("pandas", "pandas", lambda: _pandas(parquet()), equal),
    ]


def _parquet(folder: Path, vectors: Float32, names: list[str]) -> Path:
    import pyarrow
    import pyarrow.parquet

    path = folder / "table.parquet"
    if not path.exists():
        columns = {"word": names} | {str(c): vectors[:, c] for c in range(vectors.shape[1])}
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def _numpy(folder: Path) -> Callable[[], Any]:
    words = folder / "table.words.txt"
    return lambda: (np.load(folder / "table.npy"), words.read_text("utf-8").split("\n"))


def _pyarrow(path: Path) -> Callable[[], Any]:
    import pyarrow.parquet

    def call() -> Any:
        table = pyarrow.parquet.read_table(path)
        columns = [column.to_numpy() for column in table.columns[1:]]
        return np.column_stack(columns), table.column("word").to_pylist()

    return call


def _polars(path: Path) -> Callable[[], Any]:
    import polars

    def call() -> Any:
        table = polars.read_parquet(path)
        return table.drop("word").to_numpy(), table["word"].to_list()

    return call


def _pandas(path: Path) -> Callable[[], Any]:
    import pandas

    def call() -> Any:
        table = pandas.read_parquet(path)
        return table.drop(columns="word").to_numpy(), table["word"].tolist()

    return call
