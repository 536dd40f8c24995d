"""The words or rows that changed most, for people, programs and files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuemb.cli.printing import say

if TYPE_CHECKING:
    from gpuemb.stability.questions.drift.changes import ChangedWord

FEW = 5  # neighbors that are printed, of each kind
COLUMNS = (
    "word",
    "row",
    "overlap",
    "chance",
    "within",
    "q_value",
    "change",
    "neighbor",
    "listed_by_own",
    "listed_by_other",
)


def say_changed(changed: Sequence[ChangedWord]) -> None:
    """Print a line a word, then what it lost and gained."""
    width = max((len(one.word) for one in changed), default=0)
    for one in changed:
        noise = "" if math.isnan(one.within) else f", own runs {one.within:.2f}"
        q_value = "" if math.isnan(one.q_value) else f", q {one.q_value:.2g}"
        say(f"{one.word:<{width}}  overlap {one.overlap:.2f} (chance {one.chance:.2g}{noise}{q_value})")
        for title, near in (("lost", one.lost), ("gained", one.gained)):
            names = ", ".join(name for name, *_ in near[:FEW]) or "nothing"
            say(f"{'':<{width}}  {title:<6} {names}")


def entries_of(changed: Sequence[ChangedWord]) -> list[dict[str, object]]:
    """Return the words for programs."""

    def number(x: float) -> float | None:
        return None if math.isnan(x) else x

    def neighbors(near: Sequence[tuple[str, float, float]]) -> list[dict[str, object]]:
        return [{"word": name, "listed_by_own": own, "listed_by_other": other} for name, own, other in near]

    return [
        {
            "word": one.word,
            "row": one.row,
            "overlap": number(one.overlap),
            "chance": number(one.chance),
            "within": number(one.within),
            "q_value": number(one.q_value),
            "lost": neighbors(one.lost),
            "gained": neighbors(one.gained),
        }
        for one in changed
    ]


def table_of(changed: Sequence[ChangedWord]) -> Any:
    """Return a pyarrow table, one row a word and neighbor that it lost or gained."""
    import pyarrow

    rows = [
        (one.word, one.row, one.overlap, one.chance, one.within, one.q_value, title, *near)
        for one in changed
        for title, neighbors in (("lost", one.lost), ("gained", one.gained))
        for near in neighbors
    ]
    text, real = pyarrow.string(), pyarrow.float64()
    kinds = (text, pyarrow.int64(), real, real, real, real, text, text, real, real)
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in kinds]
    return pyarrow.table(columns, pyarrow.schema(list(zip(COLUMNS, kinds, strict=True))))


def write_tables(tables: dict[str, Any], out: Path) -> str:
    """Write tables as Parquet files of a folder; return their names, for people."""
    from pyarrow import parquet

    from gpuemb.cli.printing import shown
    from gpuemb.core.files import replacing, writing

    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        with replacing(out / f"{name}.parquet") as file:
            parquet.write_table(table, file)
    return ", ".join(shown(out / f"{name}.parquet") for name in tables)
