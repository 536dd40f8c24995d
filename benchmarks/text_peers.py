"""How other libraries read and write text vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float32


def read_gensim(path: Path) -> tuple[Any, Any]:
    """As word2vec text without header."""
    from gensim.models import KeyedVectors

    table = KeyedVectors.load_word2vec_format(str(path), no_header=True, binary=False)
    return table.index_to_key, table.vectors


def read_polars(path: Path) -> tuple[Any, Any]:
    """As comma-separated values with spaces, types given."""
    import polars

    schema = {name: polars.Float32 if column else polars.String for column, name in enumerate(_columns(path))}
    table = polars.read_csv(path, separator=" ", has_header=False, quote_char=None, schema=schema)
    return table["c0"].to_list(), table[:, 1:].to_numpy()


def read_pandas(path: Path) -> tuple[Any, Any]:
    """As comma-separated values with spaces, types given."""
    import pandas

    kinds = dict.fromkeys(range(1, len(_columns(path))), np.float32)
    table = pandas.read_csv(path, sep=" ", header=None, quoting=3, keep_default_na=False, dtype=kinds)
    return table[0].tolist(), table.iloc[:, 1:].to_numpy()


def read_pyarrow(path: Path) -> tuple[Any, Any]:
    """As comma-separated values with spaces, types given."""
    import pyarrow
    import pyarrow.csv as csv

    pyarrow.set_cpu_count(threads.count())
    names = _columns(path)
    types = {name: pyarrow.float32() if column else pyarrow.string() for column, name in enumerate(names)}
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=names, block_size=8 << 20),
        parse_options=csv.ParseOptions(delimiter=" ", quote_char=False),
        convert_options=csv.ConvertOptions(column_types=types),
    )
    return table["c0"].to_pylist(), np.stack([table[name].to_numpy() for name in names[1:]], axis=1)


def _columns(path: Path) -> list[str]:
    with path.open("rb") as file:
        return [f"c{column}" for column in range(file.readline().count(b" ") + 1)]


def write_gensim(words: list[str], vectors: Float32, path: Path) -> Callable[[], Any]:
    """As word2vec text without header."""
    from gensim.models import KeyedVectors

    table = KeyedVectors(vectors.shape[1])
    table.add_vectors(words, vectors)
    return lambda: table.save_word2vec_format(str(path), write_header=False, sort_attr="none")


def write_polars(words: list[str], vectors: Float32, path: Path) -> Callable[[], Any]:
    """From a table of columns."""
    import polars

    columns = [polars.Series(f"c{c}", vectors[:, c]) for c in range(vectors.shape[1])]
    table = polars.DataFrame([polars.Series("word", words), *columns])
    return lambda: table.write_csv(path, separator=" ", include_header=False, quote_style="never")


def write_pandas(words: list[str], vectors: Float32, path: Path) -> Callable[[], Any]:
    """From a table of columns."""
    import pandas

    table = pandas.DataFrame(vectors)
    table.insert(0, "word", words)
    return lambda: table.to_csv(path, sep=" ", header=False, index=False, quoting=3)
