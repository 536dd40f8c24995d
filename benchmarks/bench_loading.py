"""Tables from the disk (in the system's cache) to vectors in memory and a list of words."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data, text_peers
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import work
from gpuemb.core.arrays import Float32
from gpuemb.embeddings.files import load, save
from gpuemb.embeddings.files.text import write_text
from gpuemb.embeddings.model import Embedding


def test_a_table_and_its_words(benchmark: Any, track: Track, tmp_path: Path) -> None:
    words = 20_000 if track.quick else 400_000
    vectors = data.glove(words)
    names = [f"word{row}" for row in range(words)]
    save(Embedding(vectors, names), tmp_path / "table.npy")
    shape = {"words": words, "dim": vectors.shape[1]}

    def ours() -> tuple[Float32, Any]:
        table = load(tmp_path / "table.npy")
        return np.array(table.vectors), list(table.index_to_key)

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


def test_text_vectors_are_read(benchmark: Any, track: Track, tmp_path: Path) -> None:
    words, vectors, path = _text(track, tmp_path)

    def judge(found: tuple[Any, Any]) -> str:
        assert list(found[0]) == words
        different = int(np.count_nonzero(found[1] != vectors))
        assert np.allclose(found[1], vectors, rtol=1e-6, atol=0)
        return f"{different:,} numbers rounded otherwise" if different else "the same bits"

    def ours() -> tuple[Any, Any]:
        table = load(path, format="glove")
        return table.index_to_key, table.vectors

    def verify(found: tuple[Any, Any]) -> str:
        assert judge(found) == "the same bits"
        return "every word, every number to the bit"

    peers = {
        "gensim": text_peers.read_gensim,
        "polars": text_peers.read_polars,
        "pandas": text_peers.read_pandas,
        "pyarrow": text_peers.read_pyarrow,
    }
    rivals = [Rival(name, name, partial(partial, read, path), judge) for name, read in peers.items()]
    track.run(benchmark, _text_case("read", words, vectors, path, ours, verify), rivals)


def test_text_vectors_are_written(benchmark: Any, track: Track, tmp_path: Path) -> None:
    words, vectors, path = _text(track, tmp_path)
    out = tmp_path / "out.txt"

    def ours() -> None:
        with out.open("wb") as file:
            write_text(words, vectors, file, header=False)

    def judge(_: Any) -> str:
        found = load(out, format="glove")
        assert list(found.index_to_key) == words
        same = np.array_equal(found.vectors, vectors)
        return f"{out.stat().st_size / 1e6:.0f} MB, {'the same bits back' if same else 'other numbers back'}"

    def verify(result: None) -> str:
        assert out.read_bytes() == path.read_bytes()
        return judge(result)

    peers = {
        "gensim": text_peers.write_gensim,
        "polars": text_peers.write_polars,
        "pandas": text_peers.write_pandas,
    }
    rivals = [Rival(name, name, partial(write, words, vectors, out), judge) for name, write in peers.items()]
    track.run(benchmark, _text_case("write", words, vectors, path, ours, verify), rivals)


def _text(track: Track, folder: Path) -> tuple[list[str], Float32, Path]:
    """GloVe as a text file in the system's cache."""
    vectors = data.glove(20_000 if track.quick else 400_000)
    words = [f"word{row}" for row in range(len(vectors))]
    text = io.BytesIO()
    write_text(words, vectors, text, header=False)
    path = folder / "glove.txt"
    path.write_bytes(text.getbuffer())
    return words, vectors, path


def _text_case(
    verb: str,
    words: list[str],
    vectors: Float32,
    path: Path,
    ours: Callable[[], Any],
    verify: Callable[[Any], str],
) -> Case:
    shape = {"words": len(words), "dim": vectors.shape[1], "text_bytes": path.stat().st_size}
    megabytes = shape["text_bytes"] / 1e6
    return Case(
        f"{verb}_text-glove-{len(words)}",
        f"{verb}_text",
        f"GloVe {len(words):,} × {vectors.shape[1]} as text, {megabytes:.0f} MB",
        shape,
        work.text_vectors(shape),
        ours,
        verify,
    )


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
