"""Tables of words as objects of other libraries: frames of pandas and Polars, KeyedVectors of gensim."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gpuemb.core.arrays import FloatMatrix, Int64, to_host
from gpuemb.core.errors import ConfigError

if TYPE_CHECKING:
    import pandas
    import polars
    from gensim.models import KeyedVectors

WORD = "word"  # the column of the words


class Exchange:
    """An :class:`gpuemb.Embedding` as objects of other libraries, which are copies."""

    if TYPE_CHECKING:
        vectors: FloatMatrix
        index_to_key: Sequence[str]
        counts: Int64 | None

        def check(self) -> Self: ...  # noqa: D102  # the class's own

    def to_pandas(self) -> pandas.DataFrame:
        """Return a pandas data frame: a row a word, named by the index. ``Embedding(frame)`` is the way back.

        Raises:
            ConfigError: pandas is not installed.
        """
        library = _library("pandas", "to_pandas")
        vectors = np.array(to_host(self.check().vectors))
        return library.DataFrame(
            vectors, index=library.Index(list(self.index_to_key), name=WORD, dtype=object)
        )

    def to_polars(self) -> polars.DataFrame:
        """Return a data frame of Polars: the column ``word``, then one a dimension, named by its number.

        ``Embedding(frame.drop("word").to_numpy(), frame["word"])`` is the way back.

        Raises:
            ConfigError: Polars is not installed.
        """
        library = _library("polars", "to_polars")
        vectors = to_host(self.check().vectors)
        columns = {str(number): np.array(column) for number, column in enumerate(vectors.T)}
        frame: polars.DataFrame = library.DataFrame({WORD: list(self.index_to_key), **columns})
        return frame

    def to_gensim(self) -> KeyedVectors:
        """Return gensim's KeyedVectors, with counts where they are known.

        ``Embedding(keyed_vectors)`` is the way back; every function takes them as a table.

        Raises:
            ConfigError: gensim is not installed.
        """
        library = _library("gensim", "to_gensim", "gensim.models")
        vectors = np.array(to_host(self.check().vectors))
        made = library.KeyedVectors(vectors.shape[1], dtype=vectors.dtype)
        made.add_vectors(list(self.index_to_key), vectors)
        if self.counts is not None:
            made.expandos["count"] = np.array(to_host(self.counts))
        return made


def _library(name: str, asked: str, module: str = "") -> Any:
    try:
        return importlib.import_module(module or name)
    except ImportError as error:
        raise ConfigError(
            f"{asked}: {name} cannot be imported: {error}",
            needed=f"The result is an object of {name}.",
            remedy=f"pip install {name}",
        ) from error
