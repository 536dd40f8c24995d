"""Numbers that color the words of a map: frequency, stability, or a column of a table of words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.core.device import DeviceName
from gpuemb.core.errors import ConfigError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.embeddings.model import Embedding, EmbeddingStack
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap

WHERE = "map"
FREQUENCY, STABILITY, COLUMN = "frequency", "stability", "overlap_at_10"
NEIGHBORS = 10  # of the stability of a word (Definitions §3)


@dataclass(frozen=True, eq=False)
class Color:
    """Numbers that color the words, and what they are.

    Attributes:
        values: ``(V,)``; None for no colors.
        label: what they are.
    """

    values: Float64 | None = None
    label: str = ""


def coloring(
    color: str | None,
    table: Embedding | EmbeddingStack,
    *,
    device: DeviceName = None,
    progress: Progress = SILENT,
) -> Color:
    """Return the numbers that a text names.

    Args:
        color: ``frequency``, ``stability``, or ``FILE.parquet:COLUMN:MODEL``, of which the last two may be
            left out; None for no colors.
        table: one table, or several runs.
        device: where neighbors are searched.
        progress: told of each search.

    Raises:
        ConfigError: nothing of that kind; or the stability of one table.
    """
    if color is None:
        return Color()
    if color == FREQUENCY:
        return _frequency(table)
    if color == STABILITY:
        return _stability(table, device, progress)
    return _column(color, table.index_to_key)


def _frequency(table: Embedding | EmbeddingStack) -> Color:
    if table.counts is not None:
        return Color(np.log10(np.maximum(table.counts, 1)), "log10 of the count")
    return Color(-np.log10(1.0 + np.arange(len(table.index_to_key))), "frequency: −log10 of the row")


def _stability(table: Embedding | EmbeddingStack, device: DeviceName, progress: Progress) -> Color:
    if not isinstance(table, EmbeddingStack):
        raise ConfigError(
            f"{WHERE}: color = 'stability' of one table",
            needed="Stability is how far several runs agree about a word's neighbors.",
            remedy="Give several runs, or a column of a study: color='words.parquet:overlap_at_10'.",
        )
    lists = [nearest_neighbors(run, NEIGHBORS, device=device, progress=progress) for run in table]
    return Color(neighbor_overlap(*lists).stability, "stability: overlap of 10 neighbors")


def _column(named: str, words: Sequence[str]) -> Color:
    """A column of a table of words; NaN for words that it lacks."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_table

    place, _, rest = named.partition(".parquet")
    column, _, model = rest.removeprefix(":").partition(":")
    column, path = column or COLUMN, Path(f"{place}.parquet")
    if not path.is_file():
        raise ConfigError(
            f"{WHERE}: color = '{named}'",
            needed=f"It is {FREQUENCY}, {STABILITY}, or a Parquet file of words that exists.",
            remedy="color='runs/mine/words.parquet:overlap_at_10', for example.",
        )
    try:
        kept = read_table(path)
    except ArrowException as error:
        raise ConfigError(
            f"{WHERE}: {path} cannot be read: {error}",
            needed="A Parquet file is needed.",
            remedy="Give the words.parquet of a study or of gpuemb compare.",
        ) from error
    for name in ("word", column):
        if name not in kept.column_names:
            raise ConfigError(
                f"{WHERE}: {path} has no column {name!r}",
                needed=f"Its columns are {', '.join(kept.column_names)}.",
                remedy=f"Name one of them behind the file: color='{path}:COLUMN'.",
            )
    models = kept["model"].unique().to_pylist() if "model" in kept.column_names else []
    if len(models) > 1 or model:
        if model not in models:
            raise ConfigError(
                f"{WHERE}: {path} has words of {len(models)} models: {', '.join(models)}",
                needed="The numbers of one model color the words.",
                remedy=f"color='{path}:{column}:{(models or ['MODEL'])[0]}'",
            )
        kept = kept.filter(np.array(kept["model"].to_pylist(), object) == model)
    try:
        numbers = kept[column].to_numpy().astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{WHERE}: the column {column!r} of {path} holds {kept[column].type}",
            needed="Colors are numbers.",
            remedy="Name a column of numbers.",
        ) from error
    values = dict(zip(kept["word"].to_pylist(), numbers.tolist(), strict=True))
    return Color(np.array([values.get(word, np.nan) for word in words]), column)
