"""Maps as files: tables and pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuemb.core.checks import check_choice
from gpuemb.core.errors import ConfigError
from gpuemb.core.files import replacing
from gpuemb.words.maps.drawing import Drawing, picture

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from gpuemb.words.maps.result import WordMap

TABLES, PICTURES = ("parquet", "csv"), ("svg", "pdf", "png")
ENDINGS = (*TABLES, *PICTURES)
KEY = b"gpuemb"  # of the schema's metadata
WORD = "word"


def kind_of(where: str, path: Path) -> str:
    """Return the ending that says what is written.

    Raises:
        ConfigError: it is none of those that are known.
    """
    kind = path.suffix.lower().removeprefix(".")
    check_choice(where, "the ending of path", kind, ENDINGS)
    return kind


def table_of(found: WordMap) -> pyarrow.Table:
    """Return the places of the words, what is kept of each, and their places in each run."""
    import pyarrow

    columns: dict[str, Any] = {WORD: _words(found)}
    columns |= dict(zip(names_of(found.coordinates.shape[1]), found.coordinates.T, strict=True))
    columns["kept"] = found.quality.kept_per_word
    if found.agreement is not None:
        columns["agreement"] = found.agreement.per_word
    for run, points in zip(found.runs, found.run_coordinates, strict=True):
        names = names_of(points.shape[1])
        columns |= {f"{name}: {run}": places for name, places in zip(names, points.T, strict=True)}
    table = pyarrow.table(columns)
    return table.replace_schema_metadata({KEY: json.dumps(numbers_of(found)).encode()})


def frame_of(found: WordMap) -> pandas.DataFrame:
    """Return the same as a data frame of pandas, its words as index."""
    try:
        frame: pandas.DataFrame = table_of(found).to_pandas().set_index(WORD)
    except ImportError as error:
        raise ConfigError(
            f"to_pandas: pandas cannot be imported: {error}",
            needed="The result is an object of pandas.",
            remedy="pip install pandas",
        ) from error
    return frame


def names_of(axes: int) -> list[str]:
    """Name coordinates: x, y, axis 3 and so on."""
    return [*"xy", *(f"axis {number}" for number in range(3, axes + 1))][:axes]


def numbers_of(found: WordMap) -> dict[str, Any]:
    """What a map is worth, for programs; what does not exist is null."""
    quality, agreement = found.quality, found.agreement
    told: dict[str, Any] = {
        "method": found.method,
        "name": found.name,
        "words": len(found),
        "without_place": found.without_place,
        "settings": dict(found.settings),
        "trustworthiness": _number(quality.value),
        "trustworthiness_chance": _number(quality.chance),
        "neighbors": quality.neighbors,
        "kept": _number(quality.kept),
        "kept_chance": _number(quality.chance_kept),
        "judged": quality.judged,
        "runs": [
            {"name": name, "trustworthiness": _number(one.value), "kept": _number(one.kept)}
            for name, one in zip(found.runs, found.run_qualities, strict=True)
        ],
        "agreement": None,
    }
    if agreement is not None:
        told["agreement"] = {
            "value": _number(agreement.value),
            "interval": [_number(end) for end in agreement.interval],
            "confidence": agreement.confidence,
            "chance": _number(agreement.chance),
            "pairs": [_number(pair) for pair in agreement.pairs],
        }
    for name in ("explained", "explained_intervals", "axis_agreement"):
        values = getattr(found, name, None)
        if values is not None:
            told[name] = [[_number(n) for n in row] if row.ndim else _number(row) for row in values]
    return told


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _words(found: WordMap) -> list[str]:
    return [str(row) for row in range(len(found))] if found.words is None else list(found.words)


def saved(found: WordMap, path: Path, drawing: Drawing) -> Path:
    """Write a map as the ending of ``path`` says."""
    kind = kind_of("save", path)
    if kind == "csv":
        from pyarrow.csv import write_csv

        with replacing(path) as file:
            write_csv(table_of(found), file)
    elif kind == "parquet":
        from pyarrow.parquet import write_table

        with replacing(path) as file:
            write_table(table_of(found), file, compression="zstd")
    else:
        with picture(found, drawing) as figure, replacing(path) as file:
            stamp = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
            figure.savefig(file, format=kind, metadata=stamp)
    return path
